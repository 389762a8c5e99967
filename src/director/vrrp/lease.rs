//! Until when the addresses of a virtual router may be announced.
//!
//! VRRP's thread tells with each advert, the VIP thread asks before each announcement. After
//! the whole process stood still the VIP thread may be the first to wake, with announcements
//! that are long due: a backup has the addresses by then, and only VRRP's thread can hear that.
//! Neither waits for the other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A moment that one thread sets and another one reads.
#[derive(Debug)]
pub struct Lease {
    origin: Instant,
    /// In nanoseconds since `origin`.
    until: AtomicU64,
}

impl Lease {
    /// One that is over.
    pub fn new(now: Instant) -> Self {
        Self {
            origin: now,
            until: AtomicU64::new(0),
        }
    }

    /// It is over then; none: at once.
    pub(super) fn set(&self, until: Option<Instant>) {
        let nanos = until.map_or(0, |until| {
            until.saturating_duration_since(self.origin).as_nanos()
        });
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        self.until.store(nanos, Ordering::Release);
    }

    /// Whether it is not over.
    pub fn is_valid(&self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.origin).as_nanos();
        passed < u128::from(self.until.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sys::clock;

    #[test]
    fn a_lease_is_over_at_its_moment_or_when_it_is_taken_back() {
        let now = clock::now();
        let lease = Lease::new(now);
        assert!(!lease.is_valid(now));
        let until = now + Duration::from_secs(3);
        lease.set(Some(until));
        assert!(lease.is_valid(until - Duration::from_nanos(1)));
        assert!(!lease.is_valid(until));
        lease.set(None);
        assert!(!lease.is_valid(now));
    }
}
