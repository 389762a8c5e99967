//! The IPv4 side: whole packets, header included, both ways.

use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::num::NonZeroU32;

use socket2::{Domain, InterfaceIndexOrAddress, Socket};

/// A raw IPv4 socket, which hears whatever comes for this host itself and the
/// multicast groups that it joined. It sends whole packets, header included, and
/// never blocks.
#[derive(Debug)]
pub struct RawV4 {
    pub(super) socket: Socket,
    interface: InterfaceIndexOrAddress,
}

impl RawV4 {
    /// Opens the socket in the network namespace of the calling thread, on the
    /// interface of that name and index: both, so that it fails on an interface
    /// that was replaced meanwhile. Needs `CAP_NET_RAW`.
    ///
    /// | option | why |
    /// |---|---|
    /// | `IP_ADD_MEMBERSHIP` by index | the interface may have no address yet, or change it |
    /// | `IP_MULTICAST_ALL` 0 | groups that other programs joined stay theirs |
    /// | `IP_MULTICAST_LOOP` 0 | what we send is for others |
    /// | `IP_HDRINCL` | the source address is the caller's choice |
    pub fn open(protocol: u8, interface: &str, index: NonZeroU32) -> io::Result<Self> {
        let socket = super::open(Domain::IPV4, protocol, interface)?;
        if nix::net::if_::if_nametoindex(interface)? != index.get() {
            return Err(nix::errno::Errno::ENODEV.into());
        }
        socket.set_multicast_all_v4(false)?;
        socket.set_multicast_loop_v4(false)?;
        socket.set_header_included_v4(true)?;
        let interface = InterfaceIndexOrAddress::Index(index.get());
        Ok(Self { socket, interface })
    }

    /// Hears a multicast group from now on.
    pub fn join(&self, group: Ipv4Addr) -> io::Result<()> {
        self.socket.join_multicast_v4_n(&group, &self.interface)
    }

    /// No longer hears it.
    pub fn leave(&self, group: Ipv4Addr) -> io::Result<()> {
        self.socket.leave_multicast_v4_n(&group, &self.interface)
    }

    /// Sends a packet, header included. `WouldBlock`: the queue is full.
    pub fn send(&self, packet: &[u8], destination: Ipv4Addr) -> io::Result<()> {
        let destination = SocketAddrV4::new(destination, 0).into();
        self.socket.send_to(packet, &destination).map(drop)
    }

    /// Receives a packet, header included, cut to the buffer. None: there is none.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        super::unless_would_block((&self.socket).read(buffer))
    }
}
