//! Peers whose adverts are taken and whose configuration is not ours all the same.
//!
//! Each is told once, by name, and again when it has changed or agrees.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::advert::Advert;
use super::{Priority, Settings};

/// What an accepted advert should not say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Oddity {
    /// Both routers must be configured with the same addresses.
    #[error("its addresses are not ours: {0}")]
    Addresses(Difference),
    /// Version 3: the interval is learnt from the master, yet it should be the
    /// same everywhere.
    #[error("its advert interval is {theirs:?}, ours is {ours:?}")]
    Interval {
        /// The interval in the advert.
        theirs: Duration,
        /// The configured interval.
        ours: Duration,
    },
    /// RFC 9568 §8.3.2: only one router can own the addresses.
    #[error("it has priority 255, as if it owned the addresses, as this host does")]
    SecondOwner,
}

/// How two lists of addresses differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Ours, which the peer has not.
    pub lacking: Vec<IpAddr>,
    /// The peer's, which we have not.
    pub foreign: Vec<IpAddr>,
}

impl Oddity {
    fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// What is odd about an advert that was accepted.
pub fn oddities(advert: &Advert, settings: &Settings) -> Vec<Oddity> {
    let (theirs, ours) = (advert.interval, settings.advert_interval);
    let owner = Priority::OWNER.get();
    let both_owners = advert.priority == owner && settings.priority.get() == owner;
    let found = [
        difference(&advert.addresses, &settings.addresses).map(Oddity::Addresses),
        (theirs != ours).then_some(Oddity::Interval { theirs, ours }),
        both_owners.then_some(Oddity::SecondOwner),
    ];
    found.into_iter().flatten().collect()
}

/// The order is nothing. Most lists are equal in order too, and that is seen
/// without sorting them.
fn difference(theirs: &[IpAddr], ours: &[IpAddr]) -> Option<Difference> {
    if theirs == ours {
        return None;
    }
    let (theirs, ours): (BTreeSet<_>, BTreeSet<_>) =
        (theirs.iter().collect(), ours.iter().collect());
    let only = |these: &BTreeSet<&IpAddr>, those| these.difference(those).map(|it| **it).collect();
    let difference = Difference {
        lacking: only(&ours, &theirs),
        foreign: only(&theirs, &ours),
    };
    (theirs != ours).then_some(difference)
}

/// How many addresses a line names before it counts the others.
const NAMED: usize = 4;

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |addresses: &[IpAddr]| {
            let named: Vec<_> = addresses
                .iter()
                .take(NAMED)
                .map(IpAddr::to_string)
                .collect();
            let more = addresses.len().saturating_sub(NAMED);
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            format!("{}{more}", named.join(", "))
        };
        match (self.lacking.as_slice(), self.foreign.as_slice()) {
            (lacking, []) => write!(f, "it lacks {}", list(lacking)),
            ([], foreign) => write!(f, "it has {} too", list(foreign)),
            (lacking, foreign) => {
                write!(f, "it lacks {}, and has {}", list(lacking), list(foreign))
            }
        }
    }
}

/// So many peers are remembered. There are no more in a LAN of routers that mean
/// each other no harm.
const MOST: usize = 8;

/// Details of what is known already are renewed this often.
const RENEW: Duration = Duration::from_secs(10);

/// The peers whose configuration is not ours, as last heard.
#[derive(Debug, Default)]
pub struct Mismatches(BTreeMap<IpAddr, (Vec<Oddity>, Instant)>);

impl Mismatches {
    /// What was odd about the advert that a peer just sent, perhaps nothing.
    /// Returns what is news: no oddity, if it agrees at last.
    pub fn note(&mut self, now: Instant, peer: IpAddr, found: Vec<Oddity>) -> Option<Vec<Oddity>> {
        let is_full = self.0.len() == MOST;
        match self.0.get_mut(&peer) {
            None if found.is_empty() || is_full => None,
            None => {
                self.0.insert(peer, (found.clone(), now));
                Some(found)
            }
            Some((known, told)) => {
                let is_alike = known.len() == found.len()
                    && known.iter().zip(&found).all(|(a, b)| a.is_like(b));
                if *known == found || is_alike && now < *told + RENEW {
                    return None;
                }
                if found.is_empty() {
                    self.0.remove(&peer);
                } else {
                    (*known, *told) = (found.clone(), now);
                }
                Some(found)
            }
        }
    }

    /// Each peer, and what is odd about its configuration.
    pub fn iter(&self) -> impl Iterator<Item = (IpAddr, &Oddity)> {
        let peers = self.0.iter();
        peers.flat_map(|(peer, (found, _))| found.iter().map(|it| (*peer, it)))
    }

    /// Forgets all: our own configuration is another now.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests;
