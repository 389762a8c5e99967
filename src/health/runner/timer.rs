//! The clock of a runner, so that tests can run hours of checks in no time.

use std::fmt;
use std::pin::Pin;
use std::time::Instant;

use tokio::time;

use crate::health::verdict::Moment;
use crate::sys::clock;

/// Tells the time and waits for it.
pub(super) trait Timer: fmt::Debug + Send + Sync {
    /// The time.
    fn now(&self) -> Moment;
    /// Waits until [`Timer::now`] has reached the instant.
    fn sleep_until(&self, at: Instant) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The time of this machine.
#[derive(Debug)]
pub(super) struct SystemTimer;

impl Timer for SystemTimer {
    fn now(&self) -> Moment {
        Moment {
            at: clock::now(),
            wall: clock::wall(),
        }
    }

    fn sleep_until(&self, at: Instant) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(time::sleep_until(time::Instant::from_std(at)))
    }
}
