use std::path::Path;

use super::*;

const FILE: &str = "
    [[vrrp]]
    name = 'VI_1'
    interface = 'eth0'
    virtual_router_id = 51
    virtual_addresses = ['10.0.0.9']
    [[virtual_server]]
    address = '10.0.0.9:80'
    scheduler = 'wrr'
    real_servers = ['10.0.0.1', '10.0.0.2']
    sorry_server = '10.0.0.7'
";

fn changes(from: &[(&str, &str)]) -> Vec<String> {
    let parse = |text: &str| DirectorConfig::parse(Path::new("d.toml"), text).unwrap();
    let edited = from.iter().fold(FILE.to_owned(), |text, (old, new)| {
        assert!(text.contains(old), "{old}");
        text.replace(old, new)
    });
    between(&parse(FILE), &parse(&edited))
}

#[test]
fn the_same_file_changes_nothing() {
    assert_eq!(changes(&[]), Vec::<String>::new());
}

#[test]
fn each_change_is_a_line_that_names_its_place() {
    let told = changes(&[
        ("'wrr'", "'rr'"),
        ("'10.0.0.1', '10.0.0.2'", "'10.0.0.2', '10.0.0.3'"),
        ("sorry_server = '10.0.0.7'", "quorum = 2"),
        ("virtual_router_id = 51", "virtual_router_id = 52"),
    ]);
    assert_eq!(
        told,
        [
            "vrrp VI_1: virtual_router_id = 51 becomes 52",
            "virtual server tcp 10.0.0.9:80: scheduler = \"wrr\" becomes \"rr\"",
            "virtual server tcp 10.0.0.9:80, real_server 10.0.0.3:80: added",
            "virtual server tcp 10.0.0.9:80, real_server 10.0.0.1:80: removed",
            "virtual server tcp 10.0.0.9:80: quorum = 1 becomes 2",
            "virtual server tcp 10.0.0.9:80: sorry_server = \"10.0.0.7:80\" is gone",
        ]
    );
}

/// Each key alone, as it is written behind this line of the file, and what is told.
const ALONE: &[(&str, &str, &[&str])] = &[
    (
        "S",
        "sorry_server = '10.0.0.7'",
        &["sorry_server = \"10.0.0.7:5060\" is new"],
    ),
    ("S", "persistence = '9s'", &["persistence = \"9s\" is new"]),
    ("S", "one_packet = true", &["one_packet = true is new"]),
    (
        "S",
        "scheduler = 'rr'",
        &["scheduler = \"wlc\" becomes \"rr\""],
    ),
    (
        "S",
        "forwarding = 'nat'",
        &["forwarding = \"dr\" becomes \"nat\""],
    ),
    (
        "S",
        "forwarding = 'tun'",
        &["forwarding = \"dr\" becomes \"tun\""],
    ),
    ("S", "quorum = 2", &["quorum = 1 becomes 2"]),
    (
        "S",
        "on_quorum_up = ['/bin/true']",
        &["on_quorum_up = [\"/bin/true\"] is new"],
    ),
    (
        "S",
        "on_quorum_down = ['/bin/true']",
        &["on_quorum_down = [\"/bin/true\"] is new"],
    ),
    (
        "S",
        "hook_timeout = '9s'",
        &["hook_timeout = \"10s\" becomes \"9s\""],
    ),
    (
        "S",
        "hook_user = 'nobody'",
        &["hook_user = \"nobody\" is new"],
    ),
    (
        "P",
        "drain = '9s'",
        &["real_server 10.0.0.1:5060: drain = \"30s\" becomes \"9s\""],
    ),
    (
        "P",
        "weight = 2",
        &["real_server 10.0.0.1:5060: weight = 1 becomes 2"],
    ),
    (
        "P",
        "forwarding = 'tun'",
        &["real_server 10.0.0.1:5060: forwarding = \"dr\" becomes \"tun\""],
    ),
    (
        "P",
        "upper_threshold = 9",
        &["real_server 10.0.0.1:5060: upper_threshold = 0 becomes 9"],
    ),
    (
        "P",
        "on_failure = 'quiesce'",
        &["real_server 10.0.0.1:5060: on_failure = \"remove\" becomes \"quiesce\""],
    ),
    (
        "P",
        "slow_start = '9s'",
        &["real_server 10.0.0.1:5060: slow_start = \"0s\" becomes \"9s\""],
    ),
    (
        "P",
        "check.type = 'http'",
        &["real_server 10.0.0.1:5060, check: type = \"tcp\" becomes \"http\""],
    ),
    (
        "P",
        "check.rise = 2",
        &["real_server 10.0.0.1:5060, check: rise = 1 becomes 2"],
    ),
    (
        "P",
        "check.retries = 9",
        &["real_server 10.0.0.1:5060, check: retries = 2 becomes 9"],
    ),
    (
        "P",
        "check.interval = '9s'",
        &["real_server 10.0.0.1:5060, check: interval = \"2s\" becomes \"9s\""],
    ),
    (
        "P",
        "check.timeout = '9s'",
        &["real_server 10.0.0.1:5060, check: timeout = \"2s\" becomes \"9s\""],
    ),
    (
        "P",
        "check.retry_delay = '9s'",
        &["real_server 10.0.0.1:5060, check: retry_delay = \"1s\" becomes \"9s\""],
    ),
    (
        "P",
        "check.port = 9",
        &["real_server 10.0.0.1:5060, check: port = 5060 becomes 9"],
    ),
    ("V", "preempt = false", &["preempt = true becomes false"]),
    (
        "V",
        "preempt_delay = '9s'",
        &["preempt_delay = \"0s\" becomes \"9s\""],
    ),
    (
        "V",
        "startup_delay = '9s'",
        &["startup_delay = \"0s\" becomes \"9s\""],
    ),
    (
        "V",
        "handover_timeout = '9s'",
        &["handover_timeout = \"4s\" becomes \"9s\""],
    ),
    ("V", "priority = 9", &["priority = 100 becomes 9"]),
    ("V", "accept = false", &["accept = true becomes false"]),
    ("V", "version = 2", &["version = 3 becomes 2"]),
    (
        "V",
        "virtual_mac = true",
        &["virtual_mac = false becomes true"],
    ),
    (
        "V",
        "source_address = '10.0.0.8'",
        &["source_address = \"10.0.0.8\" is new"],
    ),
    (
        "V",
        "unicast_peers = ['10.0.0.8']",
        &["unicast_peers = [\"10.0.0.8\"] is new"],
    ),
    (
        "V",
        "extra_addresses = ['10.0.0.7']",
        &["extra_addresses = [\"10.0.0.7\"] is new"],
    ),
    (
        "V",
        "hook_timeout = '9s'",
        &["hook_timeout = \"10s\" becomes \"9s\""],
    ),
    (
        "V",
        "on_master = ['/bin/true']",
        &["on_master = [\"/bin/true\"] is new"],
    ),
];

#[test]
fn adding_one_key_tells_of_that_key_only() {
    const FILE: &str = "
        [[vrrp]]
        name = 'VI_1'
        interface = 'eth0'
        virtual_router_id = 51
        virtual_addresses = ['10.0.0.9']
        #V
        [[virtual_server]]
        address = '10.0.0.9:5060'
        protocol = 'udp'
        check = { type = 'tcp' }
        #S
        [[virtual_server.real_server]]
        address = '10.0.0.1'
        #P
        [[virtual_server.real_server]]
        address = '10.0.0.2'
    ";
    let parse = |text: &str| DirectorConfig::parse(Path::new("d.toml"), text).unwrap();
    let before = parse(FILE);
    let mut wrong = Vec::new();
    for (place, line, told) in ALONE {
        let after = parse(&FILE.replace(&format!("#{place}"), line));
        let prefix = match *place {
            "S" => "virtual server udp 10.0.0.9:5060: ",
            "P" => "virtual server udp 10.0.0.9:5060, ",
            _ => "vrrp VI_1: ",
        };
        let (there, back) = (between(&before, &after), between(&after, &before));
        if there
            != told
                .iter()
                .map(|told| format!("{prefix}{told}"))
                .collect::<Vec<_>>()
        {
            wrong.push((line, there));
        }
        if back.len() != told.len() {
            wrong.push((line, back));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
