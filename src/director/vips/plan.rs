//! What must be added and what removed.

mod verdict;

use std::collections::{BTreeMap, BTreeSet};

use super::holding::{Holding, Place};
use super::kernel::{Index, Kernel};
use super::wanted::{Spec, Wanted};
use verdict::{Verdict, World, elsewhere, is_virtual_mac, trespass, verdict};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Op {
    Add(Holding, Spec),
    /// It is there, put there by lvsd, and not as wanted.
    Replace(Holding, Spec),
    /// It is there, put there by lvsd, by this other name.
    Rename(String, Holding, Spec),
    Remove(Holding),
    /// It is gone already.
    Forget(Holding),
}

impl Op {
    pub(super) fn holding(&self) -> &Holding {
        match self {
            Self::Add(holding, _)
            | Self::Replace(holding, _)
            | Self::Rename(_, holding, _)
            | Self::Remove(holding)
            | Self::Forget(holding) => holding,
        }
    }

    /// Whether it makes an interface, which others then find their place on.
    fn makes_interface(&self) -> bool {
        matches!(
            self,
            Self::Add(Holding::Interface(_), _)
                | Self::Replace(Holding::Interface(_), _)
                | Self::Rename(..)
        )
    }
}

/// The way from what the kernel has to what is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) ops: Vec<Op>,
    /// What is wanted and there already.
    pub(super) present: BTreeSet<Holding>,
    pub(super) problems: BTreeMap<Holding, String>,
    /// What is not wanted and there all the same, put there by somebody else.
    pub(super) foreign: BTreeSet<Holding>,
}

impl Plan {
    /// The part that must be done before the rest can be planned, if there is one.
    pub(super) fn first_step(&self) -> Option<Self> {
        let ops = self.ops.iter().filter(|op| op.makes_interface());
        let ops: Vec<_> = ops.cloned().collect();
        (!ops.is_empty()).then(|| Self {
            ops,
            ..Self::default()
        })
    }
}

/// Compares. `owned` is what lvsd has added; all else it does not touch.
/// Additions come before removals, and each in its order.
pub(super) fn plan(wanted: &Wanted, owned: &BTreeSet<Holding>, kernel: &Kernel) -> Plan {
    let mut plan = Plan::default();
    let index = Index::new(kernel);
    for (holding, spec) in &wanted.held {
        match verdict(holding, spec, (wanted, owned, &index)) {
            Verdict::Ours => drop(plan.present.insert(holding.clone())),
            Verdict::Foreign(problem) => {
                plan.present.insert(holding.clone());
                let problem = problem.map(|problem| (holding.clone(), problem));
                plan.problems.extend(problem);
            }
            Verdict::Impossible(problem) => {
                drop(plan.problems.insert(holding.clone(), problem));
            }
            Verdict::Absent => plan
                .ops
                .push(addition(holding, spec, (wanted, owned, &index))),
            Verdict::Changed => plan.ops.push(Op::Replace(holding.clone(), spec.clone())),
        }
    }
    for place in &wanted.let_go {
        if let Some(problem) = trespass(place, (wanted, owned, &index)) {
            let holding = Holding::Address(place.clone());
            plan.foreign.insert(holding.clone());
            plan.problems.insert(holding, problem);
        }
    }
    for holding in unwanted(wanted, owned, &index) {
        plan.ops.push(match index.has(&holding) {
            true => Op::Remove(holding),
            false => Op::Forget(holding),
        });
    }
    plan
}

/// An interface that lvsd made and that has another name now, which nobody wants, gets
/// its name: two of one hardware address cannot both be up, and what is on it stays.
fn addition(holding: &Holding, spec: &Spec, (wanted, owned, index): World<'_>) -> Op {
    let add = || Op::Add(holding.clone(), spec.clone());
    let Spec::Interface { parent, mac } = spec else {
        return add();
    };
    let named = index.kernel.links.iter().find(|link| {
        let interface = Holding::Interface(link.name.clone());
        is_virtual_mac(link, parent, *mac, index)
            && owned.contains(&interface)
            && !wanted.held.contains_key(&interface)
    });
    match named {
        Some(link) => Op::Rename(link.name.clone(), holding.clone(), spec.clone()),
        None => add(),
    }
}

/// Wanted interfaces that are there as lvsd makes them, name, place and hardware address,
/// and what is on them: lvsd's, though its file of them is lost.
pub(super) fn known_by_looks(
    wanted: &Wanted,
    owned: &BTreeSet<Holding>,
    kernel: &Kernel,
) -> BTreeSet<Holding> {
    let index = Index::new(kernel);
    let mut known = BTreeSet::new();
    for (holding, spec) in &wanted.held {
        if let (Holding::Interface(name), Spec::Interface { parent, mac }) = (holding, spec)
            && !owned.contains(holding)
            && let Some(link) = kernel.link(name)
            && is_virtual_mac(link, parent, *mac, &index)
        {
            known.insert(holding.clone());
            let addresses = kernel.addresses.iter().filter(|it| it.link == link.index);
            known.extend(addresses.map(|it| {
                Holding::Address(Place {
                    interface: name.clone(),
                    address: it.address,
                })
            }));
        }
    }
    known
}

/// What lvsd has added and is wanted no more, the last to come first.
fn unwanted(
    wanted: &Wanted,
    owned: &BTreeSet<Holding>,
    index: &Index<'_>,
) -> impl Iterator<Item = Holding> {
    // An interface of lvsd's is up or down as lvsd wants it.
    let up = owned.iter().filter_map(|holding| match holding {
        Holding::Interface(name) => Some(Holding::Up(name.clone())),
        _ => None,
    });
    let up = up.filter(|up| index.has(up));
    let owned: BTreeSet<_> = owned.iter().cloned().chain(up).collect();
    let is_unwanted = |holding: &Holding| {
        !wanted.all_undecided
            && !wanted.held.contains_key(holding)
            && !wanted.undecided.contains(holding)
    };
    let unwanted: Vec<_> = owned.into_iter().filter(is_unwanted).collect();
    unwanted.into_iter().rev()
}

/// Where this host holds a wanted address already, on another interface than the
/// wanted one: the wanted place, and where it is.
pub(super) fn held_elsewhere(
    places: impl IntoIterator<Item = Place>,
    owned: &BTreeSet<Holding>,
    kernel: &Kernel,
) -> Option<(Place, Place)> {
    let wanted = Wanted::default();
    let index = Index::new(kernel);
    places.into_iter().find_map(|place| {
        let there = elsewhere(&place, (&wanted, owned, &index))?;
        Some((place, there))
    })
}

#[cfg(test)]
pub(super) mod tests;
