//! What became of each wanted thing since this process runs.

use jiff::Timestamp;

use super::Cause;

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
        }
    }

    pub(super) fn cause(&self) -> Cause {
        if self.was_right {
            Cause::Repair { count: self.lost }
        } else {
            Cause::Start
        }
    }
}
