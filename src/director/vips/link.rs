//! Whether an interface can carry adverts.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU32;

use super::plan::{Kernel, Place};
use crate::director::vrrp::{Link, VrrpStatus};
use crate::sys::address::Scope;
use crate::vrrp::router::LinkFault;

/// What the VRRP thread must know of the interface `name`.
///
/// Its primary address is the first that is not virtual. An owner's virtual
/// address is its own, so one that lvsd did not add will do if there is no other.
pub(super) fn link_of(
    name: &str,
    kernel: &Kernel,
    virtual_addresses: &BTreeSet<IpAddr>,
    owned: &BTreeSet<Place>,
) -> Link {
    let Some(link) = kernel.link(name) else {
        return Link::Down(LinkFault::Missing);
    };
    if !link.up {
        return Link::Down(LinkFault::Down);
    }
    if !link.carrier {
        return Link::Down(LinkFault::NoCarrier);
    }
    let candidates = || {
        kernel.addresses.iter().filter(|address| {
            address.link == link.index
                && address.address.address.is_ipv4()
                && address.scope != Scope::Host
        })
    };
    let is_ours = |address: IpAddr| {
        owned
            .iter()
            .any(|place| place.interface == name && place.address.address == address)
    };
    let primary = candidates()
        .map(|candidate| candidate.address.address)
        .find(|address| !virtual_addresses.contains(address) && !is_ours(*address))
        .or_else(|| {
            candidates()
                .map(|candidate| candidate.address.address)
                .find(|address| !is_ours(*address))
        });
    match (NonZeroU32::new(link.index), primary) {
        (Some(index), Some(address)) => Link::Up { index, address },
        (None, _) => Link::Down(LinkFault::Missing),
        (_, None) => Link::Down(LinkFault::NoAddress),
    }
}

/// The addresses of all virtual routers.
pub(super) fn virtual_addresses(status: &VrrpStatus) -> BTreeSet<IpAddr> {
    let instances = status.instances.values();
    instances
        .flat_map(|instance| &instance.addresses)
        .map(|virtual_address| virtual_address.address.address)
        .collect()
}

#[cfg(test)]
mod tests;
