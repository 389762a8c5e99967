//! Between whom adverts go: everybody in a multicast group, or named peers.
//!
//! RFC 9568 knows the group only. Unicast is for networks that carry no
//! multicast, as most clouds are. It gives up what the group gives for nothing,
//! that nobody beyond the link takes part: so the sender must be a configured
//! peer, and the TTL check stays (RFC 5082) unless it is told otherwise.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::discard::Discard;
use super::ipv4::{Datagram, TTL};
use crate::lvs::Family;

/// Where adverts go over IPv4 (RFC 9568 §5.1.1.2).
pub const MULTICAST_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// Where adverts go over IPv6 (RFC 9568 §5.1.2.2).
pub const MULTICAST_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

/// Where adverts come from and where they go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transport {
    /// The address that adverts come from; none: the interface's primary one.
    pub source: Option<IpAddr>,
    /// Who hears them.
    pub reach: Reach,
}

/// Who hears the adverts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Every router of the link.
    Multicast,
    /// These peers.
    Unicast(Unicast),
}

/// The peers of a router that does without multicast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unicast {
    /// Their addresses, as their adverts come from; at least one, one family.
    pub peers: Vec<IpAddr>,
    /// The least TTL that an advert of theirs has on arrival: 255 less the
    /// routers on the way.
    pub min_ttl: u8,
}

impl Default for Transport {
    /// As the RFCs have it.
    fn default() -> Self {
        Self {
            source: None,
            reach: Reach::Multicast,
        }
    }
}

/// The group of a family's routers.
pub fn group(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => IpAddr::V4(MULTICAST_V4),
        Family::Ipv6 => IpAddr::V6(MULTICAST_V6),
    }
}

impl Transport {
    /// Whether adverts go to the group.
    pub fn is_multicast(&self) -> bool {
        self.reach == Reach::Multicast
    }

    /// The peers of unicast; none under multicast.
    pub fn peers(&self) -> &[IpAddr] {
        match &self.reach {
            Reach::Multicast => &[],
            Reach::Unicast(unicast) => &unicast.peers,
        }
    }

    /// Where each advert goes.
    pub fn destinations(&self, family: Family) -> Vec<IpAddr> {
        match &self.reach {
            Reach::Multicast => vec![group(family)],
            Reach::Unicast(unicast) => unicast.peers.clone(),
        }
    }

    /// Whether the packet came the way that adverts come here: from the link
    /// (RFC 9568 §7.1: TTL 255), to the group or to us, and under unicast from
    /// a peer.
    pub(super) fn check(&self, datagram: &Datagram<'_>, own: IpAddr) -> Result<(), Discard> {
        let (least, destination) = match &self.reach {
            Reach::Multicast => (TTL, group(Family::of(datagram.source))),
            Reach::Unicast(unicast) => (unicast.min_ttl, own),
        };
        let found = datagram.ttl;
        if found < least {
            return Err(Discard::Ttl { found, least });
        }
        if datagram.destination != destination {
            return Err(Discard::Destination(datagram.destination));
        }
        if !self.may_be_source(datagram.source) {
            return Err(Discard::Source(datagram.source));
        }
        if datagram.source == own {
            return Err(Discard::OwnPacket);
        }
        match &self.reach {
            Reach::Unicast(unicast) if !unicast.peers.contains(&datagram.source) => {
                Err(Discard::UnknownPeer)
            }
            Reach::Multicast | Reach::Unicast(_) => Ok(()),
        }
    }

    /// Whether a router can have this address as its primary one (RFC 9568 §5.1.1.1), over
    /// IPv6 a link-local one (§5.1.2.1) unless the peers are named.
    ///
    /// A virtual address can be one: its owner's. While it is here, the kernel takes no
    /// packet that says to come from it.
    fn may_be_source(&self, source: IpAddr) -> bool {
        match source {
            IpAddr::V4(v4) => {
                let is_this_network = v4.octets()[0] == 0;
                !(is_this_network || v4.is_loopback() || v4.is_multicast() || v4.is_broadcast())
            }
            IpAddr::V6(v6) => v6.is_unicast_link_local() || !self.is_multicast(),
        }
    }
}

#[cfg(test)]
mod tests;
