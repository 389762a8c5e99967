use std::path::Path;

use crate::config::director::DirectorConfig;
use crate::lvs::Family;

/// A virtual server with its pool, and what it becomes in the kernel.
pub(super) fn in_kernel(text: &str) -> Vec<String> {
    let config = parse(text).unwrap();
    let shown = config.to_toml();
    assert_eq!(parse(&shown).unwrap(), config, "{shown}");
    let servers = config.virtual_servers.iter();
    let lines = servers.flat_map(|(id, server)| {
        let pool = server.real_servers.iter();
        let pool = pool.map(|(rip, found)| format!("  {rip} {}", found.settings));
        [format!("{id} {}", server.settings)]
            .into_iter()
            .chain(pool)
    });
    lines.collect()
}

pub(super) fn parse(text: &str) -> Result<DirectorConfig, String> {
    DirectorConfig::parse(Path::new("director.toml"), text).map_err(|error| error.to_string())
}

/// The keys of a table whose pool is one unchecked real server.
fn with_pool(keys: &str, real_server: &str) -> String {
    format!(
        "[[virtual_server]]\n{keys}\ncheck = {{ type = 'none' }}\n\
         [[virtual_server.real_server]]\n{real_server}\n"
    )
}

#[test]
fn each_key_becomes_what_the_kernel_has_for_it() {
    for (keys, real_server, expected) in [
        (
            "address = '10.0.0.9:80'\nscheduler = 'mh'\nscheduler_flags = ['port', 'fallback']",
            "address = '10.1.0.1'\nweight = 3\nupper_threshold = 100\nlower_threshold = 80",
            [
                "tcp 10.0.0.9:80 mh fallback port",
                "10.1.0.1:80 dr weight 3 thresholds 80..100",
            ],
        ),
        (
            "address = '10.0.0.9:80'\nscheduler = 'sh'\nscheduler_flags = ['flag-2']",
            "address = '10.1.0.1'\nupper_threshold = 100",
            [
                "tcp 10.0.0.9:80 sh port",
                "10.1.0.1:80 dr weight 1 thresholds 0..100",
            ],
        ),
        (
            "address = '10.0.0.9:53'\nprotocol = 'udp'\none_packet = true\nscheduler = 'rr'",
            "address = '10.1.0.1:53'",
            ["udp 10.0.0.9:53 rr one-packet", "10.1.0.1:53 dr weight 1"],
        ),
        (
            "address = '10.0.0.9:5060'\nprotocol = 'udp'\none_packet = true\nforwarding = 'nat'\n\
             persistence = '60s'\npersistence_engine = 'sip'\npersistence_prefix = 24",
            "address = '10.1.0.1:5061'",
            [
                "udp 10.0.0.9:5060 wlc one-packet persistent 60s mask 24 engine sip",
                "10.1.0.1:5061 nat weight 1",
            ],
        ),
        (
            "address = '10.0.0.9:0'\npersistence = '5m'\npersistence_prefix = '255.255.240.0'",
            "address = '10.1.0.1'",
            [
                "tcp 10.0.0.9:0 wlc persistent 300s mask 20",
                "10.1.0.1:0 dr weight 1",
            ],
        ),
        (
            "address = '[2001:db8::9]:80'\npersistence = '5m'\npersistence_prefix = 64\n\
             forwarding = 'tun'",
            "address = '10.1.0.1'",
            [
                "tcp [2001:db8::9]:80 wlc persistent 300s mask 64",
                "10.1.0.1:80 tun weight 1",
            ],
        ),
        (
            "address = '10.0.0.9:80'\nforwarding = 'tun'\ntunnel = { type = 'gue', port = 6080 }",
            "address = '2001:db8::1'\nforwarding = 'tun'",
            [
                "tcp 10.0.0.9:80 wlc",
                "[2001:db8::1]:80 tun gue 6080 weight 1",
            ],
        ),
        (
            "address = '10.0.0.9:80'",
            "address = '10.1.0.1'\nforwarding = 'tun'\n\
             tunnel = { type = 'gue', port = 6080, checksum = 'remote' }",
            [
                "tcp 10.0.0.9:80 wlc",
                "10.1.0.1:80 tun gue 6080 remote weight 1",
            ],
        ),
        (
            "address = '10.0.0.9:80'\nforwarding = 'tun'\ntunnel = { type = 'ipip' }",
            "address = '10.1.0.1'\ntunnel = { type = 'gre', checksum = 'plain' }",
            ["tcp 10.0.0.9:80 wlc", "10.1.0.1:80 tun gre plain weight 1"],
        ),
        (
            "address = '10.0.0.9:80'\nforwarding = 'tun'",
            "address = '10.1.0.1:8080'\nforwarding = 'nat'",
            ["tcp 10.0.0.9:80 wlc", "10.1.0.1:8080 nat weight 1"],
        ),
        (
            "fwmark = 7\nfamily = 'ipv6'\nforwarding = 'tun'",
            "address = '10.1.0.1'",
            ["fwmark6 7 wlc", "10.1.0.1:0 tun weight 1"],
        ),
        (
            "fwmark = 7\none_packet = true",
            "address = '2001:db8::1'",
            ["fwmark6 7 wlc one-packet", "[2001:db8::1]:0 dr weight 1"],
        ),
        (
            "fwmark = 7\nforwarding = 'nat'",
            "address = '10.1.0.1:8080'",
            ["fwmark 7 wlc", "10.1.0.1:8080 nat weight 1"],
        ),
        (
            "address = '10.0.0.9:9'\nprotocol = 'sctp'",
            "address = '10.1.0.1'",
            ["sctp 10.0.0.9:9 wlc", "10.1.0.1:9 dr weight 1"],
        ),
    ] {
        let found = in_kernel(&with_pool(keys, real_server));
        let found: Vec<_> = found.iter().map(|line| line.trim()).collect();
        assert_eq!(found, expected, "{keys}\n{real_server}");
    }
}

#[test]
fn what_cannot_work_is_refused_with_its_line_the_reason_and_the_way_out() {
    let cases: [(&str, &str, &str); 35] = [
        (
            "address = '10.0.0.9:80'",
            "address = '10.1.0.1:8080'",
            ":5: virtual_server[0].real_server[0].address = '10.1.0.1:8080': \
          forwarding \"dr\" cannot change the port: packets arrive at port 80 whatever is written here\n    \
          write port 80, or forwarding = \"nat\"",
        ),
        (
            "address = '10.0.0.9:80'\nforwarding = 'tun'",
            "address = '10.1.0.1:8080'",
            "forwarding \"tun\" cannot change the port",
        ),
        (
            "address = '10.0.0.9:80'\nforwarding = 'nat'",
            "address = '10.1.0.1:8080'\nforwarding = 'dr'",
            "forwarding \"dr\" cannot change the port",
        ),
        (
            "address = '10.0.0.9:80'",
            "address = '2001:db8::1'",
            "not of the family",
        ),
        (
            "address = '10.0.0.9:80'\nforwarding = 'nat'",
            "address = '2001:db8::1'",
            "or forwarding = \"tun\"",
        ),
        (
            "address = '10.0.0.9:80'\ntunnel = { type = 'gue', port = 6080 }",
            "address = '10.1.0.1'",
            ":3: virtual_server[0].tunnel = { type = 'gue', port = 6080 }: forwarding \"dr\" has no tunnel\n    \
          remove it, or write forwarding = \"tun\"",
        ),
        (
            "address = '10.0.0.9:80'\nforwarding = 'tun'",
            "address = '10.1.0.1'\nforwarding = 'nat'\ntunnel = { type = 'gre' }",
            ":8: virtual_server[0].real_server[0].tunnel = { type = 'gre' }: forwarding \"nat\" has no tunnel",
        ),
        (
            "address = '10.0.0.9:80'\nforwarding = 'tun'\ntunnel = { type = 'gue' }",
            "address = '10.1.0.1'",
            "virtual_server[0].tunnel.port: missing",
        ),
        (
            "address = '10.0.0.9:80'\nforwarding = 'tun'\ntunnel = { type = 'gue', port = 0 }",
            "address = '10.1.0.1'",
            "must be 1..=65535",
        ),
        (
            "address = '10.0.0.9:80'\nforwarding = 'tun'\ntunnel = { port = 6080 }",
            "address = '10.1.0.1'",
            "a tunnel of type \"ipip\" has no port",
        ),
        (
            "address = '10.0.0.9:80'\nforwarding = 'tun'\ntunnel = { checksum = 'plain' }",
            "address = '10.1.0.1'",
            "a tunnel of type \"ipip\" has no checksum",
        ),
        (
            "address = '10.0.0.9:80'\nforwarding = 'tun'\ntunnel = { type = 'gre', port = 1 }",
            "address = '10.1.0.1'",
            "a tunnel of type \"gre\" has no port",
        ),
        (
            "address = '10.0.0.9:80'\nforwarding = 'tun'\ntunnel = { type = 'gre', checksum = 'remote' }",
            "address = '10.1.0.1'",
            "only GUE has remote checksum offload",
        ),
        (
            "address = '10.0.0.9:80'\nforwarding = 'tun'\ntunnel = { type = 'vxlan' }",
            "address = '10.1.0.1'",
            "use one of: ipip gue gre",
        ),
        (
            "address = '10.0.0.9:80'\nscheduler = 'wrr'\nscheduler_flags = ['port']",
            "address = '10.1.0.1'",
            ":4: virtual_server[0].scheduler_flags[0] = 'port': scheduler \"wrr\" has no flags",
        ),
        (
            "address = '10.0.0.9:80'\nscheduler = 'sh'\nscheduler_flags = ['flag-3']",
            "address = '10.1.0.1'",
            "scheduler \"sh\" has no such flag\n    use any of: fallback port",
        ),
        (
            "address = '10.0.0.9:80'\none_packet = true",
            "address = '10.1.0.1'",
            "only UDP can be scheduled packet by packet",
        ),
        (
            "address = '10.0.0.9:80'\nprotocol = 'udp'\none_packet = true\nforwarding = 'nat'",
            "address = '10.1.0.1'",
            "cannot translate answers",
        ),
        (
            "address = '10.0.0.9:80'\nprotocol = 'udp'\none_packet = true",
            "address = '10.1.0.1'\nforwarding = 'nat'",
            "cannot translate answers",
        ),
        (
            "address = '10.0.0.9:80'\npersistence_prefix = 24",
            "address = '10.1.0.1'",
            "nothing is persistent here\n    write persistence = \"300s\" too",
        ),
        (
            "address = '10.0.0.9:80'\nprotocol = 'udp'\npersistence_engine = 'sip'",
            "address = '10.1.0.1'",
            "nothing is persistent here",
        ),
        (
            "address = '10.0.0.9:80'\npersistence = '1m'\npersistence_engine = 'sip'",
            "address = '10.1.0.1'",
            "reads SIP over UDP only",
        ),
        (
            "address = '10.0.0.9:80'\nprotocol = 'udp'\npersistence = '1m'\npersistence_engine = 'h323'",
            "address = '10.1.0.1'",
            "use one of: sip",
        ),
        (
            "address = '10.0.0.9:80'\npersistence = '1m'\npersistence_prefix = 33",
            "address = '10.1.0.1'",
            "write 1 to 32, or a netmask",
        ),
        (
            "address = '10.0.0.9:80'\npersistence = '1m'\npersistence_prefix = '255.0.255.0'",
            "address = '10.1.0.1'",
            "not a prefix",
        ),
        (
            "address = '[2001:db8::9]:80'\npersistence = '1m'\npersistence_prefix = '255.255.255.0'",
            "address = '2001:db8::1'",
            "write 1 to 128",
        ),
        (
            "addresses = ['10.0.0.9:80', '[2001:db8::9]:80']\nforwarding = 'tun'\npersistence = '1m'\n\
          persistence_prefix = 24",
            "address = '10.1.0.1'",
            "is not one of IPv6 addresses",
        ),
        (
            "address = '10.0.0.9:0'",
            "address = '10.1.0.1'",
            ":2: virtual_server[0].address = '10.0.0.9:0': port 0, which is every port, needs persistence",
        ),
        (
            "address = '10.0.0.9:0'\npersistence = '1m'\nforwarding = 'nat'",
            "address = '10.1.0.1:80'",
            "every port is served, and each keeps its number",
        ),
        (
            "fwmark = 7\nforwarding = 'nat'\npersistence = '1m'",
            "address = '10.1.0.1:80'",
            "the packets of a persistent firewall mark keep their ports",
        ),
        (
            "fwmark = 7",
            "address = '10.1.0.1:80'",
            "forwarding \"dr\" cannot change ports: packets keep theirs",
        ),
        (
            "address = '10.0.0.9:80'\nfamily = 'ipv4'",
            "address = '10.1.0.1'",
            "an address tells its family by itself",
        ),
        (
            "fwmark = 7\nfamily = 'ipx'",
            "address = '10.1.0.1'",
            "use one of: ipv4 ipv6",
        ),
        (
            "address = '10.0.0.9:80'",
            "address = '10.1.0.1'\nlower_threshold = 10",
            "above upper_threshold",
        ),
        (
            "address = '10.0.0.9:80'",
            "address = '10.1.0.1'\nupper_threshold = -1",
            "must be 0..=4294967295",
        ),
    ];
    for (keys, real_server, expected) in cases {
        let told = parse(&with_pool(keys, real_server)).expect_err(keys);
        assert!(told.contains(expected), "{keys}\n{real_server}\n{told}");
        assert_eq!(told.matches("director.toml:").count(), 1, "{keys}\n{told}");
    }
}

#[test]
fn what_is_not_tcp_names_its_check() {
    for protocol in ["udp", "sctp"] {
        let text = format!(
            "[[virtual_server]]\naddress = '10.0.0.9:53'\nprotocol = '{protocol}'\n\
             real_servers = ['10.1.0.1']"
        );
        let told = parse(&text).unwrap_err();
        assert!(told.contains("name a check"), "{told}");
    }
}

#[test]
fn only_nat_needs_this_host_to_forward() {
    for (method, needed) in [("nat", true), ("dr", false), ("tun", false)] {
        let keys = format!("address = '10.0.0.9:80'\nforwarding = '{method}'");
        let config = parse(&with_pool(&keys, "address = '10.1.0.1'")).unwrap();
        assert_eq!(config.forwards(Family::Ipv4), needed, "{method}");
        assert!(!config.forwards(Family::Ipv6) && config.advice().is_empty());
    }
}

#[test]
fn nat_of_ipv6_is_told_to_cost_learnt_default_routes() {
    let keys = "address = '[2001:db8::9]:80'\nforwarding = 'nat'";
    let config = parse(&with_pool(keys, "address = '2001:db8::1'")).unwrap();
    assert!(config.forwards(Family::Ipv6) && !config.forwards(Family::Ipv4));
    assert!(config.advice()[0].contains("accept_ra = 2"));
}

#[test]
fn a_real_server_of_the_other_family_and_connection_sync_exclude_each_other() {
    let text = with_pool(
        "address = '10.0.0.9:80'\nforwarding = 'tun'",
        "address = '2001:db8::1'",
    );
    assert!(parse(&text).is_ok());
    let sync = "[ipvs.sync]\nrole = 'both'\ninterface = 'eth1'\n";
    let told = parse(&format!("{sync}{text}")).unwrap_err();
    assert!(told.contains("connection sync cannot tell"), "{told}");
    let same = text.replace("2001:db8::1", "10.1.0.1");
    assert!(parse(&format!("{sync}{same}")).is_ok());
}

#[test]
fn a_real_server_that_packets_cannot_reach_is_refused() {
    let told = |server: &str| {
        let text = format!(
            "[[vrrp]]\nname = 'VI_1'\ninterface = 'ens192'\nvirtual_router_id = 51\n\
             virtual_addresses = ['192.168.1.200', '192.168.1.201']\n\
             [[virtual_server]]\naddress = '192.168.1.200:80'\n{server}\n"
        );
        let config = DirectorConfig::parse("d.toml".as_ref(), &text);
        config
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    for method in ["dr", "tun"] {
        let server = format!("forwarding = '{method}'\nreal_servers = ['127.0.0.1']");
        let told = told(&server);
        assert!(
            told.contains(&format!(
                "forwarding \"{method}\" cannot send to the loopback"
            )),
            "{told}"
        );
    }
    for method in ["dr", "tun", "nat"] {
        let server = format!("forwarding = '{method}'\nreal_servers = ['192.168.1.201:80']");
        let told = told(&server);
        assert!(told.starts_with("d.toml:9: "), "{told}");
        assert!(told.contains("an address of a [[vrrp]] table"), "{told}");
    }
    for server in [
        "forwarding = 'local'\nreal_servers = ['127.0.0.1']",
        "forwarding = 'local'\nreal_servers = ['192.168.1.201']",
        "real_servers = ['192.168.1.53']",
    ] {
        assert_eq!(told(server), "", "{server}");
    }
}

#[test]
fn a_link_local_address_is_no_real_server_unless_it_is_this_hosts() {
    let with = |real_server: &str, rest: &str| {
        let keys = "address = '[2001:db8::9]:80'";
        with_pool(keys, &format!("address = '{real_server}'{rest}"))
    };
    for (text, line) in [
        (with("fe80::1", ""), 5),
        (with("fe80::1", "\nforwarding = 'tun'"), 5),
        (with("[febf::1]:80", "\nforwarding = 'nat'"), 5),
        (
            format!(
                "[[virtual_server]]\nsorry_server = '[fe80::1]:80'\n{}",
                with("2001:db8::1", "").replace("[[virtual_server]]\n", "")
            ),
            2,
        ),
    ] {
        let told = parse(&text).unwrap_err();
        assert!(
            told.starts_with(&format!("director.toml:{line}: ")),
            "{told}"
        );
        assert!(told.contains("link-local"), "{told}");
    }
    assert!(parse(&with("fe80::1", "\nforwarding = 'local'")).is_ok());
    assert!(parse(&with("fec0::1", "")).is_ok());
}

#[test]
fn schedulers_that_refuse_clients_of_a_draining_server_come_with_advice() {
    let advice = |keys: &str| {
        let keys = format!("address = '10.0.0.9:80'\n{keys}");
        parse(&with_pool(&keys, "address = '10.1.0.1'"))
            .unwrap()
            .advice()
    };
    for keys in [
        "",
        "scheduler = 'sh'\nscheduler_flags = ['fallback']",
        "scheduler = 'mh'\nscheduler_flags = ['port', 'fallback']",
        "scheduler = 'lblc'",
    ] {
        assert_eq!(advice(keys), Vec::<String>::new(), "{keys}");
    }
    for (name, flags, mend) in [
        ("sh", "", "scheduler_flags = [\"fallback\"]"),
        (
            "sh",
            "['port']",
            "scheduler_flags = [\"fallback\", \"port\"]",
        ),
        ("mh", "", "scheduler_flags = [\"fallback\"]"),
        ("dh", "", "dh has no flag against it"),
    ] {
        let flags = match flags {
            "" => String::new(),
            flags => format!("\nscheduler_flags = {flags}"),
        };
        let told = advice(&format!("scheduler = '{name}'{flags}"));
        assert_eq!(told.len(), 1, "{told:?}");
        let start = format!("virtual server tcp 10.0.0.9:80: scheduler {name} refuses");
        assert!(
            told[0].starts_with(&start) && told[0].contains(mend),
            "{told:?}"
        );
    }
    let several = "addresses = ['10.0.0.9:80', '10.0.0.9:81', '10.0.0.9:82']\nscheduler = 'dh'";
    let told = parse(&with_pool(several, "address = '10.1.0.1'"))
        .unwrap()
        .advice();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("virtual server tcp 10.0.0.9:80 and 2 others: "),
        "{told:?}"
    );
}
