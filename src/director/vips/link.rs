//! Whether an interface can carry adverts.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU32;

use super::holding::Holding;
use super::kernel::Kernel;
use crate::director::vrrp::{Addresses, Link, VrrpStatus};
use crate::sys::address::{Address, Scope};
use crate::vrrp::router::LinkFault;

/// What the VRRP thread must know of the interface `name`.
///
/// Adverts come from addresses that are not virtual. An owner's virtual address
/// is its own, so one that lvsd did not add comes after the others.
pub(super) fn link_of(
    name: &str,
    kernel: &Kernel,
    virtual_addresses: &BTreeSet<IpAddr>,
    owned: &BTreeSet<Holding>,
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
    let Some(index) = NonZeroU32::new(link.index) else {
        return Link::Down(LinkFault::Missing);
    };
    let is_owned = |address: IpAddr| {
        let mut places = owned.iter().filter_map(Holding::place);
        places.any(|place| place.interface == name && place.address.address == address)
    };
    let foreign = kernel
        .addresses
        .iter()
        .filter(|it| it.scope != Scope::Host && !is_owned(it.address.address));
    let (here, elsewhere): (Vec<_>, Vec<_>) = foreign.partition(|it| it.link == link.index);
    let is_virtual = |it: &&&Address| virtual_addresses.contains(&it.address.address);
    let works = |it: &&&Address| !it.tentative && !it.dad_failed;
    let own = here.iter().filter(|it| !is_virtual(it));
    let virtual_ones = here.iter().filter(is_virtual);
    let addresses = Addresses {
        usable: own
            .chain(virtual_ones)
            .filter(works)
            .map(|it| it.address.address)
            .collect(),
        elsewhere: elsewhere
            .iter()
            .filter(|it| !is_virtual(it))
            .map(|it| it.address.address)
            .collect(),
        link_local_fault: here.iter().find_map(|it| link_local_fault(it)),
    };
    Link::Up {
        index,
        mtu: link.mtu,
        addresses,
    }
}

fn link_local_fault(address: &Address) -> Option<LinkFault> {
    match address.address.address {
        IpAddr::V6(v6) if !v6.is_unicast_link_local() => None,
        IpAddr::V4(_) => None,
        IpAddr::V6(_) if address.dad_failed => Some(LinkFault::Duplicate),
        IpAddr::V6(_) if address.tentative => Some(LinkFault::Tentative),
        IpAddr::V6(_) => None,
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
