//! What the state of the virtual routers asks for.

use std::collections::{BTreeMap, BTreeSet};

use super::holding::{Holding, Place};
use crate::director::vrrp::{InstanceStatus, VrrpStatus};
use crate::lvs::routing::Route;
use crate::sys::neighbour::Mac;
use crate::vrrp::Priority;
use crate::vrrp::router::Claim;

/// What is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// What must be there, and how.
    pub(super) held: BTreeMap<Holding, Spec>,
    /// What may stay where it is: of virtual routers that have not heard anybody
    /// yet, or that are handing over.
    pub(super) undecided: BTreeSet<Holding>,
    /// Where the addresses are of virtual routers that are no master. They are
    /// nowhere on this host, unless they are its own.
    pub(super) let_go: BTreeSet<Place>,
    /// Nothing is known yet, so nothing is unwanted.
    pub(super) all_undecided: bool,
}

/// How a thing must be, beyond its identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Spec {
    /// A macvlan on the interface `parent`, with this hardware address.
    Interface { parent: String, mac: Mac },
    /// Up.
    Up,
    /// Packets are dropped.
    Filter,
    /// With this label. `owner`: it is this host's own, and there whatever lvsd
    /// does.
    Address { label: Option<String>, owner: bool },
    /// With this way out.
    Route(Route),
    /// Just so.
    Rule,
}

impl Wanted {
    pub(super) fn from_status(status: &VrrpStatus) -> Self {
        let mut wanted = Self {
            all_undecided: !status.configured,
            ..Self::default()
        };
        for instance in status.instances.values() {
            // An interface that is down harms nobody, and a takeover need not
            // wait until it is made.
            wanted.held.extend(interface(instance));
            let is_owner = instance.settings.priority == Priority::OWNER;
            if instance.claim != Claim::Hold && !is_owner {
                wanted.let_go.extend(instance.places());
            }
            match instance.claim {
                Claim::Hold => wanted.held.extend(held(instance)),
                Claim::Undecided | Claim::Keep => wanted.undecided.extend(instance.things()),
                Claim::Release => {}
            }
        }
        wanted
    }
}

fn interface(instance: &InstanceStatus) -> Option<(Holding, Spec)> {
    let virtual_mac = instance.holdings.virtual_mac.as_ref()?;
    let holding = Holding::Interface(virtual_mac.interface.clone());
    let parent = instance.interface.clone();
    let mac = virtual_mac.mac;
    Some((holding, Spec::Interface { parent, mac }))
}

fn held(instance: &InstanceStatus) -> impl Iterator<Item = (Holding, Spec)> {
    let holdings = &instance.holdings;
    let up = holdings.virtual_mac.iter();
    let up = up.map(|it| (Holding::Up(it.interface.clone()), Spec::Up));
    let filters = instance.filters().map(|filter| (filter, Spec::Filter));
    let owner = instance.settings.priority == Priority::OWNER;
    let addresses = instance.addresses.iter().map(move |address| {
        let place = Place::of(&instance.interface, holdings, address);
        let label = address.label.clone();
        (Holding::Address(place), Spec::Address { label, owner })
    });
    let routes = holdings.routes.iter();
    let routes = routes.map(|it| (Holding::Route(it.id.clone()), Spec::Route(it.clone())));
    let rules = holdings.rules.iter();
    let rules = rules.map(|it| (Holding::Rule(it.clone()), Spec::Rule));
    up.chain(filters)
        .chain(addresses)
        .chain(routes)
        .chain(rules)
}
