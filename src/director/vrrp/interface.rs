//! An interface and the raw sockets that its virtual routers share, one for
//! each family.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::status::InterfaceCounters;
use super::{InterfaceStatus, Link};
use crate::lvs::Family;
use crate::sys::neighbour::Mac;
use crate::sys::socket::{Frames, RawV4, RawV6};
use crate::vrrp::IP_PROTOCOL;
use crate::vrrp::discard::Discard;
use crate::vrrp::ethernet::frame;
use crate::vrrp::fragment;
use crate::vrrp::ipv4::{self, Datagram};
use crate::vrrp::ipv6::{self, HOP_LIMIT, TRAFFIC_CLASS};
use crate::vrrp::router::LinkFault;
use crate::vrrp::transport::{MULTICAST_V4, MULTICAST_V6};

/// How long a socket that failed stays closed.
const RETRY_BROKEN: Duration = Duration::from_millis(100);

/// How long until a socket that could not be opened is tried again.
const RETRY_REFUSED: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Interface {
    link: Option<Link>,
    ports: BTreeMap<Family, Port>,
    /// For adverts from a virtual MAC.
    frames: OnceCell<Frames>,
    /// By which the fragments of an advert were last known.
    identification: Cell<u16>,
    pub(super) counters: Arc<InterfaceCounters>,
}

/// The socket of one family, as far as it can be had.
#[derive(Debug, Default)]
struct Port {
    /// Some virtual router here uses the multicast group.
    wants_group: bool,
    socket: Option<Socket>,
    retry_at: Option<Instant>,
    /// Why there is no socket.
    fault: Option<LinkFault>,
}

#[derive(Debug)]
struct Socket {
    raw: Raw,
    in_group: bool,
    /// What it had dropped when that was last asked.
    dropped: u32,
}

#[derive(Debug)]
enum Raw {
    V4(RawV4),
    V6(RawV6),
}

impl Interface {
    pub(super) fn status(&self) -> InterfaceStatus {
        InterfaceStatus {
            link: self.link.clone(),
            counters: Arc::clone(&self.counters),
        }
    }

    /// The sockets that are open.
    pub(super) fn sockets(&self) -> impl Iterator<Item = (Family, BorrowedFd<'_>)> {
        let ports = self.ports.iter();
        ports.filter_map(|(family, port)| Some((*family, port.socket.as_ref()?.as_fd())))
    }

    pub(super) fn link(&self) -> Option<&Link> {
        self.link.as_ref()
    }

    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.ports.values().filter_map(|port| port.retry_at).min()
    }

    /// What a virtual router of this family can expect: like the link, yet
    /// without a socket nothing works. None: nothing is known yet.
    pub(super) fn usable(&self, family: Family) -> Option<Link> {
        let fault = self.ports.get(&family).and_then(|port| port.fault);
        match (&self.link, fault) {
            (Some(Link::Up { .. }), Some(fault)) => Some(Link::Down(fault)),
            (link, _) => link.clone(),
        }
    }

    /// Says which families are in use here, and whether with the multicast
    /// group.
    pub(super) fn want(&mut self, name: &str, now: Instant, families: &BTreeMap<Family, bool>) {
        self.ports.retain(|family, _| families.contains_key(family));
        for (family, wants_group) in families {
            let port = self.ports.entry(*family).or_default();
            port.wants_group = *wants_group;
        }
        self.open(name, now, |_| true);
    }

    /// Takes the new state of the link, and opens or closes the sockets.
    pub(super) fn set_link(&mut self, name: &str, now: Instant, link: Link) {
        if self.link.as_ref().and_then(Link::index) != link.index() {
            for port in self.ports.values_mut() {
                port.socket = None;
            }
        }
        self.link = Some(link);
        self.open(name, now, |_| true);
    }

    /// Tries again what is due. Returns whether anything was.
    pub(super) fn reopen(&mut self, name: &str, now: Instant) -> bool {
        let is_due = |port: &Port| port.retry_at.is_some_and(|at| at <= now);
        let any = self.ports.values().any(is_due);
        self.open(name, now, is_due);
        any
    }

    /// Why sockets that ought to be open are not.
    pub(super) fn faults(&self) -> impl Iterator<Item = LinkFault> {
        self.ports.values().filter_map(|port| port.fault)
    }

    fn open(&mut self, name: &str, now: Instant, which: impl Fn(&Port) -> bool) {
        let index = self.link.as_ref().and_then(Link::index);
        for (family, port) in &mut self.ports {
            if which(port) {
                port.open(*family, name, index, now);
            }
        }
    }

    /// The socket of a family reported an error: another one may work.
    pub(super) fn socket_broke(&mut self, family: Family, now: Instant) {
        if let Some(port) = self.ports.get_mut(&family) {
            port.socket = None;
            port.retry_at = Some(now + RETRY_BROKEN);
        }
    }

    /// Sends a message: to the group from the virtual MAC, if there is one. The
    /// interface that has it need not be up for that.
    pub(super) fn send(
        &self,
        message: &[u8],
        virtual_mac: Option<Mac>,
        source: IpAddr,
        destination: IpAddr,
    ) -> io::Result<()> {
        let frame = virtual_mac.and_then(|mac| frame(mac, source, destination, message));
        if let (Some((frame, ethertype)), Some(index)) = (frame, self.index()) {
            let frames = self.frames()?;
            let parts = fragment::of_frame(frame, self.mtu(), self.next_identification());
            return parts
                .iter()
                .try_for_each(|part| frames.send(index, part, ethertype));
        }
        let port = self.ports.get(&Family::of(source));
        let socket = port.and_then(|port| port.socket.as_ref());
        match (socket.map(|socket| &socket.raw), source, destination) {
            (Some(Raw::V4(raw)), IpAddr::V4(source), IpAddr::V4(destination)) => {
                let mut packet = ipv4::header(source, destination, message.len()).to_vec();
                packet.extend(message);
                let parts = fragment::of_ipv4(packet, self.mtu(), self.next_identification());
                parts
                    .iter()
                    .try_for_each(|part| raw.send(part, destination))
            }
            (Some(Raw::V6(raw)), IpAddr::V6(source), IpAddr::V6(destination)) => {
                raw.send(message, source, destination)
            }
            _ => Err(io::Error::from_raw_os_error(nix::libc::ENETDOWN)),
        }
    }

    /// How many packets the kernel has dropped since the last time, because they were not
    /// read in time. Asked after reading, it misses none that came before what was read:
    /// a socket that drops is full, and so there is something to read.
    pub(super) fn take_dropped(&mut self, family: Family) -> u32 {
        let port = self.ports.get_mut(&family);
        let socket = port.and_then(|port| port.socket.as_mut());
        socket.map_or(0, Socket::take_dropped)
    }

    fn index(&self) -> Option<NonZeroU32> {
        self.link.as_ref().and_then(Link::index)
    }

    fn mtu(&self) -> usize {
        let mtu = self.link.as_ref().and_then(Link::mtu);
        mtu.unwrap_or(usize::MAX)
    }

    /// Of fragments: never 0, which the kernel would replace, by another for each of them.
    fn next_identification(&self) -> u16 {
        let next = self.identification.get().checked_add(1).unwrap_or(1);
        self.identification.set(next);
        next
    }

    fn frames(&self) -> io::Result<&Frames> {
        match self.frames.get() {
            Some(frames) => Ok(frames),
            None => {
                let frames = Frames::open()?;
                Ok(self.frames.get_or_init(|| frames))
            }
        }
    }

    /// Receives a packet, if there is one: a message, or what is wrong with it.
    pub(super) fn receive<'b>(
        &self,
        family: Family,
        buffer: &'b mut [u8],
    ) -> io::Result<Option<Result<Datagram<'b>, Discard>>> {
        let port = self.ports.get(&family);
        match port.and_then(|port| port.socket.as_ref()) {
            None => Ok(None),
            Some(socket) => socket.raw.receive(buffer),
        }
    }
}

impl Port {
    /// Opens the socket if there ought to be one, and has it in the group or
    /// not.
    fn open(&mut self, family: Family, name: &str, index: Option<NonZeroU32>, now: Instant) {
        self.retry_at = None;
        self.fault = None;
        let Some(index) = index else {
            self.socket = None;
            return;
        };
        let socket = match self.socket.take() {
            Some(socket) => Ok(socket),
            None => Socket::open(family, name, index),
        };
        match socket.and_then(|socket| socket.member(self.wants_group)) {
            Ok(socket) => self.socket = Some(socket),
            Err(error) => {
                self.retry_at = Some(now + RETRY_REFUSED);
                let errno = error.raw_os_error().unwrap_or(0);
                self.fault = Some(LinkFault::Socket(errno));
            }
        }
    }
}

impl Socket {
    fn open(family: Family, name: &str, index: NonZeroU32) -> io::Result<Self> {
        let raw = match family {
            Family::Ipv4 => Raw::V4(RawV4::open(IP_PROTOCOL, name, index)?),
            Family::Ipv6 => {
                let protocol = IP_PROTOCOL;
                Raw::V6(RawV6::open(
                    protocol,
                    name,
                    index,
                    HOP_LIMIT,
                    TRAFFIC_CLASS,
                )?)
            }
        };
        Ok(Self {
            raw,
            in_group: false,
            dropped: 0,
        })
    }

    fn member(self, in_group: bool) -> io::Result<Self> {
        match (&self.raw, self.in_group, in_group) {
            (Raw::V4(raw), false, true) => raw.join(MULTICAST_V4)?,
            (Raw::V4(raw), true, false) => raw.leave(MULTICAST_V4)?,
            (Raw::V6(raw), false, true) => raw.join(MULTICAST_V6)?,
            (Raw::V6(raw), true, false) => raw.leave(MULTICAST_V6)?,
            (_, false, false) | (_, true, true) => {}
        }
        Ok(Self { in_group, ..self })
    }

    fn take_dropped(&mut self) -> u32 {
        let dropped = match &self.raw {
            Raw::V4(raw) => raw.dropped(),
            Raw::V6(raw) => raw.dropped(),
        };
        dropped.wrapping_sub(std::mem::replace(&mut self.dropped, dropped))
    }
}

impl Raw {
    fn receive<'b>(
        &self,
        buffer: &'b mut [u8],
    ) -> io::Result<Option<Result<Datagram<'b>, Discard>>> {
        match self {
            Self::V4(raw) => {
                let Some(len) = raw.receive(buffer)? else {
                    return Ok(None);
                };
                // Nobody knows how much was cut off a packet that fills it.
                Ok(Some(if len == buffer.len() {
                    Err(Discard::Giant)
                } else {
                    ipv4::parse(&buffer[..len])
                }))
            }
            Self::V6(raw) => {
                let Some(packet) = raw.receive(buffer)? else {
                    return Ok(None);
                };
                let message = &buffer[..packet.len];
                Ok(Some(if packet.truncated {
                    Err(Discard::Giant)
                } else {
                    ipv6::datagram(message, packet.source, packet.destination, packet.hop_limit)
                }))
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.raw {
            Raw::V4(raw) => raw.as_fd(),
            Raw::V6(raw) => raw.as_fd(),
        }
    }
}
