//! What a run that crashed has left: a virtual router whose addresses are all here was
//! master until then, and clients are still served.

use std::collections::BTreeSet;

use super::holding::{Holding, Place};
use super::kernel::{Index, Kernel};
use crate::director::vrrp::{Command, VrrpStatus};

/// The addresses that an earlier run has written down as its own, until they are told of.
#[derive(Debug)]
pub(super) struct Left(Option<BTreeSet<Place>>);

impl Left {
    pub(super) fn of(owned: &BTreeSet<Holding>) -> Self {
        Self(Some(
            owned.iter().filter_map(Holding::place).cloned().collect(),
        ))
    }

    /// What is to be told of them: once, when it is known what is configured.
    pub(super) fn tell(&mut self, vrrp: &VrrpStatus, kernel: &Kernel) -> Vec<Command> {
        let Some(left) = self.0.take_if(|_| vrrp.configured) else {
            return vec![];
        };
        let index = Index::new(kernel);
        let is_left = |place: Place| left.contains(&place) && index.has(&Holding::Address(place));
        let instances = vrrp.instances.iter();
        let resumed = instances.filter(|(_, instance)| instance.places().all(is_left));
        let commands = resumed.map(|(name, _)| Command::VipsLeft {
            instance: name.clone(),
        });
        commands.collect()
    }
}

#[cfg(test)]
mod tests;
