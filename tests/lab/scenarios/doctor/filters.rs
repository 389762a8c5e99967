//! Adverts that are dropped: by rules of every form, over IPv6, and by a keepalived that refuses
//! them.

use super::{WHOLE, clean, each_finds, finds, heals};
use crate::lab::lvsd::{DirectorFile, Pair, text};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Scenario, eventually, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(rules_of_every_form_are_named_where_they_drop_adverts)
        .on_any_linux()
        .limited_to(secs(240)),
    scenario!(faults_between_directors_are_named_over_ipv6_too).on_any_linux(),
    scenario!(a_keepalived_that_another_interval_silences_is_named_as_the_other_master)
        .on_any_linux(),
];

/// Adverts each second, and no virtual servers.
fn vrrp(priority: u8) -> DirectorFile {
    DirectorFile::vrrp_only(priority).vrrp_key("advert_interval", "'1s'")
}

/// What is planted, what is said of it, and what takes it back.
type Form = (&'static str, &'static str, &'static str);

const FLUSH: &str = "iptables -P INPUT ACCEPT; iptables -F; iptables -X; iptables -t mangle -F";

/// Those of iptables, which every kernel of the lab has.
const OF_IPTABLES: [Form; 4] = [
    (
        "iptables -A INPUT -m addrtype --dst-type MULTICAST -j DROP",
        "`iptables -A INPUT -m addrtype --dst-type MULTICAST -j DROP`",
        FLUSH,
    ),
    (
        "iptables -N LOGDROP && iptables -A LOGDROP -m limit --limit 1/min -j RETURN && \
         iptables -A LOGDROP -j DROP && \
         iptables -A INPUT -m pkttype --pkt-type multicast -j LOGDROP",
        "`iptables -A LOGDROP -j DROP`",
        FLUSH,
    ),
    (
        "iptables -A INPUT -p tcp -j ACCEPT && iptables -A INPUT -p icmp -j ACCEPT && \
         iptables -A INPUT -p vrrp -s 192.168.1.151 -j ACCEPT && iptables -P INPUT DROP",
        "`the policy of chain INPUT in table iptables filter`",
        FLUSH,
    ),
    (
        "iptables -t mangle -A PREROUTING -j MARK --set-mark 7 && \
         iptables -A INPUT -m mark --mark 7 -j DROP",
        "`iptables -A INPUT -m mark --mark 0x7 -j DROP`",
        FLUSH,
    ),
];

const TABLE: &str = "nft add table ip f && \
                     nft add chain ip f i '{ type filter hook input priority 0; }' && ";

/// Those of nftables.
const OF_NFTABLES: [(&str, &str); 5] = [
    ("nft add rule ip f i meta pkttype multicast drop", "pkttype"),
    ("nft add rule ip f i fib daddr type multicast drop", "fib"),
    (
        "nft add set ip f b '{ type ipv4_addr; }' && \
         nft add element ip f b '{ 192.168.1.51 }' && nft add rule ip f i ip saddr @b drop",
        "ip saddr @b drop",
    ),
    (
        "nft add rule ip f i meta mark set 7 && \
         nft add rule ip f i ip daddr 224.0.0.0/4 meta mark 7 drop",
        "meta mark 7 drop",
    ),
    (
        "nft add table netdev f && nft add chain netdev f i \
         '{ type filter hook ingress device ens192 priority 0; }' && \
         nft add rule netdev f i ip protocol 112 drop",
        "nft netdev f i: ip protocol",
    ),
];

fn rules_of_every_form_are_named_where_they_drop_adverts(lab: &Lab) {
    let pair = Pair::build(lab);
    let Pair { lvs51, lvs52, .. } = &pair;
    [lvs51, lvs52].into_iter().for_each(clean);
    let _directors = [(lvs51, 100), (lvs52, 50)].map(|(host, it)| host.director(&vrrp(it)));
    pair.become_states("master", "backup");
    for (plant, by, undo) in OF_IPTABLES {
        form(lab, &pair, plant, by, undo);
    }
    for (rules, by) in OF_NFTABLES {
        form(
            lab,
            &pair,
            &format!("{TABLE}{rules}"),
            by,
            "nft flush ruleset",
        );
    }
    pair.become_states("master", "backup");
    // What looks like them and drops nothing that matters.
    for rule in [
        "-A INPUT -p vrrp ! -s 192.168.1.51 -j DROP",
        "-A INPUT -p vrrp -m limit --limit 10/s -j ACCEPT",
        "-A INPUT -p vrrp -j DROP",
    ] {
        lvs52.run(&format!("iptables {rule}")).ok();
    }
    each_finds(lab, &[lvs51, lvs52].map(|host| (host, [].as_slice())));
}

fn form(lab: &Lab, pair: &Pair, plant: &str, by: &str, undo: &str) {
    let lvs52 = &pair.lvs52;
    if lvs52.run(plant).status.success() {
        let findings = finds(lab, lvs52, WHOLE, &["broken vrrp-blocked"]);
        let seen = text(&findings[0]["seen"]);
        assert!(seen.contains(by), "{plant}: {seen}");
    } else {
        lab.say(&format!("this kernel cannot {plant}"));
    }
    lvs52.run(undo);
}

fn faults_between_directors_are_named_over_ipv6_too(lab: &Lab) {
    const VIP6: &str = "2001:db8::200";
    let pair = Pair::build(lab);
    let Pair {
        lvs51,
        lvs52,
        client,
        ..
    } = &pair;
    let file = |priority: u8, vip: &str| {
        vrrp(priority).vrrp_key("virtual_addresses", &format!("['{vip}']"))
    };
    for (host, last) in [(lvs51, 51), (lvs52, 52), (client, 10)] {
        clean(host);
        host.run(&format!(
            "ip addr add 2001:db8::{last}/64 dev ens192 nodad && \
             ip -6 route add default via 2001:db8::1"
        ))
        .ok();
    }
    let states = |first: &str, second: &str| {
        let what = format!("lvs51 is {first} and lvs52 {second} over IPv6");
        eventually(&what, within(secs(10)), || {
            [(lvs51, first), (lvs52, second)]
                .iter()
                .all(|(host, state)| {
                    host.vrrp_state() == *state && host.holds(VIP6) == (*state == "master")
                })
        });
    };
    let _directors = [(lvs51, 100), (lvs52, 50)].map(|(host, it)| host.director(&file(it, VIP6)));
    states("master", "backup");
    each_finds(lab, &[lvs51, lvs52].map(|host| (host, [].as_slice())));

    lvs52.run("ip6tables -A INPUT -p 112 -j DROP").ok();
    states("master", "master");
    let expected: [(&Host, &[&str]); 2] = [
        (lvs52, &["broken vrrp-blocked"]),
        (lvs51, &["broken two-masters"]),
    ];
    each_finds(lab, &expected);
    let command = "ip6tables -I INPUT -i ens192 -p 112 -j ACCEPT";
    heals(lab, lvs52, WHOLE, "broken vrrp-blocked", command);
    states("master", "backup");
    lvs52.run("ip6tables -F INPUT").ok();
    // No rule of one form says it: what is heard does.
    lvs52
        .run("ip6tables -A INPUT -m hl --hl-eq 255 -d ff00::/8 -j DROP")
        .ok();
    let findings = finds(lab, lvs52, WHOLE, &["broken vrrp-blocked"]);
    let seen = text(&findings[0]["seen"]);
    assert!(seen.contains("adverts of fe80::"), "{seen}");
    lvs52.run("ip6tables -F INPUT").ok();
    states("master", "backup");

    // The number is another virtual router's over IPv4, and somebody else's over IPv6.
    let stranger = client.director(&file(10, VIP));
    let is_master = || client.vrrp_state() == "master";
    eventually("the client is master", within(secs(10)), is_master);
    finds(lab, lvs51, WHOLE, &[]);
    stranger.terminate();
    let _stranger = client.director(&file(200, "2001:db8::99"));
    eventually("the client is master", within(secs(10)), is_master);
    let expected: &[&str] = &["broken vrid-foreign"];
    each_finds(lab, &[lvs51, lvs52].map(|host| (host, expected)));
}

/// Two of version 2, and one hears the other's adverts before it gets to send its own.
fn a_keepalived_that_another_interval_silences_is_named_as_the_other_master(lab: &Lab) {
    let pair = Pair::build(lab);
    let Pair { lvs51, lvs52, .. } = &pair;
    let keepalived = |host: &Host, priority: u8, interval: u8| {
        host.write(
            "/etc/keepalived/keepalived.conf",
            &format!(
                "vrrp_instance VI_1 {{\n interface ens192\n virtual_router_id 51\n \
                 priority {priority}\n advert_int {interval}\n virtual_ipaddress {{\n {VIP}\n }}\n}}\n"
            ),
        );
        host.spawn("keepalived --dont-fork --log-console --vrrp")
    };
    [lvs51, lvs52].into_iter().for_each(clean);
    let _first = keepalived(lvs51, 100, 1);
    eventually("51 is master", within(secs(20)), || lvs51.holds(VIP));
    let second = keepalived(lvs52, 50, 1);
    each_finds(lab, &[lvs51, lvs52].map(|host| (host, [].as_slice())));
    second.terminate();
    let _second = keepalived(lvs52, 50, 3);
    eventually("52 is master too", within(secs(40)), || lvs52.holds(VIP));
    let findings = finds(lab, lvs52, WHOLE, &["broken two-masters"]);
    let seen = text(&findings[0]["seen"]);
    assert!(seen.contains("1 s and 3 s"), "{seen}");
    let other = lvs51.run("lvsd doctor").to_string();
    assert!(!other.contains("ip addr del"), "{other}");
}
