//! Adverts as bytes. The only place that knows the wire's units.
//!
//! Version 3 (RFC 9568 §5.2):
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-------+-------+---------------+---------------+---------------+
//! |   3   | type 1|     VRID      |   priority    | address count |
//! +-------+-------+---------------+---------------+---------------+
//! |   0   |  interval, 1/100 s    |           checksum            |
//! +-------+-----------------------+-------------------------------+
//! |                 addresses, 4 or 16 bytes each                 |
//! +---------------------------------------------------------------+
//! ```
//! Version 2 (RFC 3768 §5.3, RFC 2338 §5.3.6 for the password):
//! ```text
//! +-------+-------+---------------+---------------+---------------+
//! |   2   | type 1|     VRID      |   priority    | address count |
//! +-------+-------+---------------+---------------+---------------+
//! |   auth type   |  interval, s  |           checksum            |
//! +---------------+---------------+-------------------------------+
//! |                    addresses, 4 bytes each                    |
//! +---------------------------------------------------------------+
//! |         password (auth type 1), or 8 bytes of zero            |
//! |                                                               |
//! +---------------------------------------------------------------+
//! ```

use std::net::IpAddr;
use std::time::Duration;

use super::discard::Discard;
use super::ipv4::Datagram;
use super::{AuthPass, IP_PROTOCOL, Version, Vrid};
use crate::lvs::Family;

/// An advertisement, the only message there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advert {
    /// Version, and the password it came with.
    pub version: Version,
    /// Which virtual router.
    pub vrid: Vrid,
    /// The sender's priority; 0: it resigns.
    pub priority: u8,
    /// The time to the sender's next advert.
    pub interval: Duration,
    /// The virtual addresses, in the order of the wire.
    pub addresses: Vec<IpAddr>,
}

/// What the checksum of an advert covers. Version 2 knows the first form only,
/// IPv6 the second only; for version 3 over IPv4 both are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// The message (RFC 9568 §5.2.8 for IPv4, RFC 3768 §5.3.8).
    MessageOnly,
    /// A pseudo-header of addresses, length and protocol number too.
    PseudoHeader,
}

/// In which forms of checksum an advert is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forms {
    /// As one packet.
    One(Checksum),
    /// As two packets, because nobody knows which form the peers take.
    Both,
}

impl Forms {
    /// The packets.
    pub fn each(self) -> impl Iterator<Item = Checksum> {
        let (first, second) = match self {
            Self::One(form) => (form, None),
            Self::Both => (Checksum::PseudoHeader, Some(Checksum::MessageOnly)),
        };
        [Some(first), second].into_iter().flatten()
    }
}

/// Bytes before the addresses, in both versions.
const FIXED_LEN: usize = 8;
/// The authentication data that ends a version 2 message.
const AUTH_LEN: usize = 8;
/// The type of an advertisement.
const ADVERTISEMENT: u8 = 1;
/// `auth type` of RFC 2338 §5.3.6: none.
const AUTH_NONE: u8 = 0;
/// `auth type` of RFC 2338 §5.3.6: simple text password.
const AUTH_PASSWORD: u8 = 1;

/// The VRID of a message, whatever else is in it.
pub fn vrid(message: &[u8]) -> Option<u8> {
    message.get(1).copied()
}

impl Advert {
    /// Reads a message of either version, all but its checksum. The reserved
    /// bits of version 3 are ignored, and so is the authentication data of
    /// type 0 in version 2.
    pub fn decode(message: &[u8], family: Family) -> Result<Self, Discard> {
        let fixed = message.first_chunk::<FIXED_LEN>().ok_or(Discard::Length {
            found: message.len(),
            expected: FIXED_LEN,
        })?;
        let [version_type, vrid, priority, count, auth_type, interval, ..] = *fixed;
        let version = version_type >> 4;
        let trailer_len = match version {
            2 => AUTH_LEN,
            3 => 0,
            _ => return Err(Discard::Version(version)),
        };
        if version_type & 0x0F != ADVERTISEMENT {
            return Err(Discard::Type(version_type & 0x0F));
        }
        if count == 0 {
            return Err(Discard::NoAddresses);
        }
        let addresses_len = usize::from(count) * address_len(family);
        let expected = FIXED_LEN + addresses_len + trailer_len;
        if message.len() != expected {
            let found = message.len();
            return Err(Discard::Length { found, expected });
        }
        let (addresses, trailer) = message[FIXED_LEN..].split_at(addresses_len);
        let (version, interval) = if version == 2 {
            let auth = decode_auth(auth_type, trailer)?;
            (Version::V2 { auth }, from_seconds(interval))
        } else {
            let centiseconds = u16::from_be_bytes([auth_type & 0x0F, interval]);
            (Version::V3, from_centiseconds(centiseconds))
        };
        Ok(Self {
            version,
            vrid: Vrid::try_from(vrid).map_err(|_| Discard::UnknownVrid(vrid))?,
            priority,
            interval: interval.ok_or(Discard::IntervalZero)?,
            addresses: decode_addresses(addresses, family),
        })
    }

    /// The message as it goes behind the IP header. `source` and `destination`
    /// matter to the pseudo-header only.
    pub fn encode(&self, checksum: Checksum, source: IpAddr, destination: IpAddr) -> Vec<u8> {
        // A configuration holds at most 255 addresses.
        let count = u8::try_from(self.addresses.len()).unwrap_or(u8::MAX);
        let (version, [auth_type, interval]) = match &self.version {
            Version::V2 { auth: None } => (2, [AUTH_NONE, to_seconds(self.interval)]),
            Version::V2 { auth: Some(_) } => (2, [AUTH_PASSWORD, to_seconds(self.interval)]),
            Version::V3 => (3, to_centiseconds(self.interval).to_be_bytes()),
        };
        let mut message = vec![
            version << 4 | ADVERTISEMENT,
            self.vrid.get(),
            self.priority,
            count,
            auth_type,
            interval,
            0,
            0,
        ];
        for address in self.addresses.iter().take(usize::from(count)) {
            match address {
                IpAddr::V4(v4) => message.extend(v4.octets()),
                IpAddr::V6(v6) => message.extend(v6.octets()),
            }
        }
        if let Version::V2 { auth } = &self.version {
            message.extend(auth.map_or([0; AUTH_LEN], |auth| auth.bytes()));
        }
        let sum = match checksum {
            Checksum::MessageOnly => sum(&message),
            Checksum::PseudoHeader => {
                sum(&message) + pseudo_header_sum(source, destination, message.len())
            }
        };
        message[6..8].copy_from_slice(&(!fold(sum)).to_be_bytes());
        message
    }
}

/// The form in which the checksum of a received message is right, if any.
pub fn verified_checksum(datagram: &Datagram<'_>) -> Option<Checksum> {
    let message = sum(datagram.message);
    let pseudo_header = pseudo_header_sum(
        datagram.source,
        datagram.destination,
        datagram.message.len(),
    );
    let is_version_2 = datagram.message.first().is_some_and(|byte| byte >> 4 == 2);
    let is_ipv4 = datagram.source.is_ipv4();
    if is_ipv4 && fold(message) == 0xFFFF {
        Some(Checksum::MessageOnly)
    } else if !(is_ipv4 && is_version_2) && fold(message + pseudo_header) == 0xFFFF {
        Some(Checksum::PseudoHeader)
    } else {
        None
    }
}

fn decode_auth(auth_type: u8, trailer: &[u8]) -> Result<Option<AuthPass>, Discard> {
    match (auth_type, trailer.first_chunk::<AUTH_LEN>()) {
        (AUTH_NONE, _) => Ok(None),
        (AUTH_PASSWORD, Some(bytes)) => Ok(Some(AuthPass::from(*bytes))),
        _ => Err(Discard::AuthType(auth_type)),
    }
}

fn decode_addresses(bytes: &[u8], family: Family) -> Vec<IpAddr> {
    match family {
        Family::Ipv4 => {
            let (chunks, _) = bytes.as_chunks::<4>();
            chunks.iter().copied().map(IpAddr::from).collect()
        }
        Family::Ipv6 => {
            let (chunks, _) = bytes.as_chunks::<16>();
            chunks.iter().copied().map(IpAddr::from).collect()
        }
    }
}

fn address_len(family: Family) -> usize {
    match family {
        Family::Ipv4 => 4,
        Family::Ipv6 => 16,
    }
}

/// RFC 9568 §5.2.7: 12 bits of centiseconds, 1..=4095. An interval that is not
/// on the wire's grid, which no configuration has, is cut to it.
fn to_centiseconds(interval: Duration) -> u16 {
    u16::try_from(interval.as_millis() / 10).map_or(4095, |n| n.clamp(1, 4095))
}

fn from_centiseconds(n: u16) -> Option<Duration> {
    (n != 0).then(|| Duration::from_millis(u64::from(n) * 10))
}

/// RFC 3768 §5.3.7: whole seconds, 1..=255, cut to that as above.
fn to_seconds(interval: Duration) -> u8 {
    u8::try_from(interval.as_secs()).map_or(255, |n| n.max(1))
}

fn from_seconds(n: u8) -> Option<Duration> {
    (n != 0).then(|| Duration::from_secs(u64::from(n)))
}

/// The sum of 16-bit words of RFC 1071, not yet folded: no message is so long
/// that 32 bits overflow.
fn sum(bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<2>();
    let whole: u32 = words
        .iter()
        .map(|word| u32::from(u16::from_be_bytes(*word)))
        .sum();
    whole + rest.first().map_or(0, |byte| u32::from(*byte) << 8)
}

fn fold(sum: u32) -> u16 {
    let once = (sum & 0xFFFF) + (sum >> 16);
    let twice = (once & 0xFFFF) + (once >> 16);
    u16::try_from(twice).unwrap_or(u16::MAX)
}

/// RFC 8200 §8.1, and the same fields for IPv4.
fn pseudo_header_sum(source: IpAddr, destination: IpAddr, message_len: usize) -> u32 {
    let address = |address: IpAddr| match address {
        IpAddr::V4(v4) => sum(&v4.octets()),
        IpAddr::V6(v6) => sum(&v6.octets()),
    };
    let len = u32::try_from(message_len).unwrap_or(u32::from(u16::MAX));
    address(source) + address(destination) + u32::from(IP_PROTOCOL) + len
}

#[cfg(test)]
mod tests;
