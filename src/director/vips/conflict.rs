//! Who else answers for the VIPs: when to ask, and what to make of what is heard.
//!
//! While an address is held the LAN is asked for it now and then. Whoever says
//! that it has the address is suspected, and asked again: only who says so still
//! is in conflict. A master that lets go, because it has just been outranked or
//! hands over as planned, does so within that time, and is no conflict.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::holding::Place;
use crate::sys::neighbour::{Mac, Statement};

/// From the claim to the first question. Whoever was master until then has
/// heard our advert and let go.
const FIRST: Duration = Duration::from_secs(1);

/// Between two questions while nobody else is known to answer.
const CALM: Duration = Duration::from_secs(10);

/// From the first sign of somebody else to the question that confirms it, and
/// between two questions while somebody is in conflict.
const CLOSE: Duration = Duration::from_secs(2);

/// From a question to the look at its answers. Nobody waits for them meanwhile,
/// and one that comes later is found with the next.
const ANSWER: Duration = Duration::from_millis(500);

/// After so many questions without an answer a conflict is over; a suspicion
/// after one.
const PATIENCE: u64 = 3;

/// How many questions are asked back to back, and the pause after them: at most
/// 80 frames a second, however many addresses there are.
const BATCH: usize = 4;
const PAUSE: Duration = Duration::from_millis(50);

/// Others remembered for one address, so that a forger cannot fill the memory.
const MOST_OTHERS: usize = 16;

/// The addresses held here, and who else says to have them.
#[derive(Debug, Default)]
pub(super) struct Conflicts {
    watched: BTreeMap<Place, Watched>,
    /// The hardware addresses of this host. It may have several interfaces on
    /// one LAN, and a switch may send back what we announce.
    own: BTreeSet<Mac>,
    not_before: Option<Instant>,
    /// When the answers to what was asked are to be looked at.
    look_at: Option<Instant>,
}

#[derive(Debug)]
struct Watched {
    next_at: Instant,
    /// Questions asked.
    asked: u64,
    others: BTreeMap<Mac, Other>,
}

#[derive(Debug)]
struct Other {
    first_heard: Instant,
    /// How many questions had been asked when it was last heard.
    heard_after: u64,
    confirmed: bool,
}

impl Conflicts {
    /// Takes the addresses that are held from now on, and the hardware addresses
    /// of this host. What is known of an address that stays is kept.
    pub(super) fn watch(&mut self, now: Instant, held: &BTreeSet<Place>, own: BTreeSet<Mac>) {
        self.own = own;
        self.watched.retain(|place, _| held.contains(place));
        for place in held {
            self.watched.entry(place.clone()).or_insert(Watched {
                next_at: now + FIRST,
                asked: 0,
                others: BTreeMap::new(),
            });
        }
    }

    /// When to look at what was heard, and then call [`due`](Self::due).
    pub(super) fn deadline(&self) -> Option<Instant> {
        let due = self.watched.values().map(|watched| watched.next_at).min()?;
        let ask_at = self.not_before.map_or(due, |pause| due.max(pause));
        Some(self.look_at.map_or(ask_at, |at| at.min(ask_at)))
    }

    /// Takes the addresses to ask for now, a batch at most, and forgets whoever
    /// left too many questions unanswered.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Place> {
        self.look_at = self.look_at.filter(|at| now < *at);
        if self.not_before.is_some_and(|pause| now < pause) {
            return vec![];
        }
        let due = self.watched.iter().filter(|(_, it)| it.next_at <= now);
        let mut due: Vec<_> = due.map(|(place, it)| (it.next_at, place.clone())).collect();
        due.sort();
        due.truncate(BATCH);
        for (_, place) in &due {
            if let Some(watched) = self.watched.get_mut(place) {
                watched.ask(now);
            }
        }
        self.not_before = (due.len() == BATCH).then_some(now + PAUSE);
        if !due.is_empty() {
            self.look_at = Some(now + ANSWER);
        }
        due.into_iter().map(|(_, place)| place).collect()
    }

    /// Takes what was heard on an interface.
    pub(super) fn hear(&mut self, now: Instant, interface: &str, statement: Statement) {
        if self.own.contains(&statement.mac) {
            return;
        }
        let said_of = |place: &Place| {
            place.interface == interface && place.address.address == statement.address
        };
        for (_, watched) in self.watched.iter_mut().filter(|(place, _)| said_of(place)) {
            watched.hear(now, statement.mac);
        }
    }

    /// The addresses that somebody else has too, and who.
    pub(super) fn found(&self) -> BTreeMap<Place, BTreeSet<Mac>> {
        let of = |watched: &Watched| -> BTreeSet<_> {
            let confirmed = watched.others.iter().filter(|(_, other)| other.confirmed);
            confirmed.map(|(mac, _)| *mac).collect()
        };
        let all = self
            .watched
            .iter()
            .map(|(place, it)| (place.clone(), of(it)));
        all.filter(|(_, others)| !others.is_empty()).collect()
    }
}

impl Watched {
    fn ask(&mut self, now: Instant) {
        let asked = self.asked;
        self.others.retain(|_, other| {
            let unanswered = asked - other.heard_after;
            unanswered < if other.confirmed { PATIENCE } else { 1 }
        });
        self.asked += 1;
        self.next_at = now + if self.others.is_empty() { CALM } else { CLOSE };
    }

    fn hear(&mut self, now: Instant, mac: Mac) {
        let asked = self.asked;
        if self.others.len() == MOST_OTHERS && !self.others.contains_key(&mac) {
            return;
        }
        let other = self.others.entry(mac).or_insert(Other {
            first_heard: now,
            heard_after: asked,
            confirmed: false,
        });
        other.heard_after = asked;
        other.confirmed |= now >= other.first_heard + CLOSE;
        self.next_at = self.next_at.min(now + CLOSE);
    }
}

/// What people are told of somebody else who has an address, and of the ways
/// out.
pub(super) fn describe(place: &Place, mac: Mac) -> String {
    let (address, interface) = (place.address.address, &place.interface);
    let how = match address {
        IpAddr::V4(_) => "ARP",
        IpAddr::V6(_) => "neighbour solicitations",
    };
    format!(
        "{address} is also answered by {} on {interface}: a real server that answers {how} for \
         the VIP (start lvsd realserver there), or another director that is not heard (VRRP \
         blocked by a firewall? lvsd killed there?)",
        text(mac)
    )
}

/// `02:00:c0:a8:01:36`.
pub(super) fn text(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

#[cfg(test)]
mod tests;
