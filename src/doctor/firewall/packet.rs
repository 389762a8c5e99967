//! The packets that are asked about, and what a rule can ask of one.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::Hook;
use crate::lvs::{Family, Prefixed};

/// The number of TCP.
const TCP: u8 = 6;

/// A condition, which `is` turns round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Whether it must be true, or false.
    pub is: bool,
    /// What is looked at.
    pub of: Field,
}

/// What a match looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// Version of IP, one of; none: another protocol, as ARP is.
    Family(Vec<Family>),
    /// IP protocol, one of.
    Protocol(Vec<u8>),
    /// The interface it came in by, or goes out by, one of; `+` or `*` ends a prefix.
    Interface(Hook, Vec<String>),
    /// Source, any of these networks.
    Source(Vec<Prefixed>),
    /// Destination, any of these networks.
    Destination(Vec<Prefixed>),
    /// Whom it is for, one of.
    Kind(Asked, Vec<Kind>),
    /// Source port of TCP or UDP, in any of these ranges.
    SourcePort(Vec<RangeInclusive<u16>>),
    /// Destination port of TCP or UDP, in any of these ranges.
    Port(Vec<RangeInclusive<u16>>),
    /// The state of its connection.
    State {
        /// It may be `NEW`.
        new: bool,
        /// It may be `ESTABLISHED`.
        established: bool,
    },
    /// Anything else.
    Unknown,
}

/// The packet that is asked about. None stands for what differs from one such packet to
/// the next: a rule that looks at it is uncertain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Towards this host or from it.
    pub hook: Hook,
    /// The interface.
    pub interface: String,
    /// Version of IP.
    pub family: Family,
    /// IP protocol.
    pub protocol: u8,
    /// Where from.
    pub source: Option<IpAddr>,
    /// Where to.
    pub destination: Option<IpAddr>,
    /// The port there, if the protocol has ports.
    pub source_port: Option<u16>,
    /// The port where it goes, if the protocol has ports.
    pub port: Option<u16>,
    /// Whether it begins a connection, or is part of one.
    pub begins: bool,
    /// The interface that has its destination, if it is this host's and that is known.
    pub place: Option<String>,
}

/// What tells whom a packet is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The frame that it came in.
    Frame,
    /// Its destination.
    Address,
    /// Its destination, as the interface that it came in by has it: an address on `lo` is
    /// none of a network card's.
    AddressHere,
}

/// Whom a packet is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// This host.
    Local,
    /// Somebody else.
    Unicast,
    /// A multicast group.
    Multicast,
    /// Everybody, or nobody; no packet that is asked about is such.
    Other,
}

impl Kind {
    /// As nft and, in capitals, iptables call it.
    pub(super) fn named(asked: Asked, name: &str) -> Option<Self> {
        match (asked, name.to_ascii_lowercase().as_str()) {
            (Asked::Frame, "host" | "unicast") | (_, "local") => Some(Self::Local),
            (_, "unicast") => Some(Self::Unicast),
            (_, "multicast") => Some(Self::Multicast),
            (
                _,
                "broadcast" | "other" | "otherhost" | "anycast" | "blackhole" | "unreachable"
                | "prohibit" | "throw" | "nat" | "xresolve" | "unspec",
            ) => Some(Self::Other),
            _ => None,
        }
    }
}

impl Packet {
    /// An advert.
    pub fn advert(hook: Hook, interface: &str, destination: IpAddr) -> Self {
        Self {
            hook,
            interface: interface.to_owned(),
            family: Family::of(destination),
            protocol: crate::vrrp::IP_PROTOCOL,
            source: None,
            destination: Some(destination),
            source_port: None,
            port: None,
            begins: true,
            place: None,
        }
    }

    /// The first packet of a TCP connection from the network.
    pub fn tcp(interface: &str, destination: IpAddr, port: u16) -> Self {
        Self {
            protocol: TCP,
            port: Some(port),
            ..Self::advert(Hook::Input, interface, destination)
        }
    }

    /// What answers it, to whoever asked.
    pub fn tcp_answer(interface: &str, source: IpAddr, port: u16) -> Self {
        Self {
            protocol: TCP,
            source: Some(source),
            source_port: Some(port),
            destination: None,
            begins: false,
            ..Self::advert(Hook::Output, interface, source)
        }
    }

    /// The same from this host.
    pub fn sent_by(&self, source: IpAddr) -> Self {
        Self {
            source: Some(source),
            ..self.clone()
        }
    }
}

/// As somebody would write a rule that is for such packets.
impl Packet {
    pub(super) fn in_words_of_iptables(&self) -> String {
        let Self { interface, .. } = self;
        let ports = (self.port, self.source_port);
        match (self.hook, self.protocol, self.source, ports) {
            (_, TCP, _, (Some(port), _)) => format!("-p tcp --dport {port}"),
            (_, TCP, Some(source), (_, Some(port))) => {
                format!("-p tcp -s {source} --sport {port}")
            }
            (_, TCP, Some(source), _) => format!("-p tcp -s {source}"),
            (Hook::Output, protocol, ..) => format!("-o {interface} -p {protocol}"),
            (_, protocol, ..) => format!("-i {interface} -p {protocol}"),
        }
    }

    pub(super) fn in_words_of_nft(&self) -> String {
        let (ip, protocol_field) = match self.family {
            Family::Ipv4 => ("ip", "ip protocol"),
            Family::Ipv6 => ("ip6", "ip6 nexthdr"),
        };
        let Self { interface, .. } = self;
        let ports = (self.port, self.source_port);
        match (self.hook, self.protocol, self.source, ports) {
            (_, TCP, _, (Some(port), _)) => format!("tcp dport {port}"),
            (_, TCP, Some(source), (_, Some(port))) => {
                format!("{ip} saddr {source} tcp sport {port}")
            }
            (_, TCP, Some(source), _) => format!("{ip} saddr {source} meta l4proto tcp"),
            (Hook::Output, protocol, ..) => {
                format!("oifname {interface} {protocol_field} {protocol}")
            }
            (_, protocol, ..) => format!("iifname {interface} {protocol_field} {protocol}"),
        }
    }
}

impl Packet {
    fn has_ports(&self) -> bool {
        self.protocol != crate::vrrp::IP_PROTOCOL
    }

    /// Whom it is for; none: it cannot be told. The kernel looks at the frame, which one that
    /// goes out has not yet.
    fn kind(&self, asked: Asked) -> Option<Kind> {
        let destination = self.destination.filter(|_| self.hook == Hook::Input)?;
        match asked {
            _ if destination.is_multicast() => Some(Kind::Multicast),
            Asked::Frame | Asked::Address => Some(Kind::Local),
            Asked::AddressHere => match *self.place.as_ref()? == self.interface {
                true => Some(Kind::Local),
                false => Some(Kind::Unicast),
            },
        }
    }
}

impl Match {
    /// None: it cannot be told.
    pub(super) fn meets(&self, packet: &Packet) -> Option<bool> {
        let within = |ranges: &[RangeInclusive<u16>], port: u16| {
            let mut ranges = ranges.iter();
            ranges.any(|range| range.contains(&port))
        };
        let among = |networks: &[Prefixed], address: IpAddr| {
            let mut networks = networks.iter();
            networks.any(|network| network.contains(address))
        };
        let met = match &self.of {
            Field::Family(families) => families.contains(&packet.family),
            Field::Protocol(protocols) => protocols.contains(&packet.protocol),
            Field::Interface(hook, names) => {
                let mut names = names.iter();
                *hook == packet.hook && names.any(|it| matches_name(it, &packet.interface))
            }
            Field::Source(networks) => among(networks, packet.source?),
            Field::Destination(networks) => among(networks, packet.destination?),
            Field::Kind(asked, kinds) => kinds.contains(&packet.kind(*asked)?),
            Field::SourcePort(ranges) | Field::Port(ranges)
                if !packet.has_ports() && ranges.iter().all(|it| *it.end() < 1024) =>
            {
                // An advert has its priority and the number of its VIPs where others have
                // their port, its version and number where they have their source port.
                false
            }
            Field::SourcePort(ranges) => within(ranges, packet.source_port?),
            Field::Port(ranges) => within(ranges, packet.port?),
            Field::State { new, established } => match packet.begins {
                true => *new,
                false => *established,
            },
            Field::Unknown => return None,
        };
        Some(met == self.is)
    }
}

fn matches_name(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix(['+', '*']) {
        Some(prefix) => name.starts_with(prefix),
        None => pattern == name,
    }
}
