//! Scenarios on whole LVS sites, each run for real on a kernel with IPVS: directors, real
//! servers with nginx, clients, a switch, and cables that can be pulled.
//!
//! `make scenario NAME=…` runs one, `make test` all. The vocabulary is in `lab/mod.rs`.

#![expect(
    clippy::disallowed_methods,
    reason = "scenarios measure what really happens, in real time"
)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test program: a panic is how a scenario fails, and printing is its report"
)]
#![expect(
    dead_code,
    reason = "the vocabulary is for scenarios to come as well as for those that are there"
)]

#[path = "lab/mod.rs"]
mod lab;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mode = std::env::args().nth(1).unwrap_or_default();
    match mode.as_str() {
        "--inside" => lab::inside::main(),
        "--inside-shell" => lab::shell::inside(),
        "--inside-systemd-units" => lab::systemd::install_units(),
        "--shell" => lab::shell::main(),
        "--demo" => lab::trials::demo(),
        "--bench" => lab::trials::bench(),
        _ => lab::trials::main(),
    }
}
