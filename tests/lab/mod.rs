//! The lab: sites built of network namespaces, inside a kernel that has IPVS.
//!
//! On the machine, `trials` starts one kernel (`machine`, `boot`) for all chosen scenarios. In
//! it, `guest/*.sh` prepares a writable tree and starts this program again, whose `inside` runs
//! the scenarios and leaves their `results` in a directory shared with the machine.
//!
//! A scenario is a function over a [`Lab`]: it asks for a [`Lan`], puts [`Host`]s on it, starts
//! programs, pulls cables, and waits with [`eventually`] for what must become true.

// The vocabulary is for all scenarios, whether today's use all of it or not.
mod asker;
mod balanced;
mod bench;
mod boot;
mod client;
mod echo;
mod endpoint;
mod host;
pub(crate) mod inside;
mod journal;
mod lan;
mod lvsd;
mod machine;
mod program;
mod results;
mod room;
mod scenario;
mod scenarios;
pub(crate) mod shell;
mod site;
pub(crate) mod systemd;
pub(crate) mod trials;
mod wait;
mod web;

#[expect(
    unused_imports,
    reason = "the vocabulary of scenarios, whether today's use all of it or not"
)]
pub(crate) use {
    asker::Report,
    balanced::Balanced,
    client::Answer,
    endpoint::Held,
    host::{Host, Output},
    lan::Lan,
    program::Program,
    scenario::{Lab, Scenario},
    site::Site,
    wait::{eventually, millis, secs, within},
};
