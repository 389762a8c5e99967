//! The agent's decisions. It is told what the kernel holds and answers with what
//! to do; start, drift, reload, drain and stop are the same question.
//!
//! Order is safety here: a VIP is added only when ARP is quiet, and ARP is let
//! loose only when the VIPs are gone. Where that takes several rounds the driver
//! looks again and asks again, until there is nothing to do.

mod report;
mod track;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use jiff::Timestamp;
pub use report::Answer;
use track::Track;

use super::journal::{Journal, Origin};
use super::sysctl::{self, Original, Wanted, Write};
use super::vip::{self, Place};
use crate::config::realserver::RealServerConfig;
use crate::lvs::Forwarding;
use crate::status::realserver::Service;
use crate::sys::address::{Address, NewAddress};
use crate::sys::link::Link;
use crate::sys::sysctl::Key;

/// What the kernel holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    /// Every interface.
    pub links: Vec<Link>,
    /// Every address.
    pub addresses: Vec<Address>,
    /// The parameters of [`Agent::keys`] that there are.
    pub sysctls: BTreeMap<Key, i32>,
}

impl Observed {
    fn lo(&self) -> Option<&Link> {
        self.links.iter().find(|link| link.name == "lo")
    }
}

/// What to do, in order. [`Agent::done`] or [`Agent::failed`] tells how it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Put this on disk, and do nothing that follows if it fails.
    Record(Journal),
    /// Write a parameter.
    WriteSysctl {
        /// Which, and what.
        write: Write,
        /// Why now.
        cause: Cause,
    },
    /// Add a VIP to `lo`.
    AddVip {
        /// The index of `lo`.
        lo: u32,
        /// The address, with its label.
        address: NewAddress,
        /// Why now.
        cause: Cause,
    },
    /// Remove a VIP from `lo`.
    RemoveVip {
        /// The index of `lo`.
        lo: u32,
        /// The VIP.
        vip: IpAddr,
    },
}

/// Why something is done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It was never right since this process runs.
    Start,
    /// Somebody took it away.
    Repair {
        /// How often that happened.
        count: u32,
    },
    /// It is not wanted any more.
    Restore,
}

/// How far the agent's life has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    Draining { until: Instant, at: Timestamp },
    Stopping,
}

/// The agent of one host.
#[derive(Debug)]
pub struct Agent {
    wanted_vips: Vec<IpAddr>,
    forwarding: Forwarding,
    listen: SocketAddr,
    drain: Duration,
    phase: Phase,
    journal: Journal,
    seen: Observed,
    vips: BTreeMap<IpAddr, Track>,
    sysctls: BTreeMap<Key, Track>,
    services: Vec<Service>,
    started: Timestamp,
}

impl Agent {
    /// An agent that starts now; `journal` is what an earlier run left on disk.
    pub fn new(config: &RealServerConfig, journal: Journal, now: Timestamp) -> Self {
        let mut agent = Self {
            wanted_vips: Vec::new(),
            forwarding: config.forwarding,
            listen: config.readiness.listen,
            drain: config.drain,
            phase: Phase::Serving,
            journal,
            seen: Observed::default(),
            vips: BTreeMap::new(),
            sysctls: BTreeMap::new(),
            services: Vec::new(),
            started: now,
        };
        agent.configure(config);
        agent
    }

    /// Takes another configuration. The next [`Agent::reconcile`] acts on it.
    pub fn configure(&mut self, config: &RealServerConfig) {
        self.wanted_vips.clone_from(&config.vips);
        self.forwarding = config.forwarding;
        self.listen = config.readiness.listen;
        self.drain = config.drain;
        self.vips.retain(|vip, _| config.vips.contains(vip));
    }

    /// The parameters to read for [`Observed::sysctls`] on a host with these
    /// interfaces.
    pub fn keys(&self, links: &[Link]) -> Vec<Key> {
        let wanted = self.wanted_sysctls();
        let mut keys: Vec<Key> = wanted
            .keys()
            .chain(self.journal.sysctls.keys())
            .cloned()
            .collect();
        if !wanted.is_empty() {
            keys.extend(arp_speakers(links).flat_map(|link| {
                sysctl::PER_INTERFACE.map(|name| Key::ipv4_conf(&link.name, name))
            }));
        }
        keys
    }

    /// Compares what the kernel holds with what is wanted.
    pub fn reconcile(&mut self, now: Timestamp, observed: Observed) -> Vec<Action> {
        self.seen = observed;
        self.track(now);
        let mut journal = self.journal.clone();
        self.note_first_sight(&mut journal);
        let mut actions = self.removals(&journal);
        if actions.is_empty() {
            actions = self.sysctl_writes(&mut journal);
            // ARP first: until it is quiet no VIP is added.
            if actions.is_empty() {
                actions = self.additions(&mut journal);
            }
            self.forget(&mut journal);
        }
        if journal != self.journal {
            actions.insert(0, Action::Record(journal));
        }
        actions
    }

    /// An action was performed.
    pub fn done(&mut self, action: Action, now: Timestamp) {
        match action {
            Action::Record(journal) => self.journal = journal,
            // Noted at once, not at the next look: by then somebody may have taken
            // it away again, and that counts.
            Action::AddVip { .. } | Action::WriteSysctl { .. } => {
                if let Some(track) = self.track_of(&action) {
                    track.observe(true, now);
                }
            }
            Action::RemoveVip { .. } => {}
        }
    }

    /// An action failed. It is planned again as long as it is needed; meanwhile
    /// the reason is told. Returns whether that is news.
    pub fn failed(&mut self, action: &Action, reason: &str) -> bool {
        let Some(track) = self.track_of(action) else {
            return true;
        };
        let news = track.error.as_deref() != Some(reason);
        track.error = Some(reason.to_owned());
        news
    }

    /// Hears what the checks of the services say.
    pub fn hear(&mut self, services: Vec<Service>) {
        self.services = services;
    }

    /// Somebody wants the agent to stop: it drains first, and a second wish ends
    /// the drain. Returns when the drain ends, unless that is now.
    pub fn terminate(&mut self, now: Instant, wall: Timestamp) -> Option<Instant> {
        self.phase = match self.phase {
            Phase::Serving if !self.drain.is_zero() => Phase::Draining {
                until: now + self.drain,
                at: wall.saturating_add(self.drain).unwrap_or(wall),
            },
            _ => Phase::Stopping,
        };
        self.deadline()
    }

    /// When [`Agent::expire`] is to be called.
    pub fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Draining { until, .. } => Some(until),
            Phase::Serving | Phase::Stopping => None,
        }
    }

    /// Ends a drain whose time is over.
    pub fn expire(&mut self, now: Instant) {
        if self.deadline().is_some_and(|until| now >= until) {
            self.phase = Phase::Stopping;
        }
    }

    /// Nothing is wanted any more: the next [`Agent::reconcile`] gives everything back.
    pub fn stop(&mut self) {
        self.phase = Phase::Stopping;
    }

    /// Tells whether it is giving everything back.
    pub fn is_stopping(&self) -> bool {
        self.phase == Phase::Stopping
    }

    /// The VIPs that are wanted: none while stopping.
    fn wanted_vips(&self) -> &[IpAddr] {
        match self.phase {
            Phase::Serving | Phase::Draining { .. } => &self.wanted_vips,
            Phase::Stopping => &[],
        }
    }

    fn wanted_sysctls(&self) -> Wanted {
        if self.wanted_vips().iter().any(IpAddr::is_ipv4) {
            sysctl::wanted(self.forwarding)
        } else {
            Wanted::new()
        }
    }

    fn place(&self, vip: IpAddr) -> Place {
        vip::locate(vip, &self.seen.links, &self.seen.addresses)
    }

    /// How the wanted thing fares that an action is about.
    fn track_of(&mut self, action: &Action) -> Option<&mut Track> {
        match action {
            Action::AddVip { address, .. } => self.vips.get_mut(&address.address.address),
            Action::WriteSysctl { write, .. } => self.sysctls.get_mut(&write.key),
            Action::RemoveVip { .. } | Action::Record(_) => None,
        }
    }

    fn track(&mut self, now: Timestamp) {
        for vip in self.wanted_vips().to_vec() {
            let right = self.place(vip).on_lo;
            let track = self.vips.entry(vip);
            track
                .or_insert_with(|| Track::new(right, now))
                .observe(right, now);
        }
        let wanted = self.wanted_sysctls();
        self.sysctls.retain(|key, _| wanted.contains_key(key));
        for (key, rule) in wanted {
            let right = self
                .seen
                .sysctls
                .get(&key)
                .is_some_and(|v| rule.accepts(*v));
            let track = self.sysctls.entry(key);
            track
                .or_insert_with(|| Track::new(right, now))
                .observe(right, now);
        }
    }

    /// Enters what is wanted and was never seen before.
    fn note_first_sight(&self, journal: &mut Journal) {
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
            let origin = match self.place(*vip).on_lo {
                true => Origin::Found,
                false => Origin::Created,
            };
            journal.vips.entry(*vip).or_insert(origin);
        }
    }

    fn removals(&self, journal: &Journal) -> Vec<Action> {
        let Some(lo) = self.seen.lo().map(|lo| lo.index) else {
            return Vec::new();
        };
        let unwanted = journal.vips.iter().filter(|(vip, origin)| {
            **origin == Origin::Created
                && !self.wanted_vips().contains(vip)
                && self.place(**vip).on_lo
        });
        unwanted
            .map(|(vip, _)| Action::RemoveVip { lo, vip: *vip })
            .collect()
    }

    fn sysctl_writes(&self, journal: &mut Journal) -> Vec<Action> {
        let wanted = self.wanted_sysctls();
        let writes = sysctl::plan(&self.seen.sysctls, &wanted, &journal.sysctls);
        let action = |write: Write| {
            let mut cause = Cause::Restore;
            if wanted.contains_key(&write.key) {
                if let Some(original) = journal.sysctls.get_mut(&write.key) {
                    original.changed = true;
                }
                cause = self
                    .sysctls
                    .get(&write.key)
                    .map_or(Cause::Start, Track::cause);
            }
            Action::WriteSysctl { write, cause }
        };
        writes.into_iter().map(action).collect()
    }

    fn additions(&self, journal: &mut Journal) -> Vec<Action> {
        let Some(lo) = self.seen.lo().map(|lo| lo.index) else {
            return Vec::new();
        };
        let mut present = self.seen.addresses.clone();
        let mut actions = Vec::new();
        for (nth, vip) in self.wanted_vips().iter().enumerate() {
            if self.place(*vip).on_lo {
                continue;
            }
            // Even one that was there before the first start: whoever put it there
            // has taken it away, so what lvsd adds now is lvsd's to remove.
            journal.vips.insert(*vip, Origin::Created);
            let address = vip::new_address(*vip, nth, &present);
            present.push(vip::as_listed(lo, &address));
            let cause = self.vips.get(vip).map_or(Cause::Start, Track::cause);
            actions.push(Action::AddVip { lo, address, cause });
        }
        actions
    }

    /// Drops what is neither wanted nor left to be undone.
    fn forget(&self, journal: &mut Journal) {
        let wanted = self.wanted_sysctls();
        journal.sysctls.retain(|key, original| {
            let found = self.seen.sysctls.get(key);
            let differs = found.is_some_and(|value| *value != original.value);
            wanted.contains_key(key) || (original.changed && differs)
        });
        journal.vips.retain(|vip, origin| {
            let ours = *origin == Origin::Created && self.place(*vip).on_lo;
            self.wanted_vips().contains(vip) || ours
        });
    }
}

/// The interfaces that speak ARP, and so could tell about a VIP.
fn arp_speakers(links: &[Link]) -> impl Iterator<Item = &Link> {
    links.iter().filter(|link| !link.loopback && !link.noarp)
}

#[cfg(test)]
mod tests;
