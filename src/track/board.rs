//! Every source with its verdict, and every virtual router with its trackers.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Observation, Source, State, Tracker, Verdict, influence};
use crate::vrrp::influence::Influence;

/// What is tracked, and what is known of it.
#[derive(Debug, Default)]
pub struct Board {
    verdicts: BTreeMap<Source, Verdict>,
    routers: BTreeMap<String, Tracked>,
}

/// A virtual router.
#[derive(Debug, Default)]
struct Tracked {
    trackers: Vec<Tracker>,
    /// Not every source that it began with has answered.
    starting: bool,
}

/// A verdict that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Of what.
    pub source: Source,
    /// The state before.
    pub from: State,
    /// The new verdict.
    pub verdict: Verdict,
}

impl Board {
    /// Makes these the virtual routers. A source that stays keeps its verdict, and
    /// so does a tracker of the same name and kind whose source changed;
    /// a router that is new waits for the sources it begins with, one that was
    /// there is not disturbed by a source that has yet to answer.
    pub fn configure<'a>(
        &mut self,
        now: Timestamp,
        routers: impl IntoIterator<Item = (&'a String, &'a [Tracker])>,
    ) {
        let before = std::mem::take(&mut self.routers);
        for (name, trackers) in routers {
            if let Some(before) = before.get(name) {
                self.inherit(before, trackers);
            }
            let starting = before.get(name).is_none_or(|tracked| tracked.starting);
            let trackers = trackers.to_vec();
            self.routers
                .insert(name.clone(), Tracked { trackers, starting });
        }
        let wanted: BTreeSet<_> = self.sources().cloned().collect();
        self.verdicts.retain(|source, _| wanted.contains(source));
        for source in wanted {
            let unknown = || Verdict::unknown(now);
            self.verdicts.entry(source).or_insert_with(unknown);
        }
        self.settle();
    }

    /// A tracker that is asked otherwise than before, by its name, is thought of
    /// as before until it has answered.
    fn inherit(&mut self, before: &Tracked, trackers: &[Tracker]) {
        for tracker in trackers {
            let same = |it: &&Tracker| {
                it.name == tracker.name && it.source.kind() == tracker.source.kind()
            };
            let known = before.trackers.iter().find(same);
            let known = known.and_then(|it| self.verdicts.get(&it.source));
            if let Some(verdict) = known.cloned() {
                self.verdicts
                    .entry(tracker.source.clone())
                    .or_insert(verdict);
            }
        }
    }

    /// Every source that is tracked; one may come several times.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        let routers = self.routers.values();
        let trackers = routers.flat_map(|tracked| &tracked.trackers);
        trackers.map(|tracker| &tracker.source)
    }

    /// Takes an observation into account. One of a source that is no longer
    /// tracked changes nothing.
    pub fn observe(
        &mut self,
        now: Timestamp,
        source: &Source,
        seen: &Observation,
    ) -> Option<Changed> {
        let verdict = self.verdicts.get_mut(source)?;
        let from = verdict.record(source, now, seen)?;
        let verdict = verdict.clone();
        self.settle();
        Some(Changed {
            source: source.clone(),
            from,
            verdict,
        })
    }

    /// What all trackers of each virtual router come to.
    pub fn influences(&self) -> impl Iterator<Item = (&String, Influence)> {
        self.routers.iter().map(|(name, tracked)| {
            let trackers = tracked.trackers.iter();
            let trackers = trackers.map(|tracker| (tracker, self.verdicts.get(&tracker.source)));
            (name, influence(trackers, tracked.starting))
        })
    }

    /// The trackers of a virtual router, with what is known of each and what it
    /// adds to the priority now.
    pub fn trackers(&self, router: &str) -> impl Iterator<Item = (&Tracker, &Verdict, i16)> {
        let tracked = self.routers.get(router);
        tracked.into_iter().flat_map(|tracked| {
            tracked.trackers.iter().filter_map(|tracker| {
                let verdict = self.verdicts.get(&tracker.source)?;
                let (added, _) = tracker.effect(Some(verdict), tracked.starting);
                Some((tracker, verdict, added))
            })
        })
    }

    /// The virtual routers that track a source, and what they call it.
    pub fn interested(&self, source: &Source) -> impl Iterator<Item = (&String, &Tracker)> {
        self.routers.iter().flat_map(move |(name, tracked)| {
            let trackers = tracked.trackers.iter();
            let trackers = trackers.filter(move |tracker| tracker.source == *source);
            trackers.map(move |tracker| (name, tracker))
        })
    }

    fn settle(&mut self) {
        let Self { verdicts, routers } = self;
        for tracked in routers.values_mut() {
            tracked.starting &= tracked.trackers.iter().any(|tracker| {
                let verdict = verdicts.get(&tracker.source);
                verdict.is_none_or(|verdict| verdict.state == State::Unknown)
            });
        }
    }
}
