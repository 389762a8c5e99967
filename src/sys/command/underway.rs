//! Who is being killed, so that lvsd does not end before they have.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// The longest wait for all of them.
const LONGEST: Duration = Duration::from_secs(3);

static KILLS: Mutex<usize> = Mutex::new(0);
static FEWER: Condvar = Condvar::new();

/// A program that is being killed, from its making until it is dropped.
pub(super) struct Underway(());

impl Underway {
    pub(super) fn begin() -> Self {
        *KILLS.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Self(())
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        *KILLS.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        FEWER.notify_all();
    }
}

/// Waits, for seconds at most, until every program that was given up is killed with
/// what it had started. Blocks: for the end of lvsd, when nothing else runs.
pub fn all_killed() {
    let kills = KILLS.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = FEWER.wait_timeout_while(kills, LONGEST, |kills| *kills > 0);
    drop(waited);
}
