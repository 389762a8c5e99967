//! Telling the neighbours on a LAN which hardware address has an IP address.
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

use std::io;
use std::mem::size_of;
use std::net::Ipv4Addr;
use std::num::NonZeroU32;

use nix::libc;
use socket2::{Domain, SockAddr, SockAddrStorage, Socket, Type};

/// An Ethernet address.
pub type Mac = [u8; 6];

const BROADCAST: Mac = [0xFF; 6];
const ETHERTYPE_ARP: u16 = 0x0806;

/// Length of the frame.
pub const FRAME_LEN: usize = 42;

/// The frame that announces `address` at `mac`: a request, which old switches
/// and routers learn from where they ignore an unasked reply.
pub fn gratuitous_arp(mac: Mac, address: Ipv4Addr) -> [u8; FRAME_LEN] {
    let mut frame = [0; FRAME_LEN];
    let (ethernet, arp) = frame.split_at_mut(14);
    ethernet[..6].copy_from_slice(&BROADCAST);
    ethernet[6..12].copy_from_slice(&mac);
    ethernet[12..].copy_from_slice(&ETHERTYPE_ARP.to_be_bytes());
    arp[..8].copy_from_slice(&[0, 1, 0x08, 0x00, 6, 4, 0, 1]);
    arp[8..14].copy_from_slice(&mac);
    arp[14..18].copy_from_slice(&address.octets());
    arp[18..24].copy_from_slice(&BROADCAST);
    arp[24..].copy_from_slice(&address.octets());
    frame
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
    /// index `interface`.
    pub fn announce(&self, interface: NonZeroU32, mac: Mac, address: Ipv4Addr) -> io::Result<()> {
        let frame = gratuitous_arp(mac, address);
        self.socket
            .send_to(&frame, &link_address(interface)?)
            .map(drop)
    }
}

/// Where a whole frame goes: the interface is all that the kernel looks at.
fn link_address(interface: NonZeroU32) -> io::Result<SockAddr> {
    let index = i32::try_from(interface.get()).map_err(io::Error::other)?;
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
        link.sll_protocol = ETHERTYPE_ARP.to_be();
        link.sll_ifindex = index;
        SockAddr::new(storage, len)
    };
    Ok(address)
}

#[cfg(test)]
mod tests;
