use super::*;

#[test]
fn a_ready_real_server_reads_well() {
    assert_eq!(
        render(&status(), at(3_725)),
        "\
lvsd realserver, version 0.1.0, pid 4711, up 1h 2m
state      READY
readiness  http://0.0.0.0:9480/ready
forwarding dr

VIP            LABEL  STATE  FOR    NOTE
192.168.1.200  lo:0   on lo  1h 2m  put back 2 times
2001:db8::200         on lo  1h 2m  was here before lvsd, and stays

SYSCTL                         VALUE  BEFORE  NOTE
net.ipv4.conf.all.arp_ignore       1       0
net.ipv4.conf.lo.arp_announce      2       0  put back once

SERVICE  HEALTH  FOR    BECAUSE
nginx    up      1h 1m
"
    );
}

#[test]
fn what_is_wrong_stands_out_and_comes_with_its_reason() {
    let mut status = status();
    status.ready = false;
    status.state = State::Draining;
    status.draining_until = Some(at(70));
    status.connections = Some(3);
    status.reasons = vec![
        "draining until 2023-11-14T22:14:30Z".into(),
        "service nginx: connection refused".into(),
    ];
    status.warnings = vec!["answers to 10.0.0.0/8 go nowhere".into()];
    status.vips.truncate(1);
    status.vips[0].present = false;
    status.sysctls.truncate(1);
    status.sysctls[0].ok = false;
    status.sysctls[0].value = Some(0);
    status.services[0].health = Health::Down;
    status.services[0].reason = Some("connection refused".into());
    assert_eq!(
        render(&status, at(62)),
        "\
lvsd realserver, version 0.1.0, pid 4711, up 1m 2s
state      DRAINING
because    draining until 2023-11-14T22:14:30Z
           service nginx: connection refused
WARNING    answers to 10.0.0.0/8 go nowhere
lets go    in 8s; 3 connections are served until then
readiness  http://0.0.0.0:9480/ready
forwarding dr

VIP            LABEL  STATE    FOR    NOTE
192.168.1.200  lo:0   MISSING  1m 2s  put back 2 times

SYSCTL                        VALUE  BEFORE  NOTE
net.ipv4.conf.all.arp_ignore      0       0  WRONG: must be 1

SERVICE  HEALTH  FOR  BECAUSE
nginx    DOWN    2s   connection refused
"
    );
}

#[test]
fn another_interface_and_what_was_put_on_a_drained_host_have_words_of_their_own() {
    let mut status = status();
    status.interface = "dummy0".into();
    assert!(
        render(&status, at(9)).contains("lo:0   on dummy0  9s"),
        "{}",
        render(&status, at(9))
    );
    status.state = State::Drained;
    status.vips[0].present = false;
    status.vips[0].taken_by = Some("ifup".into());
    let told = render(&status, at(9));
    assert!(
        told.contains("away       9s   taken away 2 times, last after ifup"),
        "{told}"
    );
}

#[test]
fn the_json_is_read_back_as_it_was_written() {
    let json = serde_json::to_string(&status()).unwrap();
    assert!(json.contains(r#""state":"ready""#), "{json}");
    assert_eq!(serde_json::from_str::<Status>(&json).unwrap(), status());
}

pub(crate) fn status() -> Status {
    let vip = |address: &str, label: Option<&str>| Vip {
        address: address.parse().unwrap(),
        label: label.map(str::to_owned),
        present: true,
        since: at(0),
        stays: label.is_none(),
        repaired: if label.is_none() { 0 } else { 2 },
        taken_by: None,
        faults: vec![],
    };
    let sysctl = |key: &str, value: i32, repaired: u32| Sysctl {
        key: key.into(),
        value: Some(value),
        effective: Some(value),
        wanted: value,
        original: Some(0),
        ok: true,
        why: String::new(),
        repaired,
        changed_by: None,
    };
    Status {
        version: "0.1.0".into(),
        pid: 4711,
        started: at(0),
        ready: true,
        state: State::Ready,
        reasons: vec![],
        errors: vec![],
        warnings: vec![],
        draining_until: None,
        connections: None,
        weight: None,
        notes: vec![],
        secure: false,
        arp: vec![],
        forwarding: "dr".into(),
        listen: "0.0.0.0:9480".parse().unwrap(),
        interface: "lo".into(),
        vips: vec![
            vip("192.168.1.200", Some("lo:0")),
            vip("2001:db8::200", None),
        ],
        sysctls: vec![
            sysctl("net.ipv4.conf.all.arp_ignore", 1, 0),
            sysctl("net.ipv4.conf.lo.arp_announce", 2, 1),
        ],
        services: vec![Service {
            name: "nginx".into(),
            health: Health::Up,
            since: at(60),
            reason: None,
        }],
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}
