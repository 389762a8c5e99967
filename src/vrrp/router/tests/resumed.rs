//! Masters that were killed, and come back while their addresses are still here.

use super::rules::{DOWN_100, SKEW_100, wait};
use super::*;

/// How long it listens then.
const SOON: Duration = Duration::from_secs(1).saturating_add(SKEW_100);

fn started(settings: Settings) -> (Router, Instant) {
    let now = crate::sys::clock::now();
    let mut router = Router::new(settings, now);
    feed(&mut router, now, Event::LinkUp { address: ip(OWN) });
    feed(&mut router, now, Event::Startup);
    (router, now)
}

#[test]
fn a_master_that_was_killed_goes_on_before_a_backup_takes_over() {
    let (mut router, now) = started(settings(V3, 100));
    assert_eq!(wait(&router, now), DOWN_100);
    assert_eq!(feed(&mut router, now, Event::VipsLeft), "");
    assert_eq!(wait(&router, now), SOON);
    assert_eq!(
        feed(&mut router, now + SOON, Event::Deadline),
        "advert 100, claim"
    );
}

#[test]
fn a_master_that_was_killed_is_a_backup_like_any_where_somebody_took_over() {
    for priority in [50, 100, 200] {
        let (mut router, now) = started(Settings {
            preempt: false,
            ..settings(V3, 100)
        });
        feed(&mut router, now, Event::VipsLeft);
        assert_eq!(feed(&mut router, now, hear(V3, GREATER, priority)), "");
        assert_eq!(wait(&router, now), DOWN_100, "{priority}");
    }
}

#[test]
fn what_was_left_counts_also_for_a_router_that_has_not_started_or_whose_link_comes_later() {
    let now = crate::sys::clock::now();
    let mut router = Router::new(settings(V3, 100), now);
    feed(&mut router, now, Event::VipsLeft);
    feed(&mut router, now, Event::Startup);
    assert_eq!(router.state(), State::Fault);
    feed(&mut router, now, Event::LinkUp { address: ip(OWN) });
    assert_eq!(wait(&router, now), SOON);
    let (mut router, now) = started(settings(V3, 100));
    feed(&mut router, now, Event::LinkDown(LinkFault::NoCarrier));
    feed(&mut router, now, Event::VipsLeft);
    feed(&mut router, now, Event::LinkUp { address: ip(OWN) });
    assert_eq!(wait(&router, now), SOON);
}

#[test]
fn a_process_that_was_killed_is_no_host_that_was_booted() {
    let mut patient = settings(V3, 100);
    patient.takeover.startup_delay = secs(60);
    let (mut router, now) = started(patient);
    assert_eq!(wait(&router, now), secs(60));
    feed(&mut router, now, Event::VipsLeft);
    assert_eq!(wait(&router, now), SOON);
}

#[test]
fn a_router_that_was_master_since_waits_as_long_as_any() {
    let (mut router, now) = started(settings(V3, 100));
    feed(&mut router, now, Event::VipsLeft);
    let soon = now + SOON;
    feed(&mut router, soon, Event::Deadline);
    feed(&mut router, soon, Event::LinkDown(LinkFault::NoCarrier));
    feed(&mut router, soon, Event::LinkUp { address: ip(OWN) });
    assert_eq!(wait(&router, soon), DOWN_100);
}
