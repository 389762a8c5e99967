//! Whole Ethernet frames, from whatever hardware address they say.

use std::io;
use std::num::NonZeroU32;

use socket2::{Domain, Socket, Type};

use super::PRIORITY_INTERACTIVE;
use crate::sys::neighbour::link_address;

/// Sends frames on any interface, and receives nothing. Never blocks.
#[derive(Debug)]
pub struct Frames {
    socket: Socket,
}

impl Frames {
    /// Opens the socket in the network namespace of the calling thread. Needs
    /// `CAP_NET_RAW`.
    pub fn open() -> io::Result<Self> {
        // Protocol 0: the socket receives no packets.
        let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking(), None)?;
        socket.set_priority(PRIORITY_INTERACTIVE)?;
        Ok(Self { socket })
    }

    /// Sends a frame of this ethertype on the interface of this index.
    pub fn send(&self, interface: NonZeroU32, frame: &[u8], ethertype: u16) -> io::Result<()> {
        let to = link_address(interface, ethertype)?;
        self.socket.send_to(frame, &to).map(drop)
    }
}
