//! Where adverts come from and when they begin, where the file says so: as a capture sees it.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::vrrp_wire::without_pseudo_header;
use crate::lab::lvsd::{DIRECTOR_FILE, DirectorFile, Pair, text};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::wait::side_by_side;
use crate::lab::{Host, Lab, Program, Scenario, eventually, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(adverts_come_from_the_source_address_of_the_file_or_not_at_all).on_any_linux(),
    scenario!(a_director_listens_for_its_startup_delay_and_its_preempt_delay).on_any_linux(),
];

/// The virtual router of seed 002, whose `mcast_src_ip` lvsd calls `source_address`.
fn of_seed_002(more: &str) -> String {
    format!(
        "[[vrrp]]\nname = 'VI_1'\ninterface = 'ens32'\nvirtual_router_id = 1\npriority = 50\n\
         preempt = false\nversion = 2\nauth_pass = '1111'\nadvert_interval = '1s'\n\
         virtual_addresses = ['10.1.63.2']\n{more}\n"
    )
}

fn adverts_come_from_the_source_address_of_the_file_or_not_at_all(lab: &Lab) {
    let lan = lab.lan();
    let host = lan.host_with_nic("lvs102", "ens32", "10.1.63.112/24");
    let other = lan.host_with_nic("lvs101", "ens32", "10.1.63.101/24");
    let client = lan.host_with_nic("client", "ens32", "10.1.63.10/24");
    let capture = adverts(&client, "ens32");
    let source = "source_address = '10.1.63.102'";
    host.write(DIRECTOR_FILE, &of_seed_002(source));
    let director = host.spawn("lvsd director");
    let cause = || text(&host.status()["vrrp"][0]["cause"]);
    let has_none = "the interface does not work: source_address 10.1.63.102 is not on it";
    eventually("it is in fault without", within(secs(5)), || {
        host.vrrp_state() == "fault" && cause() == has_none
    });
    host.run("ip addr add 10.1.63.102/24 dev ens32").ok();
    eventually("it is master", within(secs(10)), || host.holds("10.1.63.2"));
    eventually("adverts are seen", within(secs(10)), || {
        capture
            .log()
            .matches("10.1.63.102 > 224.0.0.18: VRRPv2")
            .count()
            >= 3
    });
    host.run("ip addr del 10.1.63.102/24 dev ens32").ok();
    eventually("it is in fault again", within(secs(5)), || {
        host.vrrp_state() == "fault" && cause() == has_none && !host.holds("10.1.63.2")
    });
    host.run("ip addr add 10.1.63.102/24 dev ens32").ok();
    eventually("it is master again", within(secs(10)), || {
        host.holds("10.1.63.2")
    });
    lab.say("by multicast: from the address of the file, though the interface has an older one");

    // What it is there for: the others know only this one.
    let to_other = format!("{source}\nunicast_peers = ['10.1.63.101']");
    host.reload(&director, &of_seed_002(&to_other));
    other.write(
        DIRECTOR_FILE,
        &of_seed_002("unicast_peers = ['10.1.63.102']"),
    );
    other.spawn("lvsd director");
    eventually("its peer follows it", within(secs(10)), || {
        let router = &other.status()["vrrp"][0];
        router["state"] == "backup" && router["master"]["address"] == "10.1.63.102"
    });
    a_packet_from_beyond_a_router_moves_nothing(lab, &host, &other);
    host.reload(&director, &of_seed_002("unicast_peers = ['10.1.63.101']"));
    eventually("without it, it is a stranger", within(secs(10)), || {
        other.discarded("unknown_peer") >= 3
    });
    let log = capture.log();
    assert!(!log.contains("10.1.63.112 > 224.0.0.18"), "{log}");
}

/// It comes from the peer's address, has its password, and says that it resigns; but routers
/// on the way have counted its TTL down.
fn a_packet_from_beyond_a_router_moves_nothing(lab: &Lab, peer: &Host, other: &Host) {
    let source = Ipv4Addr::new(10, 1, 63, 102);
    let resigns = without_pseudo_header(
        [
            &[0x21, 1, 0, 1, 1, 1, 0, 0, 10, 1, 63, 2][..],
            b"1111",
            &[0; 4],
        ]
        .concat(),
    );
    let sent = peer.within(move || {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(112)))?;
        socket.bind(&SocketAddrV4::new(source, 0).into())?;
        socket.set_ttl_v4(64)?;
        let to = SocketAddrV4::new(Ipv4Addr::new(10, 1, 63, 101), 0).into();
        (0..3).try_for_each(|_| socket.send_to(&resigns, &to).map(drop))
    });
    sent.unwrap();
    eventually("they are dropped and counted", within(secs(5)), || {
        other.discarded("ttl") == 3
    });
    let router = &other.status()["vrrp"][0];
    assert_eq!(router["state"], "backup");
    let rejected = router["rejected"].as_array().into_iter().flatten();
    let mut told = rejected.filter(|it| it["reason"] == "ttl");
    let told = told.next().cloned().unwrap_or_default();
    assert_eq!(text(&told["address"]), "10.1.63.102");
    assert_eq!(text(&told["text"]), "its TTL is 64, not 255");
    let shown = other.run("lvsd status").ok();
    assert!(shown.contains("its TTL is 64, not 255"), "{shown}");
    lab.say("by unicast: what comes from the peer's address with TTL 64 is dropped, and told");
}

/// Captures adverts by multicast and ARP, with the time and the hardware addresses of each.
fn adverts(client: &Host, nic: &str) -> Program {
    let what = "arp or (ip proto 112 and dst 224.0.0.18)";
    let command = format!("tcpdump -Z root -ttelnn -i {nic} '{what}'");
    let capture = client.spawn(&command);
    eventually("the capture runs", within(secs(5)), || {
        capture.log().contains("listening on")
    });
    capture
}

const MAC_OF_51: &str = "02:00:c0:a8:01:33 > ";

/// A delay that is told from the time that every start takes.
const DELAY: Duration = secs(6);

struct Case {
    name: &'static str,
    file: fn() -> DirectorFile,
    /// A working master of lower priority is there before.
    has_master: bool,
    /// Its first advert is that late at least; or that late at most, on hardware.
    waits: bool,
}

fn file() -> DirectorFile {
    DirectorFile::vrrp_only(100).vrrp_key("advert_interval", "'250ms'")
}

const CASES: [Case; 6] = [
    Case {
        name: "no delay",
        file,
        has_master: false,
        waits: false,
    },
    Case {
        name: "startup_delay",
        file: || file().vrrp_key("startup_delay", "'6s'"),
        has_master: false,
        waits: true,
    },
    Case {
        name: "startup_delay of an owner",
        file: || {
            file()
                .vrrp_key("startup_delay", "'6s'")
                .vrrp_key("priority", "255")
        },
        has_master: false,
        waits: true,
    },
    Case {
        name: "no delay, a lesser master",
        file,
        has_master: true,
        waits: false,
    },
    Case {
        name: "preempt_delay, a lesser master",
        file: || file().vrrp_key("preempt_delay", "'6s'"),
        has_master: true,
        waits: true,
    },
    Case {
        name: "preempt_delay, and nobody is master",
        // Longer than any start takes.
        file: || file().vrrp_key("preempt_delay", "'60s'"),
        has_master: false,
        waits: false,
    },
];

fn a_director_listens_for_its_startup_delay_and_its_preempt_delay(lab: &Lab) {
    side_by_side(&CASES, |case| {
        let Case { name, waits, .. } = case;
        let pair = Pair::build(lab);
        let capture = adverts(&pair.client, "ens192");
        let lesser = file().vrrp_key("priority", "50");
        let lesser = case.has_master.then(|| {
            let lesser = pair.lvs52.director(&lesser);
            eventually("52 is master", within(secs(10)), || pair.lvs52.holds(VIP));
            lesser
        });
        let began = pair.lvs51.run("date +%s%6N").ok();
        let began: u64 = began.trim().parse().unwrap();
        pair.lvs51.director(&(case.file)());
        if *waits {
            eventually("it listens", within(secs(5)), || {
                pair.lvs51.vrrp_state() == "backup"
            });
        }
        eventually(&format!("{name}: 51 is master"), within(secs(20)), || {
            pair.lvs51.vrrp_state() == "master" && pair.lvs51.holds(VIP)
        });
        let first = || {
            let log = capture.log();
            let line = log.lines().find(|line| line.contains("192.168.1.51 > "))?;
            let time = line.split(' ').next()?.replace('.', "");
            time.parse::<u64>().ok()
        };
        eventually("its first advert is seen", within(secs(5)), || {
            first().is_some()
        });
        let after = Duration::from_micros(first().unwrap() - began);
        if *waits {
            assert!(after >= DELAY, "{name}: {after:.3?}");
        } else {
            assert!(after < within(DELAY).limit(), "{name}: {after:.3?}");
        }
        if lesser.is_some() {
            // The advert sends the other one away, so clients know the way by then.
            let log = capture.log();
            let frames: Vec<_> = log.lines().filter(|it| it.contains(MAC_OF_51)).collect();
            let nth = |what: &str| frames.iter().position(|line| line.contains(what));
            let announced = nth(&format!("tell {VIP}"));
            assert!(announced.is_some(), "{name}: {log}");
            assert!(announced < nth("> 224.0.0.18"), "{name}: {frames:#?}");
            eventually("the lesser one follows", within(secs(5)), || {
                pair.lvs52.vrrp_state() == "backup" && !pair.lvs52.holds(VIP)
            });
        }
        lab.say(&format!("{name}: the first advert after {after:.3?}"));
    });
}
