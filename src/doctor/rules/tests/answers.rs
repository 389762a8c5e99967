//! Answers that the packet filter of a real server keeps from clients.

use super::*;
use crate::config::realserver::RealServerConfig;
use crate::doctor::Severity;
use crate::doctor::facts::tests::{address, ip, mac};
use crate::doctor::firewall::{Ruleset, iptables, nftables};
use crate::sys::link::Link;

fn output(policy: &str, rules: &str) -> Ruleset {
    iptables::parse(&format!(
        "*filter\n:OUTPUT {policy} [0:0]\n{rules}\nCOMMIT\n"
    ))
}

#[test]
fn answers_that_are_dropped_for_their_source_are_told_with_the_rule() {
    let mut facts = real_server();
    facts.firewall = output("ACCEPT", "-A OUTPUT -s 192.168.1.200/32 -p tcp -j DROP");
    let finding = only(&facts, "service-blocked");
    assert_eq!(finding.severity, Severity::Broken);
    assert_eq!(
        finding.seen,
        "answers of 192.168.1.200 port 80 are dropped by \
         `iptables -A OUTPUT -s 192.168.1.200/32 -p tcp -j DROP`"
    );
    let command = "iptables -I OUTPUT -p tcp -s 192.168.1.200 --sport 80 -j ACCEPT; ";
    assert!(finding.mend.starts_with(command), "{finding:?}");
    facts.firewall = output("DROP", "-A OUTPUT -s 192.168.1.53/32 -j ACCEPT");
    assert!(only(&facts, "service-blocked").seen.contains("the policy"));

    facts.listening.insert("0.0.0.0:443".parse().unwrap());
    let finding = only(&facts, "service-blocked");
    assert!(finding.seen.contains("port 80 and 443 are"), "{finding:?}");
    let command = "iptables -I OUTPUT -p tcp -s 192.168.1.200 -j ACCEPT; ";
    assert!(finding.mend.starts_with(command), "{finding:?}");
    facts.firewall = output(
        "ACCEPT",
        "-A OUTPUT -s 192.168.1.200/32 -p tcp --sport 443 -j DROP",
    );
    let finding = only(&facts, "service-blocked");
    assert_eq!(finding.severity, Severity::Warning, "perhaps meant so");
}

#[test]
fn nftables_that_drop_answers_are_told_likewise() {
    let mut facts = real_server();
    let text = r#"{"nftables": [
        {"chain": {"family": "ip", "table": "t", "name": "out", "hook": "output", "policy": "accept"}},
        {"rule": {"family": "ip", "table": "t", "chain": "out", "expr": [
            {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}},
                       "right": "192.168.1.200"}},
            {"drop": null}]}}]}"#;
    facts.firewall = nftables::parse(text).unwrap();
    let finding = only(&facts, "service-blocked");
    assert!(
        finding
            .seen
            .ends_with("`nft ip t out: ip saddr 192.168.1.200 drop`"),
        "{finding:?}"
    );
    let command = "nft insert rule ip t out ip saddr 192.168.1.200 tcp sport 80 accept; ";
    assert!(finding.mend.starts_with(command), "{finding:?}");
}

#[test]
fn a_service_of_the_file_has_to_answer_from_the_vip() {
    let mut facts = real_server();
    let text = "vips = ['192.168.1.200']\n[[service]]\nname = 'x'\n\
                check = { type = 'tcp', port = 80 }\n";
    let file = RealServerConfig::parse("x".as_ref(), text, &[]).unwrap();
    facts
        .boot
        .enabled
        .insert("lvsd-realserver.service".to_owned());
    facts.realserver_config = Some(file);
    facts.firewall = output("DROP", "-A OUTPUT -p udp -j ACCEPT");
    assert_eq!(only(&facts, "service-blocked").severity, Severity::Broken);
}

#[test]
fn what_may_let_answers_pass_accuses_nobody() {
    let mut facts = real_server();
    for rules in [
        "-A OUTPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n\
         -A OUTPUT -s 192.168.1.200/32 -j DROP",
        "-A OUTPUT -s 192.168.1.200/32 -m state --state NEW -j DROP",
        "-A OUTPUT -s 192.168.1.200/32 -m state --state INVALID -j DROP",
        "-A OUTPUT -s 192.168.1.200/32 -p tcp --dport 25 -j DROP",
        "-A OUTPUT -s 192.168.1.200/32 -d 10.0.0.0/8 -j DROP",
        "-A OUTPUT -s 192.168.1.200/32 -o eth7 -j DROP",
        "-A OUTPUT -s 192.168.1.200/32 -p udp -j DROP",
        "-A OUTPUT -s 192.168.1.200/32 -m owner --uid-owner 7 -j DROP",
        "-A OUTPUT -d 10.0.0.0/8 -j ACCEPT\n-A OUTPUT -s 192.168.1.200/32 -j DROP",
        "-A OUTPUT -p tcp --sport 80 -j DROP",
    ] {
        facts.firewall = output("ACCEPT", rules);
        assert_eq!(ids(&facts), [""; 0], "{rules}");
    }
    // Clients may be behind the router, which is elsewhere.
    facts.firewall = output("ACCEPT", "-A OUTPUT -s 192.168.1.200/32 -o ens192 -j DROP");
    assert_eq!(ids(&facts), ["service-blocked"]);
    facts.links.push(Link {
        index: 3,
        name: "ens224".to_owned(),
        hardware_address: mac(99).to_vec(),
        up: true,
        ..Link::default()
    });
    facts.addresses.push(address(3, "10.0.0.53/24"));
    facts.gateways = [[10, 0, 0, 1].into()].into();
    for interface in ["all", "ens224"] {
        for name in ["arp_ignore", "arp_announce", "rp_filter"] {
            let value = facts.larger("ens192", name).unwrap();
            facts.set(&format!("net.ipv4.conf.{interface}.{name}"), value);
        }
    }
    assert_eq!(ids(&facts), [""; 0]);
    // Nor is the director's filter asked: what it balances is none of its own.
    let mut facts = master();
    facts.firewall = output("ACCEPT", "-A OUTPUT -p tcp -s 192.168.1.200 -j DROP");
    assert_eq!(ids(&facts), [""; 0]);
    assert_eq!(facts.near(ip(53)), Some(ip(51)));
}

/// Rules of one version of IP say nothing of the other.
#[test]
fn a_filter_of_ipv4_drops_no_packets_of_ipv6() {
    let mut facts = real_server();
    facts.addresses.push(address(2, "2001:db8::53/64"));
    facts.addresses.push(address(1, "2001:db8::200/128"));
    facts.gateways.insert("2001:db8::1".parse().unwrap());
    facts.listening.insert("[::]:80".parse().unwrap());
    facts.answers("2001:db8::200".parse().unwrap(), &[51]);
    assert_eq!(ids(&facts), [""; 0]);
    let rules = "-A INPUT -p tcp -d 2001:db8::200/128 -j DROP";
    let text = format!("*filter\n:INPUT ACCEPT [0:0]\n{rules}\nCOMMIT\n");
    facts.firewall = iptables::parse(&text);
    assert_eq!(ids(&facts), [""; 0]);
    facts.firewall = iptables::parse_v6(&text);
    let finding = only(&facts, "service-blocked");
    assert!(
        finding
            .mend
            .starts_with("ip6tables -I INPUT -p tcp --dport 80"),
        "{finding:?}"
    );
}
