//! What packets within packets come out of: which devices and ports a tunnel needs
//! here, and what to do until they are there or, at the end, gone again.
//!
//! | packets | what receives them |
//! |---|---|
//! | IPv4 in IPv4 | `tunl0`, which the module `ipip` brings |
//! | IPv6 in IPv4 | `sit0`, which the module `sit` brings |
//! | GUE | the UDP port, which hands on what is inside to `tunl0` or `sit0` |
//! | GRE | `gre0`, which the module `ip_gre` brings |
//! | GRE with a checksum | a device of lvsd's own: `gre0` takes none with one |
//! | either in IPv6 | a device of lvsd's own, for the RIP |
//!
//! A device that comes with its module takes packets from anybody and cannot be
//! deleted: it is set up, and down again at the end if it was down before. Its MTU
//! plays no part: nothing is sent through it. [`super::mss`] sees to the MTU of the
//! LAN.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::config::realserver::{Method, Tunnel};
use crate::sys::address::Address;
use crate::sys::link::Link;
use crate::sys::tunnel::{Kind, NewTunnel};

/// The device for packets within IPv6.
const OVER_IPV6: &str = "lvsd-ip6";
/// The device for GRE with checksums.
const GRE_SUMS: &str = "lvsd-gre";

/// Whether a device comes with its module, so that it stays when it is deleted.
pub fn is_of_module(name: &str) -> bool {
    ![OVER_IPV6, GRE_SUMS].contains(&name)
}

/// What must be there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Devices, which must be up.
    pub devices: Vec<NewTunnel>,
    /// A UDP port at which GUE is unpacked.
    pub gue_port: Option<u16>,
}

/// What was there before the first start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Whether the device was there.
    pub existed: bool,
    /// Whether it was up.
    pub up: bool,
}

/// The address that a tunnel for IPv4 gets if it has none: with reverse path filtering,
/// loose as well, the kernel drops all that comes in by an interface without an address
/// (`no_addr` in `__fib_validate_source`). One of the loopback's range clashes with
/// nothing, and nobody is told of it.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 94, 80, 1);

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Give a device [`ADDRESS`].
    Address {
        /// Its index.
        index: u32,
        /// Its name.
        name: String,
    },
    /// Take it away.
    NoAddress {
        /// Its index.
        index: u32,
        /// Its name.
        name: String,
    },
    /// Make a device.
    Make(NewTunnel),
    /// Set a device up or down.
    Set {
        /// Its index.
        index: u32,
        /// Its name.
        name: String,
        /// Which.
        up: bool,
    },
    /// Delete a device.
    Delete {
        /// Its index.
        index: u32,
        /// Its name.
        name: String,
    },
    /// Have the kernel unpack GUE at this port.
    Open(u16),
    /// Have it unpack nothing there.
    Close(u16),
}

/// What a method of forwarding needs for these VIPs.
pub fn wanted(method: &Method, vips: &[IpAddr]) -> Wanted {
    let Method::Tunnel { tunnel, local, .. } = method else {
        return Wanted::default();
    };
    let own = |name: &str, kind| NewTunnel {
        name: name.to_owned(),
        kind,
        local: *local,
    };
    let of_module = |name: &str, kind| NewTunnel {
        name: name.to_owned(),
        kind,
        local: None,
    };
    let plain = || {
        let mut devices = Vec::new();
        if vips.iter().any(IpAddr::is_ipv4) {
            devices.push(of_module("tunl0", Kind::Ipip));
        }
        if vips.iter().any(IpAddr::is_ipv6) {
            devices.push(of_module("sit0", Kind::Sit));
        }
        devices
    };
    match (vips, tunnel) {
        ([], _) => Wanted::default(),
        (_, Tunnel::Ipip) if local.is_some_and(|local| local.is_ipv6()) => Wanted {
            devices: vec![own(OVER_IPV6, Kind::Ip6)],
            gue_port: None,
        },
        (_, Tunnel::Ipip) => Wanted {
            devices: plain(),
            gue_port: None,
        },
        (_, Tunnel::Gue { port }) => Wanted {
            devices: plain(),
            gue_port: Some(port.get()),
        },
        (_, Tunnel::Gre { checksum: false }) => Wanted {
            devices: vec![of_module("gre0", Kind::Gre { checksum: false })],
            gue_port: None,
        },
        (_, Tunnel::Gre { checksum: true }) => Wanted {
            devices: vec![own(GRE_SUMS, Kind::Gre { checksum: true })],
            gue_port: None,
        },
    }
}

/// The steps that make what is wanted from what is there.
pub fn plan(
    wanted: &Wanted,
    links: &[Link],
    addresses: &[Address],
    gue_ports: &[u16],
) -> Vec<Step> {
    let mut steps = Vec::new();
    for device in &wanted.devices {
        match links.iter().find(|link| link.name == device.name) {
            None => steps.push(Step::Make(device.clone())),
            Some(link) => {
                let on_it = |a: &&Address| a.link == link.index && a.address.address.is_ipv4();
                if device.kind != Kind::Sit && !addresses.iter().any(|a| on_it(&a)) {
                    let (index, name) = (link.index, link.name.clone());
                    steps.push(Step::Address { index, name });
                }
                if !link.up {
                    steps.push(set(link, true));
                }
            }
        }
    }
    if let Some(port) = wanted.gue_port.filter(|port| !gue_ports.contains(port)) {
        steps.push(Step::Open(port));
    }
    steps
}

/// The steps that leave of what lvsd changed only what is still wanted. `kept` are
/// devices that could not be deleted: they are their module's.
pub fn undo(
    wanted: &Wanted,
    links: &[Link],
    addresses: &[Address],
    gue_ports: &[u16],
    before: &BTreeMap<String, Before>,
    opened: Option<u16>,
    kept: &[String],
) -> Vec<Step> {
    let mut steps = Vec::new();
    for (name, before) in before {
        let Some(link) = links.iter().find(|link| link.name == *name) else {
            continue;
        };
        if wanted.devices.iter().any(|device| device.name == *name) {
            continue;
        }
        if has_address(link, addresses) {
            let (index, name) = (link.index, name.clone());
            steps.push(Step::NoAddress { index, name });
        }
        if link.up && !before.up {
            steps.push(set(link, false));
        } else if !before.existed && !kept.contains(name) {
            let (index, name) = (link.index, name.clone());
            steps.push(Step::Delete { index, name });
        }
    }
    if let Some(port) = opened
        && wanted.gue_port != Some(port)
        && gue_ports.contains(&port)
    {
        steps.push(Step::Close(port));
    }
    steps
}

/// Tells whether a device has the address that lvsd gives.
pub fn has_address(link: &Link, addresses: &[Address]) -> bool {
    addresses
        .iter()
        .any(|a| a.link == link.index && a.address.address == IpAddr::V4(ADDRESS))
}

/// Why nothing comes out of a tunnel that is wanted, each with the way out.
pub fn faults(wanted: &Wanted, links: &[Link], gue_ports: &[u16]) -> Vec<String> {
    let mut faults = Vec::new();
    for device in &wanted.devices {
        let name = &device.name;
        match links.iter().find(|link| link.name == *name) {
            None => faults.push(format!(
                "there is no {name} to unpack what directors send: modprobe {}",
                module(device.kind)
            )),
            Some(link) if !link.up => {
                faults.push(format!("{name} is down: ip link set {name} up"));
            }
            Some(_) => {}
        }
    }
    if let Some(port) = wanted.gue_port.filter(|port| !gue_ports.contains(port)) {
        faults.push(format!(
            "the kernel does not unpack GUE at UDP port {port}: modprobe fou"
        ));
    }
    faults
}

/// The module that has a kind of device.
pub fn module(kind: Kind) -> &'static str {
    match kind {
        Kind::Ipip => "ipip",
        Kind::Sit => "sit",
        Kind::Gre { .. } => "ip_gre",
        Kind::Ip6 => "ip6_tunnel",
    }
}

fn set(link: &Link, up: bool) -> Step {
    Step::Set {
        index: link.index,
        name: link.name.clone(),
        up,
    }
}

#[cfg(test)]
mod tests;
