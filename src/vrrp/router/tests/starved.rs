//! Masters that could not send, and wake: timers, wake late = listen before claiming.

use super::rules::{DOWN_100, SKEW_100, wait};
use super::*;

/// A master of version 3 and priority 100 that was silent for so long, and the moment
/// that it wakes.
fn starved(preempt: bool, silent: Duration) -> (Router, Instant) {
    let (router, now) = master(Settings {
        preempt,
        ..settings(V3, 100)
    });
    (router, now + silent)
}

#[test]
fn a_master_that_was_starved_sends_nothing_before_it_has_listened() {
    let silent = DOWN_100 + millis(1);
    let (mut router, woken) = starved(true, silent);
    let told = notices(&mut router, woken, Event::Deadline);
    assert_eq!(told, [Notice::Starved { silent }]);
    assert_eq!(
        (router.state(), router.claim()),
        (State::Master, Claim::Hold)
    );
    assert_eq!(wait(&router, woken), secs(1) + SKEW_100);
    assert!(router.listens(), "what its socket holds comes first");
    let early = woken + secs(1);
    assert_eq!(feed(&mut router, early, Event::Deadline), "");
    let over = router.deadline().unwrap();
    assert_eq!(
        feed(&mut router, over, Event::Deadline),
        "advert 100, announce"
    );
    assert_eq!(wait(&router, over), secs(1));
    assert_eq!(router.transitions(), 2, "started, became master");
}

#[test]
fn a_master_that_is_a_little_late_goes_on() {
    let (mut router, woken) = starved(true, DOWN_100);
    assert!(!router.listens(), "its advert waits for nothing");
    assert_eq!(feed(&mut router, woken, Event::Deadline), "advert 100");
}

#[test]
fn a_master_that_is_always_starved_listens_once_and_then_serves() {
    let (mut router, woken) = starved(true, secs(10));
    assert_eq!(feed(&mut router, woken, Event::Deadline), "");
    let late_again = woken + secs(10);
    let sent = feed(&mut router, late_again, Event::Deadline);
    assert_eq!(sent, "advert 100, announce");
}

/// Whoever is heard has taken over meanwhile, of whatever rank: that is before the
/// deadline, because sockets are read first.
#[test]
fn a_master_that_was_starved_follows_whoever_took_over_and_says_nothing() {
    for (source, priority) in [(GREATER, 50), (GREATER, 100), (LESSER, 100), (LESSER, 200)] {
        let (mut router, woken) = starved(false, secs(5));
        let event = hear(V3, source, priority);
        assert_eq!(feed(&mut router, woken, event), "release", "{priority}");
        let peer = Peer {
            address: ip(source),
            priority,
        };
        let silent = secs(5);
        assert_eq!(*router.cause(), Cause::Succeeded { peer, silent });
        assert_eq!(
            router.cause().to_string(),
            format!("was starved for 5.00 s, and heard {source} with priority {priority}")
        );
        assert_eq!(
            (router.state(), router.claim()),
            (State::Backup, Claim::Release)
        );
        assert_eq!(router.master(), Some(peer));
        assert_eq!(wait(&router, woken), DOWN_100);
    }
}

#[test]
fn a_master_that_was_starved_preempts_its_lesser_successor_gently() {
    let (mut router, woken) = starved(true, secs(5));
    assert_eq!(feed(&mut router, woken, hear(V3, GREATER, 50)), "release");
    for n in 1..4 {
        let sent = feed(&mut router, woken + secs(n), hear(V3, GREATER, 50));
        assert_eq!(sent, "", "it does not assert itself");
    }
    let due = router.deadline().unwrap();
    assert_eq!(due, woken + DOWN_100);
    assert_eq!(feed(&mut router, due, Event::Deadline), "claim");
    assert_eq!(feed(&mut router, due, Event::VipsHeld), "advert 100");
}

#[test]
fn a_master_that_was_starved_does_not_answer_a_resignation() {
    let (mut router, woken) = starved(true, secs(5));
    assert_eq!(feed(&mut router, woken, hear(V3, GREATER, 0)), "");
    assert_eq!(router.state(), State::Master);
}

#[test]
fn a_router_that_takes_over_again_is_not_starved_by_the_time_that_it_was_backup() {
    let (mut router, woken) = starved(true, secs(5));
    feed(&mut router, woken, hear(V3, GREATER, 200));
    let mut now = woken;
    for _ in 0..100 {
        now += secs(1);
        feed(&mut router, now, hear(V3, GREATER, 200));
    }
    let due = router.deadline().unwrap();
    assert_eq!(feed(&mut router, due, Event::Deadline), "advert 100, claim");
    assert_eq!(
        feed(&mut router, due + secs(1), Event::Deadline),
        "advert 100"
    );
}

/// The thread that announces may wake before the one that listens.
#[test]
fn a_master_that_was_starved_is_announced_when_it_has_listened_and_not_before() {
    let (mut router, woken) = starved(true, DOWN_100 + millis(1));
    let may = |router: &Router, now| router.announces_until().is_some_and(|until| now < until);
    assert!(may(&router, woken - millis(2)), "a backup still waits");
    assert!(!may(&router, woken), "before it has done anything");
    feed(&mut router, woken, Event::Deadline);
    assert!(!may(&router, woken), "it listens");
    let over = router.deadline().unwrap();
    feed(&mut router, over, Event::Deadline);
    assert!(may(&router, over), "it goes on");

    let (mut router, woken) = starved(true, secs(5));
    feed(&mut router, woken, hear(V3, GREATER, 50));
    assert!(!may(&router, woken), "it was succeeded");
    let (router, now) = claiming(settings(V3, 100));
    assert!(
        may(&router, now),
        "its announcements come before its advert"
    );
}
