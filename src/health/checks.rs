//! When each check is due, and what its results make of it.
//!
//! A value without clock or tasks: [`Checks::due`] hands out attempts,
//! [`Checks::finished`] takes their results. Attempts are handed out in the
//! order in which they became due, so that none starves when few may run.
//!
//! # When
//! First attempts go out at 10,000 per second: a handful at once, ten thousand
//! over a second. The second attempt then falls anywhere within the interval,
//! and later ones keep that phase, so that equal intervals make an even load.
//! A failure that is not confirmed yet is repeated after `retry_delay`; so is
//! an attempt that could not be made. A check that is late by a whole interval,
//! as after a suspended machine, takes a new phase.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use jiff::Timestamp;

use super::verdict::{Moment, State, Verdict};
use super::{Check, Outcome};

/// How far apart the first attempts of new checks are, on average.
const FIRST_SPACING: Duration = Duration::from_micros(100);
/// The longest time over which first attempts are spread.
const FIRST_SPREAD: Duration = Duration::from_secs(1);
/// From the end of an attempt to the next one of the same check, at least.
const MIN_PAUSE: Duration = Duration::from_millis(10);

/// Names a check for as long as it is configured; never used again after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CheckId(u64);

/// What is known of a server when its check is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// Nothing: see [`Verdict::unchecked`].
    New,
    /// It served when lvsd started: see [`Verdict::adopted`].
    Adopted,
}

/// An attempt to be made now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// To be given back with the result.
    pub id: CheckId,
    /// What to ask.
    pub check: Arc<Check>,
}

/// A verdict that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Whose.
    pub check: Arc<Check>,
    /// The state before.
    pub from: State,
    /// The new verdict.
    pub verdict: Verdict,
}

/// The last attempt that came to an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What it found.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
    /// When it ended.
    pub ended: Timestamp,
}

/// All there is to know about one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckStatus {
    /// The check.
    pub check: Arc<Check>,
    /// What it says of its server.
    pub verdict: Verdict,
    /// The last attempt.
    pub last: Option<Attempt>,
    /// Attempts that ended, since the check was configured.
    pub attempts: u64,
    /// Those of them that failed.
    pub failures: u64,
    /// Those of them that this host could not make.
    pub undecided: u64,
}

#[derive(Debug)]
struct Entry {
    status: CheckStatus,
    /// When the next attempt is due, or the running one was.
    due: Instant,
    /// When the running attempt started.
    started: Option<Instant>,
    /// It has its place within the interval.
    in_phase: bool,
}

/// All checks.
#[derive(Debug)]
pub struct Checks {
    jitter: Jitter,
    next_id: u64,
    /// Boxed, because half of the places of a map may be empty.
    entries: HashMap<CheckId, Box<Entry>>,
    ids: HashMap<Arc<Check>, CheckId, RandomState>,
    waiting: BTreeSet<(Instant, CheckId)>,
}

impl Checks {
    /// No checks. The seed decides how attempts are spread.
    pub fn new(seed: u64) -> Self {
        Self {
            jitter: Jitter(seed),
            next_id: 0,
            entries: HashMap::new(),
            ids: HashMap::default(),
            waiting: BTreeSet::new(),
        }
    }

    /// Makes these the checks. Those that were there already go on undisturbed,
    /// with their verdict and timing; the others are forgotten. The same check
    /// may be named often; it is adopted if it is so once.
    pub fn configure<C: Into<Arc<Check>>>(
        &mut self,
        now: Moment,
        wanted: impl IntoIterator<Item = (C, Origin)>,
    ) {
        let mut before = std::mem::take(&mut self.ids);
        let mut new: Vec<(Arc<Check>, Origin)> = Vec::new();
        let mut places = HashMap::<_, _, RandomState>::default();
        for (check, origin) in wanted {
            let check = check.into();
            if let Some(id) = before.remove(&check) {
                // The same value, which is the configuration's from now on.
                if let Some(entry) = self.entries.get_mut(&id) {
                    entry.status.check = Arc::clone(&check);
                }
                self.ids.insert(check, id);
            } else if let Some(place) = places.get(&check) {
                let (_, known) = &mut new[*place];
                *known = origin.max(*known);
            } else if !self.ids.contains_key(&check) {
                places.insert(Arc::clone(&check), new.len());
                new.push((check, origin));
            }
        }
        before.into_values().for_each(|id| self.forget(id));
        let count = u32::try_from(new.len()).unwrap_or(u32::MAX);
        let spread = FIRST_SPACING.saturating_mul(count).min(FIRST_SPREAD);
        for (check, origin) in new {
            self.add(now, check, origin, spread);
        }
    }

    fn forget(&mut self, id: CheckId) {
        if let Some(entry) = self.entries.remove(&id) {
            self.waiting.remove(&(entry.due, id));
        }
    }

    fn add(&mut self, now: Moment, check: Arc<Check>, origin: Origin, spread: Duration) {
        let id = CheckId(self.next_id);
        self.next_id += 1;
        let due = now.at + self.jitter.below(spread.min(check.timing.interval));
        let verdict = match origin {
            Origin::New => Verdict::unchecked(now),
            Origin::Adopted => Verdict::adopted(now),
        };
        let status = CheckStatus {
            check: Arc::clone(&check),
            verdict,
            last: None,
            attempts: 0,
            failures: 0,
            undecided: 0,
        };
        self.entries.insert(
            id,
            Box::new(Entry {
                status,
                due,
                started: None,
                in_phase: false,
            }),
        );
        self.ids.insert(check, id);
        self.waiting.insert((due, id));
    }

    /// When [`Checks::due`] has something next; `None` while nothing waits.
    pub fn deadline(&self) -> Option<Instant> {
        self.waiting.first().map(|(due, _)| *due)
    }

    /// The attempts to start now, longest due first and at most `limit`. Each is
    /// to be answered by [`Checks::finished`].
    pub fn due(&mut self, now: Instant, limit: usize) -> Vec<Due> {
        let mut starting = Vec::new();
        while starting.len() < limit
            && let Some(&(due, id)) = self.waiting.first()
            && due <= now
        {
            self.waiting.pop_first();
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.started = Some(now);
                starting.push(Due {
                    id,
                    check: Arc::clone(&entry.status.check),
                });
            }
        }
        starting
    }

    /// Takes the result of an attempt that took so long. One of a check that is
    /// no longer configured changes nothing.
    pub fn finished(
        &mut self,
        now: Moment,
        id: CheckId,
        took: Duration,
        outcome: Outcome,
    ) -> Option<Change> {
        let entry = self.entries.get_mut(&id)?;
        let started = entry.started.take()?;
        let from = entry.status.record(now, took, outcome);
        entry.due = entry.next(now.at, started, &mut self.jitter);
        self.waiting.insert((entry.due, id));
        Some(Change {
            check: Arc::clone(&entry.status.check),
            from: from?,
            verdict: entry.status.verdict.clone(),
        })
    }

    /// The verdict of a check, if it is configured.
    pub fn verdict(&self, check: &Check) -> Option<&Verdict> {
        let id = self.ids.get(check)?;
        self.entries.get(id).map(|entry| &entry.status.verdict)
    }

    /// Whether every check has a verdict of its own, not only one that was adopted.
    pub fn all_answered(&self) -> bool {
        let mut verdicts = self.entries.values().map(|entry| &entry.status.verdict);
        verdicts.all(|verdict| verdict.state != State::Unchecked && !verdict.adopted)
    }

    /// Whether every check was asked, and answered, since this moment, and none is
    /// on its way up.
    pub fn all_answered_since(&self, moment: Timestamp) -> bool {
        let mut statuses = self.entries.values().map(|entry| &entry.status);
        statuses.all(|status| {
            let verdict = &status.verdict;
            let rises = verdict.state == State::Down && verdict.passes > 0;
            let last = status.last.as_ref();
            !rises && last.is_some_and(|attempt| attempt.ended - attempt.took >= moment)
        })
    }

    /// Everything, in the order in which the checks were configured.
    pub fn snapshot(&self) -> Vec<CheckStatus> {
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_unstable_by_key(|(id, _)| **id);
        entries
            .into_iter()
            .map(|(_, entry)| entry.status.clone())
            .collect()
    }
}

impl CheckStatus {
    fn record(&mut self, now: Moment, took: Duration, outcome: Outcome) -> Option<State> {
        self.attempts += 1;
        match outcome {
            Outcome::Passed | Outcome::Wants(_) | Outcome::Draining => {}
            Outcome::Failed(_) => self.failures += 1,
            Outcome::Undecided(_) => self.undecided += 1,
        }
        let from = self.verdict.record(&self.check.timing, now, &outcome);
        self.last = Some(Attempt {
            outcome,
            took,
            ended: now.wall,
        });
        from
    }

    fn is_to_be_repeated(&self) -> bool {
        self.verdict.is_retrying(&self.check.timing)
            || matches!(
                self.last,
                Some(Attempt {
                    outcome: Outcome::Undecided(_),
                    ..
                })
            )
    }
}

impl Entry {
    /// When the attempt after the one that has just ended is due.
    fn next(&mut self, now: Instant, started: Instant, jitter: &mut Jitter) -> Instant {
        let timing = &self.status.check.timing;
        if self.status.is_to_be_repeated() {
            return now + timing.retry_delay.max(MIN_PAUSE);
        }
        let late = started.saturating_duration_since(self.due) > timing.interval;
        let next = if self.in_phase && !late {
            self.due + timing.interval
        } else {
            self.in_phase = true;
            started + jitter.below(timing.interval)
        };
        next.max(now + MIN_PAUSE)
    }
}

/// SplitMix64: even enough to spread load, and the same for the same seed.
#[derive(Debug)]
struct Jitter(u64);

impl Jitter {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A length from nothing up to, and without, the given one.
    fn below(&mut self, length: Duration) -> Duration {
        let nanos = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        let scaled = (u128::from(self.next()) * u128::from(nanos)) >> 64;
        Duration::from_nanos(u64::try_from(scaled).unwrap_or(nanos))
    }
}

#[cfg(test)]
mod tests;
