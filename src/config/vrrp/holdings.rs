//! What comes and goes with mastership, checked.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::lvs::routing::{Route, Rule};
use crate::lvs::{Family, Prefixed};
use crate::vrrp::Vrid;

/// An address that comes and goes with mastership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualAddress {
    /// The address, as it is put on the interface.
    pub address: Prefixed,
    /// The name that `ip` and `ifconfig` show it under; IPv4 only.
    pub label: Option<String>,
    /// Another interface than the virtual router's.
    pub interface: Option<String>,
    /// Whether the adverts name it.
    pub advertised: bool,
}

/// An address of the adverts, without anything special.
impl From<Prefixed> for VirtualAddress {
    fn from(address: Prefixed) -> Self {
        Self {
            address,
            label: None,
            interface: None,
            advertised: true,
        }
    }
}

/// `192.168.1.200/32`.
impl fmt::Display for VirtualAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl FromStr for VirtualAddress {
    type Err = <Prefixed as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<Prefixed>().map(Self::from)
    }
}

/// What else comes and goes with mastership, and how it is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Whether packets to the addresses that IPVS does not balance are dropped:
    /// accept mode (RFC 9568 §6.1) turned off.
    pub drops_packets: bool,
    /// The hardware address of the virtual router, if it has one of its own.
    pub virtual_mac: Option<VirtualMac>,
    /// Routes, in the order of the file.
    pub routes: Vec<Route>,
    /// Rules, in the order of the file.
    pub rules: Vec<Rule>,
    /// How its addresses are announced.
    pub announce: Announce,
}

impl Holdings {
    /// The interface that an address of a virtual router on `interface` is put on.
    pub fn interface_of<'a>(&'a self, interface: &'a str, address: &'a VirtualAddress) -> &'a str {
        let virtual_mac = self.virtual_mac.as_ref();
        let own = virtual_mac.map_or(interface, |it| &it.interface);
        address.interface.as_deref().unwrap_or(own)
    }
}

/// A hardware address that moves with the addresses (RFC 9568 §7.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualMac {
    /// The name of the interface that has it.
    pub interface: String,
    /// The address.
    pub mac: [u8; 6],
}

impl VirtualMac {
    /// RFC 9568 §7.3: 00-00-5E-00-01-{VRID}, and 00-00-5E-00-02-{VRID} of IPv6.
    pub fn address(family: Family, vrid: Vrid) -> [u8; 6] {
        let block = match family {
            Family::Ipv4 => 1,
            Family::Ipv6 => 2,
        };
        [0, 0, 0x5E, 0, block, vrid.get()]
    }
}

/// How clients and switches are told where the addresses are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announce {
    /// How often each address is announced in one round.
    pub repeat: u32,
    /// From the first round to the second; zero: there is no second.
    pub delay: Duration,
    /// Between two announcements from then on; none: there are no more.
    pub refresh: Option<Duration>,
    /// Between two announcements of whatever address on one interface.
    pub interval: Duration,
}

impl Default for Announce {
    fn default() -> Self {
        Self {
            repeat: 5,
            delay: Duration::from_secs(5),
            refresh: None,
            interval: Duration::from_micros(100),
        }
    }
}
