use super::*;
use crate::vrrp::advert::{Advert, Checksum, Forms};

mod deviations;
mod dropped;
mod fitness;
mod groups;
mod handover;
mod lan;
mod random;
mod resumed;
mod rules;
mod scenarios;
mod split_brain;
mod starved;
mod table;

const OWN: &str = "192.168.1.51";
const LESSER: &str = "192.168.1.50";
const GREATER: &str = "192.168.1.52";
const V2: Version = Version::V2 { auth: None };
const V3: Version = Version::V3;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn start() -> Instant {
    crate::sys::clock::now()
}

fn settings(version: Version, priority: u8) -> Settings {
    Settings {
        vrid: 51.try_into().unwrap(),
        priority: priority.try_into().unwrap(),
        version,
        advert_interval: secs(1),
        preempt: true,
        addresses: vec![ip("192.168.1.200")],
        checksum: None,
        takeover: crate::vrrp::Takeover::default(),
    }
}

/// An advert with an interval of 1 s.
fn heard(version: Version, source: &str, priority: u8) -> Heard {
    Heard {
        source: ip(source),
        advert: Advert {
            priority,
            ..settings(version, 1).advert(1)
        },
        checksum: Checksum::MessageOnly,
    }
}

fn hear(version: Version, source: &str, priority: u8) -> Event {
    Event::Heard(heard(version, source, priority))
}

fn every(interval: Duration, mut heard: Heard) -> Event {
    heard.advert.interval = interval;
    Event::Heard(heard)
}

fn influence(faults: &[&str], priority: i16) -> Influence {
    let faults = faults.iter().map(|name| (*name).to_owned()).collect();
    Influence { faults, priority }
}

/// A router that was started at `now` on a working interface.
fn started(settings: Settings, now: Instant) -> Router {
    let mut router = Router::new(settings, now);
    feed(&mut router, now, Event::LinkUp { address: ip(OWN) });
    feed(&mut router, now, Event::Startup);
    router
}

/// A router that has just become master, and when that was.
fn master(settings: Settings) -> (Router, Instant) {
    let mut router = started(settings, start());
    let now = router.deadline().unwrap();
    feed(&mut router, now, Event::Deadline);
    assert_eq!(router.state(), State::Master);
    (router, now)
}

/// A router that claims its addresses before it preempts a master of priority 50,
/// and since when.
fn claiming(settings: Settings) -> (Router, Instant) {
    let version = settings.version;
    let mut router = started(settings, start());
    let now = router.deadline().unwrap();
    feed(&mut router, now - millis(1), hear(version, LESSER, 50));
    assert_eq!(feed(&mut router, now, Event::Deadline), "claim");
    assert_eq!(router.phase(), Phase::TakingOver);
    (router, now)
}

/// The addresses, kept for those who do not know the new master yet, are released.
fn let_go(router: &mut Router, heard_at: Instant) {
    assert_eq!(router.claim(), Claim::Keep);
    let early = heard_at + LINGER - millis(1);
    assert_eq!(feed(router, early, Event::Deadline), "");
    assert_eq!(router.deadline(), Some(heard_at + LINGER));
    assert_eq!(feed(router, heard_at + LINGER, Event::Deadline), "release");
}

/// Feeds an event; the actions as text, without what is only for people.
fn feed(router: &mut Router, now: Instant, event: Event) -> String {
    let actions = router.handle(now, event);
    let texts: Vec<_> = actions
        .filter_map(|action| match action {
            Action::SendAdvert { priority, .. } => Some(format!("advert {priority}")),
            Action::ClaimVips => Some("claim".to_owned()),
            Action::AnnounceVips => Some("announce".to_owned()),
            Action::ReleaseVips => Some("release".to_owned()),
            Action::Report(_) => None,
        })
        .collect();
    texts.join(", ")
}

/// Feeds an event; what people are told.
fn notices(router: &mut Router, now: Instant, event: Event) -> Vec<Notice> {
    let actions = router.handle(now, event);
    actions
        .filter_map(|action| match action {
            Action::Report(notice) => Some(notice),
            _ => None,
        })
        .collect()
}
