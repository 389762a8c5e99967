//! What this host has told the LAN about its VIPs, although it must say nothing.
//!
//! The sysctls say what the kernel should do; this is what it did. A host cannot ask
//! itself: a question that it sends does not come in by any interface, and only what
//! comes in is answered. The LAN asks often enough (routers, other hosts, the
//! directors' own search for rivals), so it is enough to listen: questions that came
//! in and stayed without an answer prove that an interface is silent, an answer that
//! left proves that it is not.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::sys::tell_tale::{Heard, What};

/// How long after a leak this host is not ready: as long as it may happen again with
/// the next question.
pub const MEMORY: Duration = Duration::from_secs(10);

/// What one interface did about one VIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Questions that came in.
    pub asked: u64,
    /// Answers, announcements and requests in the VIP's name that left.
    pub leaked: u64,
}

/// What every interface did.
#[derive(Debug, Default)]
pub struct Leaks {
    counts: BTreeMap<(String, IpAddr), Count>,
    last: BTreeMap<(String, IpAddr), (Instant, What)>,
}

impl Leaks {
    /// Takes in what was heard on an interface, about one of the VIPs. Returns
    /// whether it is the first leak in a while.
    pub fn hear(&mut self, interface: &str, heard: Heard, now: Instant) -> bool {
        let place = (interface.to_owned(), heard.address);
        let count = self.counts.entry(place.clone()).or_default();
        match heard.what {
            What::Asked => {
                count.asked += 1;
                false
            }
            What::Answered | What::Named => {
                count.leaked += 1;
                let before = self.last.insert(place, (now, heard.what));
                before.is_none_or(|(at, _)| now >= at + MEMORY)
            }
        }
    }

    /// Forgets what is about none of these VIPs.
    pub fn retain(&mut self, vips: &BTreeSet<IpAddr>) {
        self.counts.retain(|(_, vip), _| vips.contains(vip));
        self.last.retain(|(_, vip), _| vips.contains(vip));
    }

    /// What was heard so far, by interface and VIP.
    pub fn counts(&self) -> impl Iterator<Item = (&str, IpAddr, Count)> {
        self.counts
            .iter()
            .map(|((interface, vip), count)| (interface.as_str(), *vip, *count))
    }

    /// The leaks of the last while, one sentence each.
    pub fn faults(&self, now: Instant) -> Vec<String> {
        let recent = self.last.iter().filter(|(_, (at, _))| now < *at + MEMORY);
        recent
            .map(|((interface, vip), (_, what))| {
                let did = match (what, vip) {
                    (What::Named, _) => format!("sent an ARP request in the name of {vip}"),
                    (_, IpAddr::V4(_)) => format!("answered ARP for {vip}"),
                    (_, IpAddr::V6(_)) => format!("sent a neighbour advertisement for {vip}"),
                };
                format!(
                    "{interface} {did}: neighbours that believe it bypass the directors; look for \
                     whoever changes arp_ignore, or has the VIP on another interface"
                )
            })
            .collect()
    }

    /// When the oldest of them is forgotten.
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let ends = self.last.values().map(|(at, _)| *at + MEMORY);
        ends.filter(|end| *end > now).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(what: What) -> Heard {
        Heard {
            interface: 2,
            address: "192.168.1.200".parse().unwrap(),
            what,
        }
    }

    #[test]
    fn a_leak_is_a_fault_for_a_while_and_a_question_is_none() {
        let (mut leaks, start) = (Leaks::default(), crate::sys::clock::now());
        assert!(!leaks.hear("eth0", heard(What::Asked), start));
        assert_eq!(leaks.faults(start), [""; 0]);
        assert!(leaks.hear("eth0", heard(What::Answered), start));
        assert!(!leaks.hear("eth0", heard(What::Answered), start), "no news");
        assert!(leaks.faults(start)[0].starts_with("eth0 answered ARP for 192.168.1.200:"));
        assert_eq!(leaks.next_deadline(start), Some(start + MEMORY));
        assert_eq!(leaks.faults(start + MEMORY), [""; 0]);
        assert!(
            leaks.hear("eth0", heard(What::Named), start + MEMORY),
            "news again"
        );
        let (_, _, count) = leaks.counts().next().unwrap();
        assert_eq!((count.asked, count.leaked), (1, 3));
        leaks.retain(&BTreeSet::new());
        assert_eq!(leaks.counts().count(), 0);
    }
}
