//! The nouns every part of lvsd shares: virtual server, real server, scheduler,
//! forwarding method, weight.
//!
//! They hold legal values only and know nothing of files, sockets or the
//! kernel's numbers: [`crate::config`] parses them from text and
//! [`crate::ipvs::wire`] turns them into netlink attributes.

mod forwarding;
pub mod routing;
mod scheduler;
mod servers;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use forwarding::{Checksum, Forwarding, Tunnel};
pub use scheduler::{KernelName, PersistenceEngine, Scheduler, SchedulerFlags};
pub use servers::Servers;

/// Version of the Internet protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// Tells the family of an address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }

    /// The prefix length that stands for a single host: 32 or 128.
    pub fn host_prefix_len(self) -> u8 {
        match self {
            Self::Ipv4 => 32,
            Self::Ipv6 => 128,
        }
    }
}

/// Transport protocol of a virtual server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

impl FromStr for Protocol {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            "sctp" => Ok(Self::Sctp),
            _ => Err("unknown protocol"),
        }
    }
}

/// What names a virtual server in the kernel: nothing else about it is part of
/// its identity, so everything else can be edited in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VirtualServerId {
    /// Packets of a protocol to a VIP and port. Port 0 stands for every port.
    Address {
        /// Transport protocol.
        protocol: Protocol,
        /// VIP and port.
        address: SocketAddr,
    },
    /// Packets that the firewall marked.
    Fwmark {
        /// Family of the marked packets: the kernel keeps one table for each.
        family: Family,
        /// The mark.
        mark: NonZeroU32,
    },
}

impl VirtualServerId {
    /// The family of the packets that this virtual server takes.
    pub fn family(&self) -> Family {
        match self {
            Self::Address { address, .. } => Family::of(address.ip()),
            Self::Fwmark { family, .. } => *family,
        }
    }

    /// The VIP, unless this virtual server is a firewall mark.
    pub fn vip(&self) -> Option<IpAddr> {
        match self {
            Self::Address { address, .. } => Some(address.ip()),
            Self::Fwmark { .. } => None,
        }
    }

    /// Whether UDP may come in, the only protocol of which the kernel schedules
    /// each packet by itself: a firewall mark takes what the firewall gives it.
    pub fn may_be_udp(&self) -> bool {
        match self {
            Self::Address { protocol, .. } => *protocol == Protocol::Udp,
            Self::Fwmark { .. } => true,
        }
    }
}

/// `tcp 192.168.1.200:80`, `fwmark 7`, `fwmark6 7`.
impl fmt::Display for VirtualServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { protocol, address } => write!(f, "{protocol} {address}"),
            Self::Fwmark {
                family: Family::Ipv4,
                mark,
            } => write!(f, "fwmark {mark}"),
            Self::Fwmark {
                family: Family::Ipv6,
                mark,
            } => write!(f, "fwmark6 {mark}"),
        }
    }
}

/// Reads what [`Display`](fmt::Display) writes.
impl FromStr for VirtualServerId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, rest) = text
            .split_once(' ')
            .ok_or("expected `tcp VIP:PORT` or `fwmark N`")?;
        let mark = || {
            rest.parse()
                .map_err(|_| "a firewall mark is a number from 1 up")
        };
        match kind {
            "fwmark" => Ok(Self::Fwmark {
                family: Family::Ipv4,
                mark: mark()?,
            }),
            "fwmark6" => Ok(Self::Fwmark {
                family: Family::Ipv6,
                mark: mark()?,
            }),
            _ => Ok(Self::Address {
                protocol: kind.parse()?,
                address: rest.parse().map_err(|_| "expected VIP:PORT")?,
            }),
        }
    }
}

impl Serialize for VirtualServerId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for VirtualServerId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// RIP and port: what names a real server within its virtual server.
pub type RealServerId = SocketAddr;

/// A real server's share of new connections. At 0 it gets none and keeps those
/// it has.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Weight(u32);

impl Weight {
    /// No new connections.
    pub const ZERO: Self = Self(0);
    /// The weight of a real server that names none.
    pub const ONE: Self = Self(1);
    /// The largest weight: 65535, which is where `ipvsadm` ends too. The kernel
    /// takes more, yet its schedulers multiply weights in 32 bits.
    pub const MAX: Self = Self(65_535);

    /// Takes a weight as the kernel reports it, whoever set it.
    pub fn reported(weight: u32) -> Self {
        Self(weight)
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Weight {
    type Error = &'static str;

    fn try_from(weight: u32) -> Result<Self, Self::Error> {
        if weight <= Self::MAX.0 {
            Ok(Self(weight))
        } else {
            Err("must be 0..=65535")
        }
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An address with the length of its network's prefix, as `ip address` writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefixed {
    /// The address itself, host bits included.
    pub address: IpAddr,
    /// 0..=32 or 0..=128.
    pub prefix_len: u8,
}

impl Prefixed {
    /// A single host: /32 or /128.
    pub fn host(address: IpAddr) -> Self {
        Self {
            address,
            prefix_len: Family::of(address).host_prefix_len(),
        }
    }

    /// The whole network: host bits are zero.
    pub fn network(self) -> Self {
        let host_bits = u32::from(Family::of(self.address).host_prefix_len() - self.prefix_len);
        let address = match self.address {
            IpAddr::V4(ip) => {
                let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
                IpAddr::V4((ip.to_bits() & mask).into())
            }
            IpAddr::V6(ip) => {
                let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
                IpAddr::V6((ip.to_bits() & mask).into())
            }
        };
        Self { address, ..self }
    }

    /// Whether its network has this address in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (ours, theirs) = match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits().into(), b.to_bits().into()),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits()),
            _ => return false,
        };
        let network = |bits: u128| {
            let host_bits = Family::of(address).host_prefix_len() - self.prefix_len;
            bits.checked_shr(host_bits.into()).unwrap_or(0)
        };
        network(ours) == network(theirs)
    }
}

impl fmt::Display for Prefixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

/// Reads `192.168.1.200` (a host address) and `192.168.1.200/24`.
impl FromStr for Prefixed {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((address, prefix_len)) = text.split_once('/') else {
            return text
                .parse()
                .map(Self::host)
                .map_err(|_| "not an IP address");
        };
        let address: IpAddr = address.parse().map_err(|_| "not an IP address")?;
        match prefix_len.parse() {
            Ok(prefix_len) if prefix_len <= Family::of(address).host_prefix_len() => Ok(Self {
                address,
                prefix_len,
            }),
            _ => Err("not a prefix length"),
        }
    }
}

impl Serialize for Prefixed {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Prefixed {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
