//! The agent's decisions. It is told what the kernel holds and answers with what
//! to do; start, drift, reload, drain and stop are the same question.
//!
//! Order is safety here: a VIP is added only when ARP is quiet, and ARP is let
//! loose only when the VIPs are gone. Where that takes several rounds the driver
//! looks again and asks again, until there is nothing to do.

mod life;
mod names;
mod report;
mod steps;
mod strays;
mod track;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use life::Phase;
pub use report::{Answer, Said};
use track::Track;

use super::gateway::{Beyond, Way};
use super::journal::Journal;
use super::sysctl::{self, Wanted, Write};
use super::vip::{self, Place};
use super::{mss, tunnel};
use crate::config::realserver::{Method, RealServerConfig};
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
    /// The VIPs that are on an interface, and of which the kernel takes no packets all
    /// the same: their route in the table `local` is gone.
    pub unrouted: BTreeSet<IpAddr>,
    /// The parameters of [`Agent::keys`] that there are.
    pub sysctls: BTreeMap<Key, i32>,
    /// The UDP ports at which GUE is unpacked, if [`Agent::needs_gue_ports`].
    pub gue_ports: Vec<u16>,
    /// Routes and rules, if [`Agent::needs_routing`].
    pub routing: mss::Routing,
    /// The ways of answers through [`Agent::gateways`].
    pub ways: Vec<Way>,
    /// The ways of answers to networks that have routes of their own.
    pub beyond: Beyond,
}

impl Observed {
    fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
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
    /// Add a VIP.
    AddVip {
        /// The index of its interface.
        link: u32,
        /// The address, with its label.
        address: NewAddress,
        /// Why now.
        cause: Cause,
    },
    /// Delete a VIP and add it again, which gives it its route in the table `local` back.
    RenewVip {
        /// The index of its interface.
        link: u32,
        /// The address as it is there.
        address: NewAddress,
        /// Why now.
        cause: Cause,
    },
    /// Remove a VIP.
    RemoveVip {
        /// The index of its interface.
        link: u32,
        /// The VIP.
        vip: IpAddr,
        /// Why now.
        cause: Cause,
    },
    /// Change something about the tunnels.
    Tunnel(tunnel::Step),
    /// Change something about the routes of answers.
    Route(mss::Step),
}

/// Why something is done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It was never right since this process runs.
    Start,
    /// Somebody took it away, or put a VIP on a host that is drained.
    Repair {
        /// How often that happened.
        count: u32,
    },
    /// It is not wanted any more.
    Restore,
}

/// The agent of one host.
#[derive(Debug)]
pub struct Agent {
    configured_vips: Vec<IpAddr>,
    /// The VIPs that are not taken away while another configuration is tried.
    kept: Vec<IpAddr>,
    interface: String,
    method: Method,
    listen: SocketAddr,
    secure: bool,
    drain: Duration,
    phase: Phase,
    journal: Journal,
    /// The devices that stay when they are deleted: their module's own.
    kept_devices: Vec<String>,
    seen: Observed,
    now: Timestamp,
    vips: BTreeMap<IpAddr, Track>,
    /// The VIPs that were added since they were last seen with a route, and when.
    renewed: BTreeMap<IpAddr, Timestamp>,
    /// While drained: how the VIPs fare, which belong on other hosts.
    strays: BTreeMap<IpAddr, Track>,
    sysctls: BTreeMap<Key, Track>,
    /// Whether a first start that failed is undone: all is left as it was found.
    undoes_start: bool,
    services: Vec<Service>,
    said: Said,
    weight: Option<Result<u8, String>>,
    connections: Option<usize>,
    started: Timestamp,
    /// What was noted before somebody else's work is taken over; none: nothing is.
    adopting: Option<Journal>,
}

impl Agent {
    /// An agent that starts now; `journal` is what an earlier run left on disk. One
    /// that an operator had drained goes on with that.
    pub fn new(config: &RealServerConfig, journal: Journal, now: Instant, wall: Timestamp) -> Self {
        let mut agent = Self {
            configured_vips: Vec::new(),
            kept: Vec::new(),
            interface: config.interface.clone(),
            method: config.method.clone(),
            listen: config.readiness.listen,
            secure: config.readiness.tls.is_some(),
            drain: config.drain,
            phase: Phase::Serving,
            journal,
            kept_devices: Vec::new(),
            seen: Observed::default(),
            now: wall,
            vips: BTreeMap::new(),
            renewed: BTreeMap::new(),
            strays: BTreeMap::new(),
            sysctls: BTreeMap::new(),
            undoes_start: false,
            services: Vec::new(),
            said: Said::default(),
            weight: None,
            connections: None,
            started: wall,
            adopting: None,
        };
        agent.configure(config);
        if agent.journal.drained {
            agent.resume_drain(now, wall);
        }
        agent
    }

    /// Takes another configuration. The next [`Agent::reconcile`] acts on it.
    pub fn configure(&mut self, config: &RealServerConfig) {
        self.configured_vips.clone_from(&config.vips);
        self.interface.clone_from(&config.interface);
        self.method.clone_from(&config.method);
        self.listen = config.readiness.listen;
        self.secure = config.readiness.tls.is_some();
        self.drain = config.drain;
        self.kept.clear();
        self.vips.retain(|vip, _| config.vips.contains(vip));
    }

    /// Takes another configuration on trial: no VIP is taken away until
    /// [`Agent::configure`] says which of the two it is.
    pub fn try_out(&mut self, config: &RealServerConfig) {
        let before = self.wanted_vips().to_vec();
        let tracks = self.vips.clone();
        self.configure(config);
        self.vips = tracks;
        self.kept = before;
    }

    /// Takes over what somebody else has put right: from the next [`Agent::reconcile`] on
    /// it is the agent's to remove. `earlier` is what was noted before this run.
    pub fn adopt(&mut self, earlier: Journal) {
        self.adopting = Some(earlier);
    }

    /// The parameters to read for [`Observed::sysctls`] on a host with these
    /// interfaces.
    pub fn keys(&self, links: &[Link]) -> BTreeSet<Key> {
        let mut vips = self.configured_vips.iter().chain(&self.kept);
        let wanted = match vips.any(IpAddr::is_ipv4) {
            true => self.silence_on(links),
            false => Wanted::new(),
        };
        let mut journal = self.journal.clone();
        names::follow(&mut journal, links);
        let journaled = journal.sysctls.into_keys();
        wanted.into_keys().chain(journaled).collect()
    }

    /// Whether [`Observed::gue_ports`] plays a part.
    pub fn needs_gue_ports(&self) -> bool {
        self.tunnels_wanted().gue_port.is_some() || self.journal.gue_port.is_some()
    }

    /// Whether [`Observed::routing`] plays a part.
    pub fn needs_routing(&self) -> bool {
        self.journal.routing || mss::is_needed(&self.method)
    }

    /// The directors that answers must pass, behind NAT.
    pub fn gateways(&self) -> &[IpAddr] {
        match &self.method {
            Method::Nat { gateways } => gateways,
            Method::DirectRoute | Method::Tunnel { .. } => &[],
        }
    }

    /// Compares what the kernel holds with what is wanted.
    pub fn reconcile(&mut self, now: Timestamp, observed: Observed) -> Vec<Action> {
        (self.seen, self.now) = (observed, now);
        self.track(now);
        self.renewed
            .retain(|vip, _| self.seen.unrouted.contains(vip));
        let mut journal = self.journal.clone();
        names::follow(&mut journal, &self.seen.links);
        self.note_first_sight(&mut journal);
        self.claim(&mut journal);
        let mut actions = self.removals(&journal);
        if actions.is_empty() {
            actions = self.passage_steps(&journal);
            let writes = self.sysctl_writes(&mut journal);
            // ARP first: until it is quiet no VIP is added.
            let quiet = writes.is_empty();
            actions.extend(writes);
            if quiet {
                actions.extend(self.additions(&mut journal));
                actions.extend(self.route_steps());
            }
            self.forget(&mut journal);
        }
        names::note(&mut journal, &self.seen.links);
        if journal != self.journal {
            actions.insert(0, Action::Record(journal));
        }
        actions
    }

    /// An action was performed.
    pub fn done(&mut self, action: Action, now: Timestamp) {
        match action {
            Action::Record(journal) => {
                self.journal = journal;
                self.adopting = None;
            }
            // Noted at once, not at the next look: by then somebody may have taken
            // it away again, and that counts.
            Action::AddVip { .. } | Action::RenewVip { .. } | Action::WriteSysctl { .. } => {
                if let Action::RenewVip { address, .. } | Action::AddVip { address, .. } = &action {
                    self.renewed.insert(address.address.address, now);
                }
                if let Some(track) = self.track_of(&action) {
                    track.observe(true, now);
                }
            }
            Action::RemoveVip { vip, .. } => {
                if let Some(track) = self.strays.get_mut(&vip) {
                    track.observe(true, now);
                }
            }
            Action::Tunnel(tunnel::Step::Delete { name, .. }) => self.kept_devices.push(name),
            Action::Tunnel(tunnel::Step::Make(made)) => {
                self.kept_devices.retain(|name| *name != made.name);
            }
            Action::Tunnel(_) | Action::Route(_) => {}
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

    /// Notes who has, or may have, undone what an action repaired. Returns whether
    /// it has happened so often that somebody must look.
    pub fn blame(&mut self, action: &Action, who: &str) -> bool {
        let now = self.now;
        self.track_of(action).is_some_and(|track| {
            track.by = Some(who.to_owned());
            track.is_contested(now)
        })
    }

    /// Hears what the checks of the services say.
    pub fn hear(&mut self, services: Vec<Service>) {
        self.services = services;
    }

    /// Hears what this host told the LAN.
    pub fn hear_said(&mut self, said: Said) {
        self.said = said;
    }

    /// Hears the weight, or why there is none. None: nobody asked for one, or it is not
    /// known yet.
    pub fn hear_weight(&mut self, weight: Option<Result<u8, String>>) {
        self.weight = weight;
    }

    /// The name of an interface, as of the last [`Agent::reconcile`].
    pub fn link_name(&self, index: u32) -> Option<String> {
        let link = self.seen.links.iter().find(|link| link.index == index);
        link.map(|link| link.name.clone())
    }

    /// The parameters that it sets and that there are, as of the last
    /// [`Agent::reconcile`].
    pub fn sysctls(&self) -> impl Iterator<Item = &Key> {
        self.sysctls.keys()
    }

    /// The VIPs of the configuration.
    pub fn configured_vips(&self) -> &[IpAddr] {
        &self.configured_vips
    }

    /// The VIPs that are wanted: none once this host has let go of them.
    fn wanted_vips(&self) -> &[IpAddr] {
        if self.phase.holds_vips() {
            &self.configured_vips
        } else {
            &[]
        }
    }

    fn tunnels_wanted(&self) -> tunnel::Wanted {
        tunnel::wanted(&self.method, self.wanted_vips())
    }

    fn wanted_sysctls(&self) -> Wanted {
        let mut vips = self.wanted_vips().iter().chain(&self.kept);
        match vips.any(IpAddr::is_ipv4) || self.has_loud_stray() {
            true => self.silence_on(&self.seen.links),
            false => Wanted::new(),
        }
    }

    /// What keeps a host with these interfaces silent about a VIP of IPv4.
    fn silence_on(&self, links: &[Link]) -> Wanted {
        let speakers = links.iter().filter(|link| !link.loopback && !link.noarp);
        let speakers: Vec<_> = speakers.map(|link| link.name.as_str()).collect();
        let tunnels = self.tunnels_wanted().devices;
        let tunnels: Vec<_> = tunnels.iter().map(|tunnel| tunnel.name.as_str()).collect();
        sysctl::wanted(&speakers, &tunnels)
    }

    fn place(&self, vip: IpAddr) -> Place {
        vip::locate(vip, &self.interface, &self.seen.links, &self.seen.addresses)
    }

    /// How the wanted thing fares that an action is about.
    fn track_of(&mut self, action: &Action) -> Option<&mut Track> {
        match action {
            Action::AddVip { address, .. } | Action::RenewVip { address, .. } => {
                self.vips.get_mut(&address.address.address)
            }
            Action::WriteSysctl { write, .. } => self.sysctls.get_mut(&write.key),
            Action::RemoveVip { vip, .. } => self.strays.get_mut(vip),
            Action::Record(_) | Action::Tunnel(_) | Action::Route(_) => None,
        }
    }

    fn track(&mut self, now: Timestamp) {
        for vip in self.wanted_vips().to_vec() {
            let right = self.place(vip).bound && !self.lacks_route(vip);
            let track = self.vips.entry(vip);
            track
                .or_insert_with(|| Track::new(right, now))
                .observe(right, now);
        }
        if !self.phase.holds_vips() {
            // What is taken away now is nobody's fault, and what comes back is new.
            self.vips.clear();
        }
        self.track_strays(now);
        let wanted = self.wanted_sysctls();
        self.sysctls.retain(|key, _| wanted.contains_key(key));
        for (key, rule) in wanted {
            // An interface that is just going has no parameters any more.
            let Some(value) = self.seen.sysctls.get(&key) else {
                continue;
            };
            let right = rule.accepts(*value);
            let track = self.sysctls.entry(key);
            track
                .or_insert_with(|| Track::new(right, now))
                .observe(right, now);
        }
    }
}

#[cfg(test)]
mod tests;
