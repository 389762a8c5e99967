//! Long random histories, and what is always true.

use super::lan::Lan;
use super::*;
use crate::vrrp::dice::Dice;
use crate::vrrp::group::Order;

fn random_event(dice: &mut Dice, version: Version) -> Event {
    let source = [LESSER, GREATER][usize::try_from(dice.below(2)).unwrap()];
    match dice.below(30) {
        0 => Event::Startup,
        1 => Event::Shutdown,
        2 => Event::LinkDown(LinkFault::NoCarrier),
        3 | 4 => Event::LinkUp { address: ip(OWN) },
        5 => {
            let priority = u8::try_from(1 + dice.below(255)).unwrap();
            let preempt = dice.below(2) == 0;
            let advert_interval = secs(1 + dice.below(3));
            let takeover = crate::vrrp::Takeover {
                preempt_delay: secs(dice.below(3)),
                startup_delay: secs(dice.below(3)),
                handover_timeout: secs(dice.below(3)),
            };
            Event::Reconfigure(Settings {
                preempt,
                advert_interval,
                takeover,
                ..settings(version, priority)
            })
        }
        6..=10 => Event::Deadline,
        16 => Event::Influence(influence(&["disk"], 0)),
        17 | 18 => {
            let points = i16::try_from(dice.below(100)).unwrap() - 50;
            Event::Influence(influence(&[], points))
        }
        19 => Event::Yield,
        20 => Event::Reclaim,
        21 => Event::Ready(dice.below(2) == 0),
        22 | 23 => Event::VipsHeld,
        28 => Event::VipsLeft,
        29 => Event::Dropped {
            packets: dice.below(9),
        },
        24..=27 => Event::Group(random_order(dice)),
        _ => {
            let priority = u8::try_from(dice.below(256)).unwrap();
            let interval = secs(1 + dice.below(3));
            every(interval, heard(version, source, priority))
        }
    }
}

fn random_order(dice: &mut Dice) -> Order {
    match dice.below(8) {
        0 => Order::Member {
            decides_ties: dice.below(2) == 0,
        },
        1 | 2 => Order::Alone,
        3 => Order::Fault(Some("VI_2".to_owned())),
        4 | 5 => Order::Fault(None),
        6 => Order::Go,
        _ => Order::StepDown("VI_2".to_owned()),
    }
}

/// A router alone, whose world makes no sense at all.
#[test]
fn a_router_stays_consistent_whatever_happens() {
    for seed in 0..40 {
        let version = if seed % 2 == 0 { V2 } else { V3 };
        let mut dice = Dice(seed);
        let mut now = start();
        let mut router = Router::new(settings(version, 100), now);
        let mut holds_vips = false;
        for step in 0..5_000 {
            now += millis(dice.below(1_500));
            let event = random_event(&mut dice, version);
            let is_deadline = event == Event::Deadline;
            let before = router.state();
            for action in router.handle(now, event) {
                match action {
                    Action::ClaimVips => holds_vips = true,
                    Action::ReleaseVips => {
                        assert!(holds_vips, "{seed}/{step}: nothing to release");
                        holds_vips = false;
                    }
                    Action::AnnounceVips => assert!(holds_vips),
                    Action::SendAdvert {
                        source, priority, ..
                    } => {
                        assert_eq!(source, ip(OWN));
                        // The last one of a master is sent as it gives way.
                        let serves = [before, router.state()].contains(&State::Master);
                        assert!(priority == 0 || serves, "{seed}/{step}");
                    }
                    Action::Report(Notice::Changed(change)) => {
                        assert_eq!((change.from, change.to), (before, router.state()));
                    }
                    Action::Report(_) => {}
                }
            }
            let claims = matches!(router.claim(), Claim::Hold | Claim::Keep);
            assert_eq!(holds_vips, claims, "{seed}/{step}");
            assert!(holds_vips || router.state() != State::Master);
            let waits = matches!(router.state(), State::Backup | State::Master);
            let waits_itself = waits && router.phase() != Phase::WaitsForGroup;
            let timer = waits_itself || router.claim() == Claim::Keep;
            assert_eq!(router.deadline().is_some(), timer, "{seed}/{step}");
            assert!(!waits || router.address().is_some());
            if is_deadline && let Some(deadline) = router.deadline() {
                assert!(deadline > now, "{seed}/{step}: a past deadline stands");
            }
        }
    }
}

/// Whatever happened before: when the LAN is whole again, one master is left, and
/// it is the best.
#[test]
fn a_lan_that_is_whole_settles_on_its_best_router() {
    let names = ["a", "b", "c"];
    for seed in 0..60 {
        let version = if seed % 2 == 0 { V2 } else { V3 };
        let mut dice = Dice(seed);
        let mut lan = Lan::start([
            ("a", settings(version, 200)),
            ("b", settings(version, 100)),
            ("c", settings(version, 100)),
        ]);
        for _ in 0..40 {
            let name = names[usize::try_from(dice.below(3)).unwrap()];
            match dice.below(8) {
                0 => lan.unplug(name),
                1 => lan.plug(name),
                2 => lan.link(name, false),
                3 => lan.link(name, true),
                4 => lan.mute(name, dice.below(2) == 0),
                5 => lan.freeze(name, millis(dice.below(6_000))),
                6 => lan.event(name, Event::Shutdown),
                _ => lan.event(name, Event::Startup),
            }
            lan.run_for(millis(dice.below(5_000)));
        }
        for name in names {
            lan.mute(name, false);
            lan.link(name, true);
            lan.event(name, Event::Startup);
        }
        lan.run_for(secs(20));
        assert_eq!(lan.vip_holders(), ["a"], "seed {seed}");
        let changes = lan.history.len();
        lan.run_for(secs(600));
        assert_eq!(lan.history.len(), changes, "seed {seed}: it stays so");
    }
}
