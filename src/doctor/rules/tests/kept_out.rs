//! Adverts that arrive at the interface, and what comes of them behind it.

use super::site::{SERVICE, closed};
use super::*;
use crate::config::director::DirectorConfig;
use crate::doctor::facts::tests::{VIP, address, ip};
use crate::doctor::firewall::iptables;
use crate::vrrp::transport::MULTICAST_V6;

/// 52 with its file, and 51's adverts before it.
fn backup_with_file() -> Facts {
    let text = "[[vrrp]]\nname = 'VI_1'\ninterface = 'ens192'\nvirtual_router_id = 51\n\
                virtual_addresses = ['192.168.1.200']\n";
    let mut facts = backup();
    facts.director_config = Some(DirectorConfig::parse("x".as_ref(), text).unwrap());
    facts
}

const BY_MARK: &str = "-A INPUT -m mark --mark 0x7 -j DROP\n";

fn open(rules: &str) -> crate::doctor::firewall::Ruleset {
    iptables::parse(&format!("*filter\n:INPUT ACCEPT [0:0]\n{rules}COMMIT\n"))
}

#[test]
fn adverts_that_arrive_and_do_not_come_through_are_dropped_here_whatever_the_rules_say() {
    let mut facts = backup_with_file();
    assert_eq!(ids(&facts), [""; 0]);
    facts.keeps_out();
    let finding = only(&facts, "vrrp-blocked");
    assert_eq!(
        finding.seen,
        "3 adverts of 192.168.1.51 arrived on ens192, and this host let none of them through"
    );
    let places = [
        "iptables-save -c",
        "nft list ruleset",
        "tc filter show dev ens192 ingress",
    ];
    assert!(
        places.iter().all(|it| finding.mend.contains(it)),
        "{finding:?}"
    );
    // Its own as the other master, who is not at fault.
    facts.addresses.push(address(2, "192.168.1.200/32"));
    facts.hears(52, 51, &[VIP]);
    facts.keeps_out();
    assert_eq!(ids(&facts), ["vrrp-blocked"]);
    for heard in &mut facts.wire.as_mut().unwrap().heard {
        heard.arrived = 1;
    }
    assert_eq!(ids(&facts), ["two-masters"], "one may be lost");
}

#[test]
fn the_rule_whose_counter_grew_is_the_one_that_keeps_adverts_out() {
    let mut facts = backup_with_file();
    facts.keeps_out();
    let others = "-A INPUT -m mac --mac-source 02:00:00:00:00:09 -j DROP\n";
    facts.firewall = open(&format!("[7:280] {BY_MARK}[5:200] {others}"));
    facts.firewall_later = Some(open(&format!("[11:440] {BY_MARK}[6:240] {others}")));
    let finding = only(&facts, "vrrp-blocked");
    assert!(
        finding
            .seen
            .ends_with("`iptables -A INPUT -m mark --mark 0x7 -j DROP` met 4 packets in that time"),
        "{finding:?}"
    );
    let command = "iptables -I INPUT -i ens192 -p 112 -j ACCEPT; ";
    assert!(finding.mend.starts_with(command), "{finding:?}");
    facts.firewall_later = Some(open(&format!("[9:360] {BY_MARK}[6:240] {others}")));
    let finding = only(&facts, "vrrp-blocked");
    assert!(
        finding.seen.ends_with("none of them through"),
        "fewer than came: {finding:?}"
    );
    // A policy behind a rule that is for somebody else.
    let other = "[0:0] -A INPUT -p tcp -j ACCEPT\n\
                 [0:0] -A INPUT -p vrrp -m mac --mac-source 02:00:00:00:00:09 -j ACCEPT\n";
    let drop = |packets: u32| {
        let text = format!("*filter\n:INPUT DROP [{packets}:1]\n{other}COMMIT\n");
        iptables::parse(&text)
    };
    facts.firewall = drop(10);
    facts.firewall_later = Some(drop(13));
    let finding = only(&facts, "vrrp-blocked");
    let policy = "`the policy of chain INPUT in table iptables filter` met 3 packets in that time";
    assert!(finding.seen.ends_with(policy), "{finding:?}");
}

#[test]
fn a_rule_without_a_counter_is_named_as_what_may_be() {
    let mut facts = backup_with_file();
    facts.keeps_out();
    let rule = "-A INPUT -m mark --mark 0x7 -j DROP\n";
    facts.firewall = open(rule);
    facts.firewall_later = Some(open(rule));
    let finding = only(&facts, "vrrp-blocked");
    assert!(
        finding
            .seen
            .contains(": perhaps by `iptables -A INPUT -m mark"),
        "{finding:?}"
    );
    let command = "iptables -I INPUT -i ens192 -p 112 -j ACCEPT; ";
    assert!(finding.mend.starts_with(command), "{finding:?}");
    assert!(finding.mend.contains("find what drops"), "{finding:?}");
}

#[test]
fn a_rule_that_is_for_this_sender_is_named_for_certain() {
    let mut facts = backup_with_file();
    let rules = "-A INPUT -p tcp -j ACCEPT\n-A INPUT -p vrrp -s 192.168.1.151 -j ACCEPT\n";
    facts.firewall = iptables::parse(&format!("*filter\n:INPUT DROP [9:1]\n{rules}COMMIT\n"));
    assert_eq!(ids(&facts), [""; 0], "they come through");
    facts.keeps_out();
    let finding = only(&facts, "vrrp-blocked");
    let seen = ": `the policy of chain INPUT in table iptables filter` drops them";
    assert!(finding.seen.ends_with(seen), "{finding:?}");
    assert!(
        finding
            .mend
            .starts_with("iptables -I INPUT -i ens192 -p 112")
    );
}

#[test]
fn a_rule_for_somebody_elses_adverts_may_have_counted() {
    let mut facts = master();
    facts.firewall = open("[9:360] -A INPUT -p vrrp -s 192.168.1.99/32 -j DROP\n");
    assert_eq!(ids(&facts), [""; 0]);
}

#[test]
fn most_of_the_adverts_are_as_good_as_all() {
    let mut facts = backup_with_file();
    facts.wire.as_mut().unwrap().heard[0].came_through = 2;
    assert_eq!(ids(&facts), [""; 0], "one was lost");
    facts.wire.as_mut().unwrap().heard[0].came_through = 1;
    let finding = only(&facts, "vrrp-blocked");
    assert!(
        finding.seen.ends_with("let only 1 of them through"),
        "{finding:?}"
    );
}

/// The pair of [`backup_with_file`] over IPv6, each by its address of the link.
fn over_ipv6() -> Facts {
    let mut facts = backup_with_file();
    let text = "[[vrrp]]\nname = 'VI_1'\ninterface = 'ens192'\nvirtual_router_id = 51\n\
                virtual_addresses = ['2001:db8::200']\n";
    facts.director_config = Some(DirectorConfig::parse("x".as_ref(), text).unwrap());
    facts.addresses.push(address(2, "2001:db8::52/64"));
    facts.addresses.push(address(2, "fe80::52/64"));
    facts.answers("2001:db8::200".parse().unwrap(), &[51]);
    facts.hears(51, 51, &[]);
    let heard = facts.wire.as_mut().unwrap().heard.last_mut().unwrap();
    heard.source = "fe80::51".parse().unwrap();
    heard.destination = MULTICAST_V6.into();
    heard.advert.addresses = vec!["2001:db8::200".parse().unwrap()];
    facts
}

#[test]
fn adverts_over_ipv6_are_as_those_over_ipv4_and_neither_says_anything_of_the_other() {
    let mut facts = over_ipv6();
    // The number 51 is of either version.
    assert_eq!(ids(&facts), [""; 0]);
    facts.keeps_out();
    let finding = only(&facts, "vrrp-blocked");
    assert!(
        finding
            .seen
            .starts_with("3 adverts of fe80::51 arrived on ens192"),
        "{finding:?}"
    );
    assert!(finding.mend.contains("`ip6tables-save -c`"), "{finding:?}");
    facts.firewall = closed(SERVICE);
    let finding = only(&facts, "vrrp-blocked");
    assert!(!finding.seen.contains("iptables"), "{finding:?}");
    facts.firewall = iptables::parse_v6("*filter\n:INPUT DROP [3:1]\nCOMMIT\n");
    let finding = only(&facts, "vrrp-blocked");
    assert!(
        finding
            .mend
            .starts_with("ip6tables -I INPUT -i ens192 -p 112 -j ACCEPT; ")
    );

    facts.firewall = open("");
    for heard in &mut facts.wire.as_mut().unwrap().heard {
        heard.came_through = 3;
    }
    let heard = facts.wire.as_mut().unwrap().heard.last_mut().unwrap();
    let mut second = heard.clone();
    second.source = "fe80::99".parse().unwrap();
    facts.wire.as_mut().unwrap().heard.push(second);
    assert_eq!(ids(&facts), ["two-masters"]);
    let heard = facts.wire.as_mut().unwrap().heard.last_mut().unwrap();
    heard.advert.addresses = vec!["2001:db8::99".parse().unwrap()];
    assert_eq!(ids(&facts), ["vrid-foreign"]);
}

#[test]
fn what_comes_through_is_not_dropped_whatever_the_rules_seem_to_say() {
    let mut facts = backup_with_file();
    facts.firewall = closed(SERVICE);
    assert_eq!(ids(&facts), [""; 0]);
    facts.wire.as_mut().unwrap().heard[0].interface = "ens224".to_owned();
    assert_eq!(
        ids(&facts),
        ["vrrp-blocked"],
        "another interface says nothing"
    );
}

#[test]
fn adverts_of_other_sites_and_for_other_hosts_may_be_dropped() {
    let mut facts = backup_with_file();
    facts.hears(9, 99, &[[192, 168, 1, 9]]);
    facts.keeps_out();
    facts.wire.as_mut().unwrap().heard[0].came_through = 3;
    assert_eq!(ids(&facts), [""; 0]);
    facts.keeps_out();
    facts.wire.as_mut().unwrap().heard[0].destination = ip(99);
    assert_eq!(ids(&facts), [""; 0]);
}
