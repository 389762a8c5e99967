//! Waiting for what must become true, never for time to pass.

use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a condition may take, stretched on kernels that run slower than hardware.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Within(Duration);

/// Allows a condition this long, on hardware; an emulated processor gets more.
pub(crate) fn within(limit: Duration) -> Within {
    Within(limit * patience())
}

impl Within {
    /// The limit as stretched for this kernel.
    pub(crate) fn limit(self) -> Duration {
        self.0
    }
}

pub(crate) const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(crate) const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Waits until the condition holds and returns how long that took; panics with the text when
/// it does not in time.
#[track_caller]
pub(crate) fn eventually(
    what: &str,
    within: Within,
    mut condition: impl FnMut() -> bool,
) -> Duration {
    let begun = Instant::now();
    let mut pause = millis(5);
    loop {
        // The time is read first: a condition that held only late is late.
        let waited = begun.elapsed();
        if condition() {
            return begun.elapsed();
        }
        assert!(
            waited < within.0,
            "waited {waited:.2?} in vain until {what}"
        );
        sleep(pause);
        pause = (pause * 2).min(millis(50));
    }
}

/// Does the same with each, at the same time.
pub(crate) fn side_by_side<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = items
            .iter()
            .map(|item| scope.spawn(move || work(item)))
            .collect();
        for thread in threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
}

/// What a limit is multiplied with: `LVSD_LAB_PATIENCE`, or a guess by the kernel's speed.
fn patience() -> u32 {
    static PATIENCE: OnceLock<u32> = OnceLock::new();
    *PATIENCE.get_or_init(|| {
        let by_kernel = match std::env::var("LAB_KERNEL").as_deref() {
            Ok("stock") => 5,
            Ok("uml") => 2,
            _ => 1,
        };
        std::env::var("LVSD_LAB_PATIENCE")
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(by_kernel)
    })
}
