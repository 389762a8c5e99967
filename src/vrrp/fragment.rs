//! Adverts that are longer than a packet may be on their interface, in fragments: with
//! 255 addresses an advert has 4,128 bytes with IPv6, 1,048 with IPv4, headers included.
//! The kernel makes them of what it gives a header itself, and of nothing else.
//!
//! ```text
//!  IPv6 header 40 │ next header 44 │ fragment header 8 │ 8·n bytes of the message
//!
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------+---------------+-------------------------+---+-+
//! |next hdr (112) |   reserved    |     offset, in 8 bytes  |   |M|
//! +---------------+---------------+-------------------------+---+-+
//! |                        identification                         |
//! +---------------------------------------------------------------+
//! ```

use super::IP_PROTOCOL;
use super::ethernet::{ETHERTYPE_IPV4, ETHERTYPE_IPV6};
use super::ipv4;

/// Length of an Ethernet header, which the MTU does not count.
const ETHERNET_LEN: usize = 14;

/// Length of an IPv6 header.
const IPV6_LEN: usize = 40;

/// Length of a fragment header, and its number among the protocols (RFC 8200 §4.5).
const FRAGMENT_LEN: usize = 8;
const FRAGMENT: u8 = 44;

/// IPv4: more fragments follow (RFC 791 §3.1).
const MORE: u16 = 0x2000;

/// A frame of [`super::ethernet::frame`] in parts whose packets have at most `mtu` bytes;
/// itself where it fits. `identification` is another for each frame.
pub fn of_frame(frame: Vec<u8>, mtu: usize, identification: u16) -> Vec<Vec<u8>> {
    let Some((ethernet, packet)) = frame.split_first_chunk::<ETHERNET_LEN>() else {
        return vec![frame];
    };
    if packet.len() <= mtu {
        return vec![frame];
    }
    let packets = match u16::from_be_bytes([ethernet[12], ethernet[13]]) {
        ETHERTYPE_IPV4 => of_ipv4(packet.to_vec(), mtu, identification),
        ETHERTYPE_IPV6 => of_ipv6(packet, mtu, identification),
        _ => return vec![frame],
    };
    let framed = packets
        .iter()
        .map(|packet| [ethernet, packet.as_slice()].concat());
    framed.collect()
}

/// A packet of IPv4 without options in parts of at most `mtu` bytes; itself where it fits.
pub fn of_ipv4(packet: Vec<u8>, mtu: usize, identification: u16) -> Vec<Vec<u8>> {
    let Some((header, message)) = packet.split_first_chunk::<{ ipv4::HEADER_LEN }>() else {
        return vec![packet];
    };
    if packet.len() <= mtu {
        return vec![packet];
    }
    let parts = parts(message, mtu.saturating_sub(ipv4::HEADER_LEN));
    let packets = parts.map(|(offset, more, part)| {
        let mut header = *header;
        let len = u16::try_from(ipv4::HEADER_LEN + part.len()).unwrap_or(u16::MAX);
        header[2..4].copy_from_slice(&len.to_be_bytes());
        header[4..6].copy_from_slice(&identification.to_be_bytes());
        let place = offset | if more { MORE } else { 0 };
        header[6..8].copy_from_slice(&place.to_be_bytes());
        ipv4::sum_up(&mut header);
        [header.as_slice(), part].concat()
    });
    packets.collect()
}

fn of_ipv6(packet: &[u8], mtu: usize, identification: u16) -> Vec<Vec<u8>> {
    let Some((header, message)) = packet.split_first_chunk::<IPV6_LEN>() else {
        return vec![packet.to_vec()];
    };
    let room = mtu.saturating_sub(IPV6_LEN + FRAGMENT_LEN);
    let packets = parts(message, room).map(|(offset, more, part)| {
        let mut header = *header;
        let len = u16::try_from(FRAGMENT_LEN + part.len()).unwrap_or(u16::MAX);
        header[4..6].copy_from_slice(&len.to_be_bytes());
        header[6] = FRAGMENT;
        let place = (offset << 3 | u16::from(more)).to_be_bytes();
        let known_by = u32::from(identification).to_be_bytes();
        let next = [IP_PROTOCOL, 0];
        let parts: [&[u8]; 5] = [&header, &next, &place, &known_by, part];
        parts.concat()
    });
    packets.collect()
}

/// Parts of at most `room` bytes, each with its offset in units of 8 bytes, and whether
/// more follow.
fn parts(message: &[u8], room: usize) -> impl Iterator<Item = (u16, bool, &[u8])> {
    let units = (room / 8).max(1);
    let count = message.chunks(units * 8).len();
    let parts = message.chunks(units * 8).enumerate();
    parts.map(move |(number, part)| {
        let offset = u16::try_from(number * units).unwrap_or(u16::MAX);
        (offset, number + 1 < count, part)
    })
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::vrrp::ethernet::frame;

    const MTU: usize = 1_280;

    fn message() -> Vec<u8> {
        (0..4_088_u16).map(|it| it.to_be_bytes()[1]).collect()
    }

    fn addresses(source: &str, group: &str) -> (IpAddr, IpAddr) {
        (source.parse().unwrap(), group.parse().unwrap())
    }

    #[test]
    fn a_long_advert_of_ipv6_is_sent_in_fragments_that_make_it_up_again() {
        let (source, group) = addresses("fe80::51", "ff02::12");
        let (whole, _) = frame([0, 0, 0x5E, 0, 2, 51], source, group, &message()).unwrap();
        let parts = of_frame(whole.clone(), MTU, 7);
        let mut made_up: Vec<u8> = Vec::new();
        for (number, part) in parts.iter().enumerate() {
            let packet = &part[14..];
            assert!(packet.len() <= MTU);
            assert_eq!(part[..14], whole[..14]);
            assert_eq!((packet[6], packet[7], packet[40]), (44, 255, 112));
            let len = usize::from(u16::from_be_bytes([packet[4], packet[5]]));
            assert_eq!(len, packet.len() - 40);
            let place = usize::from(u16::from_be_bytes([packet[42], packet[43]]));
            assert_eq!(place & !7, made_up.len(), "its offset");
            assert_eq!(place & 1 == 1, number + 1 < parts.len(), "more follow");
            assert_eq!(packet[44..48], [0, 0, 0, 7]);
            made_up.extend(&packet[48..]);
        }
        assert_eq!(made_up, message());
        assert_eq!(parts.len(), 4);
    }

    #[test]
    fn a_long_advert_of_ipv4_is_sent_in_fragments_that_make_it_up_again() {
        let (source, group) = addresses("192.168.1.51", "224.0.0.18");
        let (whole, _) = frame([0, 0, 0x5E, 0, 1, 51], source, group, &message()).unwrap();
        for (ethernet, parts) in [
            (14, of_frame(whole.clone(), MTU, 7)),
            (0, of_ipv4(whole[14..].to_vec(), MTU, 7)),
        ] {
            let mut made_up: Vec<u8> = Vec::new();
            for (number, part) in parts.iter().enumerate() {
                let packet = &part[ethernet..];
                assert!(packet.len() <= MTU && packet[0] == 0x45, "{packet:?}");
                let word =
                    |at: usize| usize::from(u16::from_be_bytes([packet[at], packet[at + 1]]));
                assert_eq!((word(2), word(4)), (packet.len(), 7));
                assert_eq!((word(6) & 0x1FFF) * 8, made_up.len(), "its offset");
                assert_eq!(word(6) & 0x2000 != 0, number + 1 < parts.len());
                let sum: usize = (0..10).map(|it| word(it * 2)).sum();
                assert_eq!((sum & 0xFFFF) + (sum >> 16), 0xFFFF, "its checksum");
                made_up.extend(&packet[20..]);
            }
            assert_eq!(made_up, message());
        }
    }

    #[test]
    fn what_fits_goes_as_it_is() {
        let (source, group) = addresses("fe80::51", "ff02::12");
        let (whole, _) = frame([0; 6], source, group, &[1; 1_448]).unwrap();
        assert_eq!(of_frame(whole.clone(), 1_488, 7), [whole]);
        assert_eq!(of_ipv4(vec![0x45; 1_500], 1_500, 7).len(), 1);
    }
}
