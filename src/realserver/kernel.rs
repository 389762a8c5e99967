//! Looking at the kernel and doing what [`agent`](super::agent) decided.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use tracing::{info, warn};

use super::agent::{Action, Agent, Cause, Observed};
use super::journal::Store;
use crate::director::vips;
use crate::lvs::Prefixed;
use crate::status::text::chain;
use crate::sys::address::Address;
use crate::sys::clock;
use crate::sys::link::Link;
use crate::sys::rtnetlink::{self, Rtnetlink};
use crate::sys::state_file;

/// How often the kernel is asked again before the rest waits for the next
/// occasion: more than any start, reload or stop needs.
const ROUNDS: usize = 8;

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Addresses or interfaces.
    #[error(transparent)]
    Netlink(#[from] rtnetlink::Error),
    /// The journal; nothing was changed.
    #[error(transparent)]
    Journal(#[from] state_file::Error),
    /// A parameter.
    #[error("cannot set {key} to {value}")]
    Sysctl {
        /// Its name.
        key: String,
        /// The value.
        value: i32,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

/// The kernel and the journal.
#[derive(Debug)]
pub struct Kernel {
    netlink: Rtnetlink,
    store: Store,
    runtime_dir: PathBuf,
}

impl Kernel {
    /// Brings the two together. A director of the same `runtime_dir` may put the
    /// VIPs on interfaces.
    pub fn new(netlink: Rtnetlink, store: Store, runtime_dir: PathBuf) -> Self {
        Self {
            netlink,
            store,
            runtime_dir,
        }
    }

    /// Looks at everything that `agent` must know.
    ///
    /// What the director of this host has put on an interface is not among it:
    /// there the VIP is where it belongs while that director is master, and on
    /// `lo` besides.
    pub async fn observe(&self, agent: &Agent) -> Result<Observed, Error> {
        let links = self.netlink.links().await?;
        let mut addresses = self.netlink.addresses().await?;
        let placed = vips::placed(&self.runtime_dir);
        if !placed.is_empty() {
            addresses.retain(|address| !is_placed(address, &links, &placed));
        }
        let mut sysctls = BTreeMap::new();
        for key in agent.keys(&links) {
            // What cannot be read is absent, and the agent says so.
            if let Ok(value) = key.read() {
                sysctls.insert(key, value);
            }
        }
        Ok(Observed {
            links,
            addresses,
            sysctls,
        })
    }

    /// Does what `agent` wants until it wants nothing. Returns what failed; those
    /// are wanted again next time.
    pub async fn settle(&self, agent: &mut Agent) -> Vec<Error> {
        let mut failures = Vec::new();
        for _ in 0..ROUNDS {
            let observed = match self.observe(agent).await {
                Ok(observed) => observed,
                Err(error) => return vec![error],
            };
            let actions = agent.reconcile(clock::wall(), observed);
            if actions.is_empty() {
                break;
            }
            failures = self.perform_all(agent, actions).await;
            if !failures.is_empty() {
                self.look_again(agent).await;
                break;
            }
        }
        failures
    }

    /// Lets `agent` know what came of a round that failed in part.
    async fn look_again(&self, agent: &mut Agent) {
        if let Ok(observed) = self.observe(agent).await {
            agent.reconcile(clock::wall(), observed);
        }
    }

    /// Performs the actions in order. One that fails does not keep the others
    /// from being tried, unless it is the record they need.
    async fn perform_all(&self, agent: &mut Agent, actions: Vec<Action>) -> Vec<Error> {
        let mut failures = Vec::new();
        for action in actions {
            let Err(error) = self.perform(&action).await else {
                tell(&action);
                agent.done(action, clock::wall());
                continue;
            };
            let reason = chain(&error);
            if agent.failed(&action, &reason) {
                warn!(error = reason, "cannot put this host right");
            }
            failures.push(error);
            if matches!(action, Action::Record(_)) {
                break;
            }
        }
        failures
    }

    async fn perform(&self, action: &Action) -> Result<(), Error> {
        match action {
            Action::Record(journal) => Ok(self.store.save(journal)?),
            Action::WriteSysctl { write, .. } => {
                write.key.write(write.to).map_err(|cause| Error::Sysctl {
                    key: write.key.to_string(),
                    value: write.to,
                    cause,
                })
            }
            Action::AddVip { lo, address, .. } => {
                match self.netlink.add_address(*lo, address).await {
                    // Somebody was faster; the next round looks at what it is.
                    Err(error) if error.is_exists() => Ok(()),
                    other => Ok(other?),
                }
            }
            Action::RemoveVip { lo, vip } => {
                match self.netlink.delete_address(*lo, Prefixed::host(*vip)).await {
                    Err(error) if error.is_not_found() => Ok(()),
                    other => Ok(other?),
                }
            }
        }
    }
}

/// Whether an address is one that the director put where it is.
fn is_placed(address: &Address, links: &[Link], placed: &BTreeSet<vips::Place>) -> bool {
    let link = links.iter().find(|link| link.index == address.link);
    link.is_some_and(|link| {
        placed
            .iter()
            .any(|place| place.interface == link.name && place.address == address.address)
    })
}

/// One log line for what was done.
fn tell(action: &Action) {
    match action {
        Action::Record(_) => {}
        Action::WriteSysctl { write, cause } => {
            let (key, found, wanted) = (&write.key, write.from, write.to);
            match cause {
                Cause::Start => info!(%key, found, wanted, "sysctl set"),
                Cause::Restore => info!(%key, found, wanted, "sysctl restored"),
                Cause::Repair { count } => {
                    warn!(%key, found, wanted, count, "sysctl was changed by somebody: put back");
                }
            }
        }
        Action::AddVip { address, cause, .. } => {
            let (vip, label) = (address.address, address.label.as_deref().unwrap_or("-"));
            match cause {
                Cause::Start | Cause::Restore => info!(%vip, label, "VIP added to lo"),
                Cause::Repair { count } => {
                    warn!(%vip, label, count, "VIP was taken from lo by somebody: put back");
                }
            }
        }
        Action::RemoveVip { vip, .. } => info!(%vip, "VIP removed from lo"),
    }
}
