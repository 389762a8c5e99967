//! Sync groups of two directors, x and y, in two LANs, A and B.

use super::lan::Lan;
use super::*;
use crate::vrrp::dice::Dice;

fn site(x: u8, y: u8) -> Lan {
    site_of(settings(V3, x), settings(V3, y))
}

/// In LAN A the address of y is the greater one, in LAN B that of x.
fn site_of(x: Settings, y: Settings) -> Lan {
    Lan::start([
        ("x.A", x.clone()),
        ("y.A", y.clone()),
        ("y.B", y),
        ("x.B", x),
    ])
}

#[test]
fn a_group_takes_over_together_and_only_together() {
    let mut lan = site(200, 100);
    lan.run_for(secs(10));
    assert_eq!(lan.vip_holders(), ["x.A", "x.B"]);
    lan.unplug("x.A");
    lan.run_for(secs(60));
    assert_eq!(
        lan.vip_holders(),
        ["x.A", "x.B"],
        "y follows x in LAN B, so it takes nothing in LAN A"
    );
    assert_eq!(lan.router("y.A").phase(), Phase::WaitsForGroup);
    lan.unplug("x.B");
    lan.run_for(secs(5));
    assert_eq!(lan.vip_holders(), ["x.A", "x.B", "y.A", "y.B"]);
}

#[test]
fn a_fault_of_one_member_takes_all_and_all_come_back_with_it() {
    let mut lan = site(200, 100);
    lan.run_for(secs(10));
    lan.link("x.A", false);
    assert_eq!(lan.router("x.A").state(), State::Fault);
    let mut gap = Duration::ZERO;
    for _ in 0..5_000 {
        lan.run_for(millis(1));
        let is_held = lan.vip_holders().iter().any(|name| name.ends_with('B'));
        gap += if is_held { Duration::ZERO } else { millis(1) };
    }
    assert_eq!(gap, Duration::ZERO, "x serves LAN B until y does");
    assert_eq!(lan.router("x.B").state(), State::Fault);
    let cause = lan.router("x.B").cause().to_string();
    assert_eq!(cause, "x.A of its group is in fault");
    assert_eq!(lan.vip_holders(), ["y.A", "y.B"]);
    lan.link("x.A", true);
    assert_eq!(lan.router("x.B").state(), State::Backup);
    lan.run_for(secs(10));
    assert_eq!(lan.vip_holders(), ["x.A", "x.B"]);
}

#[test]
fn a_member_that_loses_mastership_takes_all_with_it() {
    let mut lan = site(200, 100);
    lan.run_for(secs(10));
    // Somebody outranks x in LAN A alone.
    let rival = Heard {
        source: ip("192.168.1.99"),
        ..heard(V3, GREATER, 220)
    };
    lan.event("x.A", Event::Heard(rival));
    assert_eq!(lan.router("x.A").state(), State::Backup);
    assert_eq!(lan.router("x.B").phase(), Phase::HandingOver);
}

#[test]
fn a_planned_hand_over_of_a_group_leaves_no_lan_without_its_address() {
    let mut lan = site(200, 100);
    lan.run_for(secs(10));
    for (event, holders) in [
        (Event::Yield, ["y.A", "y.B"]),
        (Event::Reclaim, ["x.A", "x.B"]),
    ] {
        lan.event("x.A", event.clone());
        lan.event("x.B", event);
        for _ in 0..6_000 {
            lan.run_for(millis(1));
            let held = lan.vip_holders();
            for of_lan in ["A", "B"] {
                assert!(held.iter().any(|name| name.ends_with(of_lan)), "{held:?}");
            }
        }
        assert_eq!(lan.vip_holders(), holders);
    }
}

/// Each would be master in another LAN, by its address.
#[test]
fn of_two_groups_of_equal_priority_one_gets_all_and_keeps_it() {
    for version in [V2, V3] {
        for frozen in ["x.A", "x.B", "y.A", "y.B"] {
            let mut lan = site_of(settings(version, 100), settings(version, 100));
            lan.freeze(frozen, millis(500));
            lan.run_for(secs(15));
            let holders = lan.vip_holders();
            assert!(
                holders == ["x.A", "x.B"] || holders == ["y.A", "y.B"],
                "{holders:?}"
            );
            let changes = lan.history.len();
            lan.run_for(secs(600));
            assert_eq!(lan.history.len(), changes, "nobody flaps");
        }
    }
}

/// Without preempt two halves would be content with each other.
#[test]
fn a_group_in_two_halves_becomes_whole() {
    let patient = |priority| Settings {
        preempt: false,
        ..settings(V3, priority)
    };
    let mut lan = site_of(patient(200), patient(100));
    // Each is up in one LAN only, and not yet a group.
    for name in ["x.A", "y.A", "x.B", "y.B"] {
        lan.event(name, Event::Group(crate::vrrp::group::Order::Alone));
    }
    for name in ["y.A", "x.B"] {
        lan.link(name, false);
    }
    lan.run_for(secs(10));
    for name in ["y.A", "x.B"] {
        lan.link(name, true);
    }
    for name in ["x.A", "y.A", "x.B", "y.B"] {
        let decides_ties = name.ends_with('A');
        let member = crate::vrrp::group::Order::Member { decides_ties };
        lan.event(name, Event::Group(member));
    }
    lan.run_for(secs(20));
    assert_eq!(lan.vip_holders(), ["x.A", "x.B"]);
    let changes = lan.history.len();
    lan.run_for(secs(600));
    assert_eq!(lan.history.len(), changes, "nobody flaps");
}

/// Whatever happened: when the site is whole, one director has all of it.
#[test]
fn a_site_of_groups_that_is_whole_settles_on_one_director() {
    let names = ["x.A", "y.A", "x.B", "y.B"];
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let equal = seed % 3 == 0;
        let mut lan = site(if equal { 100 } else { 200 }, 100);
        for _ in 0..30 {
            let name = names[usize::try_from(dice.below(4)).unwrap()];
            match dice.below(8) {
                0 => lan.unplug(name),
                1 => lan.plug(name),
                2 => lan.link(name, false),
                3 => lan.link(name, true),
                4 => lan.mute(name, dice.below(2) == 0),
                5 => lan.freeze(name, millis(dice.below(6_000))),
                6 => lan.event(name, Event::Yield),
                _ => lan.event(name, Event::Reclaim),
            }
            lan.run_for(millis(dice.below(5_000)));
        }
        for name in names {
            lan.mute(name, false);
            lan.link(name, true);
        }
        for name in names {
            lan.event(name, Event::Reclaim);
        }
        lan.run_for(secs(40));
        let holders = lan.vip_holders();
        let is_whole = holders == ["x.A", "x.B"] || (equal && holders == ["y.A", "y.B"]);
        assert!(is_whole, "seed {seed}: {holders:?}");
        let changes = lan.history.len();
        lan.run_for(secs(600));
        assert_eq!(lan.history.len(), changes, "seed {seed}: it stays so");
    }
}
