//! Why a packet is discarded: one reason for each rule it can break.

use std::net::IpAddr;
use std::time::Duration;

/// Why a received packet is not an advert for this router. Nothing about it
/// reaches the state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Discard {
    /// The packet ends before its IP header or total length says.
    #[error("it is cut short")]
    Runt,
    /// The packet filled the receive buffer, so its end is unknown.
    #[error("it is longer than any advert")]
    Giant,
    /// The IP header is not one.
    #[error("its IP header is malformed")]
    IpHeader,
    /// A fragment: the kernel reassembles, so this is none of its work.
    #[error("it is a fragment")]
    Fragment,
    /// Not protocol 112 (RFC 9568 §5.1.1.4).
    #[error("its IP protocol is {0}, not 112")]
    Protocol(u8),
    /// A router forwarded it, or it comes from afar (RFC 9568 §7.1).
    #[error("its TTL is {found}, not {least}{}", if *.least == 255 { "" } else { " or more" })]
    Ttl {
        /// The TTL or hop limit on arrival.
        found: u8,
        /// The least that is taken: 255, unless unicast is told otherwise.
        least: u8,
    },
    /// Not sent to where this router listens: the group, or its own address.
    #[error("it was sent to {to}, {way}", to = .0, way = other_way(.0))]
    Destination(IpAddr),
    /// From an address that no router sends from (RFC 9568 §5.1.1.1, §5.1.2.1).
    #[error("no router sends from {0}")]
    Source(IpAddr),
    /// Unicast, from a host that is not a configured peer.
    #[error("its sender is not among unicast_peers")]
    UnknownPeer,
    /// Another version than ours, or than any.
    #[error("it is of version {0}")]
    Version(u8),
    /// Not an advertisement (RFC 9568 §5.2.2).
    #[error("its type is {0}, not 1")]
    Type(u8),
    /// RFC 9568 §5.2.5: a count of 0 is ignored.
    #[error("it lists no address")]
    NoAddresses,
    /// Shorter or longer than its address count says.
    #[error("it is {found} bytes long, its address count makes it {expected}")]
    Length {
        /// Bytes after the IP header.
        found: usize,
        /// Bytes that version and address count make.
        expected: usize,
    },
    /// Neither form of the checksum matches.
    #[error("its checksum is wrong")]
    Checksum,
    /// RFC 9568 §7.1: an advert interval of 0.
    #[error("its advert interval is 0")]
    IntervalZero,
    /// A virtual router that nobody configured on the receiving interface.
    #[error("virtual router {0} is not configured here")]
    UnknownVrid(u8),
    /// Our own advert, looped back.
    #[error("it came back from this host's own address")]
    OwnPacket,
    /// Version 2: we own the addresses, nobody else can (RFC 3768 §7.1).
    #[error("this host owns the addresses")]
    OwnerHere,
    /// Version 2: another authentication type than ours.
    #[error("its authentication type is {0}, which is not ours")]
    AuthType(u8),
    /// Version 2: another password than ours.
    #[error("its password is not ours")]
    AuthPassword,
    /// Version 2: another advert interval than ours (RFC 3768 §7.1).
    #[error("its advert interval is {theirs:?}, ours is {ours:?}")]
    Interval {
        /// The interval in the advert.
        theirs: Duration,
        /// The configured interval.
        ours: Duration,
    },
}

impl Discard {
    /// The names of all counters, in the order they are listed to users.
    pub const COUNTERS: [&'static str; 21] = [
        "runt",
        "giant",
        "ip_header",
        "fragment",
        "protocol",
        "ttl",
        "destination",
        "source",
        "unknown_peer",
        "version",
        "type",
        "no_addresses",
        "length",
        "checksum",
        "interval_zero",
        "unknown_vrid",
        "own_packet",
        "owner_here",
        "auth_type",
        "auth_password",
        "interval",
    ];

    /// Whether the checksum was found right before: whoever sent such a packet meant it.
    pub fn is_of_an_intact_advert(&self) -> bool {
        match self {
            Self::Version(_)
            | Self::UnknownVrid(_)
            | Self::OwnerHere
            | Self::AuthType(_)
            | Self::AuthPassword
            | Self::Interval { .. } => true,
            Self::Runt
            | Self::Giant
            | Self::IpHeader
            | Self::Fragment
            | Self::Protocol(_)
            | Self::Ttl { .. }
            | Self::Destination(_)
            | Self::Source(_)
            | Self::UnknownPeer
            | Self::Type(_)
            | Self::NoAddresses
            | Self::Length { .. }
            | Self::Checksum
            | Self::IntervalZero
            | Self::OwnPacket => false,
        }
    }

    /// The name of the counter that this reason adds to; one of
    /// [`COUNTERS`](Self::COUNTERS).
    pub fn counter(&self) -> &'static str {
        match self {
            Self::Runt => "runt",
            Self::Giant => "giant",
            Self::IpHeader => "ip_header",
            Self::Fragment => "fragment",
            Self::Protocol(_) => "protocol",
            Self::Ttl { .. } => "ttl",
            Self::Destination(_) => "destination",
            Self::Source(_) => "source",
            Self::UnknownPeer => "unknown_peer",
            Self::Version(_) => "version",
            Self::Type(_) => "type",
            Self::NoAddresses => "no_addresses",
            Self::Length { .. } => "length",
            Self::Checksum => "checksum",
            Self::IntervalZero => "interval_zero",
            Self::UnknownVrid(_) => "unknown_vrid",
            Self::OwnPacket => "own_packet",
            Self::OwnerHere => "owner_here",
            Self::AuthType(_) => "auth_type",
            Self::AuthPassword => "auth_password",
            Self::Interval { .. } => "interval",
        }
    }
}

/// Who sends by the other way, multicast or unicast, than we do.
fn other_way(destination: &IpAddr) -> &'static str {
    if destination.is_multicast() {
        "this router speaks unicast"
    } else {
        "not to the multicast group"
    }
}
