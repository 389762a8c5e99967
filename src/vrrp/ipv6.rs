//! What a raw socket says of an IPv6 packet, whose header it keeps; and that header, as who
//! listens at the interface has it.
//!
//! The kernel takes header and extension headers off, and puts fragments
//! together. Destination and hop limit come as ancillary data (RFC 3542).

use std::net::{IpAddr, Ipv6Addr};

use super::IP_PROTOCOL;
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

/// Length of the header.
const HEADER_LEN: usize = 40;

/// Takes the header off a packet as it is on the link. A message behind extension headers
/// is taken for another protocol's.
pub fn parse(packet: &[u8]) -> Result<Datagram<'_>, Discard> {
    let header = packet.first_chunk::<HEADER_LEN>().ok_or(Discard::Runt)?;
    let [first, _, _, _, len @ .., next_header, hop_limit] =
        *header.first_chunk::<8>().ok_or(Discard::Runt)?;
    if first >> 4 != 6 {
        return Err(Discard::IpHeader);
    }
    if next_header != IP_PROTOCOL {
        return Err(Discard::Protocol(next_header));
    }
    let end = HEADER_LEN + usize::from(u16::from_be_bytes(len));
    let address = |at: usize| {
        let bytes = header[at..].first_chunk::<16>();
        bytes.map_or(Ipv6Addr::UNSPECIFIED, |bytes| Ipv6Addr::from(*bytes))
    };
    Ok(Datagram {
        source: address(8).into(),
        destination: address(24).into(),
        ttl: hop_limit,
        message: packet.get(HEADER_LEN..end).ok_or(Discard::Runt)?,
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

    #[test]
    fn a_packet_of_the_link_is_its_header_and_its_message() {
        let mut packet = vec![0x60, 0, 0, 0, 0, 2, IP_PROTOCOL, 255];
        packet.extend(PEER.octets());
        packet.extend(GROUP.octets());
        packet.extend(b"ab, and padding");
        let read = parse(&packet).unwrap();
        assert_eq!((read.source, read.destination), (PEER.into(), GROUP.into()));
        assert_eq!((read.ttl, read.message), (255, b"ab".as_slice()));
        for len in 0..42 {
            assert_eq!(parse(&packet[..len]), Err(Discard::Runt));
        }
        packet[6] = 58;
        assert_eq!(parse(&packet), Err(Discard::Protocol(58)));
        packet[0] = 0x45;
        assert_eq!(parse(&packet), Err(Discard::IpHeader));
    }
}
