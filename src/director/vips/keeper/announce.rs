//! Sending announcements when they are due.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;

use super::Keeper;
use crate::director::vips::holding::Place;
use crate::director::vips::log::Line;
use crate::director::vrrp::{InstanceStatus, VrrpStatus};
use crate::sys::clock;
use crate::sys::neighbour::Mac;
use crate::sys::sysctl::Key;
use crate::vrrp::router::Claim;

impl Keeper {
    /// Announces what was added just now, and everything of a virtual router
    /// that asked for it.
    pub(super) fn schedule_announcements(
        &mut self,
        vrrp: &VrrpStatus,
        added: &BTreeSet<Place>,
        held: &BTreeSet<Place>,
    ) {
        let now = clock::now();
        self.schedule.retain(|place| held.contains(place));
        self.announced
            .retain(|name, _| vrrp.instances.contains_key(name));
        for (name, instance) in &vrrp.instances {
            let asked = instance.announcements;
            let has_asked = self.announced.insert(name.clone(), asked) != Some(asked);
            let pace = instance.holdings.announce;
            for place in instance.places() {
                if added.contains(&place) || has_asked && held.contains(&place) {
                    self.schedule.start(now, place, pace);
                }
            }
        }
    }

    /// Sends the announcements that are due.
    pub(super) fn announce(&mut self) {
        let now = clock::now();
        if self.schedule.deadline().is_some_and(|at| at <= now) {
            let instances = self.carried_out.instances.values();
            let masters = instances.filter(|instance| instance.claim == Claim::Hold);
            let silent = masters.filter(|instance| !instance.lease.is_valid(now));
            let unsure = silent.flat_map(InstanceStatus::places).collect();
            self.schedule.put_off(now, &unsure);
        }
        for place in self.schedule.due(now) {
            let Some(link) = self.kernel.link(&place.interface) else {
                continue;
            };
            let (Some(index), Ok(mac)) = (
                NonZeroU32::new(link.index),
                Mac::try_from(link.hardware_address.as_slice()),
            ) else {
                continue;
            };
            let address = place.address.address;
            let router = address.is_ipv6() && forwards(&place.interface);
            if let Err(error) = self.announcer.announce(index, mac, address, router) {
                self.log.write(Line::NotAnnounced(place, error));
            }
        }
    }

    /// Tells virtual routers that all their addresses are held and announced.
    pub(super) fn confirm(&mut self) {
        let status = Arc::clone(&self.config.publisher.borrow());
        let schedule = &self.schedule;
        let is_served = |place: &Place| status.holds(place) && schedule.is_announced(place);
        for command in self.confirmations.due(&self.carried_out, is_served) {
            self.config.commands.send(command);
        }
    }
}

impl Keeper {
    /// Tells virtual routers that cannot hold their addresses to be no master.
    pub(super) fn give_up(&mut self) {
        let status = Arc::clone(&self.config.publisher.borrow());
        let now = clock::now();
        for command in self.vipless.tend(now, &self.carried_out, &status) {
            self.config.commands.send(command);
        }
    }
}

/// Whether this host is a router of IPv6 there.
fn forwards(interface: &str) -> bool {
    let forwarding = Key::ipv6_conf(interface, "forwarding").read();
    forwarding.is_ok_and(|value| value != 0)
}
