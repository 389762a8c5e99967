//! Looking at the kernel and doing what [`agent`](super::agent) decided.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tracing::{debug, error, info, warn};

use super::agent::{Action, Agent, Cause, Observed};
use super::journal::Store;
use super::{mss, tunnel};
use crate::director::vips;
use crate::lvs::{Family, Prefixed};
use crate::status::text::chain;
use crate::sys::address::{Address, NewAddress, Scope};
use crate::sys::link::Link;
use crate::sys::rtnetlink::{self, Rtnetlink};
use crate::sys::{clock, fou, owners, state_file};

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
    /// The ports at which the kernel unpacks GUE.
    #[error(
        "cannot {what}; the module is loaded by `modprobe fou`, and at boot if its name is \
             in /etc/modules-load.d"
    )]
    Gue {
        /// What was attempted.
        what: String,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// A tunnel device.
    #[error("{cause}; its module is loaded by `modprobe {module}`, if this kernel has it")]
    Tunnel {
        /// What brings it.
        module: &'static str,
        /// Why.
        cause: String,
    },
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
    /// Who took away which address, where that is known.
    culprits: BTreeMap<IpAddr, String>,
}

impl Kernel {
    /// Brings the two together. A director of the same `runtime_dir` may put the
    /// VIPs on interfaces.
    pub fn new(netlink: Rtnetlink, store: Store, runtime_dir: PathBuf) -> Self {
        Self {
            netlink,
            store,
            runtime_dir,
            culprits: BTreeMap::new(),
        }
    }

    /// What the director of this host has put on interfaces.
    pub fn placed(&self) -> BTreeSet<vips::Place> {
        vips::placed(&self.runtime_dir)
    }

    /// Notes who has taken an address away.
    pub fn suspect(&mut self, address: IpAddr, who: String) {
        self.culprits.insert(address, who);
    }

    /// Looks at everything that `agent` must know.
    ///
    /// What the director of this host has put on an interface is not among it:
    /// there the VIP is where it belongs while that director is master, and on
    /// `lo` besides.
    pub async fn observe(&self, agent: &Agent) -> Result<Observed, Error> {
        let links = self.netlink.links().await?;
        let mut addresses = self.netlink.addresses().await?;
        let placed = self.placed();
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
        let mut gue_ports = Vec::new();
        if agent.needs_gue_ports() {
            let ports = fou::gue_ports().map_err(|cause| Error::Gue {
                what: "ask which ports the kernel unpacks GUE at".to_owned(),
                cause,
            })?;
            gue_ports = ports.unwrap_or_default();
        }
        let routing = match agent.needs_routing() {
            true => self.routing().await?,
            false => mss::Routing::default(),
        };
        Ok(Observed {
            links,
            addresses,
            sysctls,
            gue_ports,
            routing,
        })
    }

    async fn routing(&self) -> Result<mss::Routing, Error> {
        let mut routing = mss::Routing::default();
        for family in [Family::Ipv4, Family::Ipv6] {
            routing
                .routes
                .extend(self.netlink.host_routes(family).await?);
            routing
                .rules
                .extend(self.netlink.source_rules(family).await?);
        }
        Ok(routing)
    }

    /// Does what `agent` wants until it wants nothing. Returns what failed; those
    /// are wanted again next time.
    pub async fn settle(&mut self, agent: &mut Agent) -> Vec<Error> {
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
    async fn perform_all(&mut self, agent: &mut Agent, actions: Vec<Action>) -> Vec<Error> {
        let mut failures = Vec::new();
        for action in actions {
            let Err(error) = self.perform(&action).await else {
                self.tell(agent, &action);
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
            Action::AddVip { link, address, .. } => {
                match self.netlink.add_address(*link, address).await {
                    // Somebody was faster; the next round looks at what it is.
                    Err(error) if error.is_exists() => Ok(()),
                    other => Ok(other?),
                }
            }
            Action::RemoveVip { link, vip } => {
                let vip = Prefixed::host(*vip);
                match self.netlink.delete_address(*link, vip).await {
                    Err(error) if error.is_not_found() => Ok(()),
                    other => Ok(other?),
                }
            }
            Action::Tunnel(step) => self.dig(step).await,
            Action::Route(step) => self.route(step).await,
        }
    }

    async fn dig(&self, step: &tunnel::Step) -> Result<(), Error> {
        match step {
            tunnel::Step::Make(new) => match self.netlink.add_tunnel(new).await {
                // Its module, just loaded, was faster.
                Err(error) if error.is_exists() => Ok(()),
                other => other.map_err(|cause| Error::Tunnel {
                    module: tunnel::module(new.kind),
                    cause: chain(&cause),
                }),
            },
            tunnel::Step::Address { index, .. } => {
                let new = NewAddress {
                    scope: Scope::Host,
                    ..NewAddress::host(tunnel::ADDRESS.into())
                };
                match self.netlink.add_address(*index, &new).await {
                    Err(error) if error.is_exists() => Ok(()),
                    other => Ok(other?),
                }
            }
            tunnel::Step::NoAddress { index, .. } => {
                let address = Prefixed::host(tunnel::ADDRESS.into());
                match self.netlink.delete_address(*index, address).await {
                    Err(error) if error.is_not_found() => Ok(()),
                    other => Ok(other?),
                }
            }
            tunnel::Step::Set { index, up, .. } => {
                Ok(self.netlink.set_link_up(*index, *up).await?)
            }
            tunnel::Step::Delete { index, .. } => match self.netlink.delete_link(*index).await {
                Err(error) if error.is_not_found() => Ok(()),
                other => Ok(other?),
            },
            tunnel::Step::Open(port) => {
                let opened = fou::add_gue(*port).or_else(|error| match error.kind() {
                    io::ErrorKind::NotFound => {
                        load_fou();
                        fou::add_gue(*port)
                    }
                    _ => Err(error),
                });
                opened.map_err(|cause| Error::Gue {
                    what: format!("have the kernel unpack GUE at UDP port {port}"),
                    cause,
                })
            }
            tunnel::Step::Close(port) => fou::delete_gue(*port).map_err(|cause| Error::Gue {
                what: format!("close UDP port {port}"),
                cause,
            }),
        }
    }

    async fn route(&self, step: &mss::Step) -> Result<(), Error> {
        let done = match step {
            mss::Step::AddRoute(route) => self.netlink.add_host_route(route).await,
            mss::Step::DeleteRoute(route) => self.netlink.delete_host_route(route).await,
            mss::Step::AddRule(rule) => self.netlink.add_source_rule(rule).await,
            mss::Step::DeleteRule(rule) => self.netlink.delete_source_rule(rule).await,
        };
        match done {
            Err(error) if error.is_exists() || error.is_not_found() => Ok(()),
            other => Ok(other?),
        }
    }

    /// One log line for what was done, and who made it necessary.
    fn tell(&mut self, agent: &mut Agent, action: &Action) {
        let (Action::WriteSysctl { cause, .. } | Action::AddVip { cause, .. }) = action else {
            return tell_plain(action);
        };
        let Cause::Repair { count } = cause else {
            return tell_plain(action);
        };
        let known = match action {
            Action::AddVip { address, .. } => self.culprits.remove(&address.address.address),
            _ => None,
        };
        let by = known.unwrap_or_else(suspects);
        let contested = agent.blame(action, &by);
        match action {
            Action::WriteSysctl { write, .. } => {
                let (key, found, wanted) = (&write.key, write.from, write.to);
                warn!(%key, found, wanted, count, by, "sysctl was changed by somebody: put back");
            }
            Action::AddVip { address, .. } => {
                let (vip, label) = (address.address, address.label.as_deref().unwrap_or("-"));
                warn!(%vip, label, count, by, "VIP was taken from lo by somebody: put back");
            }
            _ => {}
        }
        if contested {
            error!(by, "the third time within a minute: see docs/realserver.md");
        }
    }
}

/// Who may have done what nobody can be proved to have done.
fn suspects() -> String {
    match owners::running(Path::new("/proc"), Path::new("/sys")).as_slice() {
        [] => "somebody: none of the usual programs runs".to_owned(),
        [one] => format!("{one}, perhaps"),
        several => format!("one of {}, perhaps", several.join(", ")),
    }
}

/// Loads the module that unpacks GUE: older kernels do not when asked for it. It
/// needs `CAP_SYS_MODULE`, which `lvsd-realserver.service` does not have.
fn load_fou() {
    let outcome = Command::new("modprobe")
        .arg("fou")
        .stdin(Stdio::null())
        .output();
    match outcome {
        Ok(output) if output.status.success() => info!("loaded the kernel module fou"),
        Ok(output) => {
            let error = String::from_utf8_lossy(&output.stderr);
            debug!(error = error.trim(), "cannot load fou");
        }
        Err(error) => debug!(%error, "cannot run modprobe"),
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

/// One log line for what was done as planned.
fn tell_plain(action: &Action) {
    match action {
        Action::Record(_) => {}
        Action::WriteSysctl { write, cause } => {
            let (key, found, wanted) = (&write.key, write.from, write.to);
            match cause {
                Cause::Restore => info!(%key, found, wanted, "sysctl restored"),
                _ => info!(%key, found, wanted, "sysctl set"),
            }
        }
        Action::AddVip { address, .. } => {
            let (vip, label) = (address.address, address.label.as_deref().unwrap_or("-"));
            info!(%vip, label, "VIP added");
        }
        Action::RemoveVip { vip, .. } => info!(%vip, "VIP removed"),
        Action::Tunnel(step) => match step {
            tunnel::Step::Make(new) => info!(device = new.name, "tunnel made"),
            tunnel::Step::Address { name, .. } => info!(device = name, "tunnel given an address"),
            tunnel::Step::NoAddress { name, .. } => {
                info!(device = name, "address of the tunnel taken away");
            }
            tunnel::Step::Set { name, up, .. } => info!(device = name, up, "tunnel set"),
            tunnel::Step::Delete { name, .. } => info!(device = name, "tunnel deleted"),
            tunnel::Step::Open(port) => info!(port, "GUE is unpacked"),
            tunnel::Step::Close(port) => info!(port, "GUE is unpacked no more"),
        },
        Action::Route(step) => match step {
            mss::Step::AddRoute(route) => {
                debug!(to = %route.to, advmss = route.advmss, "route added");
            }
            mss::Step::DeleteRoute(route) => debug!(to = %route.to, "route deleted"),
            mss::Step::AddRule(rule) => info!(from = %rule.from, table = rule.table, "rule added"),
            mss::Step::DeleteRule(rule) => info!(from = %rule.from, "rule deleted"),
        },
    }
}
