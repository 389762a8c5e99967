//! In which form of checksum each router of a link speaks, version 3 over IPv4.
//!
//! Who speaks in one form alone, as keepalived and FRR do, has told what it takes, and
//! what others of its make take. Who speaks in both, as lvsd does, tells nothing about
//! those that only listen: a backup is never heard, and may take the other form alone.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::advert::{Checksum, Forms};
use super::receive::Heard;

/// So many routers are remembered: a link has two or three.
const MOST: usize = 8;

/// So many adverts in a row show that a router speaks in one form alone. Of one that
/// speaks in both they alternate, and now and then one is lost.
const IN_A_ROW: u8 = 3;

/// For so long a router is remembered. Nobody says that a silent backup was replaced by one
/// of another make, and two packets instead of one cost less than a second master.
const MEMORY: Duration = Duration::from_secs(3_600);

/// The two packets of one advert come within this, half the shortest interval.
const TWIN_WITHIN: Duration = Duration::from_millis(5);

/// The routers heard lately.
#[derive(Debug, Clone, Default)]
pub struct Dialects(BTreeMap<IpAddr, Dialect>);

/// How one router spoke.
#[derive(Debug, Clone)]
struct Dialect {
    form: Checksum,
    in_a_row: u8,
    heard_at: Instant,
    priority: u8,
    /// The same advert may come in the other form.
    twin_until: Option<Instant>,
}

impl Dialects {
    /// Takes note of an advert. True: it was heard already, in the other form.
    pub fn hear(&mut self, now: Instant, heard: &Heard) -> bool {
        let priority = heard.advert.priority;
        let fresh = Dialect {
            form: heard.checksum,
            in_a_row: 1,
            heard_at: now,
            priority,
            twin_until: Some(now + TWIN_WITHIN),
        };
        let Some(known) = self.0.get_mut(&heard.source) else {
            self.make_room();
            self.0.insert(heard.source, fresh);
            return false;
        };
        if known.form == heard.checksum {
            let in_a_row = known.in_a_row.saturating_add(1);
            *known = Dialect { in_a_row, ..fresh };
            return false;
        }
        let is_twin =
            known.priority == priority && known.twin_until.is_some_and(|until| now < until);
        *known = fresh;
        if is_twin {
            known.twin_until = None;
        }
        is_twin
    }

    /// Forgets who was not heard for long.
    pub fn forget(&mut self, now: Instant) {
        self.0.retain(|_, known| now < known.heard_at + MEMORY);
    }

    /// The forms to speak in: one, if all that were heard speak in this one alone.
    pub fn forms(&self) -> Forms {
        let mut known = self.0.values();
        let first = self.0.values().next();
        match first {
            Some(first) if known.all(|it| it.in_a_row >= IN_A_ROW && it.form == first.form) => {
                Forms::One(first.form)
            }
            Some(_) | None => Forms::Both,
        }
    }

    fn make_room(&mut self) {
        if self.0.len() < MOST {
            return;
        }
        let oldest = self.0.iter().min_by_key(|(_, known)| known.heard_at);
        if let Some(oldest) = oldest.map(|(address, _)| *address) {
            self.0.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests;
