//! What other directors have balanced already is hidden from IPVS.
//!
//! A director that is a real server too gets packets to the VIP from clients, which it
//! balances while it is master, and from other directors, which it serves. Whoever serves
//! a VIP has it on `lo`, and sends nothing to it over the wire but what its own IPVS
//! forwards. So a packet to the VIP that comes from another server of the same pool was
//! balanced by it: from its hardware address under direct routing, out of a device that
//! unpacks tunnels else. [`nftables::peers`](crate::sys::nftables::peers) hides such
//! packets from IPVS, in the kernel, and so also while mastership moves and after lvsd died.
//! What this host sends to the VIP itself is hidden too: its own service answers.
//!
//! ```text
//!  core ──watch: Wanted──► [lvsd-peers] ──netlink──► nf_tables
//!       ◄─watch: Report──       ▲
//!                               └── hardware addresses: the kernel's neighbour table
//! ```

mod known;
mod thread;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

use super::handle::Handle;
use super::vrrp::VrrpStatus;
use super::{IpvsError, local};
use crate::config::director::{DirectorConfig, VirtualServer};
use crate::lvs::{Forwarding, VirtualServerId};
use crate::status::director as status;
use crate::sys::neighbour::Mac;
use crate::sys::nftables::Count;
use crate::sys::nftables::peers::{Origin, Pair};

/// What packets to hide from IPVS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Those that these real servers send to these VIPs over the LAN.
    lan: BTreeMap<IpAddr, BTreeSet<IpAddr>>,
    /// Those of the hardware address of a virtual router, which its master may send from.
    virtual_macs: BTreeSet<(Mac, IpAddr)>,
    /// Those to these VIPs that come out of tunnels.
    tunnels: BTreeSet<IpAddr>,
    /// The masters that are heard, and on which interface: their hardware addresses tell
    /// which real servers they are.
    masters: BTreeSet<Master>,
}

/// A master by its primary address, which is a link-local one of IPv6, and the interface.
type Master = (IpAddr, String);

impl Wanted {
    /// Whether there is nothing to hide.
    fn is_empty(&self) -> bool {
        self.lan.is_empty() && self.virtual_macs.is_empty() && self.tunnels.is_empty()
    }
}

/// What is wanted by this configuration of a host with these addresses.
pub(super) fn wanted(
    config: &DirectorConfig,
    addresses: &BTreeSet<IpAddr>,
    vrrp: &VrrpStatus,
) -> Wanted {
    let masters = vrrp.instances.values().filter_map(|instance| {
        let master = instance.master.as_ref()?;
        Some((master.address, instance.interface.clone()))
    });
    let mut wanted = Wanted {
        masters: masters.collect(),
        ..Wanted::default()
    };
    for (id, server) in &config.virtual_servers {
        let roles = Roles::of(server, addresses);
        let vips = vips(id, config);
        if roles.by_lan {
            for other in &roles.others {
                let of_other = wanted.lan.entry(*other).or_default();
                of_other.extend(vips.iter().copied());
            }
            let virtual_macs = virtual_macs(config);
            let to_ours = virtual_macs.filter(|(_, vip)| vips.contains(vip));
            wanted.virtual_macs.extend(to_ours);
        }
        if roles.by_tunnel {
            wanted.tunnels.extend(vips);
        }
    }
    wanted
}

/// Who is who in a pool.
#[derive(Debug, Default)]
struct Roles {
    /// Real servers that may be directors and are not this host.
    others: BTreeSet<IpAddr>,
    /// They may send packets to this host over the LAN.
    by_lan: bool,
    /// They may send them through a tunnel.
    by_tunnel: bool,
}

impl Roles {
    fn of(server: &VirtualServer, addresses: &BTreeSet<IpAddr>) -> Self {
        let mut roles = Self::default();
        let (mut is_local, mut others_by_tunnel) = (false, false);
        for (rip, real_server) in server.servers() {
            let is_here = addresses.contains(&rip.ip());
            match real_server.settings.forwarding {
                // How others name this host, the file does not say.
                Forwarding::Local => is_local = true,
                Forwarding::DirectRoute if is_here => roles.by_lan = true,
                Forwarding::Tunnel(_) if is_here => roles.by_tunnel = true,
                Forwarding::DirectRoute => {
                    roles.others.insert(rip.ip());
                }
                Forwarding::Tunnel(_) => {
                    others_by_tunnel = true;
                    roles.others.insert(rip.ip());
                }
                // It has not got the VIP, and may be a client of it.
                Forwarding::Nat => {}
            }
        }
        roles.by_lan |= is_local;
        roles.by_tunnel |= is_local && others_by_tunnel;
        roles
    }
}

/// The addresses of a virtual server. A firewall mark may be of any of this host's.
fn vips(id: &VirtualServerId, config: &DirectorConfig) -> BTreeSet<IpAddr> {
    match id {
        VirtualServerId::Address { address, .. } => [address.ip()].into(),
        VirtualServerId::Fwmark { .. } => {
            let instances = config.vrrp.values();
            let addresses = instances.flat_map(|instance| &instance.addresses);
            addresses.map(|it| it.address.address).collect()
        }
    }
}

fn virtual_macs(config: &DirectorConfig) -> impl Iterator<Item = (Mac, IpAddr)> {
    config.vrrp.values().flat_map(|instance| {
        let mac = instance.holdings.virtual_mac.as_ref().map(|it| it.mac);
        let vips = instance.addresses.iter().map(|it| it.address.address);
        vips.filter_map(move |vip| Some((mac?, vip)))
    })
}

/// Whether IPVS of this host sees nothing that another director sent to this virtual server:
/// all is hidden that other real servers of its pool may send, and the masters that are
/// heard are among those.
pub(super) fn are_hidden(
    config: &DirectorConfig,
    addresses: &BTreeSet<IpAddr>,
    vrrp: &VrrpStatus,
    report: &Report,
    (id, server): (&VirtualServerId, &VirtualServer),
) -> bool {
    if report.problem.is_some() || report.pairs.is_empty() {
        return false;
    }
    let roles = Roles::of(server, addresses);
    let vips = vips(id, config);
    let has = |origin: &Origin| {
        let mut vips = vips.iter();
        vips.all(|vip| report.pairs.contains(&(origin.clone(), *vip)))
    };
    let on_lan = |other: &IpAddr| {
        let mac = report.known.get(other);
        mac.is_some_and(|mac| has(&Origin::Lan(*mac)))
    };
    let masters = vrrp.instances.iter().filter(|(name, _)| {
        let configured = config.vrrp.get(*name);
        configured.is_some_and(|instance| local::is_of(id, instance))
    });
    let mut heard = masters.map(|(_, instance)| {
        let master = instance.master.as_ref()?.address;
        Some((master, instance.interface.clone()))
    });
    let is_other = |master: &Master| {
        let mac = report.masters.get(master);
        roles.others.contains(&master.0)
            || mac.is_some_and(|mac| {
                let mut others = roles.others.iter();
                others.any(|other| report.known.get(other) == Some(mac))
            })
    };
    (!roles.by_lan || roles.others.iter().all(on_lan))
        && (!roles.by_tunnel || has(&Origin::Device(known::DEVICES[0].to_owned())))
        && heard.all(|master| master.is_some_and(|master| is_other(&master)))
}

/// What the kernel has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Report {
    /// What is hidden.
    pairs: BTreeSet<Pair>,
    /// The hardware addresses of masters.
    masters: BTreeMap<Master, Mac>,
    /// The hardware addresses that are known.
    known: BTreeMap<IpAddr, Mac>,
    /// Real servers of which none is.
    unknown: Vec<IpAddr>,
    /// What was hidden; none: nothing is to be hidden, or nothing can be.
    hidden: Option<Count>,
    /// Why it cannot.
    problem: Option<String>,
    /// How often somebody's change was undone.
    repaired: u64,
}

impl Report {
    /// For the snapshot; none: there is nothing to hide.
    pub(super) fn describe(&self) -> Option<status::Peers> {
        let hidden = self.hidden?;
        let known = self.known.iter().map(|(address, mac)| status::PeerAddress {
            address: *address,
            mac: in_words(*mac),
        });
        Some(status::Peers {
            known: known.collect(),
            unknown: self.unknown.clone(),
            packets: hidden.packets,
            bytes: hidden.bytes,
            repaired: self.repaired,
        })
    }

    /// What is not as it should be, in words.
    pub(super) fn problem(&self) -> Option<String> {
        self.problem.clone()
    }
}

/// `02:00:00:00:00:52`
fn in_words(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// A handle on the thread.
pub(super) type Peers = Handle<Wanted, Report>;

impl Peers {
    /// Starts the thread, in the network namespace of the caller. It changes nothing until
    /// something is wanted, but for what an earlier run left.
    pub(super) fn start(state_file: PathBuf, first: Wanted) -> Result<Self, IpvsError> {
        Self::spawn("peers", first, |wanted, report| {
            thread::start(state_file, wanted, report)
        })
    }

    /// Whether there is anything to start the thread for.
    pub(super) fn are_needed(wanted: &Wanted, state_file: &std::path::Path) -> bool {
        !wanted.is_empty() || state_file.exists()
    }

    /// Ends the thread; with what it made, unless the virtual servers stay too.
    pub(super) async fn stop(self, keep: bool) {
        if !keep {
            self.want(Wanted::default());
        }
        self.end().await;
    }
}

#[cfg(test)]
mod tests;
