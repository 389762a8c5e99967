//! A keepalived that is master and hardly sends.

use std::time::Duration;

use super::*;
use crate::doctor::facts::VirtualRouter;
use crate::doctor::facts::tests::{VIP, address, ip};
use crate::lvs::Family;
use crate::vrrp::Version as VrrpVersion;

/// 52, where keepalived runs with this interval, holds the VIP and hears 51's adverts.
fn second_master(seconds: u64) -> Facts {
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
        peers: vec![],
        interval: Duration::from_secs(seconds),
    }];
    let heard = &mut facts.wire.as_mut().unwrap().heard[0];
    heard.advert.version = VrrpVersion::V2 { auth: None };
    facts
}

#[test]
fn a_keepalived_that_another_interval_silences_is_the_other_master() {
    let finding = only(&second_master(3), "two-masters");
    assert_eq!(
        finding.seen,
        "192.168.1.200 on ens192 has the masters 192.168.1.51 (priority 100) and this host, whose \
         keepalived holds it and is not heard; their advert interval (advert_int) is 1 s and 3 s"
    );
    assert!(finding.mend.starts_with("give both files the same"));
    let mut heard = second_master(3);
    heard.hears(52, 51, &[VIP]);
    heard.wire.as_mut().unwrap().heard[1].advert.version = VrrpVersion::V2 { auth: None };
    heard.wire.as_mut().unwrap().heard[1].advert.interval = Duration::from_secs(3);
    let finding = only(&heard, "two-masters");
    assert!(
        finding
            .seen
            .ends_with("their advert interval is 1 s and 3 s"),
        "{finding:?}"
    );
}

#[test]
fn a_vip_that_somebody_put_beside_a_backup_of_keepalived_is_told_as_such() {
    assert_eq!(ids(&second_master(1)), ["vip-on-backup"]);
    let mut of_version_3 = second_master(3);
    of_version_3.wire.as_mut().unwrap().heard[0].advert.version = VrrpVersion::V3;
    assert_eq!(
        ids(&of_version_3),
        ["vip-on-backup"],
        "which learns the interval"
    );
    let mut backup = second_master(3);
    backup.addresses.pop();
    assert_eq!(ids(&backup), [""; 0]);
}

#[test]
fn the_adverts_of_a_keepalived_are_those_of_its_file() {
    let mut facts = second_master(1);
    facts.addresses.pop();
    let drop = |to: &str| {
        let text = format!("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -d {to} -j DROP\n");
        crate::doctor::firewall::iptables::parse(&text)
    };
    facts.keeps_out();
    facts.firewall = drop("224.0.0.0/4");
    assert_eq!(ids(&facts), ["vrrp-blocked"]);
    facts.boot.keepalived_routers[0].peers = vec![ip(51)];
    assert_eq!(ids(&facts), [""; 0], "which its peers do not send");
    let heard = &mut facts.wire.as_mut().unwrap().heard[0];
    (heard.destination, heard.came_through) = (ip(52), 3);
    assert_eq!(ids(&facts), [""; 0]);
    // The number is this host's, whoever is heard to have the VIPs.
    facts.wire.as_mut().unwrap().heard.clear();
    facts.hears(9, 51, &[[192, 168, 1, 9]]);
    assert_eq!(ids(&facts), ["vrid-foreign"]);
}
