use super::*;
use crate::vrrp::AuthPass;
use crate::vrrp::dice::Dice;
use crate::vrrp::ipv4;
use crate::vrrp::mismatch::{Oddity, oddities};
use crate::vrrp::router::{Event, Router, State};
use crate::vrrp::transport::{MULTICAST_V4, Reach};
use std::net::Ipv4Addr;
use std::time::Duration;

mod mutated;

const MULTICAST: Transport = Transport {
    source: None,
    reach: Reach::Multicast,
};
const OWN: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 52);
const PEER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 51);

fn settings(version: Version) -> Settings {
    Settings {
        vrid: 51.try_into().unwrap(),
        priority: 100.try_into().unwrap(),
        version,
        advert_interval: Duration::from_secs(1),
        preempt: true,
        addresses: vec!["192.168.1.200".parse().unwrap()],
        checksum: None,
        takeover: crate::vrrp::Takeover::default(),
    }
}

fn password(text: &str) -> Version {
    Version::V2 {
        auth: Some(AuthPass::try_from(text).unwrap()),
    }
}

const V2: Version = Version::V2 { auth: None };
const V3: Version = Version::V3;

fn message(settings: &Settings) -> Vec<u8> {
    settings.advert(settings.priority.get()).encode(
        Checksum::MessageOnly,
        PEER.into(),
        MULTICAST_V4.into(),
    )
}

fn datagram(message: &[u8]) -> Datagram<'_> {
    Datagram {
        source: PEER.into(),
        destination: MULTICAST_V4.into(),
        ttl: 255,
        message,
    }
}

/// What a router with `ours` makes of an advert of a router with `theirs`.
fn exchange(theirs: &Settings, ours: &Settings) -> Result<Heard, Discard> {
    receive(&datagram(&message(theirs)), ours, &MULTICAST, OWN.into())
}

#[test]
fn an_advert_of_a_peer_with_our_settings_is_accepted_in_every_version() {
    for version in [V2, password("1111"), V3] {
        let settings = settings(version);
        let heard = exchange(&settings, &settings).unwrap();
        assert_eq!(heard.source, IpAddr::V4(PEER));
        assert_eq!(heard.advert, settings.advert(100));
        assert_eq!(heard.checksum, Checksum::MessageOnly);
        assert_eq!(oddities(&heard.advert, &settings), []);
    }
}

/// 7.1-a, 3-5.1.1.3.
#[test]
fn only_ttl_255_is_accepted() {
    let settings = settings(V3);
    let message = message(&settings);
    for ttl in 0..=255 {
        let datagram = Datagram {
            ttl,
            ..datagram(&message)
        };
        let result = receive(&datagram, &settings, &MULTICAST, OWN.into());
        match ttl {
            255 => assert!(result.is_ok()),
            _ => assert_eq!(
                result,
                Err(Discard::Ttl {
                    found: ttl,
                    least: 255
                })
            ),
        }
    }
}

/// 3-5.1.1.2.
#[test]
fn an_advert_that_was_not_sent_to_the_group_is_discarded() {
    let settings = settings(V3);
    let message = message(&settings);
    let datagram = Datagram {
        destination: OWN.into(),
        ..datagram(&message)
    };
    let result = receive(&datagram, &settings, &MULTICAST, OWN.into());
    assert_eq!(result, Err(Discard::Destination(OWN.into())));
}

/// 7.1-b.
#[test]
fn the_other_version_is_discarded_both_ways() {
    let (v2, v3) = (settings(V2), settings(V3));
    assert_eq!(exchange(&v2, &v3), Err(Discard::Version(2)));
    assert_eq!(exchange(&v3, &v2), Err(Discard::Version(3)));
}

/// 7.1-b: an unknown type.
#[test]
fn an_unknown_type_is_discarded() {
    let settings = settings(V3);
    let mut message = message(&settings);
    message[0] = 0x32;
    let result = receive(&datagram(&message), &settings, &MULTICAST, OWN.into());
    assert_eq!(result, Err(Discard::Type(2)));
}

/// 7.1-d, 3-5.2.8.
#[test]
fn version_3_is_accepted_with_and_without_pseudo_header_and_with_nothing_else() {
    let settings = settings(V3);
    for form in [Checksum::MessageOnly, Checksum::PseudoHeader] {
        let message = settings
            .advert(100)
            .encode(form, PEER.into(), MULTICAST_V4.into());
        let heard = receive(&datagram(&message), &settings, &MULTICAST, OWN.into()).unwrap();
        assert_eq!(heard.checksum, form);
    }
    let mut message = message(&settings);
    message[7] ^= 1;
    let result = receive(&datagram(&message), &settings, &MULTICAST, OWN.into());
    assert_eq!(result, Err(Discard::Checksum));
}

/// 7.1-e.
#[test]
fn another_virtual_router_is_discarded() {
    let ours = settings(V3);
    let theirs = Settings {
        vrid: 52.try_into().unwrap(),
        ..ours.clone()
    };
    assert_eq!(exchange(&theirs, &ours), Err(Discard::UnknownVrid(52)));
}

/// 7.1-f: version 2 discards, version 3 (erratum 8298) accepts and reports.
#[test]
fn an_owner_discards_in_version_2_and_reports_a_second_owner_in_version_3() {
    let owner = |version| Settings {
        priority: Priority::OWNER,
        ..settings(version)
    };
    assert_eq!(exchange(&settings(V2), &owner(V2)), Err(Discard::OwnerHere));
    assert!(exchange(&owner(V2), &settings(V2)).is_ok());
    let heard = exchange(&owner(V3), &owner(V3)).unwrap();
    assert_eq!(oddities(&heard.advert, &owner(V3)), [Oddity::SecondOwner]);
}

/// 7.1-g, and the password of RFC 2338.
#[test]
fn version_2_wants_our_authentication_type_and_our_password() {
    let (none, ours, other) = (
        settings(V2),
        settings(password("1111")),
        settings(password("1112")),
    );
    assert_eq!(exchange(&none, &ours), Err(Discard::AuthType(0)));
    assert_eq!(exchange(&ours, &none), Err(Discard::AuthType(1)));
    assert_eq!(exchange(&other, &ours), Err(Discard::AuthPassword));
    assert!(exchange(&ours, &ours).is_ok());
}

/// 7.1-h.
#[test]
fn another_interval_is_discarded_by_version_2_and_reported_by_version_3() {
    let slow = |version| Settings {
        advert_interval: Duration::from_secs(2),
        ..settings(version)
    };
    let mismatch = Discard::Interval {
        theirs: Duration::from_secs(2),
        ours: Duration::from_secs(1),
    };
    assert_eq!(exchange(&slow(V2), &settings(V2)), Err(mismatch));
    let heard = exchange(&slow(V3), &settings(V3)).unwrap();
    assert_eq!(heard.advert.interval, Duration::from_secs(2));
    let (theirs, ours) = (Duration::from_secs(2), Duration::from_secs(1));
    let odd = oddities(&heard.advert, &settings(V3));
    assert_eq!(odd, [Oddity::Interval { theirs, ours }]);
}

/// 7.1-i, deviation: accepted in both versions.
#[test]
fn another_address_list_is_accepted_and_reported_and_its_order_is_nothing() {
    let vips = |list: &[&str]| Settings {
        addresses: list.iter().map(|vip| vip.parse().unwrap()).collect(),
        ..settings(V2)
    };
    let ours = vips(&["192.168.1.200", "192.168.1.201"]);
    for (theirs, odd) in [
        (vec!["192.168.1.201", "192.168.1.200"], None),
        (vec!["192.168.1.200"], Some("it lacks 192.168.1.201")),
        (
            vec!["192.168.1.200", "192.168.1.202"],
            Some("it lacks 192.168.1.201, and has 192.168.1.202"),
        ),
        (
            vec!["192.168.1.200", "192.168.1.201", "192.168.1.202"],
            Some("it has 192.168.1.202 too"),
        ),
    ] {
        let heard = exchange(&vips(&theirs), &ours).unwrap();
        let found = oddities(&heard.advert, &ours);
        let told = found.first().map(ToString::to_string);
        let odd = odd.map(|odd| format!("its addresses are not ours: {odd}"));
        assert_eq!(told, odd, "{theirs:?}");
    }
}

#[test]
fn our_own_advert_is_discarded_when_it_comes_back() {
    let settings = settings(V3);
    let result = receive(
        &datagram(&message(&settings)),
        &settings,
        &MULTICAST,
        PEER.into(),
    );
    assert_eq!(result, Err(Discard::OwnPacket));
}

/// 7.1-k.
#[test]
fn every_discard_has_a_counter_of_its_own() {
    let all = [
        Discard::Runt,
        Discard::Giant,
        Discard::IpHeader,
        Discard::Fragment,
        Discard::Protocol(0),
        Discard::Ttl { found: 0, least: 0 },
        Discard::Destination(OWN.into()),
        Discard::Source(OWN.into()),
        Discard::UnknownPeer,
        Discard::Version(0),
        Discard::Type(0),
        Discard::NoAddresses,
        Discard::Length {
            found: 0,
            expected: 0,
        },
        Discard::Checksum,
        Discard::IntervalZero,
        Discard::UnknownVrid(0),
        Discard::OwnPacket,
        Discard::OwnerHere,
        Discard::AuthType(0),
        Discard::AuthPassword,
        Discard::Interval {
            theirs: Duration::ZERO,
            ours: Duration::ZERO,
        },
    ];
    assert_eq!(all.map(|discard| discard.counter()), Discard::COUNTERS);
}

/// A packet as the driver gets it, with its checksum mended in half of the
/// cases so that mutations reach what lies behind it.
fn mutate(dice: &mut Dice, packet: &mut Vec<u8>) {
    for _ in 0..=dice.below(3) {
        let at = usize::try_from(dice.below(packet.len() as u64)).unwrap();
        packet[at] = dice.roll().to_le_bytes()[0];
    }
    if dice.below(8) == 0 {
        let len = usize::try_from(dice.below(packet.len() as u64 + 9)).unwrap();
        packet.resize(len, 0xA5);
    }
    if packet.len() > 28 && dice.below(2) == 0 {
        packet[26..28].fill(0);
        let sum: u32 = packet[20..]
            .chunks(2)
            .map(|word| u32::from(word[0]) << 8 | u32::from(word.get(1).copied().unwrap_or(0)))
            .sum();
        let folded = (sum & 0xFFFF) + (sum >> 16);
        let folded = (folded & 0xFFFF) + (folded >> 16);
        let checksum = !u16::try_from(folded).unwrap();
        packet[26..28].copy_from_slice(&checksum.to_be_bytes());
    }
}

/// An accepted packet is one that a peer could have sent: written again it is
/// the same, but for bits that the RFCs say to ignore.
fn assert_valid(heard: &Heard, message: &[u8], settings: &Settings) {
    let again = heard
        .advert
        .encode(heard.checksum, heard.source, MULTICAST_V4.into());
    let mut ignored = vec![6, 7];
    match settings.version {
        Version::V3 => ignored.push(4),
        Version::V2 { auth: None } => ignored.extend(message.len() - 8..message.len()),
        Version::V2 { auth: Some(_) } => {}
    }
    assert_eq!(again.len(), message.len());
    for (at, (a, b)) in again.iter().zip(message).enumerate() {
        assert!(
            a == b || ignored.contains(&at),
            "byte {at} of {message:02x?}"
        );
    }
    assert_eq!(heard.advert.vrid, settings.vrid);
}

#[test]
fn a_million_mutated_packets_never_panic_and_only_a_valid_one_reaches_the_router() {
    let rounds = 1_000_000;
    let start = crate::sys::clock::now();
    let mut dice = Dice(112);
    let (mut accepted, mut discarded) = (0, 0);
    let versions = [V2, password("1111"), V3];
    let mut routers = versions.map(|version| {
        let mut router = Router::new(settings(version), start);
        let address = OWN.into();
        router.handle(start, Event::LinkUp { address }).count();
        router.handle(start, Event::Startup).count();
        router
    });
    for round in 0..rounds {
        let index = round % versions.len();
        let router = &mut routers[index];
        let message = message(&settings(versions[index]));
        let mut packet = ipv4::header(PEER, MULTICAST_V4, message.len()).to_vec();
        packet.extend(message);
        mutate(&mut dice, &mut packet);
        let result = ipv4::parse(&packet).and_then(|datagram| {
            Ok((
                datagram,
                receive(&datagram, router.settings(), &MULTICAST, OWN.into())?,
            ))
        });
        match result {
            Ok((datagram, heard)) => {
                accepted += 1;
                assert_eq!((datagram.ttl, heard.source), (255, datagram.source));
                assert_valid(&heard, datagram.message, router.settings());
                router.handle(start, Event::Heard(heard)).count();
                assert_eq!(router.state(), State::Backup);
            }
            Err(discard) => {
                discarded += 1;
                assert!(Discard::COUNTERS.contains(&discard.counter()));
            }
        }
    }
    assert!(accepted > rounds / 100, "{accepted} accepted");
    assert!(discarded > rounds / 2, "{discarded} discarded");
}
