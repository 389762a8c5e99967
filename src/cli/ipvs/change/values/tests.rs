use clap::Parser;

use super::*;

/// The options alone.
#[derive(Debug, Parser)]
#[command(no_binary_name = true)]
struct Options {
    #[command(flatten)]
    settings: SettingsArgs,

    #[command(flatten)]
    real_servers: args::RealServers,

    #[command(flatten)]
    real_server: RealServerArgs,
}

fn options(text: &str) -> Options {
    Options::try_parse_from(text.split_whitespace()).unwrap_or_else(|error| panic!("{error}"))
}

/// What becomes of settings; or what is wrong.
fn settings(id: &str, before: Settings, text: &str) -> String {
    match options(text).settings.of(&id.parse().unwrap(), before) {
        Ok(settings) => settings.to_string(),
        Err(failure) => failure.to_string(),
    }
}

/// What becomes of a real server; or what is wrong.
fn real_server(before: RealServer, text: &str) -> String {
    let text = format!("--real-server 10.0.0.1:80 {text}");
    match options(&text).real_server.of(before) {
        Ok(real_server) => real_server.to_string(),
        Err(failure) => failure.to_string(),
    }
}

const TCP: &str = "tcp 192.168.1.200:80";

/// Options, and what they make of a new virtual server.
const NEW: [(&str, &str); 11] = [
    ("", "wlc"),
    ("--scheduler rr --persistence 60s", "rr persistent 60s"),
    (
        "--persistence 1h --persistence-prefix 255.255.255.0",
        "wlc persistent 3600s mask 24",
    ),
    (
        "--scheduler mh --scheduler-flags port,fallback",
        "mh fallback port",
    ),
    (
        "--scheduler mh --scheduler-flags port --scheduler-flags fallback",
        "mh fallback port",
    ),
    (
        "--one-packet",
        "--one-packet: only UDP can be scheduled packet by packet",
    ),
    ("--one-packet=off", "wlc"),
    (
        "--persistence 60s --persistence-engine sip",
        "wlc persistent 60s engine sip",
    ),
    (
        "--scheduler rr --scheduler-flags port",
        "--scheduler-flags port: rr has no such flag",
    ),
    (
        "--persistence-prefix 24",
        "--persistence-prefix and --persistence-engine need --persistence",
    ),
    (
        "--persistence 60s --persistence-prefix 64",
        "--persistence-prefix 64: must be 1..=32",
    ),
];

#[test]
fn a_new_virtual_server_has_what_is_given() {
    let new = Settings::of(Scheduler::WeightedLeastConnection);
    for (text, expected) in NEW {
        assert_eq!(settings(TCP, new, text), expected, "{text}");
    }
    for may_be_udp in ["udp 192.168.1.200:53", "fwmark 7", "fwmark6 7"] {
        let told = settings(may_be_udp, new, "--one-packet");
        assert_eq!(told, "wlc one-packet", "{may_be_udp}");
    }
    assert!(settings("tcp 192.168.1.200:0", new, "").starts_with("port 0 stands for every port"));
    assert_eq!(
        settings(
            "udp [fd00::1]:53",
            new,
            "--persistence 60s --persistence-prefix 64"
        ),
        "wlc persistent 60s mask 64"
    );
}

#[test]
fn an_edit_leaves_what_is_not_given() {
    let before = Settings {
        scheduler: Scheduler::SourceHash,
        scheduler_flags: SchedulerFlags([true, true, false]),
        one_packet: true,
        persistence: Some(Persistence {
            timeout: Duration::from_secs(60),
            prefix_len: 24,
            engine: Some(PersistenceEngine::Sip),
        }),
    };
    let rest = "one-packet persistent 60s mask 24 engine sip";
    for (text, expected) in [
        ("", format!("sh fallback port {rest}")),
        ("--scheduler sh", format!("sh fallback port {rest}")),
        ("--scheduler mh", format!("mh {rest}")),
        ("--scheduler-flags port", format!("sh port {rest}")),
        ("--scheduler-flags off", format!("sh {rest}")),
        (
            "--one-packet=off --persistence 2m",
            "sh fallback port persistent 120s mask 24 engine sip".to_owned(),
        ),
        (
            "--persistence off",
            "sh fallback port one-packet".to_owned(),
        ),
        (
            "--persistence-engine off --persistence-prefix 32",
            "sh fallback port one-packet persistent 60s".to_owned(),
        ),
    ] {
        assert_eq!(settings(TCP, before, text), expected, "{text}");
    }
}

fn member(forwarding: Forwarding) -> RealServer {
    RealServer {
        forwarding,
        weight: Weight::ONE,
        upper_threshold: 0,
        lower_threshold: 0,
    }
}

/// Options, and what they make of `dr weight 1`.
const MEMBERS: [(&str, &str); 13] = [
    ("", "dr weight 1"),
    ("--weight 0", "dr weight 0"),
    ("--forwarding nat --weight 5", "nat weight 5"),
    (
        "--upper-threshold 1000 --lower-threshold 800",
        "dr weight 1 thresholds 800..1000",
    ),
    (
        "--lower-threshold 800",
        "--lower-threshold 800 is above --upper-threshold 0",
    ),
    ("--forwarding tun", "tun weight 1"),
    (
        "--forwarding tun --tunnel gue --tunnel-port 6080 --tunnel-checksum remote",
        "tun gue 6080 remote weight 1",
    ),
    (
        "--forwarding tun --tunnel gre --tunnel-checksum plain",
        "tun gre plain weight 1",
    ),
    (
        "--forwarding tun --tunnel gue",
        "--tunnel gue needs --tunnel-port",
    ),
    (
        "--tunnel gre",
        "--tunnel and its options need --forwarding tun",
    ),
    (
        "--forwarding tun --tunnel gre --tunnel-port 9",
        "only --tunnel gue has a --tunnel-port",
    ),
    (
        "--forwarding tun --tunnel gre --tunnel-checksum remote",
        "--tunnel gre has no checksum remote",
    ),
    (
        "--forwarding tun --tunnel-checksum plain",
        "--tunnel ipip has no --tunnel-checksum",
    ),
];

#[test]
fn a_real_server_has_what_is_given_and_keeps_the_rest() {
    let dr = member(Forwarding::DirectRoute);
    for (text, expected) in MEMBERS {
        assert_eq!(real_server(dr, text), expected, "{text}");
    }
}

#[test]
fn an_edited_tunnel_keeps_what_is_not_given() {
    let mut gue = member(Forwarding::Tunnel(Tunnel::Gue {
        port: NonZeroU16::new(6080).unwrap(),
        checksum: Checksum::Remote,
    }));
    gue.weight = Weight::try_from(4).unwrap();
    for (text, expected) in [
        ("--weight 7", "tun gue 6080 remote weight 7"),
        ("--forwarding tun", "tun gue 6080 remote weight 4"),
        ("--tunnel-checksum none", "tun gue 6080 weight 4"),
        ("--tunnel-port 6081", "tun gue 6081 remote weight 4"),
        ("--tunnel ipip", "tun weight 4"),
        ("--forwarding dr", "dr weight 4"),
    ] {
        assert_eq!(real_server(gue, text), expected, "{text}");
    }
}

#[test]
fn options_of_virtual_and_real_servers_do_not_mix() {
    for text in [
        "--weight 3",
        "--scheduler rr --real-server 10.0.0.1",
        "--scheduler rr --weight 3 --real-server 10.0.0.1",
        "--weight 65536 --real-server 10.0.0.1",
        "--persistence 60",
        "--persistence 0s",
        "--persistence 1500ms",
        "--persistence-prefix 255.0.255.0",
        "--real-server web1",
    ] {
        Options::try_parse_from(text.split_whitespace()).expect_err(text);
    }
}
