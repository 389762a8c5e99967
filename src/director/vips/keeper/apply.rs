//! Performing a plan.

use std::collections::BTreeSet;
use std::mem::discriminant;

use futures_util::future::join_all;

use super::Keeper;
use crate::director::vips::VipsStatus;
use crate::director::vips::holding::{Holding, Place};
use crate::director::vips::log::Line;
use crate::director::vips::names::Owned;
use crate::director::vips::plan::{Op, Plan};
use crate::director::vips::wanted::Spec;
use crate::lvs::Prefixed;
use crate::lvs::routing::Route;
use crate::status::text::chain;
use crate::sys::address::NewAddress;
use crate::sys::rtnetlink;

/// How many requests are on their way to the kernel at once: its answers must fit
/// the socket's buffer.
const PIPELINE: usize = 64;

/// What performing a plan came to.
#[derive(Default)]
pub(super) struct Applied {
    pub(super) added: BTreeSet<Place>,
    /// Something must be tried again.
    pub(super) failed: bool,
    pub(super) status: VipsStatus,
}

impl Keeper {
    /// Performs a plan: the file first, then what it speaks of.
    pub(super) async fn apply(&mut self, plan: Plan) -> Applied {
        self.own(&plan);
        let mut applied = Applied {
            status: VipsStatus {
                held: plan.present,
                problems: plan.problems,
                foreign: plan.foreign,
                ..VipsStatus::default()
            },
            ..Applied::default()
        };
        self.save(&mut applied);
        // One kind after the other, because each stands on the one before.
        let kind = |op: &Op| discriminant(op.holding());
        for kind in plan.ops.chunk_by(|a, b| kind(a) == kind(b)) {
            if kind[0].holding().filtered().is_some() {
                self.apply_filter(kind, &mut applied);
                continue;
            }
            for ops in kind.chunks(PIPELINE) {
                self.config.pulse.beat();
                let outcomes = join_all(ops.iter().map(|op| self.perform(op))).await;
                for (op, outcome) in ops.iter().zip(outcomes) {
                    self.note(op, outcome, &mut applied);
                }
            }
        }
        self.save(&mut applied);
        applied
    }

    /// Takes for lvsd's what it is about to add, and what carries its mark.
    fn own(&mut self, plan: &Plan) {
        let added = plan.ops.iter().filter_map(|op| match op {
            // Whether an interface is up is lvsd's because the interface is.
            Op::Add(Holding::Up(_), _) => None,
            Op::Add(holding, _) | Op::Rename(_, holding, _) => Some(holding.clone()),
            Op::Replace(..) | Op::Remove(_) | Op::Forget(_) => None,
        });
        let marked = plan.present.iter().filter(|holding| match holding {
            Holding::Filter(_) | Holding::Route(_) | Holding::Rule(_) => true,
            Holding::Interface(_) | Holding::Up(_) | Holding::Address(_) => false,
        });
        self.owned.extend(added.chain(marked.cloned()));
    }

    async fn perform(&self, op: &Op) -> Result<(), rtnetlink::Error> {
        match op {
            Op::Add(holding, spec) => self.add(holding, spec).await,
            Op::Replace(Holding::Route(_), Spec::Route(route)) => {
                let link = self.index_of(route.interface.as_deref());
                self.netlink.add_route(route, link, true).await
            }
            Op::Replace(holding, spec) => {
                self.remove(holding).await?;
                self.add(holding, spec).await
            }
            Op::Rename(from, Holding::Interface(name), spec) => {
                let link = self.index_of(Some(from)).unwrap_or_default();
                if self.netlink.rename_link(link, name).await.is_ok() {
                    return Ok(());
                }
                // Older kernels rename none that is up.
                self.netlink.delete_link(link).await?;
                self.add(op.holding(), spec).await
            }
            Op::Rename(_, holding, spec) => self.add(holding, spec).await,
            Op::Remove(holding) => match self.remove(holding).await {
                Err(error) if !error.is_not_found() => Err(error),
                Ok(()) | Err(_) => Ok(()),
            },
            Op::Forget(_) => Ok(()),
        }
    }

    async fn add(&self, holding: &Holding, spec: &Spec) -> Result<(), rtnetlink::Error> {
        match (holding, spec) {
            (Holding::Interface(name), Spec::Interface { parent, mac }) => {
                let parent = self.index_of(Some(parent)).unwrap_or_default();
                self.netlink.add_macvlan(name, parent, *mac).await
            }
            (Holding::Up(name), _) => {
                let link = self.index_of(Some(name)).unwrap_or_default();
                self.netlink.set_link_up(link, true).await
            }
            (Holding::Address(place), Spec::Address { label, .. }) => {
                let link = self.index_of(Some(&place.interface)).unwrap_or_default();
                let new = new_address(place.address, label.clone());
                self.netlink.add_address(link, &new).await
            }
            (Holding::Route(_), Spec::Route(route)) => {
                let link = self.index_of(route.interface.as_deref());
                self.netlink.add_route(route, link, false).await
            }
            (Holding::Rule(rule), _) => self.netlink.add_rule(rule).await,
            // A spec of another kind there never is, and a filter is not added here.
            (
                Holding::Interface(_)
                | Holding::Filter(_)
                | Holding::Address(_)
                | Holding::Route(_),
                _,
            ) => Ok(()),
        }
    }

    async fn remove(&self, holding: &Holding) -> Result<(), rtnetlink::Error> {
        let index = |name: &str| self.index_of(Some(name)).unwrap_or_default();
        match holding {
            Holding::Interface(name) => self.netlink.delete_link(index(name)).await,
            Holding::Up(name) => self.netlink.set_link_up(index(name), false).await,
            Holding::Filter(_) => Ok(()),
            Holding::Address(place) => {
                let link = index(&place.interface);
                self.netlink.delete_address(link, place.address).await
            }
            Holding::Route(id) => self.netlink.delete_route(id).await,
            Holding::Rule(rule) => self.netlink.delete_rule(rule).await,
        }
    }

    /// The index of an interface as it was seen last. 0 is none, and the kernel
    /// says so.
    fn index_of(&self, interface: Option<&str>) -> Option<u32> {
        let link = self.kernel.link(interface?);
        Some(link.map_or(0, |link| link.index))
    }

    /// Remembers what an op came to.
    fn note(&mut self, op: &Op, outcome: Result<(), rtnetlink::Error>, applied: &mut Applied) {
        match outcome {
            Ok(()) => self.done(op, applied),
            Err(error) if error.is_exists() => {
                // Somebody else was faster, so it is not ours.
                let holding = op.holding();
                self.owned.remove(holding);
                let problem =
                    format!("{holding} is there already, not put there by lvsd: remove it");
                Self::failed(op, problem, applied);
            }
            Err(error) => Self::failed(op, refusal(op, &error), applied),
        }
    }

    pub(super) fn done(&mut self, op: &Op, applied: &mut Applied) {
        let holding = op.holding();
        match op {
            Op::Add(..) | Op::Replace(..) | Op::Rename(..) => {
                applied.added.extend(holding.place().cloned());
                applied.status.held.insert(holding.clone());
                self.log.write(match op {
                    Op::Rename(from, ..) => Line::Renamed(from.clone(), holding.clone()),
                    _ => Line::Added(holding.clone()),
                });
            }
            Op::Remove(_) => {
                self.owned.remove(holding);
                self.log.write(Line::Removed(holding.clone()));
            }
            Op::Forget(_) => drop(self.owned.remove(holding)),
        }
    }

    pub(super) fn failed(op: &Op, problem: String, applied: &mut Applied) {
        applied.failed = true;
        applied
            .status
            .problems
            .insert(op.holding().clone(), problem);
    }

    /// Writes down what lvsd owns, unless the file says so already. What cannot
    /// be written down is added all the same: clients come first.
    fn save(&mut self, applied: &mut Applied) {
        let owned = Owned::new(&self.owned, &self.names);
        if owned == self.saved {
            return;
        }
        match self.config.store.save(&owned) {
            Ok(()) => self.saved = owned,
            Err(error) => {
                applied.failed = true;
                applied.status.error = Some(chain(&error));
            }
        }
    }
}

/// What the kernel refused, on which interface, why, and the way out where there is
/// one to tell.
fn refusal(op: &Op, error: &rtnetlink::Error) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    let Some(place) = op.holding().place() else {
        return match op {
            Op::Add(_, Spec::Route(route)) | Op::Replace(_, Spec::Route(route))
                if error.is_unreachable() =>
            {
                let cause = cause.unwrap_or_default().to_lowercase();
                off_link(route, &cause)
            }
            _ => chain(error),
        };
    };
    let mend = if error.is_denied() {
        "run lvsd as root, or with CAP_NET_ADMIN; for IPv6 net.ipv6.conf.all.disable_ipv6 must be 0"
            .to_owned()
    } else {
        format!("see `ip address show dev {}`", place.interface)
    };
    let cause = cause.unwrap_or_else(|| error.to_string());
    format!("cannot change {place}: {}; {mend}", cause.to_lowercase())
}

/// Where a gateway cannot be reached, because its interface has gone, say, the kernel
/// has taken the route away, or never took it.
fn off_link(route: &Route, cause: &str) -> String {
    let gateway = route.via.map(|via| via.to_string());
    let gateway = gateway.unwrap_or_else(|| "what it leads to".to_owned());
    format!(
        "not in the kernel while no interface of this host reaches {gateway} ({cause}): see \
         `ip -br address`"
    )
}

/// An address of IPv6 is usable at once: VRRP has seen to it that nobody else has
/// it. And it is never the source of what this host sends of its own accord, such
/// as checks, whose answers would not come back: the real servers have it too.
/// Those of IPv4 are not chosen while the interface has an older address.
fn new_address(address: Prefixed, label: Option<String>) -> NewAddress {
    let is_v6 = address.address.is_ipv6();
    NewAddress {
        address,
        label,
        nodad: is_v6,
        deprecated: is_v6,
        ..NewAddress::host(address.address)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::lvs::routing::{RouteId, RouteKind};

    #[test]
    fn a_route_whose_gateway_has_no_interface_is_told_as_gone_and_not_as_an_attempt() {
        let id = RouteId {
            table: 254,
            to: "10.0.0.0/8".parse().unwrap(),
            metric: 0,
        };
        let route = Route {
            id: id.clone(),
            kind: RouteKind::Unicast,
            via: Some("192.168.1.1".parse().unwrap()),
            interface: None,
            source: None,
            scope: None,
            mtu: None,
            advmss: None,
        };
        let op = Op::Add(Holding::Route(id), Spec::Route(route));
        let refused = |errno| rtnetlink::Error::Refused {
            what: "add route 10.0.0.0/8".to_owned(),
            cause: io::Error::from_raw_os_error(errno),
        };
        let told = refusal(&op, &refused(nix::libc::ENETUNREACH));
        let expected = "not in the kernel while no interface of this host reaches 192.168.1.1 \
                        (network is unreachable";
        assert!(told.starts_with(expected), "{told}");
        let told = refusal(&op, &refused(nix::libc::EINVAL));
        assert!(told.starts_with("cannot add route 10.0.0.0/8: "), "{told}");
    }
}
