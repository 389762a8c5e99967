//! What trackers and the director think of a router.

use super::lan::Lan;
use super::rules::{backup, wait};
use super::*;

fn influenced(router: &mut Router, now: Instant, faults: &[&str], priority: i16) -> String {
    feed(router, now, Event::Influence(influence(faults, priority)))
}

#[test]
fn a_backup_of_another_priority_counts_its_skew_time_anew_from_the_last_advert() {
    let (mut router, now) = backup(V3, 100);
    let at = now + secs(1);
    influenced(&mut router, at, &[], 100);
    assert_eq!(router.priority().get(), 200);
    assert_eq!(wait(&router, now), secs(3) + Duration::from_micros(218_750));
    influenced(&mut router, at, &[], 0);
    assert_eq!(wait(&router, now), rules::DOWN_100, "and back");
}

#[test]
fn a_masters_next_advert_carries_the_changed_priority() {
    let (mut router, now) = master(settings(V3, 100));
    assert_eq!(influenced(&mut router, now + millis(10), &[], -30), "");
    let due = router.deadline().unwrap();
    assert_eq!(due, now + secs(1), "the rhythm stays");
    assert_eq!(feed(&mut router, due, Event::Deadline), "advert 70");
    feed(&mut router, due, hear(V3, LESSER, 71));
    let state = router.state();
    assert_eq!(state, State::Backup, "it is outranked by what it runs with");
}

#[test]
fn an_owner_keeps_its_priority_yet_not_its_mastership_in_fault() {
    let (mut router, now) = {
        let now = start();
        (started(settings(V3, 255), now), now)
    };
    influenced(&mut router, now, &[], -100);
    assert_eq!(router.priority().get(), 255);
    assert_eq!(router.state(), State::Master);
    influenced(&mut router, now, &["disk"], -100);
    assert_eq!(router.phase(), Phase::HandingOver);
    feed(&mut router, now, hear(V3, LESSER, 50));
    assert_eq!(router.state(), State::Fault);
}

#[test]
fn a_router_that_is_not_fit_is_in_fault_and_says_why_until_the_last_reason_is_gone() {
    for role in ["initialize", "backup", "master"] {
        let now = start();
        let mut router = match role {
            "initialize" => Router::new(settings(V3, 100), now),
            "backup" => started(settings(V3, 100), now),
            _ => master(settings(V3, 100)).0,
        };
        influenced(&mut router, now, &["disk", "script web"], 0);
        feed(&mut router, now, Event::LinkUp { address: ip(OWN) });
        feed(&mut router, now, Event::Startup);
        if role == "master" {
            assert_eq!(router.phase(), Phase::HandingOver);
            feed(&mut router, now, hear(V3, LESSER, 50));
            let_go(&mut router, now);
        }
        assert_eq!(router.state(), State::Fault, "{role}");
        let cause = router.cause().to_string();
        assert_eq!(cause, "must not be master: disk, script web");
        assert_eq!(router.deadline(), None);

        influenced(&mut router, now, &["disk"], 0);
        assert_eq!(router.cause().to_string(), "must not be master: disk");
        assert_eq!(router.state(), State::Fault);
        influenced(&mut router, now, &[], 0);
        assert_eq!(router.state(), State::Backup);
        assert_eq!(*router.cause(), Cause::Fit);
        assert_eq!(wait(&router, now), rules::DOWN_100);
    }
}

#[test]
fn a_router_with_two_faults_stays_in_fault_when_one_is_over() {
    let (mut router, now) = backup(V3, 100);
    influenced(&mut router, now, &["disk"], 0);
    feed(&mut router, now, Event::LinkDown(LinkFault::NoCarrier));
    influenced(&mut router, now, &[], 0);
    assert_eq!(router.state(), State::Fault);
    assert_eq!(*router.cause(), Cause::LinkDown(LinkFault::NoCarrier));
    influenced(&mut router, now, &["disk"], 0);
    feed(&mut router, now, Event::LinkUp { address: ip(OWN) });
    assert_eq!(router.state(), State::Fault);
    assert_eq!(router.cause().to_string(), "must not be master: disk");
    influenced(&mut router, now, &[], 0);
    assert_eq!(router.state(), State::Backup);
}

#[test]
fn a_master_that_becomes_less_fit_than_a_backup_is_preempted_and_takes_back_when_it_is_fit() {
    for version in [V2, V3] {
        let mut lan = Lan::start([("a", settings(version, 200)), ("b", settings(version, 100))]);
        lan.run_for(secs(5));
        lan.event("a", Event::Influence(influence(&[], -150)));
        lan.run_for(secs(6));
        assert_eq!(lan.vip_holders(), ["b"]);
        lan.event("a", Event::Influence(influence(&[], 0)));
        lan.run_for(secs(6));
        assert_eq!(lan.vip_holders(), ["a"]);
        lan.event("a", Event::Influence(influence(&["disk"], 0)));
        lan.run_for(secs(6));
        assert_eq!(lan.vip_holders(), ["b"]);
    }
}
