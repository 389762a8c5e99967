//! What a raw socket says of an IPv6 packet, whose header it keeps.
//!
//! The kernel takes header and extension headers off, and puts fragments
//! together. Destination and hop limit come as ancillary data (RFC 3542).

use std::net::{IpAddr, Ipv6Addr};

use super::discard::Discard;
use super::ipv4::Datagram;

/// The only hop limit an advert has (RFC 9568 §5.1.2.3).
pub const HOP_LIMIT: u8 = 255;

/// Internetwork control, as [`super::ipv4::TOS`].
pub const TRAFFIC_CLASS: u8 = 0xC0;

/// Puts a message and its ancillary data together. Without them nobody knows
/// whether the packet is of this link.
pub fn datagram(
    message: &[u8],
    source: Ipv6Addr,
    destination: Option<Ipv6Addr>,
    hop_limit: Option<u8>,
) -> Result<Datagram<'_>, Discard> {
    let (Some(destination), Some(ttl)) = (destination, hop_limit) else {
        return Err(Discard::IpHeader);
    };
    Ok(Datagram {
        source: IpAddr::V6(source),
        destination: IpAddr::V6(destination),
        ttl,
        message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
    const GROUP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

    #[test]
    fn a_message_is_as_good_as_its_ancillary_data() {
        let whole = datagram(b"x", PEER, Some(GROUP), Some(254)).unwrap();
        assert_eq!((whole.source, whole.ttl), (IpAddr::V6(PEER), 254));
        assert_eq!(whole.destination, IpAddr::V6(GROUP));
        for (destination, hop_limit) in [(None, Some(255)), (Some(GROUP), None)] {
            let refused = datagram(b"x", PEER, destination, hop_limit);
            assert_eq!(refused, Err(Discard::IpHeader));
        }
    }
}
