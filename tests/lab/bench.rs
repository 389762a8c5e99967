//! Benches: scenarios that measure instead of asserting, run by `make bench` on both kernels,
//! one at a time. They narrate what they measured with [`Lab::say`](super::Lab::say).

use super::scenario::Scenario;

/// Every bench.
pub(crate) const BENCHES: &[Scenario] = &[];
