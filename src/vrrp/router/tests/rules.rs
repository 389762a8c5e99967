//! The rules of RFC 9568 §6.4 and RFC 3768 §6.4, each obeyed and each refused.

use super::*;

pub(super) fn backup(version: Version, priority: u8) -> (Router, Instant) {
    let now = start();
    (started(settings(version, priority), now), now)
}

/// How long after `now` the deadline is.
pub(super) fn wait(router: &Router, now: Instant) -> Duration {
    router.deadline().unwrap() - now
}

pub(super) const DOWN_100: Duration = Duration::from_micros(3_609_375);
pub(super) const SKEW_100: Duration = Duration::from_micros(609_375);

/// 6.4.1-a.
#[test]
fn an_owner_is_master_at_once_and_255_is_the_only_owner() {
    for version in [V2, V3] {
        let now = start();
        let mut router = Router::new(settings(version, 255), now);
        feed(&mut router, now, Event::LinkUp { address: ip(OWN) });
        assert_eq!(feed(&mut router, now, Event::Startup), "advert 255, claim");
        assert_eq!(router.state(), State::Master);
        assert_eq!(*router.cause(), Cause::Owner);
        assert_eq!(wait(&router, now), secs(1));
        assert_eq!(backup(version, 254).0.state(), State::Backup);
    }
}

/// 6.4.1-b.
#[test]
fn any_other_router_listens_for_the_master_down_interval_before_it_says_anything() {
    for version in [V2, V3] {
        let now = start();
        let mut router = Router::new(settings(version, 100), now);
        feed(&mut router, now, Event::LinkUp { address: ip(OWN) });
        assert_eq!(feed(&mut router, now, Event::Startup), "");
        assert_eq!(wait(&router, now), DOWN_100);
    }
}

/// 6.4.2-c.
#[test]
fn a_backup_that_stops_says_nothing_and_has_no_timer_left() {
    let (mut router, now) = backup(V3, 100);
    assert_eq!(feed(&mut router, now, Event::Shutdown), "");
    assert_eq!(router.state(), State::Initialize);
    assert_eq!(router.deadline(), None);
    assert_eq!(feed(&mut router, now + secs(10), Event::Deadline), "");
}

/// 6.4.2-d.
#[test]
fn a_backup_takes_over_when_its_timer_fires_and_not_a_moment_before() {
    for version in [V2, V3] {
        let (mut router, now) = backup(version, 100);
        let early = now + DOWN_100 - Duration::from_nanos(1);
        assert_eq!(feed(&mut router, early, Event::Deadline), "");
        let due = now + DOWN_100;
        assert_eq!(feed(&mut router, due, Event::Deadline), "advert 100, claim");
        assert_eq!(wait(&router, due), secs(1));
        assert_eq!(*router.cause(), Cause::NoMaster { waited: DOWN_100 });
    }
}

/// 6.4.2-e.
#[test]
fn priority_0_leaves_a_backup_the_skew_time_and_priority_1_does_not() {
    for version in [V2, V3] {
        let (mut router, now) = backup(version, 100);
        feed(&mut router, now, hear(version, GREATER, 0));
        assert_eq!(wait(&router, now), SKEW_100);
        let due = now + SKEW_100;
        assert_eq!(feed(&mut router, due, Event::Deadline), "claim");
        assert_eq!(feed(&mut router, due, Event::VipsHeld), "advert 100");
        assert_eq!(*router.cause(), Cause::MasterResigned(ip(GREATER)));

        let (mut router, now) = backup(version, 100);
        feed(&mut router, now, hear(version, GREATER, 1));
        assert_eq!(wait(&router, now), DOWN_100);
    }
}

/// 6.4.2-f, 6.1-b: the interval is learnt in version 3.
#[test]
fn an_advert_of_equal_or_greater_priority_sets_the_timer_anew() {
    for priority in [100, 101, 255] {
        let (mut router, now) = backup(V3, 100);
        let later = now + secs(2);
        let event = every(millis(500), heard(V3, LESSER, priority));
        assert_eq!(feed(&mut router, later, event), "");
        assert_eq!(wait(&router, later), DOWN_100 / 2);
        let peer = Peer {
            address: ip(LESSER),
            priority,
        };
        assert_eq!(router.master(), Some(peer));
    }
}

/// 6.4.2-f: without preemption any advert will do.
#[test]
fn without_preempt_a_lesser_advert_sets_the_timer_anew() {
    for version in [V2, V3] {
        let now = start();
        let preempt = false;
        let mut router = started(
            Settings {
                preempt,
                ..settings(version, 100)
            },
            now,
        );
        let later = now + secs(2);
        feed(&mut router, later, hear(version, LESSER, 1));
        assert_eq!(wait(&router, later), DOWN_100);
    }
}

/// 6.4.2-g.
#[test]
fn with_preempt_a_lesser_advert_changes_neither_timer_nor_interval() {
    for version in [V2, V3] {
        let (mut router, now) = backup(version, 100);
        let event = every(millis(500), heard(version, GREATER, 99));
        feed(&mut router, now + secs(3), event);
        assert_eq!(wait(&router, now), DOWN_100);
        let due = now + DOWN_100;
        assert_eq!(feed(&mut router, due, Event::Deadline), "claim");
        assert_eq!(feed(&mut router, due, Event::VipsHeld), "advert 100");
        let peer = Peer {
            address: ip(GREATER),
            priority: 99,
        };
        assert_eq!(*router.cause(), Cause::Preempts(peer));
    }
}

/// 6.1-a: version 2 has no interval to learn.
#[test]
fn version_2_keeps_its_own_interval() {
    let (mut router, now) = backup(V2, 100);
    feed(&mut router, now, every(secs(7), heard(V2, GREATER, 200)));
    assert_eq!(wait(&router, now), DOWN_100);
}

/// 6.4.3-e.
#[test]
fn a_master_that_stops_resigns_and_has_no_timer_left() {
    for version in [V2, V3] {
        let (mut router, now) = master(settings(version, 100));
        assert_eq!(feed(&mut router, now, Event::Shutdown), "advert 0");
        feed(&mut router, now, hear(version, LESSER, 50));
        let_go(&mut router, now);
        assert_eq!(router.deadline(), None);
        assert_eq!(router.claim(), Claim::Release);
        assert!(router.is_idle());
        assert_eq!(feed(&mut router, now + secs(2), Event::Deadline), "");
    }
}

/// 6.4.3-f.
#[test]
fn a_master_sends_every_interval_and_its_rhythm_does_not_drift() {
    let (mut router, now) = master(settings(V3, 100));
    assert_eq!(feed(&mut router, now + millis(999), Event::Deadline), "");
    for n in 1..=10 {
        let a_little_late = now + secs(n) + millis(3);
        assert_eq!(
            feed(&mut router, a_little_late, Event::Deadline),
            "advert 100"
        );
        assert_eq!(router.deadline(), Some(now + secs(n + 1)));
    }
    let too_late = now + millis(13_500);
    assert_eq!(feed(&mut router, too_late, Event::Deadline), "advert 100");
    assert_eq!(wait(&router, too_late), secs(1), "none is made up for");
}

/// 6.4.3-g.
#[test]
fn a_master_answers_priority_0_at_once_and_its_timer_starts_anew() {
    for version in [V2, V3] {
        let (mut router, now) = master(settings(version, 100));
        let later = now + millis(400);
        assert_eq!(
            feed(&mut router, later, hear(version, GREATER, 0)),
            "announce, advert 100"
        );
        assert_eq!(wait(&router, later), secs(1));
        assert_eq!(router.state(), State::Master);
    }
}

/// 6.4.3-h.
#[test]
fn a_master_yields_to_greater_priority_and_to_greater_address_at_equal_priority() {
    for version in [V2, V3] {
        for (source, priority) in [(LESSER, 101), (GREATER, 100), (LESSER, 255)] {
            let (mut router, now) = master(settings(version, 100));
            let event = hear(version, source, priority);
            assert_eq!(feed(&mut router, now, event), "advert 100", "its last");
            assert_eq!(router.state(), State::Backup);
            let_go(&mut router, now);
            assert_eq!(wait(&router, now), DOWN_100);
            let address = ip(source);
            assert_eq!(
                *router.cause(),
                Cause::Outranked(Peer { address, priority })
            );
        }
        for (source, priority) in [(GREATER, 99), (LESSER, 100)] {
            let (mut router, now) = master(settings(version, 100));
            feed(&mut router, now, hear(version, source, priority));
            assert_eq!(router.state(), State::Master);
        }
    }
}

/// 6.4.3-h: unsigned, in network order: as text .9 comes behind .51.
#[test]
fn addresses_compare_as_numbers() {
    for (source, yields) in [
        ("192.168.1.9", false),
        ("192.168.2.1", true),
        ("200.1.1.1", true),
    ] {
        let (mut router, now) = master(settings(V3, 100));
        feed(&mut router, now, hear(V3, source, 100));
        assert_eq!(router.state() == State::Backup, yields, "{source}");
    }
}

/// 6.4.3-h, 6.1-b.
#[test]
fn a_master_of_version_3_that_yields_learns_the_new_masters_interval() {
    let (mut router, now) = master(settings(V3, 100));
    feed(&mut router, now, every(millis(500), heard(V3, LESSER, 200)));
    let_go(&mut router, now);
    assert_eq!(wait(&router, now), DOWN_100 / 2);
    let due = router.deadline().unwrap();
    feed(&mut router, due, Event::Deadline);
    assert_eq!(
        wait(&router, due),
        secs(1),
        "as master its own interval counts"
    );
}

/// 6.4.3-i.
#[test]
fn a_lesser_advert_is_answered_by_version_3_and_not_by_version_2() {
    for (version, answer) in [(V2, "announce"), (V3, "announce, advert 100")] {
        let (mut router, now) = master(settings(version, 100));
        let later = now + millis(400);
        assert_eq!(feed(&mut router, later, hear(version, GREATER, 99)), answer);
        assert_eq!(wait(&router, now), secs(1), "the timer goes on");
    }
}

/// 6.4.3-j.
#[test]
fn preempt_has_no_part_in_being_master() {
    let preempt = false;
    let (mut router, now) = master(Settings {
        preempt,
        ..settings(V3, 100)
    });
    feed(&mut router, now, hear(V3, GREATER, 99));
    assert_eq!(router.state(), State::Master);
    feed(&mut router, now, hear(V3, LESSER, 101));
    assert_eq!(router.state(), State::Backup);
}
