//! VRRP on the wire: adverts as tcpdump reads them, and packets that are none of ours.

use std::net::{Ipv4Addr, SocketAddrV4};

use socket2::{Domain, Protocol, Socket, Type};

use crate::lab::lvsd::{DirectorFile, Pair, number};
use crate::lab::scenario::scenario;
use crate::lab::{Host, Lab, Scenario, eventually, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(adverts_on_the_wire_are_those_of_the_rfcs).on_any_linux(),
    scenario!(adverts_stay_on_their_lan_even_where_the_director_is_a_router).on_any_linux(),
    scenario!(forged_truncated_and_foreign_packets_are_counted_and_move_nothing).on_any_linux(),
    scenario!(garbage_begins_no_split_brain_and_a_stubborn_forger_one).on_any_linux(),
];

pub(super) const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// The file of seed 000, without its virtual servers.
fn seed(priority: u8) -> DirectorFile {
    DirectorFile {
        server: String::new(),
        ..DirectorFile::seed(priority)
    }
}

fn adverts_on_the_wire_are_those_of_the_rfcs(lab: &Lab) {
    let pair = Pair::build(lab);
    let capture = pair
        .client
        .spawn("tcpdump -Z root -lnnvv -e -x -i ens192 ip proto 112");
    eventually("the capture runs", within(secs(5)), || {
        capture.log().contains("listening on")
    });
    let sees = |what: &str| {
        eventually(&format!("the capture sees {what}"), within(secs(8)), || {
            capture.log().contains(what)
        });
    };
    let director = pair.lvs51.director(&seed(100));
    sees(
        "192.168.1.51 > 224.0.0.18: VRRPv2, Advertisement, vrid 51, \
         prio 100, authtype simple, intvl 1s, length 20, addrs: 192.168.1.200 auth \"1111\"",
    );
    let log = capture.log();
    assert!(log.contains("ttl 255, "), "{log}");
    assert!(log.contains("proto VRRP (112), length 40"), "{log}");
    assert!(
        log.contains("02:00:c0:a8:01:33 > 01:00:5e:00:00:12"),
        "{log}"
    );
    // Version 2, VRID 51, priority 100, one address, simple password, 1 s, the checksum, the
    // address, the password padded with zeros.
    assert!(
        log.contains("2133 6401 0101") && log.contains("c0a8 01c8\n\t0x0020:  3131 3131 0000 0000"),
        "{log}"
    );
    director.terminate();
    sees("VRRPv2, Advertisement, vrid 51, prio 0,");
    lab.say("version 2 is as RFC 3768 says, and its last word has priority 0");

    let quick = DirectorFile::vrrp_only(100).vrrp_key("advert_interval", "'100ms'");
    let director = pair.lvs51.director(&quick);
    sees("VRRPv3, Advertisement, vrid 51, prio 100, intvl 10cs, length 12,");
    director.terminate();
    sees("VRRPv3, Advertisement, vrid 51, prio 0, intvl 10cs");
    let log = capture.log();
    // RFC 9568 §5.2.8: over IPv4 the checksum has no pseudo-header; tcpdump expects one.
    assert!(log.contains("3133 6401 000a a850 c0a8 01c8"), "{log}");
    let mut packets = log.lines().filter(|line| line.contains("proto VRRP"));
    assert!(packets.all(|line| line.contains("ttl 255,")), "{log}");
    lab.say("version 3 is as RFC 9568 says");
}

/// 3-5.1.1.2: a TTL of 255 would take them far.
fn adverts_stay_on_their_lan_even_where_the_director_is_a_router(lab: &Lab) {
    let pair = Pair::build(lab);
    let inside = lab.lan();
    inside.connect(&pair.lvs52, "ens224", "10.0.0.1/24");
    let server = inside.host_with_nic("server", "ens192", "10.0.0.53/24");
    for key in ["all", "ens192", "ens224"] {
        let key = format!("net.ipv4.conf.{key}.forwarding");
        pair.lvs52.set_sysctl(&key, 1);
    }
    let listen = |host: &Host| {
        let capture = host.spawn("tcpdump -Z root -lnn -i ens192 ip proto 112 or arp");
        eventually("the capture runs", within(secs(5)), || {
            capture.log().contains("listening on")
        });
        capture
    };
    let (outside, beyond) = (listen(&pair.client), listen(&server));
    pair.lvs51.director(&DirectorFile::steady(100));
    pair.lvs52.director(&DirectorFile::steady(50));
    pair.become_states("master", "backup");
    let heard = || number(&pair.lvs52.status()["vrrp"][0]["adverts_received"]);
    eventually("52 hears twenty adverts", within(secs(20)), || {
        heard() >= 20
    });
    eventually("the client hears as many", within(secs(5)), || {
        outside.log().matches("VRRPv3").count() >= 20
    });
    // What 52 does send there is heard, and so would be an advert from before.
    pair.lvs52.run("ping -c 1 -W 5 10.0.0.53").ok();
    eventually("the server hears 52", within(secs(5)), || {
        beyond.log().contains("who-has 10.0.0.53 tell 10.0.0.1")
    });
    assert_eq!(beyond.log().matches("VRRP").count(), 0, "{}", beyond.log());
}

fn forged_truncated_and_foreign_packets_are_counted_and_move_nothing(lab: &Lab) {
    let pair = Pair::build(lab);
    let first = pair.lvs51.director(&DirectorFile::steady(100));
    pair.lvs52.director(&DirectorFile::steady(50));
    pair.become_states("master", "backup");
    let transitions = || {
        [&pair.lvs51, &pair.lvs52].map(|host| number(&host.status()["vrrp"][0]["became_master"]))
    };
    let before = transitions();
    let good = advert(51, 255);
    let changed = |index: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[index] = byte;
        with_checksum(bytes)
    };
    let wrong_checksum = {
        let mut bytes = good.clone();
        bytes[6] ^= 0xff;
        bytes
    };
    let to_51 = Ipv4Addr::new(192, 168, 1, 51);
    let cases: [(&str, u32, Ipv4Addr, Vec<u8>); 10] = [
        ("ttl", 254, GROUP, good.clone()),
        ("destination", 255, to_51, good.clone()),
        ("checksum", 255, GROUP, wrong_checksum),
        ("version", 255, GROUP, changed(0, 0x91)),
        ("type", 255, GROUP, changed(0, 0x32)),
        ("no_addresses", 255, GROUP, changed(3, 0)),
        ("length", 255, GROUP, changed(3, 9)),
        ("interval_zero", 255, GROUP, changed(5, 0)),
        ("length", 255, GROUP, good[..5].to_vec()),
        ("unknown_vrid", 255, GROUP, advert(77, 255)),
    ];
    for (reason, ttl, to, bytes) in cases {
        let before = counted(&pair.lvs51, reason);
        send(&pair.client, ttl, to, &bytes, 20);
        eventually(
            &format!("20 packets are counted under {reason}: {bytes:02x?}"),
            within(secs(3)),
            || counted(&pair.lvs51, reason) == before + 20,
        );
        let log = first.log();
        let lines = log.matches(&format!("reason=\"{reason}\"")).count();
        assert!(lines <= 1, "{reason} is told {lines} times:\n{log}");
    }
    send_from(&pair.client, Ipv4Addr::new(0, 1, 2, 3), &good, 20);
    eventually("no router sends from there", within(secs(3)), || {
        counted(&pair.lvs51, "source") == 20
    });
    send(&pair.client, 255, GROUP, &[], 20);
    send(&pair.client, 255, GROUP, &[0x31; 3000], 20);
    assert_eq!(transitions(), before, "nobody moved");
    pair.become_states("master", "backup");
    let discarded = pair.lvs51.status();
    lab.say(&format!(
        "counted by the router: {}, by the interface: {}",
        discarded["vrrp"][0]["discarded"], discarded["vrrp_interfaces"][0]["discarded"]
    ));
}

/// A thousand packets that alternate between two faults, then a forger who keeps the time of a
/// master: log lines and hooks are bounded.
fn garbage_begins_no_split_brain_and_a_stubborn_forger_one(lab: &Lab) {
    let pair = Pair::build(lab);
    let (host, client) = (&pair.lvs51, &pair.client);
    let hook = "['/bin/sh', '-c', 'echo $LVSD_EVENT >> /run/hooks']";
    let file = DirectorFile::vrrp_only(100).vrrp_key("on_split_brain", hook);
    host.write("/run/hooks", "");
    let director = host.director(&file);
    eventually("it is master", within(secs(10)), || {
        host.vrrp_state() == "master"
    });
    let lines = || director.log().lines().count();
    let (before, discarded) = (lines(), || {
        counted(host, "checksum") + counted(host, "length")
    });
    let mut wrong = advert(51, 254);
    wrong[6] ^= 0xff;
    for _ in 0..10 {
        send(client, 255, GROUP, &wrong, 50);
        send(client, 255, GROUP, &wrong[..8], 50);
    }
    eventually("all are counted", within(secs(10)), || discarded() == 1_000);
    let told = || host.read("/run/hooks");
    let forger = || host.status()["vrrp"][0]["rival"].clone();
    eventually("a forger is a master", within(secs(10)), || {
        send(client, 255, GROUP, &wrong, 1);
        send(client, 255, GROUP, &wrong[..8], 1);
        !forger().is_null()
    });
    eventually("he is gone", within(secs(10)), || forger().is_null());
    eventually("the hooks have run", within(secs(5)), || {
        told() == "split_brain\nsplit_brain_over\n"
    });
    let written = lines() - before;
    assert!(written <= 8, "{written} lines:\n{}", director.log());
    lab.say(&format!(
        "{} packets refused, {written} lines in the log, two hooks",
        discarded()
    ));
}

/// How often a packet was discarded for this reason, by the router or before one was known.
fn counted(host: &Host, reason: &str) -> u64 {
    let status = host.status();
    number(&status["vrrp"][0]["discarded"][reason])
        + number(&status["vrrp_interfaces"][0]["discarded"][reason])
}

/// A version 3 advert of the client's for the VIP, each 100 ms.
pub(super) fn advert(vrid: u8, priority: u8) -> Vec<u8> {
    advert_each(vrid, priority, 10)
}

/// The same with another interval.
pub(super) fn advert_each(vrid: u8, priority: u8, centiseconds: u8) -> Vec<u8> {
    let head = [0x31, vrid, priority, 1, 0, centiseconds, 0, 0];
    with_checksum([&head[..], &[192, 168, 1, 200]].concat())
}

/// RFC 9568 §5.2.8, with the pseudo-header of the client's packets to the group.
fn with_checksum(bytes: Vec<u8>) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).unwrap();
    summed(&[192, 168, 1, 10, 224, 0, 0, 18, 0, 112, 0, length], bytes)
}

/// RFC 9568 §5.2.8, as the RFC has it over IPv4.
pub(super) fn without_pseudo_header(bytes: Vec<u8>) -> Vec<u8> {
    summed(&[], bytes)
}

fn summed(pseudo: &[u8], mut bytes: Vec<u8>) -> Vec<u8> {
    bytes[6..8].fill(0);
    let words = pseudo.chunks(2).chain(bytes.chunks(2));
    let sum: u32 = words
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap();
    bytes[6..8].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

/// A socket for adverts of the client.
pub(super) fn socket(ttl: u32) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(112)))?;
    socket.set_multicast_if_v4(&Ipv4Addr::new(192, 168, 1, 10))?;
    socket.set_multicast_ttl_v4(ttl)?;
    socket.set_ttl_v4(ttl)?;
    Ok(socket)
}

/// Sends to the group from an address that is not the client's.
fn send_from(from: &Host, source: Ipv4Addr, message: &[u8], times: usize) {
    let length = u8::try_from(20 + message.len()).unwrap();
    let head = [0x45, 0xc0, 0, length, 0, 0, 0, 0, 255, 112, 0, 0];
    let mut packet = head.to_vec();
    packet.extend(source.octets().into_iter().chain(GROUP.octets()));
    // The sum of the message alone: a pseudo-header would have the source in it.
    packet.extend(without_pseudo_header(message.to_vec()));
    let sent = from.within(move || {
        let socket = socket(255)?;
        socket.set_header_included_v4(true)?;
        let to = SocketAddrV4::new(GROUP, 0).into();
        (0..times).try_for_each(|_| socket.send_to(&packet, &to).map(drop))
    });
    sent.unwrap();
}

fn send(from: &Host, ttl: u32, to: Ipv4Addr, bytes: &[u8], times: usize) {
    let bytes = bytes.to_vec();
    let sent = from.within(move || {
        let socket = socket(ttl)?;
        (0..times).try_for_each(|_| {
            socket
                .send_to(&bytes, &SocketAddrV4::new(to, 0).into())
                .map(drop)
        })
    });
    sent.unwrap();
}
