//! The IPv6 side: messages without header, and ancillary data (RFC 3542).

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::num::NonZeroU32;
use std::os::fd::AsRawFd;

use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg, sendmsg, setsockopt,
    sockopt,
};
use socket2::{Domain, Socket};

/// A raw IPv6 socket, which hears whatever comes for this host itself and the
/// multicast groups that it joined. The kernel writes and reads the IP header.
/// It never blocks.
#[derive(Debug)]
pub struct RawV6 {
    pub(super) socket: Socket,
    index: NonZeroU32,
    hop_limit: libc::c_int,
    traffic_class: libc::c_int,
}

/// A message, and what its IP header said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// Bytes of the message, cut to the buffer.
    pub len: usize,
    /// Whether the buffer was too short for it.
    pub truncated: bool,
    /// Who sent it.
    pub source: Ipv6Addr,
    /// Where it was sent to.
    pub destination: Option<Ipv6Addr>,
    /// The hop limit on arrival.
    pub hop_limit: Option<u8>,
}

impl RawV6 {
    /// Opens the socket in the network namespace of the calling thread, on the
    /// interface of that name and index: both, so that it fails on an interface
    /// that was replaced meanwhile. Needs `CAP_NET_RAW`. What it sends has this
    /// hop limit and traffic class.
    ///
    /// | option | why |
    /// |---|---|
    /// | `IPV6_MULTICAST_ALL` 0 | groups that other programs joined stay theirs |
    /// | `IPV6_MULTICAST_LOOP` 0 | what we send is for others |
    /// | `IPV6_RECVPKTINFO` | the destination |
    /// | `IPV6_RECVHOPLIMIT` | the hop limit |
    pub fn open(
        protocol: u8,
        interface: &str,
        index: NonZeroU32,
        hop_limit: u8,
        traffic_class: u8,
    ) -> io::Result<Self> {
        let socket = super::open(Domain::IPV6, protocol, interface)?;
        if nix::net::if_::if_nametoindex(interface)? != index.get() {
            return Err(nix::errno::Errno::ENODEV.into());
        }
        // Linux 4.20; before, foreign groups are heard and discarded.
        let _ = socket.set_multicast_all_v6(false);
        socket.set_multicast_loop_v6(false)?;
        socket.set_recv_hoplimit_v6(true)?;
        setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        Ok(Self {
            socket,
            index,
            hop_limit: hop_limit.into(),
            traffic_class: traffic_class.into(),
        })
    }

    /// Hears a multicast group from now on.
    pub fn join(&self, group: Ipv6Addr) -> io::Result<()> {
        self.socket.join_multicast_v6(&group, self.index.get())
    }

    /// No longer hears it.
    pub fn leave(&self, group: Ipv6Addr) -> io::Result<()> {
        self.socket.leave_multicast_v6(&group, self.index.get())
    }

    /// Sends a message from one of the interface's addresses. `WouldBlock`: the
    /// queue is full.
    pub fn send(&self, message: &[u8], source: Ipv6Addr, destination: Ipv6Addr) -> io::Result<()> {
        let scope = if destination.is_unicast_link_local() || destination.is_multicast() {
            self.index.get()
        } else {
            0
        };
        let destination = SockaddrIn6::from(SocketAddrV6::new(destination, 0, 0, scope));
        let from = libc::in6_pktinfo {
            ipi6_addr: libc::in6_addr {
                s6_addr: source.octets(),
            },
            ipi6_ifindex: self.index.get(),
        };
        let ancillary = [
            ControlMessage::Ipv6PacketInfo(&from),
            ControlMessage::Ipv6HopLimit(&self.hop_limit),
            ControlMessage::Ipv6TClass(&self.traffic_class),
        ];
        sendmsg(
            self.socket.as_raw_fd(),
            &[IoSlice::new(message)],
            &ancillary,
            MsgFlags::empty(),
            Some(&destination),
        )?;
        Ok(())
    }

    /// Receives a message. None: there is none.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<Packet>> {
        super::unless_would_block(self.receive_message(buffer))
    }

    fn receive_message(&self, buffer: &mut [u8]) -> io::Result<Packet> {
        let mut ancillary = nix::cmsg_space!(libc::in6_pktinfo, libc::c_int);
        let mut vectors = [IoSliceMut::new(buffer)];
        let received = recvmsg::<SockaddrIn6>(
            self.socket.as_raw_fd(),
            &mut vectors,
            Some(&mut ancillary),
            MsgFlags::empty(),
        )?;
        let source = received.address.map(|address| address.ip());
        let mut packet = Packet {
            len: received.bytes,
            truncated: received.flags.contains(MsgFlags::MSG_TRUNC),
            source: source.ok_or(io::ErrorKind::InvalidData)?,
            destination: None,
            hop_limit: None,
        };
        for message in received.cmsgs()? {
            match message {
                ControlMessageOwned::Ipv6PacketInfo(info) => {
                    packet.destination = Some(info.ipi6_addr.s6_addr.into());
                }
                ControlMessageOwned::Ipv6HopLimit(hops) => {
                    packet.hop_limit = u8::try_from(hops).ok();
                }
                _ => {}
            }
        }
        Ok(packet)
    }
}
