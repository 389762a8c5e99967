use super::*;
use crate::sys::clock;
use crate::vrrp::transport::{Reach, Unicast};

const SECOND: Duration = Duration::from_secs(1);
/// Version 2, VRID 51, priority 100, one address, a password, 1 s.
const V2: [u8; 20] = [
    0x21, 51, 100, 1, 1, 1, 0, 0, 192, 168, 1, 200, 49, 49, 49, 49, 0, 0, 0, 0,
];

fn packet(last: u8, message: &[u8]) -> Datagram<'_> {
    Datagram {
        source: [192, 168, 1, last].into(),
        destination: [224, 0, 0, 18].into(),
        ttl: 255,
        message,
    }
}

fn see(
    masters: &mut RefusedMaster,
    now: Instant,
    (last, message): (u8, &[u8]),
    why: Discard,
) -> Option<Refused> {
    masters.see(now, &packet(last, message), &Transport::default(), why)
}

#[test]
fn a_master_whose_adverts_are_discarded_is_told_once_with_priority_version_and_reason() {
    let start = clock::now();
    let mut masters = RefusedMaster::default();
    let told = see(&mut masters, start, (52, &V2), Discard::AuthPassword).unwrap();
    assert_eq!(told.peer.to_string(), "192.168.1.52 with priority 100");
    assert_eq!((told.version, told.why), (2, Discard::AuthPassword));
    for n in 1..100 {
        let now = start + SECOND * n;
        let again = see(&mut masters, now, (52, &V2), Discard::AuthPassword);
        assert_eq!((again, masters.tend(now)), (None, None));
    }
    assert_eq!(masters.current(), Some(told));
    let now = start + SECOND * 100;
    let other = see(&mut masters, now, (52, &V2), Discard::Checksum).unwrap();
    assert_eq!(other.why, Discard::Checksum, "another reason is news");
}

#[test]
fn it_is_gone_when_it_is_silent_for_four_of_its_intervals_or_resigns() {
    let start = clock::now();
    let mut masters = RefusedMaster::default();
    let told = see(&mut masters, start, (52, &V2), Discard::Version(2));
    assert_eq!(masters.tend(start + SECOND * 4 - SECOND / 1000), None);
    assert_eq!(masters.tend(start + SECOND * 4), told);
    assert_eq!(masters.current(), None);

    let told = see(&mut masters, start, (52, &V2), Discard::Version(2));
    let mut last_word = V2;
    last_word[2] = 0;
    let resigned = see(&mut masters, start, (52, &last_word), Discard::Version(2));
    assert_eq!(resigned, None);
    assert_eq!(masters.tend(start), told);
    let resigned = see(&mut masters, start, (52, &last_word), Discard::Version(2));
    assert_eq!(
        (resigned, masters.current()),
        (None, None),
        "not from silence"
    );
}

#[test]
fn one_whose_adverts_are_taken_at_last_is_not_told_to_be_gone() {
    let start = clock::now();
    let mut masters = RefusedMaster::default();
    see(&mut masters, start, (52, &V2), Discard::AuthPassword);
    assert!(!masters.is_taken_now([192, 168, 1, 53].into()), "another");
    assert!(masters.current().is_some());
    assert!(masters.is_taken_now([192, 168, 1, 52].into()));
    assert_eq!(masters.current(), None);
    assert_eq!(masters.tend(start + SECOND * 100), None);
}

#[test]
fn a_flood_of_forged_masters_is_one_master() {
    let start = clock::now();
    let mut masters = RefusedMaster::default();
    let told = (0..=255)
        .cycle()
        .take(10_000)
        .filter_map(|last| see(&mut masters, start, (last, &V2), Discard::Checksum));
    assert_eq!(told.count(), 1);
}

#[test]
fn what_is_no_advert_of_this_link_is_no_master() {
    let start = clock::now();
    let mut masters = RefusedMaster::default();
    let (found, least) = (64, 255);
    for why in [
        Discard::Ttl { found, least },
        Discard::OwnPacket,
        Discard::Type(2),
        Discard::NoAddresses,
    ] {
        assert_eq!(see(&mut masters, start, (52, &V2), why), None);
    }
    for message in [&V2[..7], &[], &[0x91; 20], &[0x32; 20]] {
        let why = Discard::Checksum;
        assert_eq!(see(&mut masters, start, (52, message), why), None);
    }
    let unicast = Transport {
        source: None,
        reach: Reach::Unicast(Unicast {
            peers: vec![[192, 168, 1, 52].into()],
            min_ttl: 255,
        }),
    };
    let told = masters.see(
        start,
        &packet(52, &V2),
        &unicast,
        Discard::Ttl { found, least },
    );
    assert!(told.is_some(), "a configured peer far away");
}
