use super::*;
use crate::vrrp::transport::{Reach, Transport, Unicast};
use crate::vrrp::{Settings, Takeover, Version};
use std::time::Duration;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn router(vip: &str) -> VrrpInstance {
    VrrpInstance {
        group: None,
        interface: "ens192".to_owned(),
        settings: Settings {
            vrid: 51.try_into().unwrap(),
            priority: 100.try_into().unwrap(),
            version: Version::V3,
            advert_interval: Duration::from_secs(1),
            preempt: true,
            addresses: vec![ip(vip)],
            checksum: None,
            takeover: Takeover::default(),
        },
        transport: Transport::default(),
        addresses: vec![],
        holdings: std::sync::Arc::default(),
        trackers: std::sync::Arc::default(),
        hooks: std::sync::Arc::default(),
    }
}

fn with_peers(vip: &str, peers: &[&str]) -> VrrpInstance {
    let peers = peers.iter().map(|peer| ip(peer)).collect();
    VrrpInstance {
        group: None,
        transport: Transport {
            source: None,
            reach: Reach::Unicast(Unicast {
                peers,
                min_ttl: 255,
            }),
        },
        ..router(vip)
    }
}

fn from(vip: &str, source: &str) -> VrrpInstance {
    let mut router = router(vip);
    router.transport.source = Some(ip(source));
    router
}

fn link(usable: &[&str]) -> Link {
    Link::Up {
        mtu: 1_500,
        index: NonZeroU32::MIN,
        addresses: Addresses {
            usable: usable.iter().map(|it| ip(it)).collect(),
            elsewhere: vec![ip("10.0.0.1")],
            link_local_fault: None,
        },
    }
}

const BOTH: [&str; 5] = [
    "192.168.1.51",
    "192.168.2.51",
    "2001:db8::51",
    "fe80::51",
    "fe80::52",
];

/// 3-5.1.1.1, 3-5.1.2.1.
#[test]
fn adverts_come_from_the_primary_address_and_over_ipv6_from_the_link_local_one() {
    let source = |vip| link(&BOTH).source_for(&router(vip));
    assert_eq!(source("192.168.1.200"), Ok(ip("192.168.1.51")));
    assert_eq!(source("2001:db8::200"), Ok(ip("fe80::51")));
}

#[test]
fn source_address_chooses_among_the_interfaces_own() {
    let source = |it| link(&BOTH).source_for(&from("192.168.1.200", it));
    assert_eq!(source("192.168.2.51"), Ok(ip("192.168.2.51")));
    let absent = ip("192.168.3.51");
    assert_eq!(source("192.168.3.51"), Err(LinkFault::NoSource(absent)));
}

#[test]
fn a_link_without_an_address_of_the_family_says_so() {
    let v4 = router("192.168.1.200");
    let v6 = router("2001:db8::200");
    let none = link(&[]);
    assert_eq!(none.source_for(&v4), Err(LinkFault::NoAddress));
    assert_eq!(none.source_for(&v6), Err(LinkFault::NoLinkLocal));
    let global = link(&["2001:db8::51"]);
    assert_eq!(global.source_for(&v6), Err(LinkFault::NoLinkLocal));
    let tentative = Link::Up {
        mtu: 1_500,
        index: NonZeroU32::MIN,
        addresses: Addresses {
            link_local_fault: Some(LinkFault::Tentative),
            ..Addresses::default()
        },
    };
    assert_eq!(tentative.source_for(&v6), Err(LinkFault::Tentative));
    assert_eq!(tentative.source_for(&v4), Err(LinkFault::NoAddress));
    let down = Link::Down(LinkFault::NoCarrier);
    assert_eq!(down.source_for(&v4), Err(LinkFault::NoCarrier));
}

#[test]
fn peers_beyond_the_link_are_spoken_to_from_an_address_that_they_can_answer() {
    let source = |peer| link(&BOTH).source_for(&with_peers("2001:db8::200", &[peer]));
    assert_eq!(source("fe80::9"), Ok(ip("fe80::51")));
    assert_eq!(source("2001:db8::9"), Ok(ip("2001:db8::51")));
    let only = link(&["fe80::51"]);
    let router = with_peers("2001:db8::200", &["2001:db8::9"]);
    assert_eq!(only.source_for(&router), Err(LinkFault::NoAddress));
}

#[test]
fn a_peer_that_is_this_host_is_a_fault_on_whatever_interface_it_has_the_address() {
    for own in ["192.168.1.51", "192.168.2.51", "10.0.0.1"] {
        let router = with_peers("192.168.1.200", &["192.168.1.52", own]);
        let fault = link(&BOTH).source_for(&router);
        assert_eq!(fault, Err(LinkFault::OwnPeer(ip(own))));
    }
}
