//! Adverts as whole Ethernet frames, which come from the virtual router's own
//! hardware address (RFC 9568 §7.2): a switch learns by them where it is.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------------------------------------------------------+
//! |          group: 01:00:5E:00:00:12, 33:33:00:00:00:12          |
//! +                               +-------------------------------+
//! |                               |   source: 00:00:5E:00:01 (IPv6|
//! +-------------------------------+                               +
//! |   :02), virtual router ID                                     |
//! +-------------------------------+-------------------------------+
//! | ethertype 0x0800, IPv6 0x86DD |    IP header and message      |
//! +-------------------------------+-------------------------------+
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::ipv6::{HOP_LIMIT, TRAFFIC_CLASS};
use super::{IP_PROTOCOL, ipv4};

/// Says that a packet is of IPv4.
pub const ETHERTYPE_IPV4: u16 = 0x0800;

/// Says that a packet is of IPv6.
pub const ETHERTYPE_IPV6: u16 = 0x86DD;

/// The frame of a message to a multicast group, and its ethertype. None: the
/// addresses are not of one family, or the destination is one host, whose
/// hardware address only the kernel knows.
pub fn frame(
    mac: [u8; 6],
    source: IpAddr,
    destination: IpAddr,
    message: &[u8],
) -> Option<(Vec<u8>, u16)> {
    if !destination.is_multicast() {
        return None;
    }
    let (group, ethertype, header) = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let header = header_v4(source, destination, message.len());
            (group_v4(destination), ETHERTYPE_IPV4, header)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let header = header_v6(source, destination, message.len());
            (group_v6(destination), ETHERTYPE_IPV6, header)
        }
        _ => return None,
    };
    let ethertype_bytes = ethertype.to_be_bytes();
    let parts: [&[u8]; 5] = [&group, &mac, &ethertype_bytes, &header, message];
    Some((parts.concat(), ethertype))
}

/// RFC 1112 §6.4: the lower 23 bits of the group.
fn group_v4(group: Ipv4Addr) -> [u8; 6] {
    let [_, b, c, d] = group.octets();
    [0x01, 0x00, 0x5E, b & 0x7F, c, d]
}

/// RFC 2464 §7: the lower 32 bits of the group.
fn group_v6(group: Ipv6Addr) -> [u8; 6] {
    let [.., a, b, c, d] = group.octets();
    [0x33, 0x33, a, b, c, d]
}

/// The header that a raw socket gets, with what the kernel fills in there.
fn header_v4(source: Ipv4Addr, destination: Ipv4Addr, message_len: usize) -> Vec<u8> {
    let mut header = ipv4::header(source, destination, message_len);
    ipv4::sum_up(&mut header);
    header.to_vec()
}

/// RFC 8200 §3.
fn header_v6(source: Ipv6Addr, destination: Ipv6Addr, message_len: usize) -> Vec<u8> {
    let len = u16::try_from(message_len).unwrap_or(u16::MAX);
    let class = u32::from(TRAFFIC_CLASS) << 20;
    let first = (6 << 28 | class).to_be_bytes();
    let rest = [IP_PROTOCOL, HOP_LIMIT];
    let parts: [&[u8]; 5] = [
        &first,
        &len.to_be_bytes(),
        &rest,
        &source.octets(),
        &destination.octets(),
    ];
    parts.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: [u8; 4] = [0x31, 51, 100, 1];

    /// 3-7.2, 2-7.2, 3-7.3: the source is the virtual MAC.
    #[test]
    fn an_advert_of_ipv4_comes_from_the_virtual_mac_with_a_header_that_sums_up() {
        let mac = [0, 0, 0x5E, 0, 1, 51];
        let [source, group] = ["192.168.1.51", "224.0.0.18"].map(|ip| ip.parse().unwrap());
        let (frame, ethertype) = frame(mac, source, group, &MESSAGE).unwrap();
        assert_eq!(ethertype, 0x0800);
        assert_eq!(frame[..6], [0x01, 0x00, 0x5E, 0, 0, 0x12]);
        assert_eq!(frame[6..12], mac);
        assert_eq!(frame[12..14], [0x08, 0x00]);
        let datagram = ipv4::parse(&frame[14..]).unwrap();
        assert_eq!(
            (datagram.source, datagram.destination, datagram.ttl),
            (source, group, 255)
        );
        assert_eq!(datagram.message, MESSAGE);
        let words = frame[14..34].chunks_exact(2);
        let sum: u32 = words
            .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
            .sum();
        assert_eq!((sum & 0xFFFF) + (sum >> 16), 0xFFFF);
    }

    #[test]
    fn an_advert_of_ipv6_comes_from_the_virtual_mac_with_a_hop_limit_of_255() {
        let mac = [0, 0, 0x5E, 0, 2, 51];
        let [source, group] = ["fe80::51", "ff02::12"].map(|ip| ip.parse().unwrap());
        let (frame, ethertype) = frame(mac, source, group, &MESSAGE).unwrap();
        assert_eq!(ethertype, 0x86DD);
        assert_eq!(frame[..6], [0x33, 0x33, 0, 0, 0, 0x12]);
        assert_eq!(frame[6..12], mac);
        assert_eq!(frame[14..22], [0x6C, 0, 0, 0, 0, 4, 112, 255]);
        assert_eq!(frame[54..], MESSAGE);
        assert_eq!(frame.len(), 58);
    }

    #[test]
    fn what_goes_to_one_host_is_the_kernels_to_frame() {
        let [a, b, c] = ["192.168.1.51", "192.168.1.52", "ff02::12"].map(|ip| ip.parse().unwrap());
        assert_eq!(frame([0; 6], a, b, &MESSAGE), None);
        assert_eq!(frame([0; 6], a, c, &MESSAGE), None);
    }
}
