//! What the loop waits for, where there may be nothing to wait for.

use std::time::{Duration, Instant};

use tokio::time::{self, MissedTickBehavior};

use crate::realserver::weight::Scale;

pub(super) fn ticks(interval: Duration) -> time::Interval {
    let mut ticks = time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

pub(super) async fn tick(ticks: &mut Option<time::Interval>) {
    match ticks {
        Some(ticks) => {
            ticks.tick().await;
        }
        None => std::future::pending().await,
    }
}

pub(super) async fn weighed(scale: &mut Option<Scale>) {
    match scale {
        Some(scale) => scale.changed().await,
        None => std::future::pending().await,
    }
}

pub(super) async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
