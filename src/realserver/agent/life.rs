//! How far the agent's life has come: serving, leaving, drained, stopping.
//!
//! ```text
//!            drain                      connections have ended, or the time is over
//!  Serving ─────────▶ Leaving ─────────────────────────────────────▶ Drained
//!     ▲  ▲               │    (stop: the same, and then)   ─────────▶ Stopping
//!     │  └────undrain────┘                                             ▲
//!     └───────undrain──────────────── Drained ──────────stop───────────┘
//! ```

use std::time::Instant;

use jiff::Timestamp;

use super::Agent;
use crate::realserver::askers::Askers;

/// A part of the agent's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Clients are welcome, if everything is right.
    Serving,
    /// No new clients; those that are here are served.
    Leaving {
        /// Since when.
        since: Instant,
        /// How long at most.
        until: Instant,
        /// The same for people.
        at: Timestamp,
        /// What comes after it.
        then: Then,
    },
    /// No VIPs, by the wish of an operator.
    Drained,
    /// Everything is given back.
    Stopping,
}

/// What comes after leaving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// The process ends.
    Stop,
    /// It waits for `undrain`.
    Rest,
}

impl Phase {
    /// Whether the VIPs belong on this host.
    pub(super) fn holds_vips(self) -> bool {
        matches!(self, Self::Serving | Self::Leaving { .. })
    }
}

impl Agent {
    /// Somebody wants the agent to stop: it drains first, and a second wish ends
    /// the drain. Returns when the drain ends at the latest, unless that is now.
    pub fn terminate(&mut self, now: Instant, wall: Timestamp) -> Option<Instant> {
        self.phase = match self.phase {
            Phase::Serving => self.leaving(Then::Stop, now, wall),
            Phase::Leaving {
                since,
                until,
                at,
                then: Then::Rest,
            } => Phase::Leaving {
                since,
                until,
                at,
                then: Then::Stop,
            },
            Phase::Leaving {
                then: Then::Stop, ..
            }
            | Phase::Drained
            | Phase::Stopping => Phase::Stopping,
        };
        self.deadline()
    }

    /// An operator wants this host out of service. Returns whether that is news; the
    /// next [`Agent::reconcile`] records it.
    pub fn drain(&mut self, now: Instant, wall: Timestamp) -> bool {
        let news = self.phase == Phase::Serving;
        if news {
            self.phase = self.leaving(Then::Rest, now, wall);
        }
        news
    }

    /// An operator wants it back in service. Returns whether that is news. One that
    /// stops is not held back.
    pub fn undrain(&mut self) -> bool {
        let news = matches!(
            self.phase,
            Phase::Drained
                | Phase::Leaving {
                    then: Then::Rest,
                    ..
                }
        );
        if news {
            self.phase = Phase::Serving;
            self.connections = None;
        }
        news
    }

    /// Goes on with a drain of an earlier run.
    pub(super) fn resume_drain(&mut self, now: Instant, wall: Timestamp) {
        self.phase = if self.journal.vips.is_empty() {
            Phase::Drained
        } else {
            self.leaving(Then::Rest, now, wall)
        };
    }

    fn leaving(&self, then: Then, now: Instant, wall: Timestamp) -> Phase {
        if self.drain.is_zero() {
            return after(then);
        }
        Phase::Leaving {
            since: now,
            until: now + self.drain,
            at: wall.saturating_add(self.drain).unwrap_or(wall),
            then,
        }
    }

    /// Whether it is waiting for connections to end.
    pub fn is_leaving(&self) -> bool {
        matches!(self.phase, Phase::Leaving { .. })
    }

    /// When [`Agent::expire`] is to be called.
    pub fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Leaving { until, .. } => Some(until),
            Phase::Serving | Phase::Drained | Phase::Stopping => None,
        }
    }

    /// Ends leaving if its time is over, or if everybody knows of it and no
    /// connection is left. `connections`: how many the VIPs have, if that is known.
    pub fn expire(&mut self, now: Instant, askers: &Askers, connections: Option<usize>) {
        let Phase::Leaving {
            since, until, then, ..
        } = self.phase
        else {
            return;
        };
        self.connections = connections;
        let settled = askers.settled(since).is_some_and(|at| now >= at);
        if now >= until || (settled && connections == Some(0)) {
            self.phase = after(then);
        }
    }

    /// Nothing is wanted any more: the next [`Agent::reconcile`] gives everything back.
    pub fn stop(&mut self) {
        self.phase = Phase::Stopping;
    }

    /// Tells whether it is giving everything back.
    pub fn is_stopping(&self) -> bool {
        self.phase == Phase::Stopping
    }

    /// Whether an operator's drain is to outlast this process.
    pub(super) fn rests(&self) -> bool {
        matches!(
            self.phase,
            Phase::Drained
                | Phase::Leaving {
                    then: Then::Rest,
                    ..
                }
        )
    }
}

fn after(then: Then) -> Phase {
    match then {
        Then::Stop => Phase::Stopping,
        Then::Rest => Phase::Drained,
    }
}
