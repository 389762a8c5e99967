//! Where addresses are.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::ipvs::kernel::KernelVirtualServer;
use crate::lvs::Prefixed;
use crate::sys::address::Address;
use crate::sys::link::Link;

use super::Facts;

impl Facts {
    /// The VIPs on a loopback interface: what is there besides its own.
    pub fn vips_on_lo(&self) -> impl Iterator<Item = &Address> {
        self.addresses.iter().filter(|address| {
            let is_lo = self.link(address.link).is_some_and(|link| link.loopback);
            is_lo && !address.address.address.is_loopback()
        })
    }

    /// Those for which this host serves what a director sends. A director that is
    /// reached by routing may have the VIP there too, and serves nobody itself.
    pub fn served_vips(&self) -> impl Iterator<Item = &Address> {
        self.vips_on_lo().filter(|vip| {
            let vip = vip.address.address;
            let mut balanced = self.table().iter().filter(|(id, _)| id.vip() == Some(vip));
            let serves = |server: &KernelVirtualServer| {
                let mut pool = server.real_servers.keys();
                pool.any(|rip| self.is_own(rip.ip()))
            };
            balanced.all(|(_, server)| serves(server))
        })
    }

    /// Whether a loopback interface has the address.
    pub fn has_on_lo(&self, address: IpAddr) -> bool {
        self.vips_on_lo().any(|it| it.address.address == address)
    }

    /// The interface other than `lo` that has the address.
    pub fn holder(&self, address: IpAddr) -> Option<&Link> {
        let mut there = self
            .addresses
            .iter()
            .filter(|it| it.address.address == address);
        there.find_map(|it| self.link(it.link).filter(|link| !link.loopback))
    }

    /// Whether the address is this host's, on any interface.
    pub fn is_own(&self, address: IpAddr) -> bool {
        let mut addresses = self.addresses.iter();
        addresses.any(|it| it.address.address == address)
    }

    /// The interfaces that hear ARP or neighbour discovery: up, on a network with
    /// neighbours, with an address of it. (Members of a bond or bridge have none, and what holds
    /// a VIP alone is on top of another.)
    pub fn lan_links(&self) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(|link| {
            let mut addresses = self.addresses.iter();
            let has_network =
                addresses.any(|it| it.link == link.index && is_of_network(it.address));
            link.up && !link.loopback && !link.noarp && has_network
        })
    }

    /// The interface whose network the address belongs to, or that a virtual
    /// router of this host puts it on.
    pub fn lan_of(&self, address: IpAddr) -> Option<&Link> {
        let networks = self.addresses.iter();
        let of_network = networks
            .filter(|it| !is_host(it.address) && it.address.contains(address))
            .filter_map(|it| self.link(it.link))
            .find(|link| !link.loopback && !link.noarp);
        of_network.or_else(|| {
            let routers = self.virtual_routers();
            let router = routers.iter().find(|it| it.addresses.contains(&address))?;
            self.links.iter().find(|link| link.name == router.interface)
        })
    }

    /// This host's address on the network of another, or any of the family.
    pub fn near(&self, other: IpAddr) -> Option<IpAddr> {
        let mut addresses = self.addresses.iter().map(|it| it.address);
        let of_network = |it: &Prefixed| !is_host(*it) && it.contains(other);
        let near = addresses.clone().find(of_network);
        let any = || addresses.find(|it| it.address.is_ipv4() == other.is_ipv4());
        near.or_else(any).map(|it| it.address)
    }

    /// The hardware addresses of this host.
    pub fn own_macs(&self) -> BTreeSet<[u8; 6]> {
        let addresses = self.links.iter().map(|link| &link.hardware_address);
        addresses
            .filter_map(|bytes| bytes.as_slice().try_into().ok())
            .collect()
    }

    fn link(&self, index: u32) -> Option<&Link> {
        self.links.iter().find(|link| link.index == index)
    }
}

/// Whether it is an address of a network; every link has its own of IPv6, which says
/// nothing.
fn is_of_network(prefixed: Prefixed) -> bool {
    let of_link =
        matches!(prefixed.address, IpAddr::V6(address) if address.is_unicast_link_local());
    !of_link && !is_host(prefixed)
}

/// Whether it is a single host, `/32` or `/128`.
fn is_host(prefixed: Prefixed) -> bool {
    prefixed == Prefixed::host(prefixed.address)
}
