//! What the kernel's IPVS is told as a whole, by netlink: connection timeouts
//! and sync daemons.
//!
//! ```text
//!  core ──watch: Wanted──► [lvsd-settings] ──watch: Report──► core
//!  [lvsd-vrrp] ──watch: VrrpStatus──┘  │ netlink
//!                                      ▼ kernel
//! ```
//!
//! A thread of its own, because a change of mastership must find its sync
//! daemon at once, even while the IPVS thread loads a large table. It compares
//! each second, as everything here does: what somebody else changes is put right.

mod hold;
mod thread;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

pub(super) use self::hold::{Error, foresee};
use super::IpvsError;
use super::handle::Handle;
use super::vrrp::VrrpStatus;
use crate::config::ipvs::{Sync, Timeouts};
use crate::ipvs::daemon::Daemons;
use crate::ipvs::kernel;

/// What is asked of the kernel; the default gives everything back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) timeouts: Timeouts,
    pub(super) sync: Option<Sync>,
}

/// What the kernel has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Report {
    /// None before the first look.
    pub(super) timeouts: Option<kernel::Timeouts>,
    /// The daemons that run, other people's included.
    pub(super) daemons: Daemons,
    /// What is not as wanted.
    pub(super) problems: Vec<String>,
    /// How often somebody's change was undone.
    pub(super) repaired: u64,
}

/// A handle on the thread.
pub(super) type Settings = Handle<Wanted, Report>;

impl Settings {
    /// Starts the thread, which changes nothing until something is wanted.
    pub(super) fn start(
        state_file: PathBuf,
        vrrp: watch::Receiver<Arc<VrrpStatus>>,
    ) -> Result<Self, IpvsError> {
        Self::spawn("IPVS settings", Wanted::default(), |wanted, report| {
            thread::start(state_file, wanted, vrrp, report)
        })
    }

    /// Stops the daemons that lvsd started, puts the timeouts back, and ends.
    pub(super) async fn stop(self) {
        self.want(Wanted::default());
        self.end().await;
    }
}
