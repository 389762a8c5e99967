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

/// How long after a leak this host is not ready at least, so that a parameter that is
/// written to and fro makes no host come and go with each question.
pub const AT_LEAST: Duration = Duration::from_secs(10);

/// How long a neighbour may believe a leak without asking again, and so how long a leak
/// is told. Linux believes for at most 45 s (1.5 times `base_reachable_time`), then asks
/// the one it believes for 5 + 3 s (`delay_first_probe_time`, three probes), and that
/// one is silent. Routers of other makers keep what they heard for hours.
pub const BELIEVED: Duration = Duration::from_secs(60);

/// How long an answer may take: the kernel answers within microseconds, what answers for
/// others waits for up to 0.8 s (`proxy_delay`).
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);

/// What one interface did about one VIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Questions that came in.
    pub asked: u64,
    /// Answers, announcements and requests in the VIP's name that left.
    pub leaked: u64,
}

/// The last time that an interface spoke of a VIP.
#[derive(Debug)]
struct Leak {
    at: Instant,
    what: What,
    /// The first question after it.
    asked: Option<Instant>,
}

impl Leak {
    /// Until when it may happen again with the next question: until one has stayed
    /// without an answer, and if there was none, until nobody believes the last one.
    fn is_open_until(&self) -> Instant {
        match self.asked {
            Some(asked) => (asked + ANSWERS_WITHIN).max(self.at + AT_LEAST),
            None => self.at + BELIEVED,
        }
    }

    fn told(&self, interface: &str, vip: IpAddr) -> String {
        match (self.what, vip) {
            (What::Named, _) => format!("{interface} sent an ARP request in the name of {vip}"),
            (_, IpAddr::V4(_)) => format!("{interface} answered ARP for {vip}"),
            (_, IpAddr::V6(_)) => {
                format!("{interface} sent a neighbour advertisement for {vip}")
            }
        }
    }
}

/// What every interface did.
#[derive(Debug, Default)]
pub struct Leaks {
    counts: BTreeMap<(String, IpAddr), Count>,
    last: BTreeMap<(String, IpAddr), Leak>,
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
                if let Some(leak) = self.last.get_mut(&place) {
                    leak.asked.get_or_insert(now);
                }
                false
            }
            What::Answered | What::Named => {
                count.leaked += 1;
                let leak = Leak {
                    at: now,
                    what: heard.what,
                    asked: None,
                };
                let before = self.last.insert(place, leak);
                before.is_none_or(|before| now >= before.at + AT_LEAST)
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

    /// The leaks that may happen again with the next question, one sentence each: this
    /// host must not be ready.
    pub fn faults(&self, now: Instant) -> Vec<String> {
        let open = |leak: &Leak| now < leak.is_open_until();
        self.tell(open, |what| {
            format!(
                "{what}: neighbours that believe it bypass the directors; look for whoever changes \
                 arp_ignore, or has the VIP on another interface; not ready until a question \
                 stays without an answer, or a minute is over"
            )
        })
    }

    /// The leaks that are over, and that neighbours may still believe.
    pub fn aftermath(&self, now: Instant) -> Vec<String> {
        let believed = |leak: &Leak| now >= leak.is_open_until() && now < leak.at + BELIEVED;
        self.tell(believed, |what| {
            format!(
                "{what} within the last minute, and is silent now: hosts that believe it bypass \
                 the directors until they ask again, routers perhaps for hours (clear their ARP \
                 cache)"
            )
        })
    }

    fn tell(
        &self,
        which: impl Fn(&Leak) -> bool,
        sentence: impl Fn(String) -> String,
    ) -> Vec<String> {
        let chosen = self.last.iter().filter(|(_, leak)| which(leak));
        chosen
            .map(|((interface, vip), leak)| sentence(leak.told(interface, *vip)))
            .collect()
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
    fn a_leak_is_a_fault_until_a_question_stays_without_an_answer() {
        let (mut leaks, start) = (Leaks::default(), crate::sys::clock::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(!leaks.hear("eth0", heard(What::Asked), start));
        assert_eq!(leaks.faults(start), [""; 0]);
        assert!(leaks.hear("eth0", heard(What::Answered), start));
        assert!(!leaks.hear("eth0", heard(What::Answered), start), "no news");
        assert!(leaks.faults(start)[0].starts_with("eth0 answered ARP for 192.168.1.200:"));
        assert_eq!(leaks.faults(after(59)).len(), 1, "nobody has asked");

        // This one is answered, and counts for nothing.
        leaks.hear("eth0", heard(What::Asked), after(20));
        assert!(
            leaks.hear("eth0", heard(What::Answered), after(20)),
            "news again"
        );
        leaks.hear("eth0", heard(What::Asked), after(33));
        assert_eq!(leaks.faults(after(33)).len(), 1, "it may be answered yet");
        assert_eq!(leaks.faults(after(34)), [""; 0]);
        let told = &leaks.aftermath(after(34))[0];
        assert!(
            told.contains("eth0 answered ARP") && told.contains("silent now"),
            "{told}"
        );
        assert_eq!(leaks.aftermath(after(80)), [""; 0]);

        let (_, _, count) = leaks.counts().next().unwrap();
        assert_eq!((count.asked, count.leaked), (3, 3));
        leaks.retain(&BTreeSet::new());
        assert_eq!(leaks.counts().count(), 0);
    }

    #[test]
    fn a_leak_is_a_fault_for_ten_seconds_at_least_and_a_minute_at_most() {
        let (mut leaks, start) = (Leaks::default(), crate::sys::clock::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        leaks.hear("eth0", heard(What::Named), start);
        assert_eq!(leaks.faults(after(59)).len(), 1);
        assert_eq!(leaks.faults(after(60)), [""; 0]);
        assert_eq!(leaks.aftermath(after(60)), [""; 0]);
        leaks.hear("eth0", heard(What::Asked), after(1));
        assert_eq!(leaks.faults(after(9)).len(), 1);
        assert_eq!(leaks.faults(after(10)), [""; 0]);
    }
}
