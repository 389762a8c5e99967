//! The agent's decisions. It is told what the kernel holds and answers with what
//! to do; start, drift, reload, drain and stop are the same question.
//!
//! Order is safety here: a VIP is added only when ARP is quiet, and ARP is let
//! loose only when the VIPs are gone. Where that takes several rounds the driver
//! looks again and asks again, until there is nothing to do.

mod action;
mod life;
mod lingering;
mod names;
mod observed;
mod report;
mod steps;
mod strays;
mod track;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

pub use action::{Action, Cause};
use jiff::Timestamp;
use life::Phase;
pub use observed::Observed;
pub use report::{Answer, Said};
use track::Track;

use super::journal::{Journal, Origin};
use super::sysctl::{self, Wanted};
use super::vip::{self, Place};
use super::{mss, tunnel};
use crate::config::realserver::{Method, RealServerConfig};
use crate::status::realserver::Service;
use crate::sys::link::Link;
use crate::sys::sysctl::Key;

/// The agent of one host.
#[derive(Debug)]
pub struct Agent {
    configured_vips: Vec<IpAddr>,
    /// The VIPs that are not taken away while another configuration is tried.
    kept: Vec<IpAddr>,
    /// Whether one is: then its tunnels are wanted, though this host be drained.
    on_trial: bool,
    interface: String,
    method: Method,
    listen: SocketAddr,
    secure: bool,
    drain: Duration,
    phase: Phase,
    journal: Journal,
    /// Why the newest could not be put on disk.
    unrecorded: Option<String>,
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
            on_trial: false,
            interface: config.interface.clone(),
            method: config.method.clone(),
            listen: config.readiness.listen,
            secure: config.readiness.tls.is_some(),
            drain: config.drain,
            phase: Phase::Serving,
            journal,
            unrecorded: None,
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
        self.on_trial = false;
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
        self.on_trial = true;
    }

    /// Takes over what somebody else has put right: from the next [`Agent::reconcile`] on
    /// it is the agent's to remove. `earlier` is what was noted before this run.
    pub fn adopt(&mut self, earlier: Journal) {
        self.adopting = Some(earlier);
    }

    /// The parameters to read for [`Observed::sysctls`] on a host with these
    /// interfaces.
    pub fn keys(&self, links: &[Link]) -> BTreeSet<Key> {
        let known = self.journal.vips.keys().chain(&self.journal.lingering);
        let mut vips = self.configured_vips.iter().chain(&self.kept).chain(known);
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
        if journal == self.journal {
            self.unrecorded = None;
        } else {
            actions.insert(0, Action::Record(journal));
        }
        actions
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

    /// The VIPs that were there before lvsd.
    pub fn found_vips(&self) -> impl Iterator<Item = IpAddr> {
        let vips = self.journal.vips.iter();
        vips.filter(|(_, origin)| **origin == Origin::Found)
            .map(|(vip, _)| *vip)
    }

    /// The VIPs that are wanted: none once this host has let go of them.
    fn wanted_vips(&self) -> &[IpAddr] {
        if self.phase.holds_vips() {
            &self.configured_vips
        } else {
            &[]
        }
    }

    /// Whether a VIP is wanted, or not yet given up.
    fn wants(&self, vip: IpAddr) -> bool {
        self.wanted_vips().contains(&vip) || self.kept.contains(&vip)
    }

    fn tunnels_wanted(&self) -> tunnel::Wanted {
        let vips = match self.on_trial {
            true => &self.configured_vips,
            false => self.wanted_vips(),
        };
        tunnel::wanted(&self.method, vips)
    }

    fn wanted_sysctls(&self) -> Wanted {
        let mut vips = self.wanted_vips().iter().chain(&self.kept);
        match vips.any(IpAddr::is_ipv4) || !self.loud().is_empty() {
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
}

#[cfg(test)]
mod tests;
