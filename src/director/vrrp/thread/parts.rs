//! The loop's look at the rest of the director: while a part of it is stuck, no virtual
//! router is master here.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::super::log::Line;
use super::super::status::PartStatus;
use super::VrrpThread;
use crate::pulse::{Part, Pulses, Stuck, Watch};
use crate::sys::clock;
use crate::vrrp::influence::Influence;
use crate::vrrp::router::Event;

/// The parts of the director, and what is known of them.
#[derive(Debug)]
pub(super) struct Parts {
    pulses: Pulses,
    watch: Watch,
    stuck: Vec<Stuck>,
    /// How often each was.
    times: BTreeMap<Part, u64>,
}

impl Parts {
    pub(super) fn new(pulses: Pulses) -> Self {
        Self {
            pulses,
            watch: Watch::default(),
            stuck: vec![],
            times: BTreeMap::new(),
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.watch.deadline()
    }

    pub(super) fn status(&self) -> BTreeMap<Part, PartStatus> {
        let status = self.times.iter().map(|(part, times)| {
            let stuck = self.stuck.iter().find(|stuck| stuck.part == *part);
            let status = PartStatus {
                stuck: stuck.copied(),
                times: *times,
            };
            (*part, status)
        });
        status.collect()
    }

    /// What is stuck is as good as a fault that a tracker found.
    fn adds_to(&self, mut influence: Influence) -> Influence {
        let stuck = self.stuck.iter().map(Stuck::to_string);
        influence.faults.extend(stuck);
        influence
    }
}

impl VrrpThread {
    pub(super) fn watch_parts(&mut self, limit: Option<Duration>) {
        let now = clock::now();
        self.parts.watch.set_limit(now, limit);
        self.judge_parts(now);
    }

    /// Looks at the parts, if it is time.
    pub(super) fn look_at_parts(&mut self) {
        let now = clock::now();
        if self.parts.deadline().is_some_and(|at| at <= now) {
            self.judge_parts(now);
        }
    }

    fn judge_parts(&mut self, now: Instant) {
        let stuck = self.parts.watch.look(now, &self.parts.pulses);
        let before = std::mem::replace(&mut self.parts.stuck, stuck);
        let stuck = self.parts.stuck.clone();
        if stuck == before {
            return;
        }
        self.changed = true;
        for it in stuck.iter().filter(|it| !before.contains(it)) {
            *self.parts.times.entry(it.part).or_default() += 1;
            self.log.write(Line::Stuck(*it));
        }
        for it in before.iter().filter(|it| !stuck.contains(it)) {
            self.log.write(Line::Moves(it.part));
        }
        let names: Vec<_> = self.instances.keys().cloned().collect();
        for name in names {
            self.feed_influence(&name);
        }
    }

    /// Tells a router what is thought of it: by trackers, and by this watch.
    pub(super) fn feed_influence(&mut self, name: &str) {
        let told = self.influences.get(name).cloned().unwrap_or_default();
        let mut influence = self.parts.adds_to(told);
        influence.faults.extend(self.vipless.get(name).cloned());
        self.feed_one(name, Event::Influence(influence));
    }
}
