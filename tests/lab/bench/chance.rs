//! Chance that can be had again: SplitMix64, seeded by `LVSD_BENCH_SEED` or by the clock.

use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Numbers by chance.
#[derive(Debug)]
pub(super) struct Chance {
    pub(super) seed: u64,
    state: Mutex<u64>,
}

impl Chance {
    pub(super) fn seeded() -> Self {
        let given = std::env::var("LVSD_BENCH_SEED").ok();
        let by_clock = || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            now.as_secs() % 1_000_000
        };
        let seed = given.and_then(|text| text.parse().ok());
        let seed = seed.unwrap_or_else(by_clock);
        let state = Mutex::new(seed);
        Self { seed, state }
    }

    /// A moment within this time, each as likely as any other.
    pub(super) fn within(&self, time: Duration) -> Duration {
        let nanos = u64::try_from(time.as_nanos()).unwrap();
        Duration::from_nanos(self.next() % nanos.max(1))
    }

    fn next(&self) -> u64 {
        let mut state = self.state.lock().unwrap();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
