//! What became of each wanted thing since this process runs.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use super::Cause;

/// So many times within [`A_MINUTE`] that somebody must look.
const TOO_OFTEN: usize = 3;
/// For how long a loss counts.
const A_MINUTE: SignedDuration = SignedDuration::from_secs(60);

/// How one wanted thing fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Track {
    /// Whether it is as it must be.
    pub(super) right: bool,
    /// Since when it is, or is not.
    pub(super) since: Timestamp,
    /// Whether it ever was.
    pub(super) was_right: bool,
    /// How often it was taken away.
    pub(super) lost: u32,
    /// When it was taken away, of the last times.
    lately: VecDeque<Timestamp>,
    /// Who has, or may have, taken it away.
    pub(super) by: Option<String>,
    /// Why it could not be put right.
    pub(super) error: Option<String>,
}

impl Track {
    pub(super) fn new(right: bool, since: Timestamp) -> Self {
        Self {
            right,
            since,
            was_right: right,
            lost: 0,
            lately: VecDeque::new(),
            by: None,
            error: None,
        }
    }

    pub(super) fn observe(&mut self, right: bool, now: Timestamp) {
        if right == self.right {
            return;
        }
        (self.right, self.since) = (right, now);
        if right {
            (self.was_right, self.error) = (true, None);
        } else if self.was_right {
            self.lost = self.lost.saturating_add(1);
            self.lately.push_back(now);
            if self.lately.len() > TOO_OFTEN {
                self.lately.pop_front();
            }
        }
    }

    /// Whether somebody takes it away again and again.
    pub(super) fn is_contested(&self, now: Timestamp) -> bool {
        let first = self.lately.front();
        let first = first.filter(|_| self.lately.len() >= TOO_OFTEN);
        first.is_some_and(|first| now.duration_since(*first) < A_MINUTE)
    }

    pub(super) fn cause(&self) -> Cause {
        if self.was_right {
            Cause::Repair { count: self.lost }
        } else {
            Cause::Start
        }
    }
}

/// Why something is put right now.
pub(super) fn cause_of(track: Option<&Track>) -> Cause {
    track.map_or(Cause::Start, Track::cause)
}
