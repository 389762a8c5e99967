//! Two masters whose unicast adverts miss each other.

use std::time::Duration;

use super::*;
use crate::doctor::facts::VirtualRouter;
use crate::doctor::facts::tests::{VIP, address, ip};
use crate::lvs::Family;

/// 52, where keepalived runs with these peers and holds the VIP beside 51.
fn holder(peers: &[u8]) -> Facts {
    let mut facts = backup();
    facts.addresses.push(address(2, "192.168.1.200/32"));
    facts.boot.running.insert("keepalived".to_owned());
    facts.boot.keepalived_routes = true;
    facts.boot.keepalived_vips = [VIP.into()].into();
    facts.boot.keepalived_routers = vec![VirtualRouter {
        name: "VI_1".to_owned(),
        interface: "ens192".to_owned(),
        vrid: 51,
        family: Family::Ipv4,
        addresses: [VIP.into()].into(),
        peers: peers.iter().map(|last| ip(*last)).collect(),
        interval: Duration::from_secs(1),
    }];
    facts
}

/// The same; 51 sends to this host.
fn sent_to(facts: &mut Facts, last: u8) {
    let heard = &mut facts.wire.as_mut().unwrap().heard;
    heard[0].destination = ip(last);
}

#[test]
fn a_peer_that_is_not_the_other_master_is_told_and_no_address_taken_off() {
    let finding = only(&holder(&[15]), "two-masters");
    assert_eq!(
        finding.seen,
        "192.168.1.200 on ens192 is held by 192.168.1.51 (priority 100) and by this host, each a \
         master; the file here has unicast_peer 192.168.1.15, and 192.168.1.51 sends to everybody \
         (multicast)"
    );
    assert!(!finding.mend.contains("ip addr del"), "{finding:?}");
    let mut other = holder(&[25]);
    sent_to(&mut other, 52);
    let finding = only(&other, "two-masters");
    assert!(
        finding
            .seen
            .ends_with("the file here has unicast_peer 192.168.1.25, and not 192.168.1.51"),
        "{finding:?}"
    );
    let mut alone = holder(&[]);
    sent_to(&mut alone, 52);
    let finding = only(&alone, "two-masters");
    assert!(
        finding.seen.ends_with("the file here has none (multicast)"),
        "{finding:?}"
    );
}

#[test]
fn a_peer_that_is_not_heard_and_holds_the_vip_is_the_other_master() {
    let unheard = |peers: &[u8]| {
        let mut facts = holder(peers);
        facts.wire.as_mut().unwrap().heard.clear();
        facts
    };
    let mut named = unheard(&[51]);
    named.answers(ip(51), &[51]);
    let finding = only(&named, "two-masters");
    assert!(
        finding
            .seen
            .contains("is held by 192.168.1.51 (02:00:c0:a8:01:33) and by this host"),
        "{finding:?}"
    );
    let mut nobodys = unheard(&[25]);
    nobodys.answers(ip(25), &[]);
    let finding = only(&nobodys, "two-masters");
    assert!(
        finding.seen.ends_with("and no host has 192.168.1.25"),
        "{finding:?}"
    );
    let mut leaks = unheard(&[25]);
    leaks.answers(ip(25), &[]);
    leaks.answers(VIP.into(), &[53]);
    assert_eq!(ids(&leaks), ["vip-duplicate"], "a real server");
    assert_eq!(ids(&unheard(&[])), ["vip-duplicate"], "nothing in the file");
}

#[test]
fn peers_that_name_each_other_are_no_cause() {
    let mut backup = holder(&[51]);
    sent_to(&mut backup, 52);
    assert_eq!(ids(&backup), ["vip-on-backup"], "somebody put it there");
    let mut healthy = backup.clone();
    healthy.addresses.pop();
    assert_eq!(ids(&healthy), [""; 0]);
    let mut master = backup.clone();
    master.wire.as_mut().unwrap().heard.clear();
    master.answers(VIP.into(), &[]);
    master.answers(ip(51), &[51]);
    assert_eq!(ids(&master), [""; 0]);
    // The other one is down.
    master.answers(ip(51), &[]);
    assert_eq!(ids(&master), [""; 0]);
}

#[test]
fn where_both_masters_are_heard_the_file_says_why() {
    let mut facts = holder(&[25]);
    sent_to(&mut facts, 52);
    facts.hears(52, 51, &[VIP]);
    let finding = only(&facts, "two-masters");
    assert!(
        finding
            .seen
            .ends_with("; the file here has unicast_peer 192.168.1.25, and not 192.168.1.51"),
        "{finding:?}"
    );
    assert!(finding.mend.contains("unicast_peer"), "{finding:?}");
}

#[test]
fn two_masters_elsewhere_are_both_to_be_looked_at() {
    let mut facts = real_server();
    facts.hears(52, 51, &[VIP]);
    let finding = only(&facts, "two-masters");
    let both = "run `lvsd doctor` on 192.168.1.51 and 192.168.1.52:";
    assert!(finding.mend.starts_with(both), "{finding:?}");
}

#[test]
fn a_vip_that_is_on_lo_twice_has_its_service_told_once() {
    let mut facts = real_server();
    facts.listening = ["192.168.1.53:80".parse().unwrap()].into();
    facts.addresses.push(address(1, "192.168.1.200/24"));
    assert_eq!(ids(&facts), ["vip-network", "service-not-on-vip"]);
}
