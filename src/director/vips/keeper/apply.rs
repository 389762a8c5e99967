//! Performing a plan.

use std::collections::BTreeSet;

use super::Keeper;
use crate::director::vips::VipsStatus;
use crate::director::vips::log::Line;
use crate::director::vips::plan::{Op, Place, Plan};
use crate::lvs::Prefixed;
use crate::status::text::chain;
use crate::sys::address::NewAddress;
use crate::sys::rtnetlink;

/// What performing a plan came to.
pub(super) struct Applied {
    pub(super) added: BTreeSet<Place>,
    /// Something must be tried again.
    pub(super) failed: bool,
    pub(super) status: VipsStatus,
}

impl Keeper {
    /// Performs a plan: the file first, then what it speaks of.
    pub(super) async fn apply(&mut self, plan: Plan) -> Applied {
        let mut applied = Applied {
            added: BTreeSet::new(),
            failed: false,
            status: VipsStatus {
                held: plan.present,
                problems: plan.problems,
                ..VipsStatus::default()
            },
        };
        self.owned.extend(plan.ops.iter().filter_map(|op| match op {
            Op::Add(_, place) => Some(place.clone()),
            Op::Remove(..) | Op::Forget(_) => None,
        }));
        self.save(&mut applied);
        for op in &plan.ops {
            match (self.perform(op).await, op) {
                (Ok(()), Op::Add(_, place)) => {
                    applied.added.insert(place.clone());
                    applied.status.held.insert(place.clone());
                }
                (Ok(()), Op::Remove(..) | Op::Forget(_)) => {}
                (Err(error), Op::Add(_, place) | Op::Remove(_, place) | Op::Forget(place)) => {
                    applied.failed = true;
                    let problem = chain(&error);
                    applied.status.problems.insert(place.clone(), problem);
                }
            }
        }
        self.save(&mut applied);
        applied
    }

    async fn perform(&mut self, op: &Op) -> Result<(), rtnetlink::Error> {
        match op {
            Op::Add(link, place) => {
                if let Err(error) = self.add(*link, place.address).await {
                    if error.is_exists() {
                        // Somebody else was faster, so it is not ours.
                        self.owned.remove(place);
                    }
                    return Err(error);
                }
                self.log.write(Line::Added(place.clone()));
            }
            Op::Remove(link, place) => {
                match self.netlink.delete_address(*link, place.address).await {
                    Err(error) if !error.is_not_found() => return Err(error),
                    Ok(()) | Err(_) => self.log.write(Line::Removed(place.clone())),
                }
                self.owned.remove(place);
            }
            Op::Forget(place) => {
                self.owned.remove(place);
            }
        }
        Ok(())
    }

    async fn add(&self, link: u32, address: Prefixed) -> Result<(), rtnetlink::Error> {
        let new = NewAddress {
            address,
            ..NewAddress::host(address.address)
        };
        self.netlink.add_address(link, &new).await
    }

    /// Writes down what lvsd owns, unless the file says so already. An address
    /// that cannot be written down is added all the same: clients come first.
    fn save(&mut self, applied: &mut Applied) {
        if self.owned == self.saved {
            return;
        }
        match self.config.store.save(&self.owned) {
            Ok(()) => self.saved.clone_from(&self.owned),
            Err(error) => {
                applied.failed = true;
                applied.status.error = Some(chain(&error));
            }
        }
    }
}
