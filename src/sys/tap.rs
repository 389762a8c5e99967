//! Hearing one IP protocol on an interface, whoever sends it: neighbours, before
//! the packet filter has its say, and this host itself.

use std::io::{self, Read};
use std::net::IpAddr;
use std::num::NonZeroU32;

use socket2::{Domain, InterfaceIndexOrAddress, SockFilter, Socket, Type};

use super::bpf;
use super::neighbour::{Mac, link_address};

/// `ETH_P_ALL` of `<linux/if_ether.h>`: only such a socket hears its own host.
const EVERYTHING: u16 = 3;

/// Length of the Ethernet header.
const ETHERNET_LEN: usize = 14;

/// A socket that copies the packets of one protocol over IPv4, or over IPv6. Never blocks,
/// sends nothing.
#[derive(Debug)]
pub struct Tap {
    socket: Socket,
    /// Makes the interface and the switch before it pass on the group.
    _membership: Socket,
}

/// A packet, header included.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The hardware address of the sender.
    pub mac: Mac,
    /// The packet.
    pub packet: &'a [u8],
}

impl Tap {
    /// Opens the socket in the network namespace of the calling thread. Needs
    /// `CAP_NET_RAW`.
    ///
    /// It is bound last: no frame comes before the filter.
    pub fn open(interface: NonZeroU32, protocol: u8, group: IpAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking(), None)?;
        let membership = match group {
            IpAddr::V4(group) => {
                let membership = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
                let index = InterfaceIndexOrAddress::Index(interface.get());
                membership.join_multicast_v4_n(&group, &index)?;
                socket.attach_filter(&filter(IPV4, protocol))?;
                membership
            }
            IpAddr::V6(group) => {
                let membership = Socket::new(Domain::IPV6, Type::DGRAM, None)?;
                membership.join_multicast_v6(&group, interface.get())?;
                socket.attach_filter(&filter(IPV6, protocol))?;
                membership
            }
        };
        socket.bind(&link_address(interface, EVERYTHING)?)?;
        Ok(Self {
            socket,
            _membership: membership,
        })
    }

    /// Receives a packet, cut to the buffer. None: there is none.
    pub fn receive<'a>(&self, buffer: &'a mut [u8]) -> io::Result<Option<Frame<'a>>> {
        let len = match (&self.socket).read(buffer) {
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        let frame = buffer.get(..len).and_then(split);
        // The filter let nothing shorter through.
        Ok(Some(frame.unwrap_or(Frame {
            mac: [0; 6],
            packet: &[],
        })))
    }
}

fn split(frame: &[u8]) -> Option<Frame<'_>> {
    let (ethernet, packet) = frame.split_at_checked(ETHERNET_LEN)?;
    let mac = Mac::try_from(&ethernet[6..12]).ok()?;
    Some(Frame { mac, packet })
}

/// The type of the frame, and where its packet's protocol is.
type Place = (u32, u32);

/// `ETH_P_IP` of `<linux/if_ether.h>`.
const IPV4: Place = (0x0800, 23);
/// `ETH_P_IPV6`; one behind extension headers is not found.
const IPV6: Place = (0x86DD, 20);

/// The program that lets packets of one protocol through.
fn filter((ethertype, place): Place, protocol: u8) -> [SockFilter; 6] {
    const ETHERTYPE: u32 = 12;
    [
        bpf::load_half(ETHERTYPE),
        bpf::skip(ethertype, 0, 3),
        bpf::load_byte(place),
        bpf::skip(protocol.into(), 0, 1),
        bpf::accept(),
        bpf::reject(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sender_and_the_packet_are_told_apart() {
        let mut frame = [0; 20];
        frame[6..12].copy_from_slice(&[2, 0, 192, 168, 1, 51]);
        frame[14] = 0x45;
        let split = split(&frame).unwrap();
        assert_eq!(split.mac, [2, 0, 192, 168, 1, 51]);
        assert_eq!(split.packet, [0x45, 0, 0, 0, 0, 0]);
        assert_eq!(super::split(&[0; 13]), None);
    }
}
