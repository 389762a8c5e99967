//! Which addresses must be added and which removed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::config::director::{Holdings, VirtualAddress};
use crate::director::vrrp::{InstanceStatus, VrrpStatus};
use crate::lvs::Prefixed;
use crate::sys::address::Address;
use crate::sys::link::Link;
use crate::vrrp::Priority;
use crate::vrrp::router::Claim;

/// An address on an interface.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The interface's name: it keeps it when it comes back with another index.
    pub interface: String,
    /// The address.
    pub address: Prefixed,
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
}

/// `192.168.1.200/32 on ens192`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.address, self.interface)
    }
}

/// What is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Addresses of masters. True: of an owner, whose address is there whatever
    /// lvsd does.
    pub(super) held: BTreeMap<Place, bool>,
    /// Addresses of virtual routers that have not heard anybody yet, or that are
    /// handing over.
    pub(super) undecided: BTreeSet<Place>,
    /// Nothing is known yet, so nothing is unwanted.
    pub(super) all_undecided: bool,
}

impl Wanted {
    pub(super) fn from_status(status: &VrrpStatus) -> Self {
        let mut wanted = Self {
            all_undecided: !status.configured,
            ..Self::default()
        };
        for instance in status.instances.values() {
            let places = instance.places();
            let is_owner = instance.settings.priority == Priority::OWNER;
            match instance.claim {
                Claim::Hold => wanted.held.extend(places.map(|place| (place, is_owner))),
                Claim::Undecided | Claim::Keep => wanted.undecided.extend(places),
                Claim::Release => {}
            }
        }
        wanted
    }
}

/// What the kernel has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Kernel {
    pub(super) links: Vec<Link>,
    pub(super) addresses: Vec<Address>,
}

impl Kernel {
    pub(super) fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }

    fn places<'a>(&'a self, link: &'a Link) -> impl Iterator<Item = Place> + 'a {
        self.addresses
            .iter()
            .filter(|address| address.link == link.index)
            .map(|address| Place {
                interface: link.name.clone(),
                address: address.address,
            })
    }
}

/// One change. Links are named by index too, which is what the kernel wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Op {
    Add(u32, Place),
    Remove(u32, Place),
    /// It is gone already.
    Forget(Place),
}

/// The way from what the kernel has to what is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) ops: Vec<Op>,
    /// The wanted addresses that are there already.
    pub(super) present: BTreeSet<Place>,
    pub(super) problems: BTreeMap<Place, String>,
}

/// Compares. `owned` are the addresses that lvsd has added; of all others it
/// touches none. Additions come before removals.
pub(super) fn plan(wanted: &Wanted, owned: &BTreeSet<Place>, kernel: &Kernel) -> Plan {
    let mut plan = Plan::default();
    for (place, is_owner) in &wanted.held {
        match find(place, wanted, owned, kernel) {
            Found::NoInterface => {
                let problem = format!("there is no interface {}", place.interface);
                plan.problems.insert(place.clone(), problem);
            }
            Found::Ours => {
                plan.present.insert(place.clone());
            }
            Found::Foreign(there) => {
                plan.present.insert(place.clone());
                if !is_owner {
                    plan.problems.insert(place.clone(), foreign(&there));
                }
            }
            Found::Elsewhere(there) => {
                let problem = elsewhere(place, &there);
                plan.problems.insert(place.clone(), problem);
            }
            Found::Nowhere(link) => plan.ops.push(Op::Add(link, place.clone())),
        }
    }
    for place in owned {
        let is_wanted = wanted.all_undecided
            || wanted.held.contains_key(place)
            || wanted.undecided.contains(place);
        if !is_wanted {
            plan.ops.push(match present_on(place, kernel) {
                Some(link) => Op::Remove(link, place.clone()),
                None => Op::Forget(place.clone()),
            });
        }
    }
    plan
}

/// Where this host holds a wanted address already, on another interface than the
/// wanted one: the wanted place, and where it is.
pub(super) fn held_elsewhere(
    places: impl IntoIterator<Item = Place>,
    owned: &BTreeSet<Place>,
    kernel: &Kernel,
) -> Option<(Place, Place)> {
    let wanted = Wanted::default();
    places
        .into_iter()
        .find_map(|place| match find(&place, &wanted, owned, kernel) {
            Found::Elsewhere(there) => Some((place, there)),
            Found::NoInterface | Found::Ours | Found::Foreign(_) | Found::Nowhere(_) => None,
        })
}

enum Found {
    NoInterface,
    /// Where it belongs, put there by lvsd.
    Ours,
    /// On the right interface, put there by somebody else.
    Foreign(Place),
    /// On another interface of this host.
    Elsewhere(Place),
    Nowhere(u32),
}

fn find(place: &Place, wanted: &Wanted, owned: &BTreeSet<Place>, kernel: &Kernel) -> Found {
    let Some(link) = kernel.link(&place.interface) else {
        return Found::NoInterface;
    };
    // What lvsd is about to remove is in nobody's way.
    let stays = |there: &Place| !owned.contains(there) || wanted.held.contains_key(there);
    let is_same_host = |there: &Place| there.address.address == place.address.address;
    let here: Vec<_> = kernel
        .places(link)
        .filter(|there| is_same_host(there) && stays(there))
        .collect();
    if here.contains(place) && owned.contains(place) {
        return Found::Ours;
    }
    if let Some(there) = here.into_iter().next() {
        return Found::Foreign(there);
    }
    // A director that is a real server too has its VIPs on the loopback, where
    // they answer no ARP.
    let others = kernel.links.iter().filter(|link| !link.loopback);
    let elsewhere = others
        .flat_map(|link| kernel.places(link))
        .find(|there| is_same_host(there) && stays(there));
    elsewhere.map_or(Found::Nowhere(link.index), Found::Elsewhere)
}

fn present_on(place: &Place, kernel: &Kernel) -> Option<u32> {
    let link = kernel.link(&place.interface)?;
    kernel
        .places(link)
        .any(|there| there == *place)
        .then_some(link.index)
}

fn foreign(there: &Place) -> String {
    format!(
        "{there} was not put there by lvsd: it stays there when another director is master; \
         remove it from the host's network configuration"
    )
}

fn elsewhere(place: &Place, there: &Place) -> String {
    format!(
        "{} is already on interface {} of this host, so it is not put on {}; \
         remove it there",
        place.address.address, there.interface, place.interface
    )
}

#[cfg(test)]
mod tests;
