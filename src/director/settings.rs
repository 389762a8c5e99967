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
use std::thread::JoinHandle;

use tokio::sync::watch;

pub(super) use self::hold::{Error, foresee};
use super::vrrp::VrrpStatus;
use super::{IpvsError, join};
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
#[derive(Debug)]
pub(super) struct Settings {
    wanted: watch::Sender<Wanted>,
    report: watch::Receiver<Arc<Report>>,
    thread: JoinHandle<()>,
}

impl Settings {
    /// Starts the thread, which changes nothing until something is wanted.
    pub(super) fn start(
        state_file: PathBuf,
        vrrp: watch::Receiver<Arc<VrrpStatus>>,
    ) -> Result<Self, IpvsError> {
        let (wanted, wanted_rx) = watch::channel(Wanted::default());
        let (report_tx, report) = watch::channel(Arc::default());
        let thread = thread::start(state_file, wanted_rx, vrrp, report_tx)?;
        Ok(Self {
            wanted,
            report,
            thread,
        })
    }

    /// Replaces what is wanted.
    pub(super) fn want(&self, wanted: Wanted) {
        self.wanted.send_if_modified(|current| {
            let changed = *current != wanted;
            *current = wanted;
            changed
        });
    }

    /// The newest report.
    pub(super) fn report(&self) -> Arc<Report> {
        Arc::clone(&self.report.borrow())
    }

    /// Whether the thread has ended, which it does only when it is told to.
    pub(super) fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Stops the daemons that lvsd started, puts the timeouts back, and ends.
    pub(super) async fn stop(self) {
        self.want(Wanted::default());
        drop(self.wanted);
        join("IPVS settings", self.thread).await;
    }
}
