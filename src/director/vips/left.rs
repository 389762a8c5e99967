//! What a run that crashed has left: a virtual router whose addresses are all here was
//! master until then, and clients are still served.

use std::collections::BTreeSet;

use super::holding::{Holding, Place};
use super::kernel::{Index, Kernel};
use crate::director::vrrp::{Command, VrrpStatus};

/// Whether it was told of what an earlier run has left.
#[derive(Debug, Default)]
pub(super) struct Left {
    is_told: bool,
}

impl Left {
    /// What is to be told of it: once, when it is known what is configured. Until then
    /// `owned`, what lvsd has put there, is an earlier run's.
    pub(super) fn tell(
        &mut self,
        vrrp: &VrrpStatus,
        owned: &BTreeSet<Holding>,
        kernel: &Kernel,
    ) -> Vec<Command> {
        if self.is_told || !vrrp.configured {
            return vec![];
        }
        self.is_told = true;
        let index = Index::new(kernel);
        let is_left = |place: Place| {
            let address = Holding::Address(place);
            owned.contains(&address) && index.has(&address)
        };
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
