//! Whole elections.

use super::lan::Lan;
use super::*;

fn without_preempt(version: Version, priority: u8) -> Settings {
    Settings {
        preempt: false,
        ..settings(version, priority)
    }
}

#[test]
fn the_vip_moves_when_the_master_falls_silent_and_returns_when_it_is_back() {
    for version in [V2, V3] {
        let mut lan = Lan::start([("a", settings(version, 200)), ("b", settings(version, 100))]);
        lan.run_for(secs(4));
        assert_eq!(lan.vip_holders(), ["a"]);
        lan.unplug("a");
        lan.run_for(millis(3_700));
        assert_eq!(
            lan.vip_holders(),
            ["a", "b"],
            "a cannot know; b must not wait longer"
        );
        lan.plug("a");
        lan.run_for(secs(1));
        assert_eq!(lan.vip_holders(), ["a"]);
    }
}

#[test]
fn a_master_that_stops_hands_over_within_the_skew_time() {
    let mut lan = Lan::start([("a", settings(V2, 200)), ("b", settings(V2, 100))]);
    lan.run_for(secs(10));
    lan.event("a", Event::Shutdown);
    lan.run_for(millis(600));
    assert_eq!(lan.vip_holders(), ["a"], "b waits for its skew time");
    lan.run_for(millis(20));
    assert_eq!(lan.vip_holders(), ["a", "b"], "a lets go a moment later");
    lan.run_for(LINGER);
    assert_eq!(lan.vip_holders(), ["b"]);
    let cause = lan.router("b").cause().to_string();
    assert_eq!(cause, "master 192.168.1.51 resigned");
}

#[test]
fn of_three_the_best_backup_takes_over_and_the_other_stays_quiet() {
    let mut lan = Lan::start([
        ("a", settings(V3, 200)),
        ("b", settings(V3, 150)),
        ("c", settings(V3, 100)),
    ]);
    lan.run_for(secs(5));
    lan.unplug("a");
    lan.run_for(secs(20));
    assert_eq!(lan.vip_holders(), ["a", "b"]);
    assert_eq!(lan.router("c").transitions(), 1, "c only started");
}

/// Two directors with the same priority, as configured by mistake.
#[test]
fn equal_priorities_settle_on_one_master_and_stay_there() {
    for version in [V2, V3] {
        let mut lan = Lan::start([("a", settings(version, 100)), ("b", settings(version, 100))]);
        lan.run_for(secs(10));
        let masters = lan.vip_holders();
        assert_eq!(masters, ["b"], "b has the greater address");
        let changes = lan.history.len();
        lan.run_for(secs(3_600));
        assert_eq!(lan.history.len(), changes, "nobody flaps");

        // The other one restarts: it must not take the address for a moment.
        lan.event("a", Event::Shutdown);
        lan.event("a", Event::Startup);
        lan.run_for(secs(60));
        assert_eq!(lan.vip_holders(), ["b"]);
        assert!(
            !lan.history[changes..]
                .iter()
                .any(|(_, _, to)| *to == State::Master)
        );

        // The master restarts: the other takes over once, and keeps it.
        lan.event("b", Event::Shutdown);
        lan.run_for(secs(5));
        lan.event("b", Event::Startup);
        lan.run_for(secs(60));
        assert_eq!(lan.vip_holders(), ["a"]);
    }
}

#[test]
fn without_preempt_the_master_that_comes_back_stays_backup() {
    for version in [V2, V3] {
        let mut lan = Lan::start([
            ("a", without_preempt(version, 200)),
            ("b", without_preempt(version, 100)),
        ]);
        lan.run_for(secs(4));
        assert_eq!(lan.vip_holders(), ["a"]);
        lan.event("a", Event::Shutdown);
        lan.run_for(secs(5));
        lan.event("a", Event::Startup);
        lan.run_for(secs(60));
        assert_eq!(lan.vip_holders(), ["b"]);
    }
}

#[test]
fn a_link_that_fails_releases_the_vip_and_heals_by_itself() {
    let mut lan = Lan::start([("a", settings(V3, 200)), ("b", settings(V3, 100))]);
    lan.run_for(secs(4));
    lan.link("a", false);
    assert!(lan.vip_holders().is_empty(), "a knows");
    assert_eq!(lan.router("a").state(), State::Fault);
    lan.run_for(secs(4));
    assert_eq!(lan.vip_holders(), ["b"]);
    lan.link("a", true);
    assert_eq!(lan.router("a").state(), State::Backup);
    lan.run_for(millis(3_100));
    assert_eq!(
        lan.vip_holders(),
        ["b"],
        "a listens for its whole master down interval"
    );
    lan.run_for(secs(1));
    assert_eq!(lan.vip_holders(), ["a"]);
}

#[test]
fn a_backup_that_slept_does_not_overrule_a_working_master() {
    let mut lan = Lan::start([("a", settings(V3, 200)), ("b", settings(V3, 100))]);
    lan.run_for(secs(10));
    lan.freeze("b", secs(30));
    lan.run_for(secs(60));
    assert_eq!(lan.vip_holders(), ["a"]);
    assert_eq!(lan.router("b").transitions(), 1);
}

#[test]
fn a_master_that_slept_gives_way_and_takes_back_only_as_one_that_has_just_started() {
    for (a, b, other) in [(200, 100, "b"), (100, 200, "a")] {
        let mut lan = Lan::start([("a", settings(V3, a)), ("b", settings(V3, b))]);
        lan.run_for(secs(10));
        let master = lan.vip_holders()[0];
        lan.freeze(master, secs(30));
        lan.run_for(secs(29));
        assert_eq!(lan.vip_holders(), ["a", "b"]);
        lan.run_for(secs(3));
        assert_eq!(lan.vip_holders(), [other], "it has heard its successor");
        lan.run_for(secs(3));
        assert_eq!(lan.vip_holders(), [master], "it preempts by the rules");
    }
}

#[test]
fn a_master_that_nobody_hears_is_told_by_the_other_and_both_see_the_rival() {
    let mut lan = Lan::start([("a", settings(V3, 200)), ("b", settings(V3, 100))]);
    lan.run_for(secs(10));
    lan.mute("a", true);
    lan.run_for(secs(10));
    assert_eq!(lan.vip_holders(), ["a", "b"]);
    let rival = lan.router("a").rival().unwrap();
    assert_eq!((rival.address, rival.priority), (ip("192.168.1.52"), 100));
    lan.mute("a", false);
    lan.run_for(secs(10));
    assert_eq!(lan.vip_holders(), ["a"]);
    assert_eq!(lan.router("a").rival(), None);
}

#[test]
fn intervals_that_differ_are_learnt_in_version_3() {
    let slow = Settings {
        advert_interval: secs(10),
        ..settings(V3, 200)
    };
    let mut lan = Lan::start([("a", slow), ("b", settings(V3, 100))]);
    lan.run_for(secs(60));
    let changes = lan.history.len();
    lan.run_for(secs(600));
    assert_eq!(lan.vip_holders(), ["a"]);
    assert_eq!(lan.history.len(), changes, "b waits for three adverts of a");
}

#[test]
fn intervals_that_differ_make_two_masters_in_version_2() {
    let slow = Settings {
        advert_interval: secs(10),
        ..settings(V2, 200)
    };
    let mut lan = Lan::start([("a", slow), ("b", settings(V2, 100))]);
    lan.run_for(secs(60));
    assert_eq!(lan.vip_holders(), ["a", "b"], "RFC 3768 §7.1 wants it so");
}

#[test]
fn a_peer_that_only_knows_the_pseudo_header_is_answered_in_it() {
    for (ours, theirs, expected) in [(200, 100, "lvsd"), (100, 200, "keepalived")] {
        let mut lan = Lan::start([
            ("lvsd", settings(V3, ours)),
            ("keepalived", settings(V3, theirs)),
        ]);
        lan.only("keepalived", Checksum::PseudoHeader);
        lan.run_for(secs(10));
        assert_eq!(lan.vip_holders(), [expected]);
        let changes = lan.history.len();
        lan.run_for(secs(600));
        assert_eq!(lan.history.len(), changes, "and stays");
    }
}

/// Two lvsd that hear each other know nothing of a third router, which says nothing.
#[test]
fn a_backup_that_only_knows_the_pseudo_header_hears_whoever_is_master() {
    let mut lan = Lan::start([
        ("a", settings(V3, 150)),
        ("b", settings(V3, 120)),
        ("keepalived", settings(V3, 50)),
    ]);
    lan.only("keepalived", Checksum::PseudoHeader);
    lan.run_for(secs(10));
    for (event, holder) in [
        (Event::Yield, "b"),
        (Event::Reclaim, "a"),
        (Event::Shutdown, "b"),
        (Event::Startup, "a"),
    ] {
        lan.event("a", event);
        lan.run_for(secs(20));
        assert_eq!(lan.vip_holders(), [holder]);
    }
    lan.event("keepalived", Event::Shutdown);
    lan.event("a", Event::Yield);
    lan.run_for(secs(20));
    lan.event("keepalived", Event::Startup);
    lan.run_for(secs(20));
    assert_eq!(
        lan.vip_holders(),
        ["b"],
        "one that comes later hears it too"
    );
    let was_master = |it: &(_, &str, State)| it.1 == "keepalived" && it.2 == State::Master;
    assert!(!lan.history.iter().any(was_master), "{:?}", lan.history);
}

#[test]
fn a_priority_changed_at_run_time_moves_the_vip() {
    let mut lan = Lan::start([("a", settings(V2, 200)), ("b", settings(V2, 100))]);
    lan.run_for(secs(10));
    lan.event("a", Event::Reconfigure(settings(V2, 50)));
    lan.run_for(secs(4));
    assert_eq!(lan.vip_holders(), ["b"]);
    let cause = lan.router("b").cause().to_string();
    assert_eq!(cause, "preempts 192.168.1.51 with priority 50");
}

/// 3-8.3.2.
#[test]
fn of_two_owners_version_3_keeps_the_greater_address() {
    let mut lan = Lan::start([("a", settings(V3, 255)), ("b", settings(V3, 255))]);
    lan.run_for(secs(5));
    assert_eq!(lan.vip_holders(), ["b"]);
}
