//! When many attempts that ran at once are over.

use std::time::{Duration, Instant};

/// How many attempts at once take so much memory that it is worth giving back: an attempt
/// takes a kilobyte or two.
const CROWD: usize = 500;

/// How often it is given back at most.
const PAUSE: Duration = Duration::from_secs(10);

/// Attempts that run at once, over time.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    /// The most that ran at once since the last crowd was over.
    most: usize,
    told_at: Option<Instant>,
}

impl Crowd {
    /// Whether a crowd has gone, now that so many run: once for each crowd, a tenth of which
    /// may still be there.
    pub(super) fn is_over(&mut self, running: usize, now: Instant) -> bool {
        self.most = self.most.max(running);
        let recently = |told_at: Instant| now.saturating_duration_since(told_at) < PAUSE;
        if self.most < CROWD || running > self.most / 10 || self.told_at.is_some_and(recently) {
            return false;
        }
        self.most = running;
        self.told_at = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clock;

    #[test]
    fn a_crowd_is_over_once_and_not_again_at_once() {
        let mut crowd = Crowd::default();
        let start = clock::now();
        assert!(!crowd.is_over(499, start));
        assert!(!crowd.is_over(10, start), "that was no crowd");
        assert!(!crowd.is_over(5_000, start));
        assert!(!crowd.is_over(501, start), "most have gone, not all");
        assert!(crowd.is_over(500, start));
        assert!(!crowd.is_over(3, start), "told already");
        assert!(!crowd.is_over(5_000, start));
        assert!(!crowd.is_over(0, start + PAUSE / 2), "too soon");
        assert!(crowd.is_over(0, start + PAUSE), "late, but told");
        assert!(!crowd.is_over(0, start + PAUSE * 3));
    }
}
