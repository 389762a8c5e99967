//! What the agent is told of the kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::realserver::gateway::{Beyond, Way};
use crate::realserver::mss;
use crate::sys::address::Address;
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
    /// The parameters of [`Agent::keys`](super::Agent::keys) that there are.
    pub sysctls: BTreeMap<Key, i32>,
    /// The UDP ports at which GUE is unpacked, if [`Agent::needs_gue_ports`](super::Agent::needs_gue_ports).
    pub gue_ports: Vec<u16>,
    /// Routes and rules, if [`Agent::needs_routing`](super::Agent::needs_routing).
    pub routing: mss::Routing,
    /// The ways of answers through [`Agent::gateways`](super::Agent::gateways).
    pub ways: Vec<Way>,
    /// The ways of answers to networks that have routes of their own.
    pub beyond: Beyond,
}

impl Observed {
    pub(super) fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }
}
