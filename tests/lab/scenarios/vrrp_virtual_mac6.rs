//! The virtual MAC over IPv6: RFC 9568 §7.3 has 00-00-5E-00-02-{VRID} for it.

use crate::lab::lvsd::{DirectorFile, Pair};
use crate::lab::scenario::scenario;
use crate::lab::{Host, Lab, Program, Scenario, eventually, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(a_client_knows_one_virtual_mac_over_a_failover_over_ipv6).on_any_linux(),
    scenario!(no_interface_identifier_comes_from_the_virtual_mac).on_any_linux(),
];

const VIP6: &str = "2001:db8::200";
const VIRTUAL_MAC: &str = "00:00:5e:00:02:33";
const INTERFACE: &str = "vrrp51-6.ens192";

fn file(priority: u8) -> DirectorFile {
    DirectorFile::steady(priority)
        .vrrp_key("virtual_mac", "true")
        .vrrp_key("virtual_addresses", &format!("['fe80::200', '{VIP6}']"))
}

fn pair(lab: &Lab) -> Pair {
    let pair = Pair::build(lab);
    for (host, last) in [(&pair.lvs51, 51), (&pair.lvs52, 52), (&pair.client, 10)] {
        let add = format!("ip address add 2001:db8::{last}/64 dev ens192 nodad");
        host.run(&add).ok();
    }
    pair
}

/// Waits until both have these states and the address is where it belongs.
fn become_states(pair: &Pair, first: &str, second: &str) {
    let what = format!("51 is {first} and 52 {second}");
    eventually(&what, within(secs(15)), || {
        [(&pair.lvs51, first), (&pair.lvs52, second)]
            .iter()
            .all(|(host, state)| {
                host.vrrp_state() == *state && host.holds(VIP6) == (*state == "master")
            })
    });
}

/// The client forgets the VIP's hardware address, and asks for it.
fn asks(client: &Host) {
    client.run(&format!("ip -6 neigh flush to {VIP6}")).ok();
    eventually("the VIP answers", within(secs(10)), || {
        let ping = client.run(&format!("ping -c 1 -W 1 {VIP6}"));
        ping.status.success()
    });
    let neighbour = client.run(&format!("ip -6 neigh show {VIP6}")).ok();
    assert!(neighbour.contains(VIRTUAL_MAC), "{neighbour}");
}

/// 3-7.2, 3-7.3, 8.2.2-a.
fn a_client_knows_one_virtual_mac_over_a_failover_over_ipv6(lab: &Lab) {
    let pair = pair(lab);
    let capture = pair
        .client
        .spawn("tcpdump -Z root -lnnvve -i ens192 icmp6 or ip6 proto 112");
    let neighbours = pair.client.spawn("ip -6 monitor neigh");
    eventually("the capture runs", within(secs(5)), || {
        capture.log().contains("listening on")
    });
    let first = pair.lvs51.director(&file(100));
    let second = pair.lvs52.director(&file(50));
    become_states(&pair, "master", "backup");
    asks(&pair.client);
    pair.lvs51.unplug();
    eventually("52 is master", within(secs(10)), || {
        pair.lvs52.vrrp_state() == "master" && pair.lvs52.holds(VIP6)
    });
    asks(&pair.client);
    pair.lvs51.plug();
    become_states(&pair, "master", "backup");
    asks(&pair.client);
    judge(&capture);
    let learnt = neighbours.log();
    let of_vip = learnt.lines().filter(|line| line.starts_with(VIP6));
    let other: Vec<_> = of_vip
        .filter(|line| line.contains("lladdr") && !line.contains(VIRTUAL_MAC))
        .collect();
    assert!(other.is_empty(), "{other:?}");
    lab.say("a cable was pulled and plugged: the client knew one hardware address");
    first.terminate();
    second.terminate();
    let links = pair.lvs51.run("ip -o link").ok();
    assert!(!links.contains(INTERFACE), "{links}");
}

/// Each packet of the capture in one line.
fn packets(capture: &Program) -> Vec<String> {
    let log = capture.log();
    let mut packets: Vec<String> = Vec::new();
    for line in log.lines() {
        match line.starts_with(['\t', ' ']) {
            true => packets.last_mut().unwrap().push_str(line),
            false => packets.push(line.to_owned()),
        }
    }
    packets
}

/// Every advert and every neighbour advertisement for the VIP comes from the virtual MAC, and names it.
fn judge(capture: &Program) {
    let packets = packets(capture);
    let from = format!("{VIRTUAL_MAC} > ");
    let adverts: Vec<_> = packets
        .iter()
        .filter(|it| it.contains("ff02::12"))
        .collect();
    let adverts: Vec<_> = adverts.iter().filter(|it| it.contains("VRRPv3")).collect();
    assert!(!adverts.is_empty(), "{packets:#?}");
    for advert in adverts {
        assert!(
            advert.contains(&format!("{from}33:33:00:00:00:12")),
            "{advert}"
        );
        assert!(advert.contains("hlim 255"), "{advert}");
    }
    let told = format!("tgt is {VIP6}");
    let told: Vec<_> = packets
        .iter()
        .filter(|it| it.contains("neighbor advertisement") && it.contains(&told))
        .collect();
    let unsolicited = told.iter().filter(|it| it.contains("33:33:00:00:00:01"));
    // Five at once of each of three masters.
    assert!(unsolicited.count() >= 3, "{told:#?}");
    assert!(told.iter().any(|it| it.contains("solicited")), "{told:#?}");
    for advertisement in told {
        assert!(advertisement.contains(&from), "{advertisement}");
        let option = format!("destination link-address option (2), length 8 (1): {VIRTUAL_MAC}");
        assert!(advertisement.contains(&option), "{advertisement}");
    }
}

/// 3-7.4: the interface has the virtual router's addresses and none that its MAC would make, even
/// after somebody told the kernel to make one.
fn no_interface_identifier_comes_from_the_virtual_mac(lab: &Lab) {
    let pair = pair(lab);
    let host = &pair.lvs51;
    let director = host.director(&file(100));
    eventually("51 is master", within(secs(15)), || host.holds(VIP6));
    let mode = format!("net/ipv6/conf/{INTERFACE}/addr_gen_mode");
    let mode = || host.read(&format!("/proc/sys/{mode}")).trim().to_owned();
    let addresses = || {
        host.run(&format!("ip -o -6 addr show dev {INTERFACE}"))
            .ok()
    };
    let of_virtual_mac = |listed: &str| listed.contains("5eff:fe00:233");
    assert_eq!(mode(), "1");
    assert!(!of_virtual_mac(&addresses()), "{}", addresses());
    host.write(
        &format!("/proc/sys/net/ipv6/conf/{INTERFACE}/addr_gen_mode"),
        "0",
    );
    eventually("it makes none again", within(secs(5)), || mode() == "1");
    host.run(&format!("ip link set {INTERFACE} down")).ok();
    eventually("it is up again, with the VIP", within(secs(5)), || {
        addresses().contains(VIP6) && host.holds(VIP6)
    });
    assert_eq!(mode(), "1");
    let listed = addresses();
    assert!(!of_virtual_mac(&listed), "{listed}");
    lab.say(&listed);
    director.terminate();
}
