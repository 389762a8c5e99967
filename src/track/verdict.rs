//! From observations to a verdict, by counts.
//!
//! The first observation decides; after that `fall` bad ones in a row make it
//! down, and `rise` good ones in a row make it up again. A check of a real
//! server ([`crate::health::verdict`]) is another thing: it drains, it is
//! adopted, and it must prove itself before it is up at all.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Observation, Source};

/// What is thought of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nobody has looked yet.
    Unknown,
    /// As it should be. A file adds its number to the priority, others 0.
    Up(i16),
    /// Not as it should be.
    Down,
}

impl State {
    /// The word for logs, status and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up(_) => "up",
            Self::Down => "down",
        }
    }
}

/// A state with what led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What it is.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// Why; empty where there is nothing to say.
    pub reason: Arc<str>,
    /// Observations in a row that speak against the state.
    against: u32,
    /// What it said last that could not be used; none: it could.
    pub unclear: Option<Arc<str>>,
}

impl Verdict {
    /// Of a source that nobody has looked at.
    pub fn unknown(now: Timestamp) -> Self {
        Self {
            state: State::Unknown,
            since: now,
            reason: "nobody has looked yet".into(),
            against: 0,
            unclear: None,
        }
    }

    /// Takes an observation into account; returns the state before if it changed.
    pub fn record(&mut self, source: &Source, now: Timestamp, seen: &Observation) -> Option<State> {
        let (rise, fall) = source.counts();
        if let Observation::Unclear(why) = seen {
            self.unclear = Some(Arc::clone(why));
            // A file that never made sense adds nothing, and holds nobody back.
            return (self.state == State::Unknown).then(|| self.turn(State::Up(0), now, "".into()));
        }
        self.unclear = None;
        let (state, reason): (_, Arc<str>) = match seen {
            Observation::Good | Observation::Unclear(_) => (State::Up(0), "".into()),
            Observation::Number(number) => (State::Up(*number), "".into()),
            Observation::Bad(why) => (State::Down, Arc::clone(why)),
        };
        if state == self.state {
            self.against = 0;
            return None;
        }
        self.against += 1;
        let needed = match (self.state, state) {
            (State::Unknown, _) | (State::Up(_), State::Up(_)) => 1,
            (State::Up(_), _) => fall,
            (State::Down, _) => rise,
        };
        (self.against >= needed).then(|| self.turn(state, now, reason))
    }

    fn turn(&mut self, state: State, now: Timestamp, reason: Arc<str>) -> State {
        let before = self.state;
        (self.state, self.since, self.reason, self.against) = (state, now, reason, 0);
        before
    }
}
