//! What the kernel has.

use std::collections::HashMap;
use std::net::IpAddr;

use super::holding::{Holding, Place};
use crate::lvs::routing::{Route, RouteId, Rule};
use crate::sys::address::Address;
use crate::sys::link::Link;
use crate::sys::nftables;

/// Interfaces and addresses, those routes and rules that are lvsd's by the mark
/// they carry, and lvsd's packet filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Kernel {
    pub(super) links: Vec<Link>,
    pub(super) addresses: Vec<Address>,
    pub(super) routes: Vec<Route>,
    pub(super) rules: Vec<Rule>,
    /// The packet filter of lvsd's own.
    pub(super) filter: nftables::Found<IpAddr>,
}

/// An address as it is found.
#[derive(Debug, Clone)]
pub(super) struct Found<'a> {
    pub(super) place: Place,
    pub(super) link: &'a Link,
    pub(super) label: Option<&'a str>,
}

impl Kernel {
    pub(super) fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }

    pub(super) fn route(&self, id: &RouteId) -> Option<&Route> {
        self.routes.iter().find(|route| route.id == *id)
    }
}

/// A kernel with its addresses in order: there may be a thousand of them.
pub(super) struct Index<'a> {
    pub(super) kernel: &'a Kernel,
    addresses: HashMap<IpAddr, Vec<Found<'a>>>,
}

impl<'a> Index<'a> {
    pub(super) fn new(kernel: &'a Kernel) -> Self {
        let links: HashMap<u32, &Link> = kernel.links.iter().map(|it| (it.index, it)).collect();
        let mut addresses: HashMap<IpAddr, Vec<Found<'a>>> = HashMap::new();
        for address in &kernel.addresses {
            let Some(link) = links.get(&address.link) else {
                continue;
            };
            let found = Found {
                place: Place {
                    interface: link.name.clone(),
                    address: address.address,
                },
                link,
                // Without one of its own, an address is labelled with its interface.
                label: address.label.as_deref().filter(|it| *it != link.name),
            };
            let same = addresses.entry(address.address.address).or_default();
            same.push(found);
        }
        Self { kernel, addresses }
    }

    /// Every interface that has an address, in the kernel's order.
    pub(super) fn addresses(&self, address: IpAddr) -> &[Found<'a>] {
        self.addresses.get(&address).map_or(&[], Vec::as_slice)
    }

    /// Whether the kernel has a thing of this identity.
    pub(super) fn has(&self, holding: &Holding) -> bool {
        match holding {
            Holding::Interface(name) => self.kernel.link(name).is_some_and(|link| link.macvlan),
            Holding::Up(name) => self.kernel.link(name).is_some_and(|link| link.up),
            Holding::Filter(address) => {
                let held = self.kernel.filter.held();
                held.is_some_and(|held| held.contains(address))
            }
            Holding::Address(place) => {
                let mut same = self.addresses(place.address.address).iter();
                same.any(|found| found.place == *place)
            }
            Holding::Route(id) => self.kernel.route(id).is_some(),
            Holding::Rule(rule) => self.kernel.rules.contains(rule),
        }
    }
}
