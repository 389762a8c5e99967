//! What waits to be run.
//!
//! When too many wait, the oldest of the subject that has something newer to
//! tell gives way. So the newest event of each virtual router and virtual server
//! is always told, and what is told is told in order.

use std::collections::VecDeque;

use super::Hook;

/// As many may wait. There can be more only if as many subjects have one each.
pub(super) const MOST_WAITING: usize = 1_000;

#[derive(Debug, Default)]
pub(super) struct Queue(VecDeque<Hook>);

impl Queue {
    /// Adds one at the end; returns the one that gives way to it.
    pub(super) fn push(&mut self, hook: Hook) -> Option<Hook> {
        self.0.push_back(hook);
        if self.0.len() <= MOST_WAITING {
            return None;
        }
        let has_newer = |index: &usize| {
            let mut later = self.0.iter().skip(index + 1);
            later.any(|later| later.subject == self.0[*index].subject)
        };
        let oldest = (0..self.0.len()).find(has_newer)?;
        self.0.remove(oldest)
    }

    /// The one that has waited longest.
    pub(super) fn pop(&mut self) -> Option<Hook> {
        self.0.pop_front()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
