//! The IPv4 header that a raw socket receives and, with `IP_HDRINCL`, sends.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-------+-------+---------------+-------------------------------+
//! |   4   |  IHL  |   TOS (0xC0)  |         total length          |
//! +-------+-------+---------------+-----+-------------------------+
//! |        identification         |flags|     fragment offset     |
//! +---------------+---------------+-----+-------------------------+
//! |   TTL (255)   |protocol (112) |        header checksum        |
//! +---------------+---------------+-------------------------------+
//! |                        source address                         |
//! +---------------------------------------------------------------+
//! |                      destination address                      |
//! +---------------------------------------------------------------+
//! |                  options, if IHL is over 5                    |
//! +---------------------------------------------------------------+
//! ```

use std::net::{IpAddr, Ipv4Addr};

use super::IP_PROTOCOL;
use super::discard::Discard;

/// Length of a header without options.
pub const HEADER_LEN: usize = 20;

/// Internetwork control (RFC 791), as keepalived marks its adverts: routers and
/// switches that look at it let an advert overtake what it reports on.
pub const TOS: u8 = 0xC0;

/// The only TTL an advert has (RFC 9568 §5.1.1.3): a router on the way would
/// have lowered it.
pub const TTL: u8 = 255;

/// A VRRP message and what the IP layer says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// The sender's primary address.
    pub source: IpAddr,
    /// The multicast group, if all is well.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub ttl: u8,
    /// What follows the IP header, without Ethernet padding.
    pub message: &'a [u8],
}

/// Takes the header off a packet as a raw socket delivers it. Options are
/// skipped, and so is padding behind the total length.
pub fn parse(packet: &[u8]) -> Result<Datagram<'_>, Discard> {
    let header = packet.first_chunk::<HEADER_LEN>().ok_or(Discard::Runt)?;
    let header_len = usize::from(header[0] & 0x0F) * 4;
    let total_len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header[0] >> 4 != 4 || header_len < HEADER_LEN || total_len < header_len {
        return Err(Discard::IpHeader);
    }
    let message = packet.get(header_len..total_len).ok_or(Discard::Runt)?;
    // All but "don't fragment" and the reserved bit.
    if u16::from_be_bytes([header[6], header[7]]) & 0x3FFF != 0 {
        return Err(Discard::Fragment);
    }
    if header[9] != IP_PROTOCOL {
        return Err(Discard::Protocol(header[9]));
    }
    let [.., s0, s1, s2, s3, d0, d1, d2, d3] = *header;
    Ok(Datagram {
        source: IpAddr::V4(Ipv4Addr::new(s0, s1, s2, s3)),
        destination: IpAddr::V4(Ipv4Addr::new(d0, d1, d2, d3)),
        ttl: header[8],
        message,
    })
}

/// Writes the checksum of a header without options (RFC 791 §3.1).
pub fn sum_up(header: &mut [u8; HEADER_LEN]) {
    header[10..12].fill(0);
    let words = header.chunks_exact(2);
    let sum: u32 = words
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    let folded = (sum & 0xFFFF) + (sum >> 16);
    let folded = (folded & 0xFFFF) + (folded >> 16);
    let checksum = !u16::try_from(folded).unwrap_or(u16::MAX);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
}

/// The header of an advert of `message_len` bytes. Identification and header
/// checksum are 0: the kernel fills them in.
pub fn header(source: Ipv4Addr, destination: Ipv4Addr, message_len: usize) -> [u8; HEADER_LEN] {
    let total_len = u16::try_from(HEADER_LEN + message_len).unwrap_or(u16::MAX);
    let [len_high, len_low] = total_len.to_be_bytes();
    let [s0, s1, s2, s3] = source.octets();
    let [d0, d1, d2, d3] = destination.octets();
    [
        0x45,
        TOS,
        len_high,
        len_low,
        0,
        0,
        0,
        0,
        TTL,
        IP_PROTOCOL,
        0,
        0, //
        s0,
        s1,
        s2,
        s3,
        d0,
        d1,
        d2,
        d3,
    ]
}

#[cfg(test)]
mod tests;
