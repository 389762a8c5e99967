//! Two masters at once: the LAN is mended when there is one again, and people are told of
//! those that are masters, not of those that give way.

use super::lan::Lan;
use super::rules::DOWN_100;
use super::*;

/// A pair that a cut has made two masters, for that long.
fn split(version: Version, time: Duration) -> Lan {
    let mut lan = Lan::start([("a", settings(version, 200)), ("b", settings(version, 100))]);
    lan.run_for(secs(10));
    lan.unplug("a");
    lan.run_for(time);
    assert_eq!(lan.vip_holders(), ["a", "b"]);
    lan
}

/// Clients behind the lesser one have its address in their tables. Whichever of the two sends
/// first then.
#[test]
fn a_split_brain_that_heals_costs_the_clients_of_the_lesser_one_nothing() {
    for version in [V2, V3] {
        for phase in 0..20 {
            let mut lan = split(version, secs(12) + millis(50) * phase);
            lan.plug("a");
            let outage = lan.outage_for(secs(3));
            assert_eq!(outage, Duration::ZERO, "{version:?}, {phase}");
            assert_eq!(lan.vip_holders(), ["a"]);
            let rival = lan.router("a").rival().map(|rival| rival.priority);
            assert_eq!(rival, Some(100), "the better one knows that there were two");
            lan.run_for(secs(10));
            assert_eq!(lan.router("a").rival(), None);
        }
    }
}

#[test]
fn a_master_that_gives_way_to_one_that_preempts_is_no_rival() {
    for (version, priority) in [(V2, 200), (V3, 200), (V3, 255)] {
        let mut lan = Lan::start([
            ("a", settings(version, priority)),
            ("b", settings(version, 100)),
        ]);
        lan.run_for(secs(10));
        lan.event("a", Event::Shutdown);
        lan.run_for(secs(10));
        lan.event("a", Event::Startup);
        for _ in 0..6_000 {
            lan.run_for(millis(1));
            assert_eq!(lan.router("a").rival(), None);
        }
        assert_eq!(lan.vip_holders(), ["a"]);
    }
}

/// One that goes on is a rival all the same.
#[test]
fn a_former_master_that_does_not_give_way_is_told_with_its_second_advert() {
    let (mut router, now) = master(settings(V3, 100));
    let soon = now + millis(600);
    assert_eq!(notices(&mut router, soon, hear(V3, LESSER, 50)), []);
    let peer = Peer {
        address: ip(LESSER),
        priority: 50,
    };
    let later = soon + secs(1);
    assert_eq!(
        notices(&mut router, later, hear(V3, LESSER, 50)),
        [Notice::RivalHeard(peer)]
    );
}

#[test]
fn who_heard_a_former_master_announces_again_when_that_has_let_go() {
    let (mut router, now) = master(settings(V2, 100));
    let soon = now + millis(1);
    assert_eq!(feed(&mut router, soon, hear(V2, LESSER, 50)), "announce");
    let due = now + secs(1);
    assert_eq!(
        feed(&mut router, due, Event::Deadline),
        "advert 100, announce"
    );
    let due = due + secs(1);
    assert_eq!(feed(&mut router, due, Event::Deadline), "advert 100");
}

/// Of two that claim at once the lesser one may have been announced last.
#[test]
fn who_claims_and_hears_a_better_one_serves_until_all_have_heard_of_that() {
    for event in [hear(V3, GREATER, 100), hear(V3, LESSER, 200), Event::Yield] {
        let (mut router, now) = claiming(settings(V3, 100));
        assert_eq!(feed(&mut router, now, event), "advert 0");
        assert_eq!(router.state(), State::Backup);
        let_go(&mut router, now);
        assert_eq!(router.claim(), Claim::Release);
    }
    let (mut router, now) = claiming(settings(V3, 100));
    assert_eq!(feed(&mut router, now, Event::Shutdown), "advert 0");
    assert!(!router.is_idle(), "it keeps its addresses a moment longer");
    let_go(&mut router, now);
    assert!(router.is_idle());
}

/// What people are told of a rival that sends `count` adverts, one each `interval`.
fn told_of(router: &mut Router, now: Instant, interval: Duration, count: u32) -> Vec<Notice> {
    let mut told = vec![];
    let end = now + interval * count;
    let mut next = now;
    loop {
        let due = router.deadline().unwrap();
        let at = due.min(next);
        if at >= end {
            return told;
        }
        let event = if at == next {
            next += interval;
            every(interval, heard(V3, LESSER, 50))
        } else {
            Event::Deadline
        };
        told.extend(notices(router, at, event));
    }
}

#[test]
fn a_rival_with_a_longer_interval_is_one_rival() {
    for interval in [secs(5), secs(40)] {
        let (mut router, now) = master(settings(V3, 100));
        let told = told_of(&mut router, now + secs(2), interval, 25);
        assert!(matches!(told[..], [Notice::RivalHeard(_)]), "{told:?}");
        let last = now + secs(2) + interval * 24;
        let over = last + DOWN_100.mul_f64(interval.as_secs_f64());
        let mut at = router.deadline().unwrap();
        while at <= over {
            assert_eq!(notices(&mut router, at, Event::Deadline), []);
            at = router.deadline().unwrap();
        }
        let told = notices(&mut router, at, Event::Deadline);
        assert!(matches!(told[..], [Notice::RivalGone(_)]), "{told:?}");
    }
}

/// It was master before, and says nothing new.
#[test]
fn a_rival_is_not_taken_for_the_successor_before_others_had_their_time() {
    let leaves = || {
        let (mut router, now) = master(settings(V3, 100));
        let now = now + secs(2);
        feed(&mut router, now - millis(500), Event::Deadline);
        feed(&mut router, now, hear(V3, LESSER, 50));
        assert_eq!(feed(&mut router, now, Event::Shutdown), "advert 0");
        (router, now)
    };
    let (mut router, now) = leaves();
    let early = now + millis(1_249);
    assert_eq!(feed(&mut router, early, hear(V3, LESSER, 50)), "");
    assert_eq!(router.phase(), Phase::HandingOver);
    let later = now + millis(1_250);
    feed(&mut router, later, hear(V3, LESSER, 50));
    let_go(&mut router, later);

    let (mut router, now) = leaves();
    feed(&mut router, now + millis(1), hear(V3, GREATER, 20));
    let_go(&mut router, now + millis(1));
}
