//! Every role and every event.

use super::*;

const ROLES: [&str; 4] = ["initialize", "fault", "backup", "master"];

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
        _ => master(settings(V3, 100)),
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
        "VIPs held" => Event::VipsHeld,
        _ => unreachable!("{name}"),
    }
}

#[test]
fn every_event_in_every_role() {
    let (i, f, b, m) = ("initialize", "fault", "backup", "master");
    // Role and actions after the event, in the order of `ROLES`.
    let table: [(&str, [(&str, &str); 4]); 15] = [
        ("startup", [(b, ""), (f, ""), (b, ""), (m, "")]),
        (
            "hears priority 0",
            [(i, ""), (f, ""), (b, ""), (m, "advert 100")],
        ),
        (
            "hears less",
            [(i, ""), (f, ""), (b, ""), (m, "announce, advert 100")],
        ),
        (
            "hears equal, lesser address",
            [(i, ""), (f, ""), (b, ""), (m, "announce, advert 100")],
        ),
        (
            "hears equal, greater address",
            [(i, ""), (f, ""), (b, ""), (b, "release")],
        ),
        ("hears more", [(i, ""), (f, ""), (b, ""), (b, "release")]),
        ("deadline too early", [(i, ""), (f, ""), (b, ""), (m, "")]),
        (
            "deadline",
            [
                (i, ""),
                (f, ""),
                (m, "advert 100, claim"),
                (m, "advert 100"),
            ],
        ),
        ("link up", [(i, ""), (b, ""), (b, ""), (m, "")]),
        (
            "link down",
            [(i, ""), (f, ""), (f, ""), (f, "advert 0, release")],
        ),
        (
            "shutdown",
            [(i, ""), (i, ""), (i, ""), (i, "advert 0, release")],
        ),
        (
            "reconfigured",
            [(i, ""), (f, ""), (b, ""), (m, "advert 90, claim")],
        ),
        ("is less fit", [(i, ""), (f, ""), (b, ""), (m, "")]),
        (
            "is unfit",
            [(i, ""), (f, ""), (f, ""), (f, "advert 0, release")],
        ),
        ("VIPs held", [(i, ""), (f, ""), (b, ""), (m, "")]),
    ];
    for (name, expected) in table {
        for (role, (next, actions)) in ROLES.into_iter().zip(expected) {
            let (mut router, since) = in_role(role);
            let now = match name {
                "deadline" => router.deadline().unwrap_or(since),
                _ => since + millis(20),
            };
            assert_eq!(
                (
                    feed(&mut router, now, event(name)).as_str(),
                    router.state().to_string()
                ),
                (actions, next.to_owned()),
                "{role}: {name}"
            );
        }
    }
}

#[test]
fn only_a_change_of_state_is_reported_as_one_and_counted() {
    for role in ROLES {
        for name in ["startup", "hears more", "deadline", "link down", "shutdown"] {
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
