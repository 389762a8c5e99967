//! How one wanted thing fares.

use std::collections::BTreeSet;

use super::super::holding::{Holding, Place};
use super::super::kernel::{Found, Index};
use super::super::wanted::{Spec, Wanted};
use crate::sys::link::Link;
use crate::sys::neighbour::Mac;

/// How a wanted thing fares.
pub(super) enum Verdict {
    /// It is there, put there by lvsd.
    Ours,
    /// It is there, put there by lvsd, yet not as wanted.
    Changed,
    /// It is there, put there by somebody else; what is wrong with that.
    Foreign(Option<String>),
    /// It cannot be put there, and why.
    Impossible(String),
    Absent,
}

/// What is wanted, what lvsd has added, and what is there.
pub(super) type World<'a> = (&'a Wanted, &'a BTreeSet<Holding>, &'a Index<'a>);

pub(super) fn verdict(holding: &Holding, spec: &Spec, world: World<'_>) -> Verdict {
    let (_, owned, index) = world;
    match (holding, spec) {
        (Holding::Interface(name), Spec::Interface { parent, mac }) => {
            interface(name, parent, *mac, owned.contains(holding), index)
        }
        (Holding::Up(name), _) => match (index.kernel.link(name), strange(name, world)) {
            (None, _) => Verdict::Impossible(missing(name)),
            (Some(_), Some(problem)) => Verdict::Impossible(problem),
            (Some(link), None) if link.up => Verdict::Ours,
            (Some(_), None) => Verdict::Absent,
        },
        (Holding::Filter(_), _) if index.has(holding) => Verdict::Ours,
        (Holding::Address(place), Spec::Address { label, owner }) => {
            address(place, label.as_deref(), *owner, world)
        }
        (Holding::Route(id), Spec::Route(route)) => {
            let found = index.kernel.route(id);
            match absent(route.interface.as_deref(), index) {
                Some(name) => Verdict::Impossible(missing(name)),
                None if found.is_some_and(|found| route.is_met_by(found)) => Verdict::Ours,
                None if found.is_some() => Verdict::Changed,
                None => Verdict::Absent,
            }
        }
        (Holding::Rule(rule), _) if index.kernel.rules.contains(rule) => Verdict::Ours,
        // A spec of another kind there never is.
        (
            Holding::Interface(_)
            | Holding::Filter(_)
            | Holding::Address(_)
            | Holding::Route(_)
            | Holding::Rule(_),
            _,
        ) => Verdict::Absent,
    }
}

fn interface(name: &str, parent: &str, mac: Mac, is_owned: bool, index: &Index<'_>) -> Verdict {
    if index.kernel.link(parent).is_none() {
        return Verdict::Impossible(missing(parent));
    }
    let Some(link) = index.kernel.link(name) else {
        return Verdict::Absent;
    };
    match (is_owned, is_virtual_mac(link, parent, mac, index)) {
        (true, true) => Verdict::Ours,
        (true, false) if link.macvlan => Verdict::Changed,
        (true | false, _) => Verdict::Impossible(format!(
            "there is an interface {name} that lvsd did not make: remove it, or name another \
             with virtual_mac_interface"
        )),
    }
}

/// Whether a link is on this one, with this hardware address, as lvsd makes it.
pub(super) fn is_virtual_mac(link: &Link, parent: &str, mac: Mac, index: &Index<'_>) -> bool {
    let below = index.kernel.link(parent).map(|below| below.index);
    link.macvlan && below.is_some() && link.parent == below && link.hardware_address == mac
}

/// Why this interface, which ought to be one of lvsd's own, is not: it is not raised,
/// and nothing is put on it.
fn strange(name: &str, (wanted, owned, index): World<'_>) -> Option<String> {
    let holding = Holding::Interface(name.to_owned());
    let Spec::Interface { parent, mac } = wanted.held.get(&holding)? else {
        return None;
    };
    match interface(name, parent, *mac, owned.contains(&holding), index) {
        Verdict::Impossible(problem) => Some(problem),
        _ => None,
    }
}

fn address(place: &Place, label: Option<&str>, owner: bool, world: World<'_>) -> Verdict {
    let (_, owned, index) = world;
    if index.kernel.link(&place.interface).is_none() {
        return Verdict::Impossible(missing(&place.interface));
    }
    if let Some(problem) = strange(&place.interface, world) {
        return Verdict::Impossible(problem);
    }
    let here: Vec<_> = stays(place, world)
        .filter(|found| found.place.interface == place.interface)
        .collect();
    let is_owned = owned.contains(&Holding::Address(place.clone()));
    match here.iter().find(|found| is_owned && found.place == *place) {
        Some(found) if is_labelled(found, label) => return Verdict::Ours,
        Some(_) => return Verdict::Changed,
        None => {}
    }
    if let Some(found) = here.first() {
        return Verdict::Foreign((!owner).then(|| foreign(&found.place)));
    }
    match elsewhere(place, world) {
        Some(there) => Verdict::Impossible(format!(
            "{} is already on interface {} of this host, so it is not put on {}; remove it there",
            place.address.address, there.interface, place.interface
        )),
        None => Verdict::Absent,
    }
}

/// Where an interface is renamed, the kernel gives all its addresses but the first a label
/// of its own, such as `nic0:2`. To take that off it would have to take off the address.
fn is_labelled(found: &Found<'_>, label: Option<&str>) -> bool {
    let name = found.link.name.as_str();
    let number = found
        .label
        .and_then(|it| it.strip_prefix(name)?.strip_prefix(':'));
    let is_numbered = number.is_some_and(|it| it.bytes().all(|byte| byte.is_ascii_digit()));
    found.label == label || label.is_none() && is_numbered
}

/// On which other interface this host has the address. A director that is a real
/// server too has its VIPs on the loopback, where they answer no ARP.
pub(super) fn elsewhere(place: &Place, world: World<'_>) -> Option<Place> {
    let (_, _, index) = world;
    index.kernel.link(&place.interface)?;
    let mut others = stays(place, world)
        .filter(|found| !found.link.loopback && found.place.interface != place.interface);
    // Where it is on both, it is where it belongs.
    let is_here = stays(place, world).any(|found| found.place.interface == place.interface);
    others
        .next()
        .filter(|_| !is_here)
        .map(|found| found.place.clone())
}

/// What is wrong if this host has the address of a virtual router that is no
/// master, and lvsd did not put it there. On the loopback it answers no ARP, as on
/// any real server.
pub(super) fn trespass(place: &Place, (_, owned, index): World<'_>) -> Option<String> {
    let found = index.addresses(place.address.address).iter();
    let strange: Vec<_> = found
        .filter(|found| !found.link.loopback)
        .map(|found| &found.place)
        .filter(|place| !owned.contains(&Holding::Address((*place).clone())))
        .collect();
    let listed = |text: fn(&Place) -> String, separator| {
        let texts: Vec<_> = strange.iter().map(|place| text(place)).collect();
        texts.join(separator)
    };
    (!strange.is_empty()).then(|| {
        format!(
            "{} was not put there by lvsd, and this host is not master: two hosts may answer for \
             it; take it off: {}",
            listed(Place::to_string, " and "),
            listed(
                |it| format!("ip addr del {} dev {}", it.address, it.interface),
                "; "
            ),
        )
    })
}

/// Wherever the address is; what lvsd is about to remove is in nobody's way.
fn stays<'a>(
    place: &Place,
    (wanted, owned, index): World<'a>,
) -> impl Iterator<Item = &'a Found<'a>> {
    let found = index.addresses(place.address.address).iter();
    found.filter(move |found| {
        let holding = Holding::Address(found.place.clone());
        !owned.contains(&holding) || wanted.held.contains_key(&holding)
    })
}

fn absent<'a>(name: Option<&'a str>, index: &Index<'_>) -> Option<&'a str> {
    let name = name?;
    index.kernel.link(name).is_none().then_some(name)
}

fn missing(interface: &str) -> String {
    format!("there is no interface {interface}")
}

fn foreign(there: &Place) -> String {
    format!(
        "{there} was not put there by lvsd: it stays there when another director is master; \
         remove it from the host's network configuration"
    )
}
