//! Raw IPv4 multicast sockets.

use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::num::NonZeroU32;
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};

/// A raw socket of one IP protocol on one interface, which hears one multicast
/// group and whatever comes for this host itself. It sends whole packets,
/// header included, and never blocks.
#[derive(Debug)]
pub struct RawMulticast {
    socket: Socket,
}

/// How the traffic of [`RawMulticast`] leaves: `TC_PRIO_INTERACTIVE` of
/// `<linux/pkt_sched.h>`, the first band of the default queue and the highest
/// that needs no privilege.
const PRIORITY_INTERACTIVE: u32 = 6;

impl RawMulticast {
    /// Opens the socket in the network namespace of the calling thread, on the
    /// interface of that name and index: both, so that it fails on an interface
    /// that was replaced meanwhile. Needs `CAP_NET_RAW`.
    ///
    /// | option | why |
    /// |---|---|
    /// | `SO_BINDTODEVICE` | packets of other interfaces are other sockets' |
    /// | `IP_ADD_MEMBERSHIP` by index | the interface may have no address yet, or change it |
    /// | `IP_MULTICAST_ALL` 0 | groups that other programs joined stay theirs |
    /// | `IP_MULTICAST_LOOP` 0 | what we send is for others |
    /// | `IP_HDRINCL` | the source address is the caller's choice |
    /// | `SO_PRIORITY` | a full send queue does not delay it |
    pub fn open(
        protocol: u8,
        group: Ipv4Addr,
        interface: &str,
        index: NonZeroU32,
    ) -> io::Result<Self> {
        let socket = Socket::new(
            Domain::IPV4,
            Type::RAW.nonblocking(),
            Some(Protocol::from(i32::from(protocol))),
        )?;
        socket.bind_device(Some(interface.as_bytes()))?;
        socket.set_multicast_all_v4(false)?;
        socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index.get()))?;
        socket.set_multicast_loop_v4(false)?;
        socket.set_header_included_v4(true)?;
        socket.set_priority(PRIORITY_INTERACTIVE)?;
        Ok(Self { socket })
    }

    /// Sends a packet, header included. `WouldBlock`: the queue is full.
    pub fn send(&self, packet: &[u8], destination: Ipv4Addr) -> io::Result<()> {
        let destination = SocketAddrV4::new(destination, 0).into();
        self.socket.send_to(packet, &destination).map(drop)
    }

    /// Receives a packet, header included, cut to the buffer. None: there is none.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match (&self.socket).read(buffer) {
            Ok(len) => Ok(Some(len)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for RawMulticast {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
