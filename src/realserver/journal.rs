//! What this host was like before the agent first changed it, kept in a file so
//! that a stop after any number of crashes still knows.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::sysctl::Original;
use super::tunnel::Before;
use crate::sys::state_file::StateFile;
use crate::sys::sysctl::Key;

/// Who put a VIP where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Somebody else, before the first start: it stays when the agent stops.
    Found,
    /// The agent: it goes when the agent stops.
    Created,
}

/// What was there before, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Journal {
    /// The kernel parameters.
    pub sysctls: BTreeMap<Key, Original>,
    /// The index of each interface that [`Self::sysctls`] has parameters of: its name
    /// may change. A file of an older lvsd has none.
    #[serde(default)]
    pub links: BTreeMap<String, u32>,
    /// The VIPs.
    pub vips: BTreeMap<IpAddr, Origin>,
    /// The interface that they are on; none: `lo`.
    #[serde(default)]
    pub interface: Option<String>,
    /// VIPs that somebody else has on this host, and for which ARP would be answered if
    /// the parameters were put back.
    #[serde(default)]
    pub lingering: BTreeSet<IpAddr>,
    /// The tunnel devices.
    #[serde(default)]
    pub tunnels: BTreeMap<String, Before>,
    /// A UDP port at which the kernel unpacks GUE since lvsd asked for it.
    #[serde(default)]
    pub gue_port: Option<u16>,
    /// Whether routes and rules of [`super::mss`] may be there.
    #[serde(default)]
    pub routing: bool,
    /// Whether an operator has drained this host.
    #[serde(default)]
    pub drained: bool,
}

impl Journal {
    /// Tells that there is nothing to put back.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Notes that interfaces have other names now, by their old ones.
    pub fn rename(&mut self, interfaces: &BTreeMap<String, String>) {
        let new_key = |key: &Key| key.on_another_interface(|name| interfaces.get(name));
        // All of them out before the first comes in: two may have swapped names.
        let (mut moved, mut links) = (Vec::new(), Vec::new());
        self.sysctls.retain(|key, original| {
            let new = new_key(key).map(|new| (new, *original));
            let stays = new.is_none();
            moved.extend(new);
            stays
        });
        self.links.retain(|name, index| {
            let new = interfaces.get(name).map(|new| (new.clone(), *index));
            let stays = new.is_none();
            links.extend(new);
            stays
        });
        self.sysctls.extend(moved);
        self.links.extend(links);
    }

    /// Drops what was noted of an interface that is gone.
    pub fn forget_interface(&mut self, name: &str) {
        self.sysctls.retain(|key, _| key.interface() != Some(name));
        self.links.remove(name);
    }
}

/// The file that keeps it.
pub type Store = StateFile<Journal>;

#[cfg(test)]
mod tests;
