//! How packets travel from the director to a real server.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

/// How a packet reaches the real server it was scheduled to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Forwarding {
    /// Direct routing: the packet is unchanged, only its link-layer address is
    /// the real server's. The VIP is on the real server, the port cannot change.
    DirectRoute,
    /// Network address translation: answers come back through the director.
    Nat,
    /// The packet travels within another one: as direct routing, for real servers
    /// that are not on this LAN or not of this family.
    Tunnel(Tunnel),
    /// The director itself.
    Local,
}

impl Forwarding {
    /// IP in IP, the tunnel that every kernel has.
    pub const IPIP: Self = Self::Tunnel(Tunnel::Ipip);

    /// The method without the particulars of its tunnel: `dr`, `nat`, `tun` or
    /// `local`.
    pub fn method(&self) -> &'static str {
        match self {
            Self::DirectRoute => "dr",
            Self::Nat => "nat",
            Self::Tunnel(_) => "tun",
            Self::Local => "local",
        }
    }
}

/// `dr`, `nat`, `tun`, `tun gue 6080 remote`, `tun gre`, `local`.
impl fmt::Display for Forwarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tunnel(Tunnel::Ipip) | Self::DirectRoute | Self::Nat | Self::Local => {
                f.pad(self.method())
            }
            Self::Tunnel(tunnel) => f.pad(&format!("tun {tunnel}")),
        }
    }
}

/// Reads the method; the particulars of a tunnel are written apart, and this is
/// IP in IP.
impl FromStr for Forwarding {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "dr" => Ok(Self::DirectRoute),
            "nat" => Ok(Self::Nat),
            "tun" => Ok(Self::IPIP),
            "local" => Ok(Self::Local),
            _ => Err("unknown forwarding method"),
        }
    }
}

/// What a tunnelled packet is wrapped in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tunnel {
    /// IP in IP.
    Ipip,
    /// Generic UDP encapsulation (Linux 5.2): the UDP ports let switches and
    /// network cards spread flows.
    Gue {
        /// Where the real server's kernel listens for it.
        port: NonZeroU16,
        /// How it is protected.
        checksum: Checksum,
    },
    /// Generic routing encapsulation (Linux 5.3).
    Gre {
        /// Whether it carries a checksum.
        checksum: bool,
    },
    /// One that lvsd has no name for, by the kernel's number. The configuration
    /// never yields one.
    Other(u8),
}

/// `ipip`, `gue 6080`, `gue 6080 plain`, `gre`, `gre plain`.
impl fmt::Display for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipip => f.write_str("ipip"),
            Self::Gue {
                port,
                checksum: Checksum::None,
            } => write!(f, "gue {port}"),
            Self::Gue { port, checksum } => write!(f, "gue {port} {checksum}"),
            Self::Gre { checksum: false } => f.write_str("gre"),
            Self::Gre { checksum: true } => write!(f, "gre {}", Checksum::Plain),
            Self::Other(number) => write!(f, "type {number}"),
        }
    }
}

/// How a GUE packet is protected against damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Checksum {
    /// Not at all: what is inside has a checksum of its own.
    None,
    /// By the checksum of UDP.
    Plain,
    /// By the checksum of UDP, from which the receiver computes the inner one
    /// (remote checksum offload), so that the sender's hardware needs to do one only.
    Remote,
}

/// `none`, `plain`, `remote`.
impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Plain => "plain",
            Self::Remote => "remote",
        })
    }
}

impl FromStr for Checksum {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self::None),
            "plain" => Ok(Self::Plain),
            "remote" => Ok(Self::Remote),
            _ => Err("unknown kind of checksum"),
        }
    }
}
