//! A director that is also a real server.
//!
//! Under direct routing and tunnels the master's packets reach this host with
//! the VIP as their destination. If this host balanced them again while it is
//! backup, it would send some of them back to the master, which would send them
//! here, and so on until their time to live is over. So they are hidden from IPVS
//! ([`peers`](super::peers)).
//!
//! Where they are not, as in a kernel without nf_tables, a virtual server whose
//! pool has this host in it is in the kernel's table only while this host holds
//! the VIP; else its packets go to the local service, where they belong. While
//! IPVS is being told of a new mastership, new connections are served by the
//! local service, and stay with it: IPVS lets packets pass that belong to no
//! connection of its own.
//!
//! The VIP must be on `lo` all the time, which `lvsd realserver` sees to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::vrrp::VrrpStatus;
use crate::config::director::{DirectorConfig, VirtualServer, VrrpInstance};
use crate::lvs::{Forwarding, VirtualServerId};
use crate::vrrp::router::Claim;

/// The virtual servers that must not be in the kernel's table now.
///
/// `addresses` are this host's. `hidden` tells whether IPVS sees nothing that
/// another director sent to it. `present` tells what is in the table: after a
/// crash it stays until the virtual router has decided. A VIP that no virtual
/// router has is held all the time.
pub(super) fn held_back(
    config: &DirectorConfig,
    addresses: &BTreeSet<IpAddr>,
    vrrp: &VrrpStatus,
    hidden: impl Fn((&VirtualServerId, &VirtualServer)) -> bool,
    present: impl Fn(&VirtualServerId) -> bool,
) -> BTreeSet<VirtualServerId> {
    let servers = config.virtual_servers.iter();
    let held_back = servers.filter(|(id, server)| {
        serves_itself(server, addresses)
            && match claim(id, &config.vrrp, vrrp) {
                None | Some(Claim::Hold | Claim::Keep) => false,
                Some(Claim::Undecided) => !present(id),
                Some(Claim::Release) => !hidden((id, server)),
            }
    });
    held_back.map(|(id, _)| *id).collect()
}

/// Whether this host may get packets for the VIP from another director. NAT
/// gives them another destination, so they are no case for IPVS here.
pub(super) fn serves_itself(server: &VirtualServer, addresses: &BTreeSet<IpAddr>) -> bool {
    let mut pool = server.servers();
    pool.any(|(rip, real_server)| match real_server.settings.forwarding {
        Forwarding::Local => true,
        Forwarding::DirectRoute | Forwarding::Tunnel(_) => addresses.contains(&rip.ip()),
        Forwarding::Nat => false,
    })
}

/// What the virtual router of the VIP says. A firewall mark has no VIP to go by:
/// there, holding any counts. None: no virtual router has it.
fn claim(
    id: &VirtualServerId,
    configured: &BTreeMap<String, VrrpInstance>,
    vrrp: &VrrpStatus,
) -> Option<Claim> {
    let claims: Vec<_> = configured
        .iter()
        .filter(|(_, instance)| is_of(id, instance))
        .map(|(name, _)| {
            let instance = vrrp.instances.get(name);
            instance.map_or(Claim::Undecided, |instance| instance.claim)
        })
        .collect();
    let by_weight = [Claim::Hold, Claim::Keep, Claim::Undecided, Claim::Release];
    by_weight.into_iter().find(|claim| claims.contains(claim))
}

/// Whether a virtual server comes with a virtual router.
pub(super) fn is_of(id: &VirtualServerId, instance: &VrrpInstance) -> bool {
    match id {
        VirtualServerId::Fwmark { .. } => true,
        VirtualServerId::Address { address, .. } => {
            let mut vips = instance.addresses.iter();
            vips.any(|vip| vip.address.address == address.ip())
        }
    }
}

#[cfg(test)]
mod tests;
