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

/// Hears it three times, an interval between them, the last time at `start`.
fn meet(masters: &mut RefusedMaster, start: Instant, why: Discard) -> Refused {
    for ago in [2, 1] {
        assert_eq!(see(masters, start - SECOND * ago, (52, &V2), why), None);
    }
    see(masters, start, (52, &V2), why).expect("the third of a kind")
}

fn late_enough() -> Instant {
    clock::now() + SECOND * 10
}

#[test]
fn a_master_whose_adverts_are_discarded_is_told_once_with_priority_version_and_reason() {
    let start = late_enough();
    let mut masters = RefusedMaster::default();
    let told = meet(&mut masters, start, Discard::AuthPassword);
    assert_eq!(told.peer.to_string(), "192.168.1.52 with priority 100");
    assert_eq!((told.version, told.why), (2, Discard::AuthPassword));
    for n in 1..100 {
        let now = start + SECOND * n;
        let again = see(&mut masters, now, (52, &V2), Discard::AuthPassword);
        assert_eq!((again, masters.tend(now)), (None, None));
    }
    assert_eq!(masters.current(), Some(told));
    let now = start + SECOND * 100;
    assert_eq!(
        see(&mut masters, now, (52, &V2), Discard::Checksum),
        None,
        "the same split brain, whatever its reason"
    );
    let shown = masters.current().map(|it| it.why);
    assert_eq!(shown, Some(Discard::Checksum), "the newest one is shown");
}

#[test]
fn it_is_gone_when_it_is_silent_for_four_of_its_intervals_or_resigns() {
    let start = late_enough();
    let mut masters = RefusedMaster::default();
    let told = Some(meet(&mut masters, start, Discard::Version(2)));
    assert_eq!(masters.tend(start + SECOND * 4 - SECOND / 1000), None);
    assert_eq!(masters.tend(start + SECOND * 4), told);
    assert_eq!(masters.current(), None);

    let start = start + SECOND * 60;
    let told = Some(meet(&mut masters, start, Discard::Version(2)));
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
    let start = late_enough();
    let mut masters = RefusedMaster::default();
    meet(&mut masters, start, Discard::AuthPassword);
    assert!(!masters.is_taken_now([192, 168, 1, 53].into()), "another");
    assert!(masters.current().is_some());
    assert!(masters.is_taken_now([192, 168, 1, 52].into()));
    assert_eq!(masters.current(), None);
    assert_eq!(masters.tend(start + SECOND * 100), None);
}

#[test]
fn a_packet_a_burst_or_one_now_and_then_is_no_master() {
    let start = clock::now();
    let mut masters = RefusedMaster::default();
    for n in 0..1_000 {
        let now = start + SECOND / 2_000 * n;
        assert_eq!(see(&mut masters, now, (52, &V2), Discard::Checksum), None);
    }
    for n in 1..100 {
        let now = start + SECOND * 5 * n;
        assert_eq!(see(&mut masters, now, (53, &V2), Discard::Checksum), None);
    }
    assert_eq!(masters.current(), None);
}

#[test]
fn what_is_left_of_a_flood_that_filled_the_socket_is_no_master_either() {
    let start = late_enough();
    let mut masters = RefusedMaster::default();
    for n in 0..60 {
        let now = start + SECOND * n;
        let heard = see(&mut masters, now, (52, &V2), Discard::Checksum);
        assert_eq!(heard, None);
        masters.lose_packets();
    }
}

/// A hundred a second of a router that says to send one.
#[test]
fn a_flood_of_wrong_checksums_is_no_master_until_it_keeps_the_time_of_one() {
    let flood = |masters: &mut RefusedMaster, start: Instant, seconds: u32| {
        for n in 0..seconds * 100 {
            let now = start + SECOND / 100 * n;
            assert_eq!(see(masters, now, (52, &V2), Discard::Checksum), None);
            masters.tend(now);
        }
    };
    let start = late_enough();
    let mut masters = RefusedMaster::default();
    flood(&mut masters, start, 60);
    assert_eq!(masters.current(), None);
    let slow = start + SECOND * 70;
    assert_eq!(
        meet(&mut masters, slow, Discard::Checksum).why,
        Discard::Checksum
    );

    let mut masters = RefusedMaster::default();
    let told = meet(&mut masters, start, Discard::AuthPassword);
    flood(&mut masters, start, 3);
    assert_eq!(masters.current(), Some(told));
    flood(&mut masters, start + SECOND * 3, 60);
    assert_eq!(masters.current(), None, "a flood is no sign of its life");
}

#[test]
fn a_flood_whose_reason_alternates_begins_one_split_brain_and_ends_one() {
    let start = clock::now();
    let mut masters = RefusedMaster::default();
    let (mut told, mut gone) = (0, 0);
    for n in 0..10_000 {
        let now = start + SECOND / 500 * n;
        let why = [Discard::Checksum, Discard::AuthPassword][n as usize % 2];
        told += usize::from(see(&mut masters, now, (99, &V2), why).is_some());
        gone += usize::from(masters.tend(now).is_some());
    }
    assert_eq!((told, gone), (1, 0));
    assert!(masters.tend(start + SECOND * 24).is_some());
}

#[test]
fn bursts_are_a_split_brain_every_ten_seconds_at_most() {
    let start = clock::now();
    // Version 3, an advert each 10 ms.
    let fast = [0x31, 51, 100, 1, 0, 1, 0, 0, 192, 168, 1, 200];
    let mut masters = RefusedMaster::default();
    let mut told = 0;
    for n in 0..60_000_u32 {
        let now = start + SECOND / 1_000 * n;
        let sender = u8::try_from(n / 2_000).unwrap();
        if n % 2_000 < 100 {
            let news = see(&mut masters, now, (sender, &fast), Discard::Checksum);
            told += usize::from(news.is_some());
        }
        masters.tend(now);
    }
    assert!((2..=6).contains(&told), "{told} in a minute");
}

#[test]
fn a_flood_of_forged_senders_is_no_master_and_takes_no_memory() {
    let start = clock::now();
    let mut masters = RefusedMaster::default();
    for n in 0..40_000_u32 {
        let mut packet = packet(0, &V2);
        packet.source = IpAddr::from(n.to_be_bytes());
        let now = start + SECOND / 10_000 * n;
        let why = Discard::Checksum;
        let told = masters.see(now, &packet, &Transport::default(), why);
        assert_eq!(told, None);
    }
    assert_eq!(masters.suspects.len(), MOST);
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
        see(&mut masters, start, (52, &V2), why);
        assert!(masters.suspects.is_empty(), "{why}");
    }
    let no_addresses = [0x31, 51, 100, 0, 0, 100, 0, 0];
    let no_interval = [0x31, 51, 100, 1, 0, 0, 0, 0, 192, 168, 1, 200];
    for message in [
        &V2[..7],
        &V2[..8],
        &V2[..19],
        &[],
        &[0x91; 20],
        &[0x32; 20],
        &no_addresses,
        &no_interval,
    ] {
        see(&mut masters, start, (52, message), Discard::Checksum);
        assert!(masters.suspects.is_empty(), "{message:?}");
    }
    let unicast = Transport {
        source: None,
        reach: Reach::Unicast(Unicast {
            peers: vec![[192, 168, 1, 52].into()],
            min_ttl: 255,
        }),
    };
    masters.see(
        start,
        &packet(52, &V2),
        &unicast,
        Discard::Ttl { found, least },
    );
    assert_eq!(masters.suspects.len(), 1, "a configured peer far away");
}
