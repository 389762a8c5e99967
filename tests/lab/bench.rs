//! Benches: scenarios that measure instead of asserting, run by `make bench` one at a time, each
//! on the kernels where it says something. `LVSD_LAB=uml`, `stock` or `native` runs them on that
//! kernel alone, `LVSD_BENCH_ONLY=scale` only those whose name contains it, and
//! `LVSD_BENCH_ROUNDS` says how often each thing is measured (3 times unless a bench says otherwise).
//! `LVSD_BENCH_SIZE=37205` chooses only the table of so many real servers.
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

mod adverts;
mod burden;
mod chance;
mod checks;
mod daemon;
mod failover;
mod figures;
mod inputs;
mod jitter;
mod kernel;
mod memory;
mod realserver;
mod reload;
mod scale;
mod soak;
mod stalls;
mod summary;
mod table;
mod tap;

use super::machine::Kernel;
use super::scenario::{Scenario, scenario};
use super::wait::secs;
use checks::checks;
use failover::{failover, failover_of_a_site};
use jitter::jitter;
use realserver::realserver;
use reload::reload;
use scale::scale;
use soak::soak;
use table::table;

/// A scenario that measures, and where.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) scenario: Scenario,
    /// The kernels that it says something on.
    pub(crate) kernels: &'static [Kernel],
}

/// Every bench.
pub(crate) const BENCHES: &[Bench] = &[
    natively(scenario!(realserver).limited_to(secs(900))),
    on_both(scenario!(table).limited_to(secs(900))),
    on_both(scenario!(scale).limited_to(secs(1800))),
    on_both(scenario!(checks).limited_to(secs(600))),
    natively(scenario!(reload).limited_to(secs(300))),
    natively(scenario!(failover).limited_to(secs(3600))),
    Bench {
        scenario: scenario!(failover_of_a_site).limited_to(secs(5400)),
        kernels: &[Kernel::Uml],
    },
    natively(scenario!(jitter).limited_to(secs(1800))),
    natively(scenario!(soak).limited_to(secs(14_400))),
];

const fn on_both(scenario: Scenario) -> Bench {
    let kernels = &[Kernel::Uml, Kernel::Stock];
    Bench { scenario, kernels }
}

/// Without IPVS, at true speed.
const fn natively(scenario: Scenario) -> Bench {
    Bench {
        scenario: scenario.on_any_linux(),
        kernels: &[Kernel::Native],
    }
}

/// How often each thing is measured.
fn rounds() -> usize {
    rounds_or(3)
}

/// The same, with another number unless told.
fn rounds_or(usual: usize) -> usize {
    let given = std::env::var("LVSD_BENCH_ROUNDS").ok();
    let given = given.and_then(|text| text.parse().ok());
    given.unwrap_or(usual).max(1)
}

/// `312 us`, `1.93 ms`, `62.1 ms`, `3.41 s`.
fn precise(time: std::time::Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        ..0.001 => format!("{:.0} us", seconds * 1e6),
        ..0.01 => format!("{:.2} ms", seconds * 1e3),
        ..0.1 => format!("{:.1} ms", seconds * 1e3),
        ..1.0 => format!("{:.0} ms", seconds * 1e3),
        _ => format!("{seconds:.2} s"),
    }
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
