//! Looking at the kernel and doing what [`agent`](super::agent) decided.

mod perform;
mod tell;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tracing::warn;

use super::agent::{Action, Agent, Observed};
use super::journal::Store;
use super::{gateway, mss};
use crate::director::vips::Placed;
use crate::lvs::Family;
use crate::status::text::chain;
use crate::sys::address::Address;
use crate::sys::link::Link;
use crate::sys::rtnetlink::{self, Rtnetlink};
use crate::sys::sysctl::Key;
use crate::sys::{clock, fou, hop, state_file};

/// How often the kernel is asked again before the rest waits for the next
/// occasion: more than any start, reload or stop needs.
const ROUNDS: usize = 8;

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Addresses or interfaces.
    #[error(transparent)]
    Netlink(#[from] rtnetlink::Error),
    /// A VIP of IPv6, where there is none.
    #[error("cannot add address {vip}: {why}")]
    Ipv6Off {
        /// The VIP.
        vip: IpAddr,
        /// Why, and the way out.
        why: String,
    },
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
    /// What was found when routes were looked at the last time.
    routes: RefCell<Option<Routes>>,
}

/// The routes past directors, which may be many: they are looked at more rarely where
/// that takes long.
#[derive(Debug, Clone)]
struct Routes {
    of: Vec<IpAddr>,
    found: gateway::Beyond,
    again: Instant,
}

/// How often they are looked at, at most.
const ROUTES_INTERVAL: Duration = Duration::from_secs(1);
/// How much longer than it takes the next look is away, at least.
const ROUTES_SHARE: u32 = 20;

impl Kernel {
    /// Brings the two together. A director of the same `runtime_dir` may put the
    /// VIPs on interfaces.
    pub fn new(netlink: Rtnetlink, store: Store, runtime_dir: PathBuf) -> Self {
        Self {
            netlink,
            store,
            runtime_dir,
            culprits: BTreeMap::new(),
            routes: RefCell::default(),
        }
    }

    /// What the director of this host has put on interfaces.
    pub fn placed(&self) -> Placed {
        Placed::read(&self.runtime_dir)
    }

    /// Notes who has taken an address away.
    pub fn suspect(&mut self, address: IpAddr, who: String) {
        self.culprits.insert(address, who);
    }

    /// The gateways of this host's default routes.
    pub async fn gateways(&self) -> Result<BTreeSet<IpAddr>, Error> {
        Ok(self.netlink.gateways().await?)
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
        let unrouted = self
            .unrouted(agent.configured_vips(), &links, &addresses)
            .await?;
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
            unrouted,
            sysctls,
            gue_ports,
            routing,
            ways: gateway::ways(&self.netlink, agent.gateways()).await,
            beyond: self.beyond(agent.gateways()).await,
        })
    }

    /// The ways to networks beyond this host's links, as of lately.
    async fn beyond(&self, gateways: &[IpAddr]) -> gateway::Beyond {
        if gateways.is_empty() {
            return gateway::Beyond::default();
        }
        let now = clock::now();
        let known = self.routes.borrow().clone();
        if let Some(known) = known.filter(|it| it.of == gateways && now < it.again) {
            return known.found;
        }
        let found = gateway::beyond(&self.netlink, gateways).await;
        let done = clock::now();
        let took = done.saturating_duration_since(now);
        self.routes.replace(Some(Routes {
            of: gateways.to_vec(),
            found: found.clone(),
            again: done + (took * ROUTES_SHARE).max(ROUTES_INTERVAL),
        }));
        found
    }

    /// Which of the VIPs are on an interface that is up and yet have no local route: not
    /// in the table `local`, and, since every table may be long, only then in none.
    async fn unrouted(
        &self,
        vips: &[IpAddr],
        links: &[Link],
        addresses: &[Address],
    ) -> Result<BTreeSet<IpAddr>, Error> {
        let is_up = |index| links.iter().any(|link| link.index == index && link.up);
        let there = addresses.iter().filter(|address| is_up(address.link));
        let there: BTreeSet<_> = there.map(|address| address.address.address).collect();
        let mut unrouted: BTreeSet<_> = vips.iter().filter(|vip| there.contains(vip)).collect();
        for table in [hop::LOCAL, hop::ANY] {
            for family in [Family::Ipv4, Family::Ipv6] {
                if unrouted.iter().any(|vip| Family::of(**vip) == family) {
                    let local = self.netlink.local_addresses(family, table).await?;
                    unrouted.retain(|vip| !local.contains(vip));
                }
            }
        }
        Ok(unrouted.into_iter().copied().collect())
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
            let done;
            (done, failures) = self.perform_all(agent, actions, Zeal::All).await;
            // What was done may be what the rest has waited for.
            if done == 0 {
                break;
            }
        }
        if !failures.is_empty() {
            self.look_again(agent).await;
        }
        failures
    }

    /// Does what `agent` wants until it wants nothing, or something fails; that is not
    /// logged. What has not been begun by then is left alone.
    pub async fn settle_whole(&mut self, agent: &mut Agent) -> Result<(), Error> {
        for _ in 0..ROUNDS {
            let observed = self.observe(agent).await?;
            let actions = agent.reconcile(clock::wall(), observed);
            if actions.is_empty() {
                break;
            }
            let (_, failures) = self.perform_all(agent, actions, Zeal::UntilOneFails).await;
            if let Some(failure) = failures.into_iter().next() {
                return Err(failure);
            }
        }
        Ok(())
    }

    /// Lets `agent` know what came of a round that failed in part.
    async fn look_again(&self, agent: &mut Agent) {
        if let Ok(observed) = self.observe(agent).await {
            agent.reconcile(clock::wall(), observed);
        }
    }

    /// Performs the actions in order. One that fails does not keep the others
    /// from being tried, unless it is the record they need. Returns how many were done,
    /// and what failed.
    async fn perform_all(
        &mut self,
        agent: &mut Agent,
        actions: Vec<Action>,
        zeal: Zeal,
    ) -> (usize, Vec<Error>) {
        let (mut done, mut failures) = (0, Vec::new());
        let mut is_recorded = true;
        for action in actions {
            if !is_recorded && !agent.is_undoable(&action) {
                continue;
            }
            let Err(error) = self.perform(&action).await else {
                self.tell(agent, &action);
                agent.done(action, clock::wall());
                done += 1;
                continue;
            };
            let reason = chain(&error);
            if agent.failed(&action, &reason) && zeal == Zeal::All {
                warn!(error = reason, "cannot put this host right");
            }
            failures.push(error);
            is_recorded &= !matches!(action, Action::Record(_));
            if zeal == Zeal::UntilOneFails {
                break;
            }
        }
        (done, failures)
    }
}

/// How far a list of actions is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zeal {
    /// To its end, whatever fails on the way.
    All,
    /// To the first that fails.
    UntilOneFails,
}

/// `net.ipv6.conf.NAME.disable_ipv6`, if there is one.
pub fn ipv6_is_off(name: &str) -> Option<i32> {
    Key::ipv6_conf(name, "disable_ipv6").read().ok()
}

/// Whether an address is one that the director put where it is.
fn is_placed(address: &Address, links: &[Link], placed: &Placed) -> bool {
    let link = links.iter().find(|link| link.index == address.link);
    let on = link.map(|link| placed.on(link.index, &link.name));
    on.is_some_and(|mut on| on.any(|it| it == address.address))
}
