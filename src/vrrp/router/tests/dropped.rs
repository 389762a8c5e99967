//! Packets that were dropped before they were read are not silence.

use super::rules::{DOWN_100, SKEW_100, wait};
use super::*;

const DROPPED: Event = Event::Dropped { packets: 7 };

/// A backup that follows a master of priority 200, and when it heard it last.
fn follower() -> (Router, Instant) {
    let now = start();
    let mut router = started(settings(V3, 100), now);
    feed(&mut router, now, hear(V3, GREATER, 200));
    (router, now)
}

#[test]
fn a_backup_whose_packets_were_dropped_listens_once_more_before_it_takes_over() {
    let (mut router, now) = follower();
    assert_eq!(feed(&mut router, now + secs(1), DROPPED), "");
    feed(&mut router, now + secs(2), DROPPED);
    assert_eq!(wait(&router, now), DOWN_100, "that alone moves no timer");
    let due = router.deadline().unwrap();
    assert!(router.listens());
    let told = notices(&mut router, due, Event::Deadline);
    assert_eq!(told, [Notice::HeardTooLittle { dropped: 14 }]);
    assert_eq!(router.state(), State::Backup);
    assert_eq!(wait(&router, due), secs(1) + SKEW_100);
    let over = router.deadline().unwrap();
    assert_eq!(
        feed(&mut router, over, Event::Deadline),
        "advert 100, claim",
        "it has listened, and nothing was dropped meanwhile"
    );
}

#[test]
fn a_master_that_is_heard_in_the_end_keeps_mastership_and_the_count_begins_anew() {
    let (mut router, now) = follower();
    feed(&mut router, now, DROPPED);
    let due = router.deadline().unwrap();
    feed(&mut router, due, Event::Deadline);
    feed(&mut router, due, hear(V3, GREATER, 200));
    assert_eq!(wait(&router, due), DOWN_100);
    let silent = router.deadline().unwrap();
    assert_eq!(
        feed(&mut router, silent, Event::Deadline),
        "advert 100, claim"
    );
}

/// Whoever floods for ever must not keep an address without a master for ever.
#[test]
fn a_flood_without_end_puts_a_takeover_off_by_six_adverts_and_no_more() {
    let (mut router, now) = follower();
    for _ in 0..DEAF_ROUNDS {
        let due = router.deadline().unwrap();
        feed(&mut router, due, DROPPED);
        assert_eq!(feed(&mut router, due, Event::Deadline), "");
        feed(&mut router, due, hear(V3, LESSER, 1));
    }
    let due = router.deadline().unwrap();
    assert_eq!(due, now + DOWN_100 + 6 * (secs(1) + SKEW_100));
    feed(&mut router, due, DROPPED);
    assert_eq!(feed(&mut router, due, Event::Deadline), "advert 100, claim");
}

#[test]
fn a_router_that_starts_in_a_flood_listens_again_too() {
    let now = start();
    let mut router = started(settings(V3, 100), now);
    feed(&mut router, now, DROPPED);
    let due = router.deadline().unwrap();
    assert_eq!(feed(&mut router, due, Event::Deadline), "");
}

#[test]
fn a_resignation_that_was_heard_is_no_silence() {
    let (mut router, now) = follower();
    feed(&mut router, now, DROPPED);
    feed(&mut router, now, hear(V3, GREATER, 0));
    feed(&mut router, now, DROPPED);
    let due = router.deadline().unwrap();
    assert_eq!(due, now + SKEW_100);
    assert_eq!(feed(&mut router, due, Event::Deadline), "claim");
}

#[test]
fn a_change_of_settings_does_not_end_the_listening() {
    let (mut router, now) = follower();
    feed(&mut router, now, DROPPED);
    let due = router.deadline().unwrap();
    feed(&mut router, due, Event::Deadline);
    let over = router.deadline();
    feed(&mut router, due, Event::Reconfigure(settings(V3, 90)));
    assert_eq!(router.deadline(), over);
}

/// The moment at which a master that slept for five seconds wakes, with packets lost.
fn woken() -> (Router, Instant) {
    let (mut router, now) = master(settings(V3, 100));
    let woken = now + secs(5);
    let told = notices(&mut router, woken, DROPPED);
    assert_eq!(told, [Notice::Starved { silent: secs(5) }]);
    (router, woken)
}

/// Its successor's adverts may be among what it lost.
#[test]
fn a_starved_master_whose_packets_were_dropped_listens_once_more_before_it_goes_on() {
    let (mut router, _) = woken();
    let due = router.deadline().unwrap();
    let told = notices(&mut router, due, Event::Deadline);
    assert_eq!(told, [Notice::HeardTooLittle { dropped: 7 }]);
    assert_eq!(
        (router.state(), router.claim()),
        (State::Master, Claim::Hold),
        "there may be nobody else"
    );
    assert!(router.listens());
    assert_eq!(wait(&router, due), secs(1) + SKEW_100);
    let over = router.deadline().unwrap();
    let sent = feed(&mut router, over, Event::Deadline);
    assert_eq!(sent, "advert 100, announce", "nothing was dropped since");

    let (mut router, _) = woken();
    let due = router.deadline().unwrap();
    feed(&mut router, due, Event::Deadline);
    let sent = feed(&mut router, due + secs(1), hear(V3, LESSER, 50));
    assert_eq!(sent, "release", "there is a successor");
    assert_eq!(router.state(), State::Backup);
}

#[test]
fn a_flood_without_end_keeps_a_starved_master_silent_for_seven_adverts_and_no_more() {
    let (mut router, woken) = woken();
    for _ in 0..DEAF_ROUNDS {
        let due = router.deadline().unwrap();
        feed(&mut router, due, DROPPED);
        assert_eq!(feed(&mut router, due, Event::Deadline), "");
    }
    let due = router.deadline().unwrap();
    assert_eq!(due, woken + 7 * (secs(1) + SKEW_100));
    feed(&mut router, due, DROPPED);
    let sent = feed(&mut router, due, Event::Deadline);
    assert_eq!(sent, "advert 100, announce");
}

#[test]
fn a_master_that_sends_in_time_has_no_use_for_what_was_dropped() {
    let (mut router, now) = master(settings(V3, 100));
    let due = router.deadline().unwrap();
    feed(&mut router, now, DROPPED);
    assert_eq!(feed(&mut router, due, Event::Deadline), "advert 100");
    let woken = due + secs(5);
    assert_eq!(feed(&mut router, woken, Event::Deadline), "");
    let over = router.deadline().unwrap();
    let sent = feed(&mut router, over, Event::Deadline);
    assert_eq!(sent, "advert 100, announce", "what came before is read");
}
