//! Every role and every event.

use super::*;
use crate::vrrp::group::Order;

const ROLES: [&str; 6] = [
    "initialize",
    "fault",
    "backup",
    "claiming",
    "master",
    "leaving",
];

/// A router of version 3 and priority 100 in that role, since a moment.
fn in_role(role: &str) -> (Router, Instant) {
    let now = start();
    match role {
        "initialize" => {
            let mut router = Router::new(settings(V3, 100), now);
            feed(&mut router, now, Event::LinkUp { address: ip(OWN) });
            (router, now)
        }
        "fault" => {
            let mut router = Router::new(settings(V3, 100), now);
            feed(&mut router, now, Event::Startup);
            (router, now)
        }
        "backup" => (started(settings(V3, 100), now), now),
        "claiming" => claiming(settings(V3, 100)),
        "master" => master(settings(V3, 100)),
        _ => {
            let (mut router, now) = master(settings(V3, 100));
            assert_eq!(feed(&mut router, now, Event::Yield), "advert 0");
            (router, now)
        }
    }
}

/// What tells the roles apart, from outside.
fn role_of(router: &Router) -> &'static str {
    match (router.state(), router.phase()) {
        (State::Initialize, _) => "initialize",
        (State::Fault, _) => "fault",
        (State::Backup, Phase::TakingOver) => "claiming",
        (State::Backup, _) => "backup",
        (State::Master, Phase::HandingOver) => "leaving",
        (State::Master, _) => "master",
    }
}

fn event(name: &str) -> Event {
    match name {
        "startup" => Event::Startup,
        "hears priority 0" => hear(V3, GREATER, 0),
        "hears less" => hear(V3, GREATER, 99),
        "hears equal, lesser address" => hear(V3, LESSER, 100),
        "hears equal, greater address" => hear(V3, GREATER, 100),
        "hears more" => hear(V3, LESSER, 101),
        "deadline too early" | "deadline" => Event::Deadline,
        "link up" => Event::LinkUp { address: ip(OWN) },
        "link down" => Event::LinkDown(LinkFault::NoCarrier),
        "shutdown" => Event::Shutdown,
        "reconfigured" => Event::Reconfigure(settings(V3, 90)),
        "is less fit" => Event::Influence(influence(&[], -20)),
        "is unfit" => Event::Influence(influence(&["disk"], 0)),
        "packets dropped" => Event::Dropped { packets: 3 },
        "VIPs held" => Event::VipsHeld,
        "VIPs left" => Event::VipsLeft,
        "ready" => Event::Ready(true),
        "not ready" => Event::Ready(false),
        "yield" => Event::Yield,
        "reclaim" => Event::Reclaim,
        "joins a group" => Event::Group(Order::Member { decides_ties: true }),
        "leaves its group" => Event::Group(Order::Alone),
        "group in fault" => Event::Group(Order::Fault(Some("VI_2".to_owned()))),
        "group goes" => Event::Group(Order::Go),
        "group steps down" => Event::Group(Order::StepDown("VI_2".to_owned())),
        _ => unreachable!("{name}"),
    }
}

/// Role and actions after the event, in the order of `ROLES`; no actions where
/// none are written.
const TABLE: [(&str, [&str; 6]); 25] = {
    const I: &str = "initialize";
    const F: &str = "fault";
    const B: &str = "backup";
    const C: &str = "claiming";
    const M: &str = "master";
    const L: &str = "leaving";
    [
        ("startup", [B, F, B, C, M, L]),
        (
            "hears priority 0",
            [I, F, B, C, "master: announce, advert 100", L],
        ),
        (
            "hears less",
            [I, F, B, C, "master: announce, advert 100", B],
        ),
        (
            "hears equal, lesser address",
            [
                I,
                F,
                B,
                "backup: advert 0",
                "master: announce, advert 100",
                B,
            ],
        ),
        (
            "hears equal, greater address",
            [I, F, B, "backup: advert 0", "backup: advert 100", B],
        ),
        (
            "hears more",
            [I, F, B, "backup: advert 0", "backup: advert 100", B],
        ),
        ("deadline too early", [I, F, B, C, M, L]),
        (
            "deadline",
            [
                I,
                F,
                "master: advert 100, claim",
                "master: advert 100",
                "master: advert 100",
                "leaving: advert 0",
            ],
        ),
        ("link up", [I, B, B, C, M, L]),
        (
            "link down",
            [
                I,
                F,
                F,
                "fault: advert 0, release",
                "fault: advert 0, release",
                "fault: advert 0, release",
            ],
        ),
        (
            "shutdown",
            [I, I, I, "initialize: advert 0", "leaving: advert 0", L],
        ),
        (
            "reconfigured",
            [I, F, B, "claiming: claim", "master: advert 90, claim", L],
        ),
        ("is less fit", [I, F, B, C, M, L]),
        (
            "is unfit",
            [I, F, F, "fault: advert 0", "leaving: advert 0", L],
        ),
        ("VIPs held", [I, F, B, "master: advert 100", M, L]),
        ("VIPs left", [I, F, B, C, M, L]),
        ("packets dropped", [I, F, B, C, M, L]),
        ("ready", [I, F, B, C, M, L]),
        ("not ready", [I, F, B, C, M, L]),
        (
            "yield",
            [I, F, B, "backup: advert 0", "leaving: advert 0", L],
        ),
        ("reclaim", [I, F, B, C, M, "master: advert 100, announce"]),
        ("joins a group", [I, F, B, C, M, L]),
        ("leaves its group", [I, F, B, C, M, L]),
        (
            "group in fault",
            [I, F, F, "fault: advert 0", "leaving: advert 0", L],
        ),
        (
            "group steps down",
            [I, F, B, "backup: advert 0", "leaving: advert 0", L],
        ),
    ]
};

#[test]
fn every_event_in_every_role() {
    for (name, expected) in TABLE {
        for (role, expected) in ROLES.into_iter().zip(expected) {
            let (mut router, since) = in_role(role);
            let now = match name {
                "deadline" => router.deadline().unwrap_or(since),
                _ => since + millis(20),
            };
            let actions = feed(&mut router, now, event(name));
            let outcome = match actions.as_str() {
                "" => role_of(&router).to_owned(),
                actions => format!("{}: {actions}", role_of(&router)),
            };
            assert_eq!(outcome, expected, "{role}: {name}");
        }
    }
}

#[test]
fn only_a_change_of_state_is_reported_as_one_and_counted() {
    for role in ROLES {
        for (name, _) in TABLE {
            let (mut router, now) = in_role(role);
            let (from, before) = (router.state(), router.transitions());
            let at = router.deadline().unwrap_or(now);
            let notices = notices(&mut router, at, event(name));
            let changes: Vec<_> = notices
                .iter()
                .filter_map(|notice| match notice {
                    Notice::Changed(change) => Some((change.from, change.to, change.cause.clone())),
                    _ => None,
                })
                .collect();
            if from == router.state() {
                assert_eq!(changes, [], "{role}: {name}");
                assert_eq!(router.transitions(), before);
            } else {
                assert_eq!(changes, [(from, router.state(), router.cause().clone())]);
                assert_eq!(router.transitions(), before + 1);
                assert_eq!(router.since(), at);
            }
        }
    }
}
