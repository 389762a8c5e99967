//! Telling the neighbours on a LAN which hardware address has an IP address, and
//! reading what they tell.
//!
//! A gratuitous ARP request (RFC 5227 §3), in an Ethernet frame:
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------------------------------------------------------+
//! |             destination ff:ff:ff:ff:ff:ff                     |
//! +                               +-------------------------------+
//! |                               |       source: own MAC         |
//! +-------------------------------+                               +
//! |                                                               |
//! +-------------------------------+-------------------------------+
//! |       ethertype 0x0806        |     hardware: Ethernet, 1     |
//! +-------------------------------+---------------+---------------+
//! |     protocol: IPv4, 0x0800    |  MAC length 6 | IP length 4   |
//! +-------------------------------+---------------+---------------+
//! |      operation: request, 1    |       sender: own MAC         |
//! +-------------------------------+                               +
//! |                                                               |
//! +---------------------------------------------------------------+
//! |                  sender: the address                          |
//! +---------------------------------------------------------------+
//! |             target ff:ff:ff:ff:ff:ff                          |
//! +                               +-------------------------------+
//! |                               |     target: the address       |
//! +-------------------------------+-------------------------------+
//! |                               |
//! +-------------------------------+
//! ```

mod advertisement;
mod listener;
mod solicitor;

use std::io;
use std::mem::size_of;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;

use nix::libc;
use socket2::{Domain, SockAddr, SockAddrStorage, Socket, Type};

pub use advertisement::{ADVERTISEMENT_LEN, solicitation, unsolicited_advertisement};
pub use listener::Listener;
pub use solicitor::Solicitor;

/// An Ethernet address.
pub type Mac = [u8; 6];

/// Length of the frame.
pub const FRAME_LEN: usize = 42;

const BROADCAST: Mac = [0xFF; 6];
const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV6: u16 = 0x86DD;

/// Ethernet, IPv4, and the lengths of their addresses.
const ARP_OF_IPV4_ON_ETHERNET: [u8; 6] = [0, 1, 0x08, 0x00, 6, 4];
const REQUEST: u16 = 1;
const REPLY: u16 = 2;

/// The frame that announces `address` at `mac`: a request, which old switches
/// and routers learn from where they ignore an unasked reply.
pub fn gratuitous_arp(mac: Mac, address: Ipv4Addr) -> [u8; FRAME_LEN] {
    request((mac, address), (BROADCAST, address))
}

/// The frame that asks who has `address`, without saying that anybody else has
/// it: its sender is 0.0.0.0, so that no neighbour learns from it (RFC 5227
/// §2.1.1, an ARP probe).
pub fn arp_probe(mac: Mac, address: Ipv4Addr) -> [u8; FRAME_LEN] {
    request((mac, Ipv4Addr::UNSPECIFIED), ([0; 6], address))
}

fn request(sender: (Mac, Ipv4Addr), target: (Mac, Ipv4Addr)) -> [u8; FRAME_LEN] {
    let mut frame = [0; FRAME_LEN];
    let (ethernet, arp) = frame.split_at_mut(14);
    ethernet[..6].copy_from_slice(&BROADCAST);
    ethernet[6..12].copy_from_slice(&sender.0);
    ethernet[12..].copy_from_slice(&ETHERTYPE_ARP.to_be_bytes());
    arp[..6].copy_from_slice(&ARP_OF_IPV4_ON_ETHERNET);
    arp[6..8].copy_from_slice(&REQUEST.to_be_bytes());
    arp[8..14].copy_from_slice(&sender.0);
    arp[14..18].copy_from_slice(&sender.1.octets());
    arp[18..24].copy_from_slice(&target.0);
    arp[24..].copy_from_slice(&target.1.octets());
    frame
}

/// What a received frame says: that `address` is at `mac`. A reply says so, and
/// so does every request, gratuitous or not, for its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement {
    /// The address.
    pub address: IpAddr,
    /// Where it is said to be.
    pub mac: Mac,
}

/// Reads an Ethernet frame, padded or not. None: it is no ARP of IPv4, or says
/// nothing of any address, as a probe does.
pub fn statement(frame: &[u8]) -> Option<Statement> {
    let (ethernet, arp) = frame.get(..FRAME_LEN)?.split_at(14);
    if ethernet[12..] != ETHERTYPE_ARP.to_be_bytes() || arp[..6] != ARP_OF_IPV4_ON_ETHERNET {
        return None;
    }
    if ![REQUEST, REPLY]
        .map(u16::to_be_bytes)
        .contains(&[arp[6], arp[7]])
    {
        return None;
    }
    let mac = Mac::try_from(&arp[8..14]).ok()?;
    let address = <[u8; 4]>::try_from(&arp[14..18]).map(Ipv4Addr::from).ok()?;
    let is_somebody = mac != [0; 6] && mac[0] & 1 == 0 && !address.is_unspecified();
    is_somebody.then_some(Statement {
        address: address.into(),
        mac,
    })
}

/// Sends announcements on any interface, and receives nothing. Never blocks.
#[derive(Debug)]
pub struct Announcer {
    socket: Socket,
}

impl Announcer {
    /// Opens the socket in the network namespace of the calling thread. Needs
    /// `CAP_NET_RAW`.
    pub fn open() -> io::Result<Self> {
        // Protocol 0: the socket receives no packets.
        let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking(), None)?;
        Ok(Self { socket })
    }

    /// Announces that `address` is at `mac`, on the link of the interface with
    /// index `interface`. `router`: whether this host forwards packets of IPv6.
    pub fn announce(
        &self,
        interface: NonZeroU32,
        mac: Mac,
        address: IpAddr,
        router: bool,
    ) -> io::Result<()> {
        let sent = match address {
            IpAddr::V4(address) => {
                let frame = gratuitous_arp(mac, address);
                let to = link_address(interface, ETHERTYPE_ARP)?;
                self.socket.send_to(&frame, &to)
            }
            IpAddr::V6(address) => {
                let frame = unsolicited_advertisement(mac, address, router);
                let to = link_address(interface, ETHERTYPE_IPV6)?;
                self.socket.send_to(&frame, &to)
            }
        };
        sent.map(drop)
    }
}

/// Where a whole frame goes, or what a socket listens to: the interface is all
/// that the kernel looks at, and the protocol when it listens.
pub(super) fn link_address(interface: NonZeroU32, ethertype: u16) -> io::Result<SockAddr> {
    let index = i32::try_from(interface.get()).map_err(io::Error::other)?;
    packet_address(index, ethertype)
}

/// The address of a packet socket: an interface, 0 for every one, and a protocol.
pub(super) fn packet_address(index: i32, protocol: u16) -> io::Result<SockAddr> {
    let family = u16::try_from(libc::AF_PACKET).map_err(io::Error::other)?;
    let len = u32::try_from(size_of::<libc::sockaddr_ll>()).map_err(io::Error::other)?;
    let mut storage = SockAddrStorage::zeroed();
    #[expect(
        unsafe_code,
        reason = "neither std, socket2 nor nix makes a sockaddr_ll"
    )]
    // SAFETY: `sockaddr_ll` is the address of the family that is written into
    // it, and `len` is its length.
    let address = unsafe {
        let link = storage.view_as::<libc::sockaddr_ll>();
        link.sll_family = family;
        link.sll_protocol = protocol.to_be();
        link.sll_ifindex = index;
        SockAddr::new(storage, len)
    };
    Ok(address)
}

#[cfg(test)]
mod tests;
