//! Nothing is lost on purpose: mastership that is given away or taken back.

use super::lan::Lan;
use super::rules::{DOWN_100, backup, wait};
use super::*;
use crate::vrrp::Takeover;

/// A pair whose first host is master, and has been for a while.
fn pair(version: Version) -> Lan {
    let mut lan = Lan::start([("a", settings(version, 200)), ("b", settings(version, 100))]);
    lan.run_for(secs(10));
    assert_eq!(lan.vip_holders(), ["a"]);
    lan
}

fn taking(settings: Settings, takeover: Takeover) -> Settings {
    Settings {
        takeover,
        ..settings
    }
}

#[test]
fn a_stop_a_yield_and_a_reclaim_cost_clients_nothing() {
    for version in [V2, V3] {
        for claim_takes in [0, 2, 40, 200] {
            let mut lan = pair(version);
            lan.claim_takes("a", millis(claim_takes));
            lan.claim_takes("b", millis(claim_takes));
            lan.event("a", Event::Yield);
            assert_eq!(lan.outage_for(secs(10)), Duration::ZERO, "{claim_takes}");
            assert_eq!(lan.vip_holders(), ["b"]);
            assert_eq!(lan.router("a").phase(), Phase::Yielded);
            lan.event("a", Event::Reclaim);
            assert_eq!(lan.outage_for(secs(10)), Duration::ZERO);
            assert_eq!(lan.vip_holders(), ["a"]);
            lan.event("a", Event::Shutdown);
            assert_eq!(lan.outage_for(secs(10)), Duration::ZERO);
            assert_eq!(lan.vip_holders(), ["b"]);
            assert!(lan.router("a").is_idle());
            lan.event("a", Event::Startup);
            assert_eq!(lan.outage_for(secs(10)), Duration::ZERO);
            assert_eq!(lan.vip_holders(), ["a"], "and it returns by preemption");
        }
    }
}

#[test]
fn a_reclaim_does_not_wait_for_any_timer() {
    let mut lan = pair(V3);
    lan.event("a", Event::Yield);
    lan.run_for(secs(10));
    lan.event("a", Event::Reclaim);
    lan.run_for(millis(5));
    assert_eq!(lan.router("a").state(), State::Master);
    let cause = lan.router("a").cause().to_string();
    assert_eq!(cause, "taken back from 192.168.1.52 with priority 100");
}

#[test]
fn a_resignation_that_was_lost_is_repeated() {
    let mut lan = pair(V3);
    lan.unplug("a");
    lan.event("a", Event::Yield);
    lan.plug("a");
    assert_eq!(lan.outage_for(secs(3)), Duration::ZERO);
    assert_eq!(lan.vip_holders(), ["b"]);
}

#[test]
fn who_yields_and_hears_nobody_stays_master_and_who_stops_goes_when_its_time_is_over() {
    for version in [V2, V3] {
        let mut lan = Lan::start([("a", settings(version, 200))]);
        lan.run_for(secs(10));
        lan.event("a", Event::Yield);
        assert_eq!(lan.outage_for(secs(10)), Duration::ZERO);
        assert_eq!(lan.vip_holders(), ["a"]);
        assert_eq!(lan.router("a").phase(), Phase::Steady, "the yield is over");
        lan.event("a", Event::Shutdown);
        lan.run_for(millis(3_999));
        assert_eq!(lan.vip_holders(), ["a"]);
        lan.run_for(millis(1));
        assert_eq!(lan.vip_holders(), [""; 0]);
        assert!(lan.router("a").is_idle());
    }
}

#[test]
fn who_has_yielded_serves_again_when_no_other_master_is_heard() {
    let mut lan = pair(V3);
    lan.event("a", Event::Yield);
    lan.run_for(secs(60));
    assert_eq!(lan.vip_holders(), ["b"], "it does not preempt");
    lan.unplug("b");
    lan.run_for(secs(4));
    assert_eq!(lan.router("a").state(), State::Master);
    assert_eq!(lan.router("a").phase(), Phase::Steady);
    lan.plug("b");
    lan.run_for(secs(10));
    assert_eq!(lan.vip_holders(), ["a"], "the yield is over");
}

#[test]
fn a_handover_timeout_of_nothing_lets_go_at_once() {
    let takeover = Takeover {
        handover_timeout: Duration::ZERO,
        ..Takeover::default()
    };
    let (mut router, now) = master(taking(settings(V3, 100), takeover));
    assert_eq!(feed(&mut router, now, Event::Shutdown), "advert 0, release");
    assert!(router.is_idle());
}

/// 3-6.4.2-d says advert first; the deviation is for working masters only.
#[test]
fn only_a_working_master_is_preempted_with_addresses_first() {
    let (mut router, now) = claiming(settings(V3, 100));
    assert_eq!(router.claim(), Claim::Hold);
    assert_eq!(router.state(), State::Backup, "it has not said so yet");
    assert_eq!(
        feed(&mut router, now + millis(3), Event::VipsHeld),
        "advert 100"
    );
    assert_eq!(router.state(), State::Master);

    let (mut router, now) = claiming(settings(V3, 100));
    assert_eq!(wait(&router, now), CLAIM_WITHIN);
    let due = now + CLAIM_WITHIN;
    let told = notices(&mut router, due, Event::Deadline);
    assert_eq!(told[0], Notice::ClaimUnconfirmed);
    assert_eq!(router.state(), State::Master);

    let (mut router, now) = claiming(settings(V3, 100));
    let resigned = feed(&mut router, now, hear(V3, LESSER, 0));
    assert_eq!(resigned, "advert 100", "nobody is preempted any more");
}

#[test]
fn the_addresses_are_announced_again_when_the_former_master_has_let_go() {
    let (mut router, now) = claiming(settings(V3, 100));
    feed(&mut router, now, Event::VipsHeld);
    let sent: Vec<_> = (0..3)
        .map(|_| {
            let due = router.deadline().unwrap();
            feed(&mut router, due, Event::Deadline)
        })
        .collect();
    assert_eq!(
        sent,
        ["advert 100, announce", "advert 100", "advert 100"],
        "once"
    );
}

#[test]
fn a_router_that_is_not_ready_leaves_a_working_master_alone_and_nobody_else() {
    for version in [V2, V3] {
        let (mut router, now) = backup(version, 100);
        feed(&mut router, now, Event::Ready(false));
        feed(&mut router, now + secs(1), hear(version, LESSER, 50));
        assert_eq!(wait(&router, now + secs(1)), DOWN_100, "it follows");
        feed(&mut router, now + secs(1), Event::Ready(true));
        feed(&mut router, now + secs(2), hear(version, LESSER, 50));
        assert_eq!(
            wait(&router, now + secs(1)),
            DOWN_100,
            "it does not any more"
        );

        let (mut router, now) = backup(version, 100);
        feed(&mut router, now, Event::Ready(false));
        let taken = feed(&mut router, now + DOWN_100, Event::Deadline);
        assert_eq!(taken, "advert 100, claim", "there is no master");
    }
}

#[test]
fn with_a_preempt_delay_a_lesser_master_is_left_alone_for_that_long_after_it_was_first_heard() {
    let takeover = Takeover {
        preempt_delay: secs(30),
        ..Takeover::default()
    };
    let delayed = taking(settings(V3, 200), takeover);
    let mut lan = Lan::start([("a", delayed), ("b", settings(V3, 100))]);
    lan.run_for(secs(10));
    lan.event("a", Event::Shutdown);
    lan.run_for(secs(10));
    lan.event("a", Event::Startup);
    lan.run_for(secs(29));
    assert_eq!(lan.vip_holders(), ["b"]);
    lan.run_for(secs(5));
    assert_eq!(lan.vip_holders(), ["a"]);

    lan.event("a", Event::Shutdown);
    lan.run_for(secs(10));
    lan.event("a", Event::Startup);
    lan.run_for(secs(10));
    lan.unplug("b");
    lan.run_for(secs(4));
    let holders = lan.vip_holders();
    assert_eq!(holders, ["a", "b"], "a dead master is not waited for");
}

#[test]
fn with_a_startup_delay_a_router_only_listens_for_that_long() {
    for priority in [100, 255] {
        let takeover = Takeover {
            startup_delay: secs(20),
            ..Takeover::default()
        };
        let mut lan = Lan::start([("a", taking(settings(V3, priority), takeover))]);
        lan.run_for(millis(19_999));
        assert_eq!(lan.vip_holders(), [""; 0]);
        lan.run_for(millis(10));
        assert_eq!(lan.vip_holders(), ["a"]);
        lan.link("a", false);
        lan.link("a", true);
        lan.run_for(secs(4));
        assert_eq!(lan.vip_holders(), ["a"], "the delay is for starts");
    }
}

/// A host in the way of a successor that has its addresses late, as keepalived.
#[test]
fn a_successor_that_adverts_before_it_has_the_addresses_costs_nothing() {
    let mut lan = pair(V2);
    lan.claim_takes("b", millis(100));
    lan.event("b", Event::Reconfigure(settings(V2, 250)));
    // It preempts as the RFCs say, without waiting for anything.
    lan.run_for(secs(4));
    lan.event("b", Event::Shutdown);
    assert_eq!(lan.outage_for(secs(10)), Duration::ZERO);
}

#[test]
fn a_split_brain_that_heals_is_not_prolonged() {
    let mut lan = pair(V3);
    lan.mute("a", true);
    lan.run_for(secs(10));
    assert_eq!(lan.vip_holders(), ["a", "b"]);
    lan.unplug("b");
    lan.mute("a", false);
    lan.plug("b");
    lan.run_for(millis(1_260));
    assert_eq!(lan.vip_holders(), ["a"]);
}

/// Of a router of another VRID that has its name and addresses from now on.
#[test]
fn what_follows_a_router_that_was_succeeded_begins_without_its_addresses() {
    let (mut router, now) = master(settings(V3, 100));
    feed(&mut router, now, Event::Shutdown);
    assert!(!router.was_succeeded());
    feed(&mut router, now, hear(V3, LESSER, 50));
    let_go(&mut router, now);
    assert!(router.was_succeeded());
    let mut next = Router::new(settings(V3, 100), now).without_vips();
    assert_eq!(next.claim(), Claim::Release);
    feed(&mut next, now, Event::LinkUp { address: ip(OWN) });
    feed(&mut next, now, Event::Startup);
    assert_eq!(next.claim(), Claim::Release, "it has heard nobody yet");
    feed(&mut next, now + DOWN_100, Event::Deadline);
    assert_eq!(next.claim(), Claim::Hold);

    let (mut router, now) = master(settings(V3, 100));
    feed(&mut router, now, Event::Shutdown);
    assert_eq!(feed(&mut router, now + secs(4), Event::Deadline), "release");
    assert!(!router.was_succeeded(), "nobody came");
}

/// It waits as one of priority 1, from the yield to the reclaim.
#[test]
fn who_has_yielded_is_the_last_to_take_over() {
    for version in [V2, V3] {
        let mut lan = Lan::start([
            ("a", settings(version, 150)),
            ("b", settings(version, 100)),
            ("c", settings(version, 50)),
        ]);
        lan.run_for(secs(10));
        lan.event("a", Event::Yield);
        lan.run_for(secs(10));
        assert_eq!(lan.vip_holders(), ["b"]);
        lan.link("b", false);
        lan.run_for(secs(10));
        assert_eq!(lan.vip_holders(), ["c"], "its master resigned");
        lan.link("b", true);
        lan.run_for(secs(10));
        assert_eq!(lan.vip_holders(), ["b"]);
        lan.unplug("b");
        lan.run_for(secs(10));
        assert_eq!(lan.vip_holders(), ["b", "c"], "its master fell silent");
        lan.unplug("c");
        lan.run_for(secs(10));
        assert_eq!(lan.vip_holders(), ["a", "b", "c"], "nobody else is there");
    }
}

#[test]
fn a_backup_that_yields_or_is_reclaimed_counts_its_time_anew() {
    let (mut router, now) = backup(V3, 100);
    feed(&mut router, now, hear(V3, GREATER, 200));
    feed(&mut router, now + secs(1), Event::Yield);
    let down_1 = secs(3) + secs(255) / 256;
    assert_eq!(wait(&router, now), down_1);
    feed(&mut router, now + secs(2), Event::Reclaim);
    assert_eq!(wait(&router, now), DOWN_100);
}

/// The master down interval runs beside the delay, not after it.
#[test]
fn a_preempt_delay_ends_with_the_first_advert_that_comes_after_it() {
    let first_heard = millis(500);
    let as_without = first_heard + DOWN_100;
    for (delay, expected) in [
        (secs(1), as_without),
        (secs(3), as_without),
        (secs(6), first_heard + secs(6)),
    ] {
        let takeover = Takeover {
            preempt_delay: delay,
            ..Takeover::default()
        };
        let now = start();
        let mut router = started(taking(settings(V3, 100), takeover), now);
        let mut adverts = (0..).map(|n| now + first_heard + secs(n)).peekable();
        let took = loop {
            let due = router.deadline().unwrap();
            let advert = adverts.next_if(|advert| *advert < due);
            match advert {
                Some(at) => feed(&mut router, at, hear(V3, LESSER, 50)),
                None => feed(&mut router, due, Event::Deadline),
            };
            if router.phase() == Phase::TakingOver {
                break due - now;
            }
        };
        assert_eq!(took, expected, "{delay:?}");
    }
}

#[test]
fn a_better_router_beside_the_lesser_one_starts_the_delay_anew() {
    let takeover = Takeover {
        preempt_delay: secs(6),
        ..Takeover::default()
    };
    let now = start();
    let mut router = started(taking(settings(V3, 100), takeover), now);
    for n in 1..20 {
        let at = now + secs(n);
        let priority = if n == 5 { 200 } else { 50 };
        feed(&mut router, at, hear(V3, LESSER, priority));
        let due = router.deadline().unwrap();
        assert_eq!(due <= at, n >= 12, "advert {n}");
    }
}

#[test]
fn the_successor_that_is_named_is_the_one_that_stays() {
    let mut lan = Lan::start([
        ("a", settings(V3, 100)),
        ("b", settings(V3, 100)),
        ("c", settings(V3, 100)),
    ]);
    lan.run_for(secs(10));
    assert_eq!(lan.vip_holders(), ["c"]);
    // The other two are as fast, and the lesser of them is heard first.
    lan.event("c", Event::Yield);
    lan.run_for(secs(2));
    assert_eq!(lan.vip_holders(), ["b"]);
    let cause = lan.router("c").cause().to_string();
    assert_eq!(cause, "handed over to 192.168.1.52 with priority 100");
}
