//! The only place that reads the time. Everything else is given it.

use std::time::Instant;

use jiff::Timestamp;

/// The monotonic time, which all deadlines are in.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the monotonic clock"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// The time of day, for people to read.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the time of day"
)]
pub fn wall() -> Timestamp {
    Timestamp::now()
}
