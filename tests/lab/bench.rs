//! Benches: scenarios that measure instead of asserting, run by `make bench` on both kernels,
//! one at a time; those `on_any_linux` once, in namespaces of the machine's own kernel, at true
//! speed, which takes root. `LVSD_LAB=uml`, `stock` or `native` runs them on that kernel alone,
//! `LVSD_BENCH_ONLY=scale` only those whose name contains it, `LVSD_BENCH_SIZE=37205` only the
//! table of so many real servers, and `LVSD_BENCH_ROUNDS` says how often each thing is measured
//! (3 times unless told).
//!
//! A new bench is a file in `bench/` with a function over a [`Lab`](super::Lab), and a line in
//! [`BENCHES`]. It prints its results as a table of [`figures`] in Markdown, with
//! [`kernel_name`] on top, fit to be pasted into `docs/bench.md`; it narrates with
//! [`Lab::say`](super::Lab::say) while it works. It asserts that what it measured was done, never
//! how fast. Contenders take turns in each round, so that noise of the machine meets all.

#![expect(
    clippy::float_arithmetic,
    reason = "medians and ratios are for reading, in digits that floats have"
)]

mod checks;
mod daemon;
mod figures;
mod inputs;
mod kernel;
mod memory;
mod realserver;
mod reload;
mod scale;
mod summary;
mod table;
mod tap;

use super::scenario::{Scenario, scenario};
use super::wait::secs;
use checks::checks;
use realserver::realserver;
use reload::reload;
use scale::scale;
use table::table;

/// Every bench.
pub(crate) const BENCHES: &[Scenario] = &[
    scenario!(realserver).on_any_linux().limited_to(secs(900)),
    scenario!(table).limited_to(secs(900)),
    scenario!(scale).limited_to(secs(1800)),
    scenario!(checks).limited_to(secs(600)),
    scenario!(reload).on_any_linux().limited_to(secs(300)),
];

/// How often each thing is measured.
fn rounds() -> usize {
    let given = std::env::var("LVSD_BENCH_ROUNDS").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(3).max(1)
}

/// The kernel that this runs on, as its users call it.
fn kernel_name() -> String {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let kind = match std::env::var("LAB_KERNEL").as_deref() {
        Ok("uml") => "user-mode Linux, one processor",
        Ok("stock") => "Debian's stock kernel under qemu without KVM, two processors",
        _ => "this machine's own kernel",
    };
    format!("Linux {} ({kind})", release.trim())
}
