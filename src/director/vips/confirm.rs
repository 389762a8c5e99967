//! Telling the VRRP thread that a virtual router has what it asked for.
//!
//! A router that takes over from a working master sends its advert only then.
//! So it matters that no confirmation comes early, and none is forgotten:
//! whatever the keeper did last, it asks here what is to be confirmed.

use std::collections::BTreeMap;

use super::holding::Place;
use crate::director::vrrp::{Command, VrrpStatus};
use crate::vrrp::router::Claim;

/// What was confirmed, by virtual router.
#[derive(Debug, Default)]
pub(super) struct Confirmations(BTreeMap<String, u64>);

impl Confirmations {
    /// What is to be confirmed now. `vrrp` is the status that was last carried
    /// out, and `is_served` whether an address is on its interface and was
    /// announced since.
    pub(super) fn due(
        &mut self,
        vrrp: &VrrpStatus,
        is_served: impl Fn(&Place) -> bool,
    ) -> Vec<Command> {
        self.0.retain(|name, _| vrrp.instances.contains_key(name));
        let mut commands = Vec::new();
        for (name, instance) in &vrrp.instances {
            let announcements = instance.announcements;
            let mut places = instance.places();
            if instance.claim == Claim::Hold
                && self.0.get(name) != Some(&announcements)
                && places.all(|place| is_served(&place))
            {
                self.0.insert(name.clone(), announcements);
                commands.push(Command::VipsHeld {
                    instance: name.clone(),
                    announcements,
                });
            }
        }
        commands
    }
}

#[cfg(test)]
pub(super) mod tests;
