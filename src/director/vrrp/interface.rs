//! An interface and the raw socket that its virtual routers share.

use std::io;
use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::status::InterfaceCounters;
use super::{InterfaceStatus, Link};
use crate::sys::socket::RawMulticast;
use crate::vrrp::router::LinkFault;
use crate::vrrp::{IP_PROTOCOL, MULTICAST_V4};

/// How long a socket that failed stays closed.
const RETRY_BROKEN: Duration = Duration::from_millis(100);

/// How long until a socket that could not be opened is tried again.
const RETRY_REFUSED: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Interface {
    link: Option<Link>,
    socket: Option<RawMulticast>,
    retry_at: Option<Instant>,
    pub(super) counters: Arc<InterfaceCounters>,
}

impl Interface {
    pub(super) fn status(&self) -> InterfaceStatus {
        InterfaceStatus {
            link: self.link,
            counters: Arc::clone(&self.counters),
        }
    }

    pub(super) fn socket(&self) -> Option<&RawMulticast> {
        self.socket.as_ref()
    }

    pub(super) fn link(&self) -> Option<Link> {
        self.link
    }

    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// What virtual routers can expect of it: like the link, yet without a
    /// socket nothing works. None: nothing is known yet.
    pub(super) fn usable(&self, fault: Option<LinkFault>) -> Option<Link> {
        match (self.link, fault) {
            (Some(Link::Up { .. }), Some(fault)) => Some(Link::Down(fault)),
            (link, _) => link,
        }
    }

    /// Takes the new state of the link, and opens or closes the socket.
    pub(super) fn set_link(&mut self, name: &str, now: Instant, link: Link) -> Option<LinkFault> {
        let index = |link: Option<Link>| match link {
            Some(Link::Up { index, .. }) => Some(index),
            Some(Link::Down(_)) | None => None,
        };
        if index(self.link) != index(Some(link)) {
            self.socket = None;
        }
        self.link = Some(link);
        self.open(name, now)
    }

    /// Opens the socket, if there ought to be one and there is none.
    pub(super) fn open(&mut self, name: &str, now: Instant) -> Option<LinkFault> {
        self.retry_at = None;
        let Some(Link::Up { index, .. }) = self.link else {
            self.socket = None;
            return None;
        };
        if self.socket.is_some() {
            return None;
        }
        match open(name, index) {
            Ok(socket) => {
                self.socket = Some(socket);
                None
            }
            Err(error) => {
                self.retry_at = Some(now + RETRY_REFUSED);
                Some(LinkFault::Socket(error.raw_os_error().unwrap_or(0)))
            }
        }
    }

    /// The socket reported an error: another one may work.
    pub(super) fn socket_broke(&mut self, now: Instant) {
        self.socket = None;
        self.retry_at = Some(now + RETRY_BROKEN);
    }

    /// Sends a packet to the multicast group.
    pub(super) fn send(&self, packet: &[u8]) -> io::Result<()> {
        match &self.socket {
            Some(socket) => socket.send(packet, MULTICAST_V4),
            None => Err(io::Error::from_raw_os_error(nix::libc::ENETDOWN)),
        }
    }
}

fn open(name: &str, index: NonZeroU32) -> io::Result<RawMulticast> {
    const GROUP: Ipv4Addr = MULTICAST_V4;
    RawMulticast::open(IP_PROTOCOL, GROUP, name, index)
}
