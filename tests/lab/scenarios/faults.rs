//! Faults at the start: one line says what, another how to mend it, and nothing was touched.

use crate::lab::lvsd::{DIRECTOR_FILE, DirectorFile, Pair};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Scenario, eventually, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(a_start_that_fails_says_what_and_how_to_mend_it),
    scenario!(a_bad_file_is_refused_whole_and_nothing_is_touched).on_any_linux(),
];

/// Starts a director in that manner, which must fail, and returns what it says: what is wrong
/// and, on the next line, the way out.
#[track_caller]
fn says(host: &Host, command: &str, code: i32) -> [String; 2] {
    let said = host.run(&format!("timeout 20 {command}")).fails_with(code);
    let lines: Vec<_> = said
        .lines()
        .skip_while(|line| !line.starts_with("lvsd: "))
        .collect();
    let [what, mend] = lines[..] else {
        panic!("{command}: two lines, please:\n{said}");
    };
    assert!(mend.starts_with("    "), "{said}");
    [what.to_owned(), mend.trim().to_owned()]
}

fn a_start_that_fails_says_what_and_how_to_mend_it(lab: &Lab) {
    let pair = Pair::build(lab);
    let host = &pair.lvs51;
    host.write(DIRECTOR_FILE, &DirectorFile::quick(100).text());
    let before = host.run("ip -4 -o addr; ipvsadm -Sn").ok();
    let cases = [
        (
            "setpriv --reuid 65534 --regid 65534 --clear-groups lvsd director",
            "lvsd: cannot create the runtime directory /run/lvsd: permission denied",
            "run as root, or name another place with --runtime-dir",
        ),
        (
            "setpriv --bounding-set -net_raw --inh-caps -net_raw lvsd director",
            "lvsd: cannot run virtual router VI_1: this process lacks CAP_NET_RAW",
            "run as root, or with CAP_NET_RAW, as AmbientCapabilities= of a systemd unit gives it",
        ),
        (
            "setpriv --bounding-set -net_admin --inh-caps -net_admin lvsd director",
            "lvsd: cannot run virtual router VI_1: this process lacks CAP_NET_ADMIN",
            "run as root, or with CAP_NET_ADMIN, as AmbientCapabilities= of a systemd unit gives it",
        ),
    ];
    for (command, what, mend) in cases {
        let said = says(host, command, 1);
        assert_eq!(
            said.each_ref().map(|line| line.to_lowercase()),
            [what, mend].map(str::to_lowercase)
        );
        lab.say(&said.join("\n"));
    }
    assert_eq!(host.run("ip -4 -o addr; ipvsadm -Sn").ok(), before);

    host.run("ip link add other type dummy; ip link set other up")
        .ok();
    host.run(&format!("ip addr add {VIP}/24 dev other")).ok();
    let said = says(host, "lvsd director", 1);
    assert_eq!(
        said,
        [
            format!("lvsd: cannot put {VIP} on ens192: this host has it on other already"),
            format!("take it off there: ip address del {VIP}/24 dev other"),
        ]
    );
    host.run("ip link del other").ok();

    let director = host.director(&DirectorFile::quick(100));
    eventually("it is master", within(secs(5)), || host.holds(VIP));
    let said = says(host, "lvsd director", 1);
    assert!(
        said[0].contains("another lvsd director is running"),
        "{said:?}"
    );
    assert!(said[1].contains("systemctl stop lvsd-director"), "{said:?}");
    let said = says(host, "lvsd --runtime-dir /run/other director", 1);
    assert_eq!(
        said,
        [
            "lvsd: cannot listen on 127.0.0.1:9481: port taken",
            "another process listens there: `ss -ltnp 'sport = :9481'`",
        ]
    );
    assert!(
        director.is_running() && host.holds(VIP),
        "the first one is not disturbed"
    );
    director.terminate();
    let said = says(host, "lvsd status", 1);
    assert!(said[0].contains("/run/lvsd/director.sock"), "{said:?}");
    assert!(said[1].contains("is it running?"), "{said:?}");
    assert_eq!(host.run("ip -4 -o addr; ipvsadm -Sn").ok(), before);
}

fn a_bad_file_is_refused_whole_and_nothing_is_touched(lab: &Lab) {
    let pair = Pair::build(lab);
    let host = &pair.lvs51;
    host.set_sysctl("net.ipv4.ip_forward", 0);
    let bad = DirectorFile::quick(0)
        .server_key("forwarding", "'nat'")
        .server_key("scheduler", "'wrrr'")
        .server_key("colour", "'red'");
    host.write(DIRECTOR_FILE, &bad.text());
    let said = host.run("timeout 20 lvsd director").fails_with(78);
    let text = bad.text();
    let line = text.lines().position(|line| line == "priority = 0");
    let line = line.unwrap() + 1;
    for error in [
        &format!("/etc/lvsd/director.toml:{line}: vrrp[0].priority = 0"),
        "virtual_server[0].scheduler = 'wrrr'",
        "virtual_server[0].colour",
    ] {
        assert!(said.contains(error), "{error} is missing in:\n{said}");
    }
    lab.say(&said);
    assert_eq!(host.sysctl("net.ipv4.ip_forward"), "0");
    assert!(!host.has_address(VIP));
    assert_eq!(host.run("ls /run/lvsd 2>/dev/null || true").ok(), "");
}
