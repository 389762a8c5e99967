//! From what the kernel holds to the actions, and what must be remembered of it.

use std::net::IpAddr;

use jiff::SignedDuration;

use super::track::cause_of;
use super::{Action, Agent, Cause};
use crate::config::realserver::INTERFACE;
use crate::lvs::Prefixed;
use crate::realserver::journal::{Journal, Origin};
use crate::realserver::sysctl::{self, Original, Write};
use crate::realserver::tunnel::Before;
use crate::realserver::{adopt, mss, tunnel, vip};

/// How long the kernel may take to give an address its route: it does so at once for IPv4,
/// and a moment later, from a queue of its own, for IPv6.
const ROUTED_WITHIN: SignedDuration = SignedDuration::from_secs(1);

/// How long after a VIP was added it may be so again without being seen with a route.
const RENEW_AGAIN: SignedDuration = SignedDuration::from_secs(5);

impl Agent {
    /// Enters what is wanted and was never seen before.
    pub(super) fn note_first_sight(&self, journal: &mut Journal) {
        for key in self.wanted_sysctls().into_keys() {
            if let Some(value) = self.seen.sysctls.get(&key).copied() {
                let changed = false;
                journal
                    .sysctls
                    .entry(key)
                    .or_insert(Original { value, changed });
            }
        }
        for vip in self.wanted_vips() {
            let origin = match self.place(*vip).bound {
                true => Origin::Found,
                false => Origin::Created,
            };
            journal.vips.entry(*vip).or_insert(origin);
            journal.interface = Some(self.interface.clone()).filter(|name| name != INTERFACE);
        }
        journal.lingering = self.loud();
        let tunnels = self.tunnels_wanted();
        for device in &tunnels.devices {
            let found = self.seen.link(&device.name);
            let before = Before {
                existed: found.is_some(),
                up: found.is_some_and(|link| link.up),
            };
            let entry = journal.tunnels.entry(device.name.clone());
            entry.or_insert(before);
        }
        if let Some(port) = tunnels.gue_port
            && journal.gue_port.is_none()
            && !self.seen.gue_ports.contains(&port)
        {
            journal.gue_port = Some(port);
        }
        journal.routing |= mss::is_needed(&self.method) && !self.wanted_vips().is_empty();
        journal.drained = self.rests();
    }

    /// Whether an action may be done without a new record: what is on disk is enough to
    /// undo it, or it is itself an undoing.
    pub fn is_undoable(&self, action: &Action) -> bool {
        match action {
            Action::Record(_) | Action::RenewVip { .. } | Action::RemoveVip { .. } => true,
            Action::WriteSysctl { write, cause } => {
                let known = self.journal.sysctls.get(&write.key);
                *cause == Cause::Restore || known.is_some_and(|it| it.changed)
            }
            Action::AddVip { address, .. } => {
                let known = self.journal.vips.get(&address.address.address);
                known == Some(&Origin::Created)
            }
            Action::Tunnel(_) | Action::Route(_) => self.is_stopping(),
        }
    }

    /// Makes what is right the agent's own, if that is to be.
    pub(super) fn claim(&self, journal: &mut Journal) {
        if let Some(earlier) = &self.adopting {
            let vips = self.wanted_vips().iter().copied();
            let bound: Vec<_> = vips.filter(|vip| self.place(*vip).bound).collect();
            adopt::claim(journal, earlier, &bound, &self.wanted_sysctls());
        }
    }

    /// What packets come out of.
    pub(super) fn passage_steps(&self, journal: &Journal) -> Vec<Action> {
        let wanted = self.tunnels_wanted();
        let (links, ports) = (&self.seen.links, &self.seen.gue_ports);
        let addresses = &self.seen.addresses;
        let undo = tunnel::undo(
            &wanted,
            links,
            addresses,
            ports,
            &journal.tunnels,
            journal.gue_port,
            &self.kept_devices,
        );
        // A port that lvsd opened is closed before it opens another: the journal
        // knows of one.
        let other_port = journal.gue_port.is_some() && journal.gue_port != wanted.gue_port;
        let plan = tunnel::plan(&wanted, links, addresses, ports)
            .into_iter()
            .filter(|step| !(other_port && matches!(step, tunnel::Step::Open(_))));
        undo.into_iter().chain(plan).map(Action::Tunnel).collect()
    }

    /// The way that answers take.
    pub(super) fn route_steps(&self) -> Vec<Action> {
        if !self.journal.routing && !mss::is_needed(&self.method) {
            return Vec::new();
        }
        let vips = self.wanted_vips();
        let steps = mss::plan(&self.method, vips, &self.seen.links, &self.seen.routing);
        steps.into_iter().map(Action::Route).collect()
    }

    pub(super) fn sysctl_writes(&self, journal: &mut Journal) -> Vec<Action> {
        let wanted = self.wanted_sysctls();
        let writes = sysctl::plan(&self.seen.sysctls, &wanted, &journal.sysctls);
        let action = |write: Write| {
            let mut cause = Cause::Restore;
            if wanted.contains_key(&write.key) {
                if let Some(original) = journal.sysctls.get_mut(&write.key) {
                    original.changed = true;
                }
                cause = cause_of(self.sysctls.get(&write.key));
            }
            Action::WriteSysctl { write, cause }
        };
        writes.into_iter().map(action).collect()
    }

    pub(super) fn additions(&self, journal: &mut Journal) -> Vec<Action> {
        let Some(link) = self.seen.link(&self.interface).map(|link| link.index) else {
            return Vec::new();
        };
        let mut present = self.seen.addresses.clone();
        let mut actions = Vec::new();
        for (nth, vip) in self.wanted_vips().iter().enumerate() {
            if self.place(*vip).bound {
                actions.extend(self.renewal(link, *vip));
                continue;
            }
            // Even one that was there before the first start: whoever put it there
            // has taken it away, so what lvsd adds now is lvsd's to remove.
            journal.vips.insert(*vip, Origin::Created);
            let address = vip::new_address(*vip, &self.interface, nth, &present);
            present.push(vip::as_listed(link, &address));
            let cause = cause_of(self.vips.get(vip));
            actions.push(Action::AddVip {
                link,
                address,
                cause,
            });
        }
        actions
    }

    /// Whether a VIP has no route in the table `local`, and none is on its way.
    pub(super) fn lacks_route(&self, vip: IpAddr) -> bool {
        let added = self.renewed.get(&vip);
        let is_late = added.is_none_or(|at| self.now.duration_since(*at) >= ROUTED_WITHIN);
        is_late && self.seen.unrouted.contains(&vip)
    }

    /// What gives a VIP its route back; not at once again where it did not help, since
    /// each time takes the VIP away. Whoever added it, it stays theirs.
    fn renewal(&self, link: u32, vip: IpAddr) -> Option<Action> {
        let mut addresses = self.seen.addresses.iter();
        let host = Prefixed::host(vip);
        let listed = addresses.find(|it| it.link == link && it.address == host)?;
        let last = self.renewed.get(&vip);
        let is_time = last.is_none_or(|at| self.now.duration_since(*at) >= RENEW_AGAIN);
        let is_wanted = is_time && self.seen.unrouted.contains(&vip);
        is_wanted.then(|| Action::RenewVip {
            link,
            address: vip::same_address(listed),
            cause: cause_of(self.vips.get(&vip)),
        })
    }

    /// Drops what is neither wanted nor left to be undone.
    pub(super) fn forget(&self, journal: &mut Journal) {
        let wanted = self.wanted_sysctls();
        journal.sysctls.retain(|key, original| {
            let found = self.seen.sysctls.get(key);
            let differs = found.is_some_and(|value| *value != original.value);
            wanted.contains_key(key) || (original.changed && differs)
        });
        journal.vips.retain(|vip, origin| {
            let ours = *origin == Origin::Created && self.place(*vip).bound;
            self.wants(*vip) || ours
        });
        journal.interface = journal
            .interface
            .take()
            .filter(|_| !journal.vips.is_empty() || !journal.lingering.is_empty());
        let tunnels = self.tunnels_wanted();
        journal.tunnels.retain(|name, before| {
            let wanted = tunnels.devices.iter().any(|device| device.name == *name);
            let left = self.seen.link(name).is_some_and(|link| {
                let kept = before.existed || self.kept_devices.contains(name);
                let addressed = tunnel::has_address(link, &self.seen.addresses);
                (link.up && !before.up) || !kept || addressed
            });
            wanted || left
        });
        let open = |port: &u16| self.seen.gue_ports.contains(port);
        journal.gue_port = journal
            .gue_port
            .filter(|port| tunnels.gue_port == Some(*port) || open(port));
        let routing = mss::is_needed(&self.method) && !self.wanted_vips().is_empty();
        let found = &self.seen.routing;
        let left = found.routes.iter().any(|route| route.table == mss::TABLE)
            || found.rules.iter().any(|rule| rule.table == mss::TABLE);
        journal.routing &= routing || left;
    }
}
