//! `union nf_inet_addr`: an address whose family stands in another attribute.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{DecodeError, parse_ipv6};

/// `AF_INET` of `<linux/socket.h>`, as the attributes for families hold it.
pub const AF_INET: u16 = 2;
/// `AF_INET6` of `<linux/socket.h>`.
pub const AF_INET6: u16 = 10;

/// Sixteen bytes in network order; an IPv4 address is in the first four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InetAddress(pub [u8; 16]);

impl InetAddress {
    /// Its length on the wire.
    pub const LEN: usize = 16;

    /// The address, if `family` is `AF_INET` or `AF_INET6`.
    pub fn of_family(&self, family: u16) -> Option<IpAddr> {
        let [a, b, c, d, ..] = self.0;
        match family {
            AF_INET => Some(Ipv4Addr::new(a, b, c, d).into()),
            AF_INET6 => Some(Ipv6Addr::from(self.0).into()),
            _ => None,
        }
    }

    pub(super) fn parse(value: &[u8]) -> Result<Self, DecodeError> {
        parse_ipv6(value).map(Self)
    }
}

impl From<IpAddr> for InetAddress {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => {
                let mut bytes = [0; Self::LEN];
                bytes[..4].copy_from_slice(&address.octets());
                Self(bytes)
            }
            IpAddr::V6(address) => Self(address.octets()),
        }
    }
}
