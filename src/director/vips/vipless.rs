//! Virtual routers that are master, or about to be, and cannot hold a single one of
//! the addresses they advertise.
//!
//! Such a master draws the clients to a host that does not answer, so it goes to
//! fault and leaves mastership to others. It tries again after a while: nobody else
//! tells when the reason is gone.
//!
//! Nor does one become master whose virtual MAC cannot be made, as where somebody else's
//! interface has its name. That is looked at all the time, so it ends with its reason.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::VipsStatus;
use super::holding::{Holding, Place};
use crate::director::vrrp::{Command, InstanceStatus, VrrpStatus};
use crate::vrrp::router::Claim;

/// For how long it may fail before that counts: a router that preempts waits longer
/// for its addresses, and so disturbs no master that serves.
const GRACE: Duration = Duration::from_secs(1);

/// How long until it is tried again.
const RETRY: Duration = Duration::from_secs(30);

/// Those that fail, by name.
#[derive(Debug, Default)]
pub(super) struct Vipless(BTreeMap<String, Trial>);

#[derive(Debug, Clone, Copy)]
enum Trial {
    Fails { since: Instant },
    Fault { until: Instant },
    Unmade,
}

impl Vipless {
    /// What the VRRP thread is to be told now. `vrrp` is the status that was last
    /// carried out, and `vips` what came of it.
    pub(super) fn tend(
        &mut self,
        now: Instant,
        vrrp: &VrrpStatus,
        vips: &VipsStatus,
    ) -> Vec<Command> {
        self.0.retain(|name, _| vrrp.instances.contains_key(name));
        let mut commands = Vec::new();
        let mut tell = |instance: &String, why: Option<String>| {
            let instance = instance.clone();
            commands.push(Command::CannotHold { instance, why });
        };
        for (name, instance) in &vrrp.instances {
            let trial = self.0.get(name).copied();
            match (trial, unmade(instance, vips)) {
                (Some(Trial::Unmade), Some(_)) => continue,
                (_, Some(why)) => {
                    self.0.insert(name.clone(), Trial::Unmade);
                    tell(name, Some(why));
                    continue;
                }
                (Some(_) | None, None) => {}
            }
            match (trial, failure(instance, vips)) {
                (Some(Trial::Unmade), _) => {
                    self.0.remove(name);
                    tell(name, None);
                }
                (Some(Trial::Fault { until }), _) if now < until => {}
                (Some(Trial::Fault { .. }), _) => {
                    self.0.remove(name);
                    tell(name, None);
                }
                (Some(Trial::Fails { since }), Some(why)) if now >= since + GRACE => {
                    let until = now + RETRY;
                    self.0.insert(name.clone(), Trial::Fault { until });
                    tell(name, Some(why));
                }
                (Some(Trial::Fails { .. }), Some(_)) | (None, None) => {}
                (Some(Trial::Fails { .. }), None) => drop(self.0.remove(name)),
                (None, Some(_)) => {
                    self.0.insert(name.clone(), Trial::Fails { since: now });
                }
            }
        }
        commands
    }

    /// When to call [`tend`](Self::tend) although nothing has happened.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let times = self.0.values().filter_map(|trial| match trial {
            Trial::Fails { since } => Some(*since + GRACE),
            Trial::Fault { until } => Some(*until),
            Trial::Unmade => None,
        });
        times.min()
    }
}

/// Why its virtual MAC is not there.
fn unmade(instance: &InstanceStatus, vips: &VipsStatus) -> Option<String> {
    let virtual_mac = instance.holdings.virtual_mac.as_ref()?;
    let holding = Holding::Interface(virtual_mac.interface.clone());
    let problem = vips.problems.get(&holding)?;
    (!vips.held.contains(&holding)).then(|| problem.clone())
}

/// Why none of its advertised addresses is there, if it wants them, or why they are on an
/// interface that is down.
fn failure(instance: &InstanceStatus, vips: &VipsStatus) -> Option<String> {
    if instance.claim != Claim::Hold {
        return None;
    }
    if let Some(virtual_mac) = &instance.holdings.virtual_mac {
        let up = Holding::Up(virtual_mac.interface.clone());
        if let Some(problem) = vips.problems.get(&up)
            && !vips.held.contains(&up)
        {
            return Some(problem.clone());
        }
    }
    let advertised = instance.addresses.iter().filter(|it| it.advertised);
    let mut first = None;
    for address in advertised {
        let place = Place::of(&instance.interface, &instance.holdings, address);
        let holding = Holding::Address(place);
        if vips.held.contains(&holding) {
            return None;
        }
        let problem = vips.problems.get(&holding)?;
        first = first.or(Some(problem));
    }
    first.cloned()
}

#[cfg(test)]
mod tests;
