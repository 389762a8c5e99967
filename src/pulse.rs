//! Signs of life of the parts of a director, and whether one of them is missing.
//!
//! ```text
//!  core task ───beat──▶ ┐
//!  health runner ─beat▶ ├ Pulses (counters) ──▶ Watch::look, once a second, in the VRRP thread
//!  IPVS thread ──beat─▶ │
//!  VIP thread ───beat─▶ ┘
//! ```
//! A beat is an addition to a counter: whoever beats waits for nobody, and so does
//! whoever looks. Every part beats once a second at least, and within whatever it does
//! that takes longer. That a part has nothing to do is no reason not to beat.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often the parts are looked at.
pub const LOOK: Duration = Duration::from_secs(1);

/// How often a part beats at least while it waits.
pub const BEAT: Duration = Duration::from_millis(500);

/// A part whose life is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The core task: it decides what the table should be.
    Core,
    /// The health checks.
    Checks,
    /// The thread that holds the kernel's table to what is wanted.
    Table,
    /// The thread that puts virtual addresses on interfaces, and takes them off.
    Vips,
}

impl Part {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Core, Self::Checks, Self::Table, Self::Vips];

    /// Its name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Checks => "checks",
            Self::Table => "table",
            Self::Vips => "vips",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Core => "the director's core has",
            Self::Checks => "the checks have",
            Self::Table => "the IPVS thread has",
            Self::Vips => "the VIP thread has",
        })
    }
}

/// The pulse of one part. A part that has not begun, or has ended, is at rest: its
/// silence means nothing. Clones are the same pulse.
#[derive(Debug, Clone, Default)]
pub struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// Tells that the part lives.
    pub fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Tells that it is not to be heard of any more.
    pub fn rest(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The pulses of all parts.
#[derive(Debug, Clone, Default)]
pub struct Pulses {
    /// Of [`Part::Core`].
    pub core: Pulse,
    /// Of [`Part::Checks`].
    pub checks: Pulse,
    /// Of [`Part::Table`].
    pub table: Pulse,
    /// Of [`Part::Vips`].
    pub vips: Pulse,
}

impl Pulses {
    /// The core is at something long. The checks run in the same thread and wait for it.
    pub fn core_works(&self) {
        self.core.beat();
        self.checks.beat();
    }

    fn of(&self, part: Part) -> &Pulse {
        match part {
            Part::Core => &self.core,
            Part::Checks => &self.checks,
            Part::Table => &self.table,
            Part::Vips => &self.vips,
        }
    }
}

/// A part that has not moved for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stuck {
    /// Which.
    pub part: Part,
    /// For how long when that was noticed.
    pub silent: Duration,
}

/// `the checks have not moved for 10 s`
impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, silent } = self;
        write!(f, "{part} not moved for {} s", silent.as_secs())
    }
}

/// Looks at pulses and says who is stuck.
///
/// What counts is the time that the watch itself was awake: a host that slept, or a
/// process that was stopped, stopped all parts alike, and those that wake a moment later
/// than the watch are not stuck.
#[derive(Debug, Default)]
pub struct Watch {
    /// How long a part may be silent; none: for ever.
    limit: Option<Duration>,
    looked_at: Option<Instant>,
    seen: BTreeMap<Part, Seen>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    count: u64,
    silent: Duration,
    stuck: Option<Stuck>,
}

impl Seen {
    fn beating(count: u64) -> Self {
        Self {
            count,
            silent: Duration::ZERO,
            stuck: None,
        }
    }
}

impl Watch {
    /// From now on parts may be silent for so long. What was seen is forgotten.
    pub fn set_limit(&mut self, now: Instant, limit: Option<Duration>) {
        if self.limit != limit {
            self.limit = limit;
            self.looked_at = Some(now);
            self.seen.clear();
        }
    }

    /// When to look again.
    pub fn deadline(&self) -> Option<Instant> {
        self.limit.and(self.looked_at).map(|at| at + LOOK)
    }

    /// Looks. What is stuck is told as it was first seen, until it beats again.
    pub fn look(&mut self, now: Instant, pulses: &Pulses) -> Vec<Stuck> {
        let Some(limit) = self.limit else {
            return vec![];
        };
        let before = self.looked_at.replace(now).unwrap_or(now);
        let awake = now.saturating_duration_since(before).min(2 * LOOK);
        let parts = Part::ALL.into_iter();
        let looks = parts.filter_map(|part| {
            let count = pulses.of(part).count();
            let before = self.seen.get(&part).copied();
            let mut seen = match before.filter(|seen| count != 0 && seen.count == count) {
                Some(seen) => Seen {
                    silent: seen.silent + awake,
                    ..seen
                },
                None => Seen::beating(count),
            };
            let silent = seen.silent;
            if seen.stuck.is_none() && silent >= limit {
                seen.stuck = Some(Stuck { part, silent });
            }
            self.seen.insert(part, seen);
            seen.stuck
        });
        looks.collect()
    }
}

#[cfg(test)]
mod tests;
