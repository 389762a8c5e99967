use std::collections::BTreeMap;

use super::*;

/// A director of the README's site, two hours after its start.
pub(crate) fn example() -> Director {
    let started = Timestamp::UNIX_EPOCH;
    let since = started + jiff::SignedDuration::from_secs(4);
    let real_server = |address: &str, health: &str, weight: Option<u32>, reason: &str| RealServer {
        address: address.parse().unwrap(),
        role: "real".to_owned(),
        removed: false,
        state: if weight.is_some() { "serving" } else { "out" }.to_owned(),
        refused: None,
        draining: None,
        overridden: None,
        forwarding: "dr".to_owned(),
        upper_threshold: 0,
        lower_threshold: 0,
        configured_weight: 1,
        share_percent: None,
        weight,
        health: health.to_owned(),
        since,
        reason: reason.to_owned(),
        check: Some(format!("tcp {address}")),
        check_took_us: Some(250),
        active: 3,
        inactive: 12,
        traffic: Traffic {
            connections: 400,
            connections_per_s: 5,
            ..Traffic::default()
        },
    };
    Director {
        role: "director".to_owned(),
        router_id: "LVS_DEVEL".to_owned(),
        version: "0.1.0".to_owned(),
        pid: 4711,
        now: started + jiff::SignedDuration::from_secs(7_384),
        started,
        config: Config {
            path: "/etc/lvsd/director.toml".to_owned(),
            loaded: started,
            refused: None,
        },
        realtime_priority: None,
        parts: vec![],
        vrrp: vec![VirtualRouter {
            name: "VI_1".to_owned(),
            interface: "ens192".to_owned(),
            vrid: 51,
            version: 2,
            state: "backup".to_owned(),
            phase: "steady".to_owned(),
            group: None,
            since,
            cause: "started".to_owned(),
            priority: 50,
            configured_priority: 50,
            advert_interval_ms: 1_000,
            preempt: true,
            accept: false,
            addresses: vec!["192.168.1.200/32".to_owned()],
            master: Some(Peer {
                address: "192.168.1.51".parse().unwrap(),
                priority: 100,
            }),
            adverts_sent: 0,
            adverts_received: 7_380,
            discarded: BTreeMap::from([("checksum".to_owned(), 2)]),
            became_master: 0,
            rival: None,
            mismatches: vec![],
            rivals_heard: 1,
            conflicts: vec![],
            rejected: vec![rejected(
                "192.168.1.51",
                "checksum",
                "its checksum is wrong",
                7_000,
            )],
            transitions: 1,
            send_errors: 4,
            late_wakeups: 2,
            worst_lateness_us: 1_020_304,
            holdings: vec![],
            problems: vec![],
            trackers: vec![Tracker {
                name: "gateway".to_owned(),
                kind: "script".to_owned(),
                state: "down".to_owned(),
                since,
                reason: "exits 1".to_owned(),
                weight: Some(-50),
                adds: -50,
                unclear: None,
            }],
        }],
        not_accepted: Some(Dropped {
            packets: 12,
            bytes: 1_008,
        }),
        vrrp_interfaces: vec![VrrpInterface {
            name: "ens192".to_owned(),
            discarded: BTreeMap::from([("runt".to_owned(), 3), ("unknown_vrid".to_owned(), 9)]),
            rejected: vec![rejected(
                "192.168.1.52",
                "unknown_vrid",
                "virtual router 15 is not configured here",
                7_383,
            )],
            dropped: Some(Overrun {
                packets: 1_234,
                last: Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(60),
            }),
        }],
        ipvs: Ipvs {
            version: Some("1.2.1".to_owned()),
            connection_table_size: 4_096,
            operations: 4,
            repaired: 0,
            error: None,
            refused: vec![],
            looks_each_ms: 1_000,
            peers: Some(Peers {
                known: vec![PeerAddress {
                    address: "192.168.1.52".parse().unwrap(),
                    mac: "02:00:00:00:00:52".to_owned(),
                }],
                unknown: (53..58).map(|last| [192, 168, 1, last].into()).collect(),
                packets: 40,
                bytes: 2_400,
                repaired: 0,
            }),
            timeouts: Some(Timeouts {
                tcp_s: 900,
                tcp_fin_s: 120,
                udp_s: 300,
            }),
            sync: vec![SyncDaemon {
                role: "backup".to_owned(),
                interface: "ens192".to_owned(),
                id: 51,
                group: "224.0.0.81:8848".parse().unwrap(),
                ttl: 1,
                max_len: Some(1_472),
            }],
            sysctls: BTreeMap::from([("net.ipv4.vs.conntrack".to_owned(), "1".to_owned())]),
            problems: vec![],
            settings_repaired: 1,
        },
        virtual_servers: vec![VirtualServer {
            id: "tcp 192.168.1.200:80".parse().unwrap(),
            scheduler: "wrr".to_owned(),
            scheduler_flags: vec![],
            one_packet: false,
            persistence_s: None,
            persistence_prefix: None,
            persistence_engine: None,
            in_kernel: true,
            refused: None,
            removed: false,
            quorum: Quorum {
                state: "up".to_owned(),
                weight: 1,
                required: 1,
                hysteresis: 0,
            },
            served_by: "pool".to_owned(),
            held_back: false,
            traffic: Traffic {
                connections: 800,
                connections_per_s: 10,
                ..Traffic::default()
            },
            real_servers: vec![
                real_server("192.168.1.53:80", "up", Some(1), "tcp check passed"),
                real_server("192.168.1.54:80", "down", None, "connection refused"),
            ],
        }],
    }
}

/// A host whose packets were discarded twelve times, the last one so many
/// seconds after the start.
fn rejected(address: &str, reason: &str, text: &str, last: i64) -> Rejected {
    Rejected {
        address: address.parse().unwrap(),
        reason: reason.to_owned(),
        text: text.to_owned(),
        count: 12,
        last: Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(last),
    }
}

#[test]
fn an_operator_sees_the_site_at_a_glance() {
    insta::assert_snapshot!(example().to_string());
}

#[test]
fn what_is_wrong_stands_out() {
    let mut status = example();
    status.config.refused =
        Some("/etc/lvsd/director.toml:3: priority = 300: out of range".to_owned());
    status.vrrp[0]
        .problems
        .push("192.168.1.200 is on eth1 already".to_owned());
    status.ipvs.version = None;
    status.ipvs.error = Some("cannot open IPVS: no such file or directory".to_owned());
    insta::assert_snapshot!(status.to_string());
}

#[test]
fn a_master_that_is_not_alone_says_who_else_and_why() {
    let mut status = example();
    let router = &mut status.vrrp[0];
    router.state = "master".to_owned();
    router.rival = Some(Rival {
        address: "192.168.1.52".parse().unwrap(),
        priority: 50,
        version: 2,
        refused: None,
    });
    insta::assert_snapshot!(
        "a_rival_is_heard",
        status.vrrp_table() + &status.vrrp_troubles()
    );

    let router = &mut status.vrrp[0];
    router.rival = None;
    router.conflicts = vec![VipConflict {
        address: "192.168.1.200".parse().unwrap(),
        mac: "02:00:c0:a8:01:34".to_owned(),
    }];
    router.rejected = vec![rejected(
        "192.168.1.52",
        "auth_password",
        "its password is not ours",
        7_383,
    )];
    router.problems = vec!["192.168.1.200 is also answered by 02:00:c0:a8:01:34".to_owned()];
    let text = status.vrrp_table() + &status.vrrp_troubles();
    insta::assert_snapshot!("a_rival_is_discarded", text);
}

#[test]
fn packets_that_were_dropped_unread_are_told_for_a_while() {
    let mut status = example();
    status.vrrp_interfaces[0].dropped = Some(Overrun {
        packets: 1_234,
        last: status.now - jiff::SignedDuration::from_secs(3),
    });
    let told = status.vrrp_troubles();
    assert!(
        told.starts_with(
            "ens192: 1234 packets were dropped by the kernel before lvsd read them (last 3s ago): "
        ),
        "{told}"
    );
    status.now += jiff::SignedDuration::from_secs(8);
    assert_eq!(status.vrrp_troubles(), "");
}

#[test]
fn virtual_routers_of_others_are_shown_only_where_somebody_else_has_a_vip() {
    let mut status = example();
    assert_eq!(status.vrrp_troubles(), "");
    status.vrrp[0].conflicts = vec![VipConflict {
        address: "192.168.1.200".parse().unwrap(),
        mac: "02:00:c0:a8:01:34".to_owned(),
    }];
    assert_eq!(
        status.vrrp_troubles(),
        "ens192: discards adverts of 192.168.1.52: virtual router 15 is not configured here \
         (12, last 1s ago)\n"
    );
}

#[test]
fn a_rejected_host_is_shown_for_three_of_its_advert_intervals() {
    let mut status = example();
    let shown = |status: &Director| !status.vrrp_troubles().is_empty();
    status.vrrp[0].rejected[0].last = status.now - jiff::SignedDuration::from_secs(10);
    assert!(shown(&status));
    status.vrrp[0].rejected[0].last = status.now - jiff::SignedDuration::from_secs(30);
    assert!(!shown(&status));
    status.vrrp[0].advert_interval_ms = 10_000;
    assert!(shown(&status));
}

#[test]
fn what_the_operator_and_the_pool_do_is_seen() {
    let mut status = example();
    let server = &mut status.virtual_servers[0];
    server.quorum.state = "down".to_owned();
    server.quorum.weight = 0;
    server.served_by = "sorry".to_owned();
    let mut sorry = server.real_servers[0].clone();
    sorry.address = "192.168.1.57:80".parse().unwrap();
    sorry.role = "sorry".to_owned();
    sorry.check = None;
    sorry.reason = "it is not checked".to_owned();
    let drained = &mut server.real_servers[0];
    drained.state = "draining".to_owned();
    drained.weight = Some(0);
    drained.overridden = Some("drained".to_owned());
    drained.draining = Some(Draining {
        because: "the operator drains it".to_owned(),
        left_s: 12,
    });
    server.real_servers.push(sorry);
    insta::assert_snapshot!(status.to_string());
}

#[test]
fn what_the_kernel_refuses_is_said_in_the_row_with_its_words_and_when_it_is_tried_again() {
    let mut status = example();
    status.ipvs.looks_each_ms = 1_234;
    let server = &mut status.virtual_servers[0];
    server.refused = Some("no such device".to_owned());
    server.real_servers[0].state = "refused".to_owned();
    server.real_servers[0].refused = Some("the RIP is no host's (invalid argument)".to_owned());
    let shown = status.to_string();
    let row = |start: &str| {
        let mut rows = shown.lines().filter(|line| line.starts_with(start));
        rows.next().unwrap_or_default().to_owned()
    };
    let told = "REFUSED by the kernel: no such device, tried again each 1.3s";
    assert!(row("tcp 192.168.1.200:80").ends_with(told), "{shown}");
    let (row, told) = (
        row("  192.168.1.53:80"),
        "REFUSED by the kernel: the RIP is no host's (invalid argument), tried again each 1.3s",
    );
    assert!(row.contains(" refused ") && row.ends_with(told), "{shown}");
}

#[test]
fn a_lost_quorum_says_what_regains_it() {
    let mut status = example();
    let quorum = &mut status.virtual_servers[0].quorum;
    (quorum.state, quorum.weight) = ("down".to_owned(), 2);
    (quorum.required, quorum.hysteresis) = (2, 1);
    let shown = status.to_string();
    assert!(
        shown.contains("NO QUORUM: weight 2 of 2, regained at 3"),
        "{shown}"
    );
}

#[test]
fn the_json_is_read_back_as_it_was() {
    let json = serde_json::to_string(&example()).unwrap();
    assert_eq!(serde_json::from_str::<Director>(&json).unwrap(), example());
}
