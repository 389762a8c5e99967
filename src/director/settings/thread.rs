//! The thread: waits for what may change anything, and has it held.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::net::if_::if_nametoindex;
use tokio::runtime::Builder;
use tokio::sync::watch;
use tracing::error;

use super::hold::{Keeper, Kernel};
use super::{IpvsError, Report, Wanted};
use crate::director::vrrp::VrrpStatus;
use crate::ipvs::client::{self, Client};
use crate::ipvs::daemon::{Daemons, Op};
use crate::ipvs::kernel::Timeouts;
use crate::status::text::chain;

/// How often the kernel is asked without a cause: it does not tell when somebody
/// changes it.
const LOOK: Duration = Duration::from_secs(1);

impl Kernel for Client {
    fn timeouts(&mut self) -> Result<Timeouts, client::Error> {
        Self::timeouts(self)
    }

    fn set_timeouts(&mut self, timeouts: &Timeouts) -> Result<(), client::Error> {
        Self::set_timeouts(self, timeouts)
    }

    fn daemons(&mut self) -> Result<Daemons, client::Error> {
        Self::daemons(self)
    }

    fn change_daemon(&mut self, op: &Op) -> Result<(), client::Error> {
        Self::change_daemon(self, op)
    }

    fn interface(&self, name: &str) -> Option<u32> {
        if_nametoindex(name).ok()
    }
}

/// Starts it, in the network namespace of the caller.
pub(super) fn start(
    state_file: PathBuf,
    wanted: watch::Receiver<Wanted>,
    vrrp: watch::Receiver<Arc<VrrpStatus>>,
    report: watch::Sender<Arc<Report>>,
) -> Result<JoinHandle<()>, IpvsError> {
    let worker = Worker {
        client: Some(Client::open()?),
        keeper: Keeper::new(state_file)?,
        report,
    };
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let thread = thread::Builder::new()
        .name("lvsd-settings".to_owned())
        .spawn(move || runtime.block_on(worker.run(wanted, vrrp)))?;
    Ok(thread)
}

struct Worker {
    /// None while there is no connection.
    client: Option<Client>,
    keeper: Keeper,
    report: watch::Sender<Arc<Report>>,
}

impl Worker {
    async fn run(
        mut self,
        mut wanted: watch::Receiver<Wanted>,
        mut vrrp: watch::Receiver<Arc<VrrpStatus>>,
    ) {
        let mut vrrp_runs = true;
        loop {
            let newest = wanted.borrow_and_update().clone();
            let status = Arc::clone(&vrrp.borrow_and_update());
            self.pass(&newest, &status);
            tokio::select! {
                changed = wanted.changed() => if changed.is_err() {
                    // The handle is gone: what it wanted last, and then the end.
                    let newest = wanted.borrow().clone();
                    self.pass(&newest, &status);
                    return;
                },
                changed = vrrp.changed(), if vrrp_runs => vrrp_runs = changed.is_ok(),
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    fn pass(&mut self, wanted: &Wanted, vrrp: &VrrpStatus) {
        if self.client.is_none() {
            self.client = Client::open().ok();
        }
        // Without a connection the IPVS thread says what is wrong.
        let Some(client) = &mut self.client else {
            return;
        };
        if let Err(error) = self.keeper.pass(client, wanted, vrrp) {
            error!(error = chain(&error), "cannot hold the settings of IPVS");
            self.client = None;
        }
        self.report
            .send_replace(Arc::new(self.keeper.report.clone()));
    }
}
