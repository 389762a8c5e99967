//! What comes and goes with mastership, each thing by its identity.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::config::director::{Holdings, VirtualAddress};
use crate::director::vrrp::InstanceStatus;
use crate::lvs::Prefixed;
use crate::lvs::routing::{RouteId, Rule};

/// An address on an interface.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The interface's name: it keeps it when it comes back with another index.
    pub interface: String,
    /// The address.
    pub address: Prefixed,
}

/// Something that comes and goes with mastership. The order is that in which
/// they come; they go in the reverse order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holding {
    /// The interface that has the virtual router's hardware address. It is there
    /// as long as the virtual router is configured.
    Interface(String),
    /// That interface being up: else it drops what is sent to it.
    Up(String),
    /// Packets to an address being dropped: it comes before the address.
    Filter(IpAddr),
    /// An address.
    Address(Place),
    /// A route.
    Route(RouteId),
    /// A rule.
    Rule(Rule),
}

impl Holding {
    /// What kind of thing it is.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Interface(_) => "interface",
            Self::Up(_) => "up",
            Self::Filter(_) => "filter",
            Self::Address(_) => "address",
            Self::Route(_) => "route",
            Self::Rule(_) => "rule",
        }
    }

    /// Whether it is of the routing tables.
    pub fn is_routing(&self) -> bool {
        matches!(self, Self::Route(_) | Self::Rule(_))
    }

    /// The interface that it is on, or is.
    pub(super) fn interface(&self) -> Option<&str> {
        match self {
            Self::Address(place) => Some(&place.interface),
            Self::Interface(name) | Self::Up(name) => Some(name),
            Self::Filter(_) | Self::Route(_) | Self::Rule(_) => None,
        }
    }

    /// The place of an address.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Address(place) => Some(place),
            Self::Interface(_) | Self::Up(_) | Self::Filter(_) | Self::Route(_) | Self::Rule(_) => {
                None
            }
        }
    }

    /// The address whose packets are dropped.
    pub(super) fn filtered(&self) -> Option<IpAddr> {
        match self {
            Self::Filter(address) => Some(*address),
            _ => None,
        }
    }
}

impl Place {
    /// Where an address of a virtual router on `interface` belongs.
    pub(super) fn of(interface: &str, holdings: &Holdings, address: &VirtualAddress) -> Self {
        Self {
            interface: holdings.interface_of(interface, address).to_owned(),
            address: address.address,
        }
    }
}

impl InstanceStatus {
    /// Where its addresses belong, in the order of the file.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        let addresses = self.addresses.iter();
        addresses.map(|address| Place::of(&self.interface, &self.holdings, address))
    }

    /// Which packets are dropped, where accept mode is off.
    pub(super) fn filters(&self) -> impl Iterator<Item = Holding> {
        let drops = self.holdings.drops_packets;
        let addresses = self.addresses.iter().filter(move |_| drops);
        addresses.map(|it| Holding::Filter(it.address.address))
    }

    /// Everything that comes and goes with its mastership.
    pub(super) fn things(&self) -> impl Iterator<Item = Holding> {
        let virtual_mac = self.holdings.virtual_mac.iter();
        let interface = virtual_mac.flat_map(|it| {
            let name = it.interface.clone();
            [Holding::Interface(name.clone()), Holding::Up(name)]
        });
        let routes = self.holdings.routes.iter();
        let rules = self.holdings.rules.iter();
        interface
            .chain(self.filters())
            .chain(self.places().map(Holding::Address))
            .chain(routes.map(|route| Holding::Route(route.id.clone())))
            .chain(rules.map(|rule| Holding::Rule(rule.clone())))
    }
}

/// `192.168.1.200/32 on ens192`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.address, self.interface)
    }
}

/// As people call it: `192.168.1.200/32 on ens192`, `route 10.0.0.0/8`.
impl fmt::Display for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface(name) => write!(f, "interface {name}"),
            Self::Up(name) => write!(f, "interface {name} up"),
            Self::Filter(address) => write!(f, "filter of {address}"),
            Self::Address(place) => place.fmt(f),
            Self::Route(id) => write!(f, "route {id}"),
            Self::Rule(rule) => write!(f, "rule {rule}"),
        }
    }
}
