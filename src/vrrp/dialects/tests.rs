use super::*;
use crate::vrrp::Version;
use crate::vrrp::advert::Advert;
use crate::vrrp::advert::Checksum::{MessageOnly, PseudoHeader};

fn heard(last: u8, priority: u8, checksum: Checksum) -> Heard {
    Heard {
        source: IpAddr::from([192, 168, 1, last]),
        advert: Advert {
            version: Version::V3,
            vrid: 51.try_into().unwrap(),
            priority,
            interval: Duration::from_secs(1),
            addresses: vec![IpAddr::from([192, 168, 1, 200])],
        },
        checksum,
    }
}

/// Hears a router in these forms, each second; when the last one came.
fn hear(dialects: &mut Dialects, last: u8, forms: &[Checksum], mut now: Instant) -> Instant {
    for form in forms {
        now += Duration::from_secs(1);
        assert!(!dialects.hear(now, &heard(last, 100, *form)), "no twin");
    }
    now
}

#[test]
fn one_form_is_enough_only_if_all_that_were_heard_speak_in_it_alone() {
    let mut now = crate::sys::clock::now();
    for form in [MessageOnly, PseudoHeader] {
        let mut dialects = Dialects::default();
        assert_eq!(dialects.forms(), Forms::Both, "nobody was heard");
        now = hear(&mut dialects, 1, &[form; 2], now);
        assert_eq!(dialects.forms(), Forms::Both, "half of a pair may be lost");
        now = hear(&mut dialects, 1, &[form], now);
        assert_eq!(dialects.forms(), Forms::One(form));
        now = hear(&mut dialects, 2, &[MessageOnly, PseudoHeader], now);
        assert_eq!(dialects.forms(), Forms::Both, "one speaks in both");
        now = hear(&mut dialects, 2, &[form; 3], now);
        assert_eq!(dialects.forms(), Forms::One(form), "it does no longer");
    }
    let mut dialects = Dialects::default();
    hear(&mut dialects, 1, &[MessageOnly; 3], now);
    hear(&mut dialects, 2, &[PseudoHeader; 3], now);
    assert_eq!(dialects.forms(), Forms::Both, "they differ");
}

#[test]
fn who_was_not_heard_for_an_hour_says_nothing_about_those_that_listen_now() {
    let mut dialects = Dialects::default();
    let now = hear(
        &mut dialects,
        1,
        &[PseudoHeader; 3],
        crate::sys::clock::now(),
    );
    dialects.forget(now + MEMORY - Duration::from_nanos(1));
    assert_eq!(dialects.forms(), Forms::One(PseudoHeader));
    dialects.forget(now + MEMORY);
    assert_eq!(dialects.forms(), Forms::Both);
}

#[test]
fn the_same_advert_in_the_other_form_is_known_and_the_next_one_is_not() {
    let now = crate::sys::clock::now();
    let (micros, millis) = (Duration::from_micros, Duration::from_millis);
    let mut dialects = Dialects::default();
    assert!(!dialects.hear(now, &heard(1, 100, PseudoHeader)));
    assert!(dialects.hear(now + micros(30), &heard(1, 100, MessageOnly)));
    let bunched = now + micros(60);
    assert!(
        !dialects.hear(bunched, &heard(1, 100, PseudoHeader)),
        "the next"
    );
    assert!(dialects.hear(bunched, &heard(1, 100, MessageOnly)));
    let next = now + millis(10);
    assert!(!dialects.hear(next, &heard(1, 100, PseudoHeader)));
    assert!(
        !dialects.hear(next, &heard(2, 100, MessageOnly)),
        "another router's"
    );
    assert!(
        !dialects.hear(next, &heard(1, 0, MessageOnly)),
        "it resigns"
    );
    let late = next + millis(10);
    assert!(!dialects.hear(late, &heard(1, 100, PseudoHeader)));
    let too_late = late + TWIN_WITHIN;
    assert!(!dialects.hear(too_late, &heard(1, 100, MessageOnly)));
}

#[test]
fn many_sources_take_no_room() {
    let mut dialects = Dialects::default();
    let now = crate::sys::clock::now();
    for last in 0..=255 {
        dialects.hear(now, &heard(last, 100, MessageOnly));
    }
    assert_eq!(dialects.0.len(), MOST);
}
