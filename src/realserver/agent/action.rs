//! What the agent answers with.

use std::net::IpAddr;

use crate::realserver::journal::Journal;
use crate::realserver::sysctl::Write;
use crate::realserver::{mss, tunnel};
use crate::sys::address::NewAddress;

/// What to do, in order. [`Agent::done`](super::Agent::done) or [`Agent::failed`](super::Agent::failed) tells how it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Put this on disk, and do nothing that follows if it fails.
    Record(Journal),
    /// Write a parameter.
    WriteSysctl {
        /// Which, and what.
        write: Write,
        /// Why now.
        cause: Cause,
    },
    /// Add a VIP.
    AddVip {
        /// The index of its interface.
        link: u32,
        /// The address, with its label.
        address: NewAddress,
        /// Why now.
        cause: Cause,
    },
    /// Delete a VIP and add it again, which gives it its route in the table `local` back.
    RenewVip {
        /// The index of its interface.
        link: u32,
        /// The address as it is there.
        address: NewAddress,
        /// Why now.
        cause: Cause,
    },
    /// Remove a VIP.
    RemoveVip {
        /// The index of its interface.
        link: u32,
        /// The VIP.
        vip: IpAddr,
        /// Why now.
        cause: Cause,
    },
    /// Change something about the tunnels.
    Tunnel(tunnel::Step),
    /// Change something about the routes of answers.
    Route(mss::Step),
}

/// Why something is done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It was never right since this process runs.
    Start,
    /// Somebody took it away, or put a VIP on a host that is drained.
    Repair {
        /// How often that happened.
        count: u32,
    },
    /// It is not wanted any more.
    Restore,
}
