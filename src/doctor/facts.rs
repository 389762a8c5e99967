//! What was seen of a host, as a value, and what follows from it by itself.

mod boot;
mod ipvs;
mod lan;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::config::director::DirectorConfig;
use crate::config::realserver::RealServerConfig;
use crate::lvs::Forwarding;
use crate::realserver::gateway::Way;
use crate::status::realserver::State;
use crate::status::{director, realserver};
use crate::sys::address::Address;
use crate::sys::hop::Hop;
use crate::sys::link::Link;
use crate::sys::sysctl::Key;

use super::finding::Role;
use super::firewall::Ruleset;

pub use boot::{Boot, Script, Setting, Settings};
pub use ipvs::{Count, Flow, Ipvs, Kernel};
pub use wire::{Heard, VirtualRouter, Wire};

/// Everything the rules look at. An empty value is a host without LVS.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Network interfaces.
    pub links: Vec<Link>,
    /// Their addresses.
    pub addresses: Vec<Address>,
    /// Kernel parameters that are numbers.
    pub sysctls: BTreeMap<Key, i32>,
    /// How the real servers of table and file are reached; none: not at all.
    pub routes: BTreeMap<IpAddr, Option<Hop>>,
    /// The gateways of the default routes.
    pub gateways: BTreeSet<IpAddr>,
    /// The ways of answers to clients, of a real server behind NAT.
    pub answer_ways: Vec<Way>,
    /// The kernel's IPVS.
    pub ipvs: Ipvs,
    /// Where TCP connections are accepted.
    pub listening: BTreeSet<SocketAddr>,
    /// Where datagrams of UDP are received.
    pub receiving: BTreeSet<SocketAddr>,
    /// The packet filter.
    pub firewall: Ruleset,
    /// The same after the listening, where adverts did not come through; counters have
    /// grown meanwhile.
    pub firewall_later: Option<Ruleset>,
    /// What the next boot brings, and what runs beside lvsd.
    pub boot: Boot,
    /// What the running director says.
    pub director: Option<Box<director::Director>>,
    /// What the running agent says.
    pub agent: Option<realserver::Status>,
    /// Whether it was looked for, and does not run.
    pub agent_down: bool,
    /// Whether one ran that did not end by itself: its socket is there, deserted.
    pub agent_died: bool,
    /// Whether the last agent to run was drained, as it noted for the next one.
    pub drained: bool,
    /// The director's file.
    pub director_config: Option<DirectorConfig>,
    /// The agent's file.
    pub realserver_config: Option<RealServerConfig>,
    /// Files that were found where lvsd looks for them and that it refuses, with
    /// its first words.
    pub refused_files: Vec<(String, String)>,
    /// What was heard on the wire; none: nobody listened.
    pub wire: Option<Wire>,
    /// The longest that this program was kept from running while it listened.
    pub stall: Option<Duration>,
    /// Connections that conntrack follows, and how many it can.
    pub conntrack: Option<(u64, u64)>,
    /// Neighbours the kernel knows, and how many it can.
    pub neighbours: Option<(u64, u64)>,
    /// What could not be looked at, and why.
    pub unseen: Vec<String>,
}

impl Facts {
    /// What this host is, in the order of [`Role`].
    pub fn roles(&self) -> Vec<Role> {
        let director = self.is_director().then_some(Role::Director);
        let real_server = self.is_real_server().then_some(Role::RealServer);
        director.into_iter().chain(real_server).collect()
    }

    /// Whether it balances: by its table, by lvsd, or by keepalived.
    pub fn is_director(&self) -> bool {
        !self.table().is_empty()
            || self.director.is_some()
            || self.director_config.is_some()
            || self.boot.keepalived_routes
            || self.boot.keepalived_balances
    }

    /// Whether it is balanced onto: the VIP on `lo`, the agent, or what was
    /// written to put the VIP there.
    pub fn is_real_server(&self) -> bool {
        self.agent.is_some()
            || self.realserver_config.is_some()
            || self.served_vips().next().is_some()
            || self.boot.scripts.iter().any(|script| script.runs_at_boot)
    }

    /// Whether an operator has drained it, or is about to be done with that.
    pub fn is_drained(&self) -> bool {
        match &self.agent {
            Some(agent) => agent.state == State::Drained || agent.draining_until.is_some(),
            None => self.drained,
        }
    }

    /// A kernel parameter, if it is there.
    pub fn sysctl(&self, key: &Key) -> Option<i32> {
        self.sysctls.get(key).copied()
    }

    /// The value that counts on an interface where the kernel takes the larger of
    /// `all` and the interface's own.
    pub fn larger(&self, interface: &str, name: &str) -> Option<i32> {
        let all = self.sysctl(&Key::ipv4_conf("all", name))?;
        let own = self.sysctl(&Key::ipv4_conf(interface, name))?;
        Some(all.max(own))
    }

    /// The VIPs that this host is to have on `lo`, as agent, files and scripts
    /// say. Nobody has to have any that only the kernel knows.
    pub fn wanted_on_lo(&self) -> BTreeSet<IpAddr> {
        let agent = self.agent.iter().flat_map(|agent| &agent.vips);
        let agent = agent.map(|vip| vip.address);
        let file = self.realserver_config.iter().flat_map(|file| &file.vips);
        let scripts = self.boot.scripts.iter().filter(|script| !script.by_hand);
        let scripts = scripts.flat_map(|script| &script.vips);
        agent.chain(file.copied()).chain(scripts.copied()).collect()
    }

    /// The VIPs of this host's virtual servers and virtual routers.
    pub fn balanced_vips(&self) -> BTreeSet<IpAddr> {
        let table = self.table().keys().filter_map(|id| id.vip());
        let file = self
            .director_config
            .iter()
            .flat_map(|file| file.virtual_servers.keys());
        let routers = self
            .virtual_routers()
            .into_iter()
            .flat_map(|it| it.addresses);
        table
            .chain(file.filter_map(|id| id.vip()))
            .chain(routers)
            .chain(self.boot.keepalived_vips.iter().copied())
            .collect()
    }

    /// The real servers of table and file that have the VIP themselves, as they do
    /// under direct routing and behind tunnels: each VIP, with the RIP.
    pub fn shared_vips(&self) -> BTreeSet<(IpAddr, IpAddr)> {
        let table = self.table().iter().flat_map(|(id, server)| {
            let pool = server.real_servers.iter();
            pool.map(move |(rip, it)| (id, rip, it.real_server.forwarding))
        });
        let files = self.director_config.iter();
        let file = files.flat_map(|file| &file.virtual_servers);
        let file = file.flat_map(|(id, server)| {
            let pool = server.real_servers.iter();
            pool.map(move |(rip, it)| (id, rip, it.settings.forwarding))
        });
        let shared = table.chain(file).filter(|(.., it)| *it != Forwarding::Nat);
        shared
            .filter_map(|(id, rip, _)| Some((id.vip()?, rip.ip())))
            .collect()
    }

    /// Every VIP that this host has to do with.
    pub fn vips(&self) -> BTreeSet<IpAddr> {
        let mut vips = self.balanced_vips();
        vips.extend(self.wanted_on_lo());
        vips.extend(self.vips_on_lo().map(|address| address.address.address));
        vips
    }
}

#[cfg(test)]
pub(super) mod tests;
