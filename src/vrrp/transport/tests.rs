use super::*;

const OWN: &str = "192.168.1.52";
const PEER: &str = "192.168.1.51";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn packet(source: &str, destination: &str, ttl: u8) -> Datagram<'static> {
    Datagram {
        source: ip(source),
        destination: ip(destination),
        ttl,
        message: &[],
    }
}

fn unicast(min_ttl: u8) -> Transport {
    Transport {
        source: None,
        reach: Reach::Unicast(Unicast {
            peers: vec![ip(PEER), ip("192.168.1.53")],
            min_ttl,
        }),
    }
}

/// 3-5.1.1.2, 3-5.1.2.2.
#[test]
fn adverts_go_to_the_group_of_their_family_or_to_every_peer() {
    let multicast = Transport::default();
    assert_eq!(multicast.destinations(Family::Ipv4), [ip("224.0.0.18")]);
    assert_eq!(multicast.destinations(Family::Ipv6), [ip("ff02::12")]);
    let peers = [ip(PEER), ip("192.168.1.53")];
    assert_eq!(unicast(255).destinations(Family::Ipv4), peers);
}

#[test]
fn over_ipv6_the_group_and_the_hop_limit_are_as_strict_as_over_ipv4() {
    let check = |packet| Transport::default().check(&packet, ip("fe80::2"));
    assert_eq!(check(packet("fe80::1", "ff02::12", 255)), Ok(()));
    let (found, least) = (254, 255);
    let routed = packet("fe80::1", "ff02::12", found);
    assert_eq!(check(routed), Err(Discard::Ttl { found, least }));
    let elsewhere = Discard::Destination(ip("ff02::1"));
    assert_eq!(check(packet("fe80::1", "ff02::1", 255)), Err(elsewhere));
    let looped = packet("fe80::2", "ff02::12", 255);
    assert_eq!(check(looped), Err(Discard::OwnPacket));
}

#[test]
fn unicast_takes_adverts_of_its_peers_only() {
    let check = |source| unicast(255).check(&packet(source, OWN, 255), ip(OWN));
    assert_eq!(check(PEER), Ok(()));
    assert_eq!(check("192.168.1.54"), Err(Discard::UnknownPeer));
    assert_eq!(check(OWN), Err(Discard::OwnPacket));
}

#[test]
fn unicast_and_multicast_do_not_mix() {
    let to_group = packet(PEER, "224.0.0.18", 255);
    let refused = Discard::Destination(ip("224.0.0.18"));
    assert_eq!(unicast(255).check(&to_group, ip(OWN)), Err(refused));
    let to_us = packet(PEER, OWN, 255);
    let refused = Discard::Destination(ip(OWN));
    assert_eq!(Transport::default().check(&to_us, ip(OWN)), Err(refused));
}

/// Section 9 of the rules: GTSM (RFC 5082) stays on under unicast.
#[test]
fn unicast_wants_ttl_255_unless_it_is_told_of_routers_on_the_way() {
    let check = |min_ttl, ttl| unicast(min_ttl).check(&packet(PEER, OWN, ttl), ip(OWN));
    assert_eq!(check(255, 255), Ok(()));
    for (least, found) in [(255, 254), (253, 252), (253, 0)] {
        assert_eq!(check(least, found), Err(Discard::Ttl { found, least }));
    }
    assert_eq!(check(253, 253), Ok(()));
    assert_eq!(check(253, 255), Ok(()));
}

/// 3-5.1.1.1, 3-5.1.2.1: a router sends from an address that a host can have.
#[test]
fn what_no_router_can_send_from_is_discarded() {
    let multicast = Transport::default();
    let check = |source: &str, own: &str| {
        let to = group(Family::of(ip(source))).to_string();
        multicast.check(&packet(source, &to, 255), ip(own))
    };
    for source in [
        "0.0.0.0",
        "0.1.2.3",
        "127.0.0.1",
        "224.0.0.18",
        "239.255.255.255",
        "255.255.255.255",
    ] {
        assert_eq!(check(source, OWN), Err(Discard::Source(ip(source))));
    }
    for source in [PEER, "192.168.1.200", "10.0.0.1", "169.254.1.1"] {
        assert_eq!(check(source, OWN), Ok(()), "{source}");
    }
    for source in ["::", "::1", "ff02::12", "2001:db8::1", "fd77::1"] {
        let refused = Err(Discard::Source(ip(source)));
        assert_eq!(check(source, "fe80::2"), refused);
    }
    let reach = Reach::Unicast(Unicast {
        peers: vec![ip("2001:db8::1")],
        min_ttl: 255,
    });
    let source = None;
    let unicast = Transport { source, reach };
    let global = packet("2001:db8::1", "2001:db8::2", 255);
    assert_eq!(unicast.check(&global, ip("2001:db8::2")), Ok(()));
}
