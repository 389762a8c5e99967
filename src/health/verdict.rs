//! From results to a verdict, by counts.
//!
//! | from | to | when |
//! |---|---|---|
//! | unchecked | up | `rise` successes in a row |
//! | unchecked | down | the first failure: it takes no traffic either way, and the operator reads why |
//! | up, draining | down | `retries` + 1 failures in a row |
//! | down | up | `rise` successes in a row |
//! | any | draining | at once: the server itself asks for it |
//! | up, adopted | up, confirmed | the first success: from now on the configuration counts |
//! | draining | up | `rise` successes in a row, so that an agent that wavers does not make it flap |
//!
//! How much of its weight a server wants counts at once when it comes up, and
//! from then on in steps: see [`Share::follow`].
//!
//! Any other result breaks a streak, except [`Outcome::Undecided`], which is as
//! if nobody had asked. A draining server keeps its connections, so one lost
//! probe must not cut them: it goes down by the same count as one that is up.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use jiff::Timestamp;
use serde::Serialize;

use super::{Outcome, Share, Timing};

/// A point in time: for arithmetic and for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// On the clock that never jumps.
    pub at: Instant,
    /// On the clock on the wall.
    pub wall: Timestamp,
}

/// What a check says about its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// No verdict yet: takes no traffic.
    Unchecked,
    /// Takes traffic.
    Up,
    /// Takes no new connections, keeps those it has.
    Draining,
    /// Takes no traffic.
    Down,
}

impl State {
    /// The word for logs, status and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unchecked => "unchecked",
            Self::Up => "up",
            Self::Draining => "draining",
            Self::Down => "down",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A state with what led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What it says.
    pub state: State,
    /// Since when.
    pub since: Moment,
    /// Why; reads after "because".
    pub reason: Arc<str>,
    /// Up because an earlier run left it so, and not confirmed by a check yet.
    pub adopted: bool,
    /// How much of its weight it wants while it is up.
    pub share: Share,
    /// Successes in a row.
    pub passes: u32,
    /// Failures in a row.
    pub failures: u32,
}

// Ten thousand verdicts share these.
static UNCHECKED: LazyLock<Arc<str>> = LazyLock::new(|| "not checked yet".into());
static ADOPTED: LazyLock<Arc<str>> = LazyLock::new(|| "it served when lvsd started".into());
static PASSED: LazyLock<Arc<str>> = LazyLock::new(|| "the check passed".into());
static DRAINING: LazyLock<Arc<str>> = LazyLock::new(|| "the server asks to drain".into());

impl Verdict {
    /// Nothing is known: no traffic until a check passes.
    pub fn unchecked(now: Moment) -> Self {
        Self {
            state: State::Unchecked,
            since: now,
            reason: Arc::clone(&UNCHECKED),
            adopted: false,
            share: Share::FULL,
            passes: 0,
            failures: 0,
        }
    }

    /// An earlier run left the server in the kernel's table with a weight above 0.
    /// It is up until proven down: removing it would break its connections.
    pub fn adopted(now: Moment) -> Self {
        Self {
            state: State::Up,
            reason: Arc::clone(&ADOPTED),
            adopted: true,
            ..Self::unchecked(now)
        }
    }

    /// Takes one result into account; returns the state before if it changed, or
    /// what the server wants did.
    pub fn record(&mut self, timing: &Timing, now: Moment, outcome: &Outcome) -> Option<State> {
        match outcome {
            Outcome::Passed => self.passed(timing, now, Share::FULL),
            Outcome::Wants(share) => self.passed(timing, now, *share),
            Outcome::Draining => {
                (self.passes, self.failures) = (0, 0);
                (self.state != State::Draining)
                    .then(|| self.turn(State::Draining, now, Arc::clone(&DRAINING)))
            }
            Outcome::Failed(reason) => self.failed(timing, now, reason),
            Outcome::Undecided(_) => None,
        }
    }

    /// Whether failures have begun and not been confirmed: time to ask again soon.
    pub fn is_retrying(&self, timing: &Timing) -> bool {
        (1..=timing.retries).contains(&self.failures)
    }

    fn passed(&mut self, timing: &Timing, now: Moment, heard: Share) -> Option<State> {
        self.failures = 0;
        self.passes = self.passes.saturating_add(1);
        match self.state {
            State::Up => {
                let share = match self.adopted {
                    true => heard,
                    false => self.share.follow(heard),
                };
                let changed = self.adopted || share != self.share;
                if changed {
                    (self.adopted, self.share, self.reason) = (false, share, passed(share));
                }
                changed.then_some(State::Up)
            }
            State::Unchecked | State::Draining | State::Down => {
                (self.passes >= timing.rise).then(|| {
                    self.share = heard;
                    self.turn(State::Up, now, passed(heard))
                })
            }
        }
    }

    fn failed(&mut self, timing: &Timing, now: Moment, reason: &str) -> Option<State> {
        self.passes = 0;
        self.failures = self.failures.saturating_add(1);
        let down = match self.state {
            State::Unchecked => true,
            State::Up | State::Draining => self.failures > timing.retries,
            State::Down => false,
        };
        down.then(|| self.turn(State::Down, now, reason.into()))
    }

    fn turn(&mut self, state: State, now: Moment, reason: Arc<str>) -> State {
        let before = self.state;
        (self.state, self.since, self.reason, self.adopted) = (state, now, reason, false);
        before
    }
}

fn passed(share: Share) -> Arc<str> {
    if share == Share::FULL {
        return Arc::clone(&PASSED);
    }
    format!("the check passed; the server wants {share} of its weight").into()
}

#[cfg(test)]
mod tests;
