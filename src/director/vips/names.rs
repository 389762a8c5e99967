//! Interfaces that get another name: what lvsd put on one stays on it, and is lvsd's
//! still, also where lvsd was not there to see it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::holding::{Holding, Place};
use super::kernel::{Index, Kernel};
use crate::lvs::Prefixed;

/// Which interfaces had the names that matter, by their index: the kernel gives none to
/// another interface before the next boot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Names(BTreeMap<String, u32>);

/// What lvsd has added, as it is written down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owned {
    pub(super) things: BTreeSet<Holding>,
    /// The interfaces that they are on.
    pub(super) interfaces: Names,
}

impl Owned {
    /// What lvsd has added, on the interfaces that `names` knows.
    pub(super) fn new(things: &BTreeSet<Holding>, names: &Names) -> Self {
        let on: BTreeSet<_> = things.iter().filter_map(Holding::interface).collect();
        let known = names
            .0
            .iter()
            .filter(|(name, _)| on.contains(name.as_str()));
        Self {
            things: things.clone(),
            interfaces: Names(known.map(|(name, index)| (name.clone(), *index)).collect()),
        }
    }

    /// The addresses on the interface of this index, which has this name now.
    pub(super) fn on(&self, index: u32, name: &str) -> impl Iterator<Item = Prefixed> {
        let places = self.things.iter().filter_map(Holding::place);
        let here = places.filter(move |place| match self.interfaces.0.get(&place.interface) {
            Some(known) => *known == index,
            None => place.interface == name,
        });
        here.map(|place| place.address)
    }

    /// The same by the names that the interfaces have now.
    pub(super) fn now(&self, kernel: &Kernel) -> BTreeSet<Holding> {
        self.interfaces.follow(&self.things, kernel)
    }
}

impl Names {
    /// Takes note of the interfaces of these names. One that is gone is remembered, and
    /// so are, with `keeps_others`, those of other names.
    pub(super) fn note<'n>(
        &mut self,
        names: impl Iterator<Item = &'n str>,
        kernel: &Kernel,
        keeps_others: bool,
    ) {
        let mut noted = match keeps_others {
            true => self.0.clone(),
            false => BTreeMap::new(),
        };
        for name in names {
            let index = kernel.link(name).map(|link| link.index);
            if let Some(index) = index.or_else(|| self.0.get(name).copied()) {
                noted.insert(name.to_owned(), index);
            }
        }
        self.0 = noted;
    }

    /// What the interface is called that had this name, which none has now.
    pub(super) fn renamed<'k>(&self, name: &str, kernel: &'k Kernel) -> Option<&'k str> {
        match kernel.link(name) {
            Some(_) => None,
            None => self.other_name(name, kernel),
        }
    }

    /// What lvsd has added, by the names that the interfaces have now.
    pub(super) fn follow(&self, owned: &BTreeSet<Holding>, kernel: &Kernel) -> BTreeSet<Holding> {
        let index = Index::new(kernel);
        let followed = owned.iter().map(|holding| {
            let moved = self.moved(holding, kernel);
            let moved = moved.filter(|moved| index.has(moved));
            moved.unwrap_or_else(|| holding.clone())
        });
        followed.collect()
    }

    fn moved(&self, holding: &Holding, kernel: &Kernel) -> Option<Holding> {
        let other = |name: &str| self.other_name(name, kernel).map(str::to_owned);
        match holding {
            Holding::Address(place) => Some(Holding::Address(Place {
                interface: other(&place.interface)?,
                address: place.address,
            })),
            Holding::Interface(name) => other(name).map(Holding::Interface),
            Holding::Up(_) | Holding::Filter(_) | Holding::Route(_) | Holding::Rule(_) => None,
        }
    }

    fn other_name<'k>(&self, name: &str, kernel: &'k Kernel) -> Option<&'k str> {
        let index = self.0.get(name)?;
        let mut links = kernel.links.iter();
        let link = links.find(|link| link.index == *index)?;
        (link.name != name).then_some(link.name.as_str())
    }
}

#[cfg(test)]
mod tests;
