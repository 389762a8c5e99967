//! Where addresses are.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::ipvs::kernel::KernelVirtualServer;
use crate::lvs::Prefixed;
use crate::sys::address::Address;
use crate::sys::link::Link;
use crate::sys::sysctl::Key;

use super::Facts;

impl Facts {
    /// The VIPs on a loopback interface, or on a dummy or tunnel, which serve as one: what
    /// is there besides its own, and is a VIP by something that says so.
    pub fn vips_on_lo(&self) -> impl Iterator<Item = &Address> {
        self.on_lo().filter(|address| self.is_vip(address))
    }

    /// Every address on a loopback interface but its own, and every host address on a dummy
    /// or tunnel; those with a network are of a way to somewhere.
    fn on_lo(&self) -> impl Iterator<Item = &Address> {
        self.addresses.iter().filter(|address| {
            let link = self.link(address.link);
            link.is_some_and(|link| match link.loopback {
                true => !address.address.address.is_loopback(),
                false => (link.dummy || link.tunnel) && is_host(address.address),
            })
        })
    }

    /// The name of the interface that has the VIP as `lo` does.
    pub fn place_of(&self, vip: IpAddr) -> &str {
        let mut places = self.vips_on_lo().filter(|it| it.address.address == vip);
        let link = places.find_map(|it| self.link(it.link));
        link.map_or("lo", |link| &link.name)
    }

    /// Whether an address on `lo` is a VIP. Router ids and anycast addresses are there
    /// too: a lonely one that no LAN, file, script or advert knows is one of them.
    fn is_vip(&self, address: &Address) -> bool {
        let ip = address.address.address;
        let is_alias = address
            .label
            .as_ref()
            .is_some_and(|label| label.contains(':'));
        let mut scripts = self.boot.scripts.iter();
        is_alias
            || self.lan_of(ip).is_some()
            || self.wanted_on_lo().contains(&ip)
            || self.balanced_vips().contains(&ip)
            || scripts.any(|script| script.vips.contains(&ip))
            || self.heard().any(|it| it.advert.addresses.contains(&ip))
            || (!self.is_director() && self.is_quiet())
    }

    /// Whether somebody has told an interface to keep addresses to itself: the kernel
    /// does not by itself.
    fn is_quiet(&self) -> bool {
        let names = self.links.iter().map(|link| link.name.as_str());
        let mut keys = names
            .chain(["all"])
            .flat_map(|name| ["arp_ignore", "arp_announce"].map(|key| Key::ipv4_conf(name, key)));
        keys.any(|key| self.sysctl(&key).is_some_and(|value| value > 0))
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

    /// The interface that has the address, other than `lo` and what a real server uses for
    /// it.
    pub fn holder(&self, address: IpAddr) -> Option<&Link> {
        let mut there = self
            .addresses
            .iter()
            .filter(|it| it.address.address == address);
        let serves = !self.is_director();
        there.find_map(|it| {
            let link = self.link(it.link)?;
            let is_aside = link.loopback || (serves && (link.dummy || link.tunnel));
            (!is_aside).then_some(link)
        })
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
        self.links
            .iter()
            .filter(|link| link.up && !link.loopback && !link.noarp && self.has_network(link))
    }

    /// Whether somebody on this network may ask for the VIP, as far as is known here: the
    /// VIP's network is on it, or another network of the interface that has that, or a
    /// director or a holder of the VIP was heard there. An interface without a network of
    /// the family may be anywhere, and so may all of them if none has the VIP's network; a
    /// bridge without the way out is that of containers or virtual machines.
    pub fn sees_lan_of(&self, link: &Link, vip: IpAddr) -> bool {
        let networks = |index: u32| {
            let on_it = self.addresses.iter().filter(move |it| it.link == index);
            on_it
                .map(|it| it.address)
                .filter(move |it| it.address.is_ipv4() == vip.is_ipv4() && is_of_network(*it))
        };
        let has_lan = |index: u32| networks(index).any(|it| it.contains(vip));
        let lan_links = self.lan_links().map(|link| link.index);
        let mut lan = lan_links.filter(|index| has_lan(*index)).flat_map(networks);
        let mut own = networks(link.index).peekable();
        if own.peek().is_none() || self.is_vip_heard_on(link, vip) {
            return true;
        }
        match self.lan_links().any(|link| has_lan(link.index)) {
            true => lan.any(|one| networks(link.index).any(|other| overlap(one, other))),
            false => !link.bridge || own.any(|it| self.gateways.iter().any(|ip| it.contains(*ip))),
        }
    }

    /// Whether adverts with the VIP, or an answer for it, came by the interface.
    fn is_vip_heard_on(&self, link: &Link, vip: IpAddr) -> bool {
        let mut heard = self.heard().filter(|heard| heard.interface == link.name);
        let mut answers = self.wire.iter().flat_map(|wire| &wire.answers);
        heard.any(|heard| heard.advert.addresses.contains(&vip))
            || answers.any(|((interface, address), macs)| {
                *interface == link.name && *address == vip && !macs.is_empty()
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

    /// Whether the interface has an address of a network of its own.
    pub fn has_network(&self, link: &Link) -> bool {
        let mut addresses = self.addresses.iter();
        addresses.any(|it| it.link == link.index && is_of_network(it.address))
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

/// Whether networks have addresses in common.
fn overlap(one: Prefixed, other: Prefixed) -> bool {
    one.contains(other.address) || other.contains(one.address)
}

/// Whether it is a single host, `/32` or `/128`.
fn is_host(prefixed: Prefixed) -> bool {
    prefixed == Prefixed::host(prefixed.address)
}
