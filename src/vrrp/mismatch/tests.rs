use super::*;
use crate::sys::clock;

const SECOND: Duration = Duration::from_secs(1);

fn peer(last: u8) -> IpAddr {
    [192, 168, 1, last].into()
}

fn slower(seconds: u32) -> Vec<Oddity> {
    vec![Oddity::Interval {
        theirs: SECOND * seconds,
        ours: SECOND,
    }]
}

#[test]
fn a_mismatch_is_told_once_and_again_when_it_is_another_or_none() {
    let start = clock::now();
    let mut mismatches = Mismatches::default();
    assert_eq!(mismatches.note(start, peer(52), vec![]), None);
    let told = mismatches.note(start, peer(52), slower(2));
    assert_eq!(told, Some(slower(2)));
    for n in 0..1_000 {
        let now = start + SECOND * n;
        assert_eq!(mismatches.note(now, peer(52), slower(2)), None);
    }
    let both = [slower(2), vec![Oddity::SecondOwner]].concat();
    let told = mismatches.note(start, peer(52), both.clone());
    assert_eq!(told, Some(both));
    assert_eq!(mismatches.iter().count(), 2);
    assert_eq!(mismatches.note(start, peer(52), vec![]), Some(vec![]));
    assert_eq!(mismatches.iter().count(), 0);
    assert_eq!(mismatches.note(start, peer(52), vec![]), None);
}

#[test]
fn a_flood_of_changing_or_forged_mismatches_is_told_some_times() {
    let start = clock::now();
    let mut mismatches = Mismatches::default();
    let mut told = 0;
    for n in 0..10_000_u32 {
        let now = start + SECOND / 1_000 * n;
        let found = slower(2 + n % 7);
        told += usize::from(mismatches.note(now, peer(52), found.clone()).is_some());
        let forged = IpAddr::from((n + 1).to_be_bytes());
        told += usize::from(mismatches.note(now, forged, found).is_some());
    }
    assert!(told <= 16, "{told}");
    assert_eq!(mismatches.iter().count(), MOST);
}

#[test]
fn a_long_difference_is_named_in_part() {
    let list = |from: u8| (from..from + 9).map(peer).collect();
    let difference = Difference {
        lacking: list(1),
        foreign: vec![],
    };
    assert_eq!(
        difference.to_string(),
        "it lacks 192.168.1.1, 192.168.1.2, 192.168.1.3, 192.168.1.4 and 5 more"
    );
}
