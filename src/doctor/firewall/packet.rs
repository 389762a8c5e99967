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
    /// Version of IP.
    Family(Family),
    /// IP protocol, one of.
    Protocol(Vec<u8>),
    /// The interface it came in by, or goes out by; `+` or `*` ends a prefix.
    Interface(Hook, String),
    /// Source, any of these networks.
    Source(Vec<Prefixed>),
    /// Destination, any of these networks.
    Destination(Vec<Prefixed>),
    /// It came for a multicast group.
    Multicast,
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
            Field::Family(family) => *family == packet.family,
            Field::Protocol(protocols) => protocols.contains(&packet.protocol),
            Field::Interface(hook, name) => {
                *hook == packet.hook && matches_name(name, &packet.interface)
            }
            Field::Source(networks) => among(networks, packet.source?),
            Field::Destination(networks) => among(networks, packet.destination?),
            // The kernel looks at the frame, which one that goes out has not yet.
            Field::Multicast if packet.hook != Hook::Input => return None,
            Field::Multicast => packet.destination?.is_multicast(),
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
