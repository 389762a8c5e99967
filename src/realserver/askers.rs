//! Who asks whether this host is ready, and whether they have heard that it drains.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Whoever has not asked for this long is not waited for.
const ABSENT: Duration = Duration::from_secs(60);
/// From the answer to the moment at which a director has acted upon it.
pub const SETTLE: Duration = Duration::from_secs(1);
/// How many are remembered: more than any site has directors.
const MOST: usize = 4_096;

/// Those who ask.
#[derive(Debug, Default)]
pub struct Askers(BTreeMap<IpAddr, Asked>);

#[derive(Debug, Clone, Copy)]
struct Asked {
    last: Instant,
    /// When it was first told of the drain that lasts.
    told: Option<Instant>,
}

impl Askers {
    /// Somebody was answered; `draining` is what the answer said.
    pub fn answered(&mut self, peer: IpAddr, draining: bool, now: Instant) {
        if self.0.len() >= MOST && !self.0.contains_key(&peer) {
            self.0.retain(|_, asked| now < asked.last + ABSENT);
            if self.0.len() >= MOST {
                return;
            }
        }
        let told = draining.then_some(now);
        let asked = self.0.entry(peer).or_insert(Asked { last: now, told });
        asked.last = now;
        asked.told = asked.told.filter(|_| draining).or(told);
    }

    /// When everybody who was here when the drain began has heard of it, and has had
    /// the time to act upon it. None: somebody has not asked yet.
    pub fn settled(&self, began: Instant) -> Option<Instant> {
        let mut settled = began + SETTLE;
        for asked in self.0.values() {
            match asked.told {
                Some(told) => settled = settled.max(told + SETTLE),
                None if began < asked.last + ABSENT => return None,
                None => {}
            }
        }
        Some(settled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_has_settled_a_moment_after_everybody_has_heard_of_it() {
        let (mut askers, start) = (Askers::default(), crate::sys::clock::now());
        let [first, second]: [IpAddr; 2] = ["10.0.0.1", "10.0.0.2"].map(|ip| ip.parse().unwrap());
        let second_later = start + Duration::from_secs(1);
        assert_eq!(askers.settled(start), Some(start + SETTLE), "nobody asks");
        askers.answered(first, false, start);
        askers.answered(second, false, start);
        assert_eq!(askers.settled(second_later), None);
        askers.answered(first, true, second_later);
        assert_eq!(askers.settled(second_later), None);
        askers.answered(second, true, second_later);
        askers.answered(second, true, second_later + SETTLE);
        assert_eq!(askers.settled(second_later), Some(second_later + SETTLE));
        askers.answered(first, false, second_later + SETTLE);
        assert_eq!(askers.settled(second_later), None, "another drain is news");
    }

    #[test]
    fn whoever_went_away_long_ago_is_not_waited_for() {
        let (mut askers, start) = (Askers::default(), crate::sys::clock::now());
        askers.answered("10.0.0.1".parse().unwrap(), false, start);
        let later = start + ABSENT;
        assert_eq!(askers.settled(later), Some(later + SETTLE));
    }

    #[test]
    fn strangers_do_not_fill_the_memory() {
        let (mut askers, start) = (Askers::default(), crate::sys::clock::now());
        for n in 0..10_000_u32 {
            let peer = std::net::Ipv4Addr::from(n);
            askers.answered(peer.into(), false, start);
        }
        assert_eq!(askers.0.len(), MOST);
    }
}
