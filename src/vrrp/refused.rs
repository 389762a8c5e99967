//! Masters whose adverts are discarded: a split brain that the state machine
//! never hears of, because nothing of such an advert is to be relied on.
//!
//! That somebody sends adverts with our VRID while we are master is worth telling
//! all the same, with the reason why the two do not agree. One such master is
//! remembered at a time, so that forged ones make no more noise than a real one.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::discard::Discard;
use super::ipv4::Datagram;
use super::router::Peer;
use super::transport::Transport;

/// A master whose adverts are discarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Where they come from, and the priority in them.
    pub peer: Peer,
    /// Their version.
    pub version: u8,
    /// Why they are discarded.
    pub why: Discard,
}

/// The one that is heard now, if any.
#[derive(Debug, Default)]
pub struct RefusedMaster {
    current: Option<(Refused, Instant)>,
}

impl RefusedMaster {
    /// The one that is heard now.
    pub fn current(&self) -> Option<Refused> {
        self.current.map(|(refused, _)| refused)
    }

    /// A packet with our VRID was discarded while we are master. Returns the
    /// master that sent it, if that is news.
    pub fn see(
        &mut self,
        now: Instant,
        datagram: &Datagram<'_>,
        transport: &Transport,
        why: Discard,
    ) -> Option<Refused> {
        let (refused, interval) = master(datagram, transport, why)?;
        let patience = interval.max(LEAST_INTERVAL) * 4;
        match &self.current {
            Some((known, _)) if known.peer.address != refused.peer.address => return None,
            Some(_) if refused.peer.priority == 0 => {
                // It resigns: `tend` says so.
                self.current = Some((self.current()?, now));
                return None;
            }
            None if refused.peer.priority == 0 => return None,
            Some(_) | None => {}
        }
        let is_news = self
            .current
            .replace((refused, now + patience))
            .is_none_or(|(known, _)| known.why.counter() != refused.why.counter());
        is_news.then_some(refused)
    }

    /// Forgets the master once it was silent for four intervals of its own, or
    /// resigned, and returns it.
    pub fn tend(&mut self, now: Instant) -> Option<Refused> {
        let (refused, _) = self.current.take_if(|(_, until)| *until <= now)?;
        Some(refused)
    }

    /// The adverts of a master are taken from now on: if it is this one, it is the
    /// state machine's to watch, and the split brain goes on.
    pub fn is_taken_now(&mut self, address: IpAddr) -> bool {
        let is_it = |(known, _): &mut (Refused, Instant)| known.peer.address == address;
        self.current.take_if(is_it).is_some()
    }

    /// Forgets it: we are no longer master ourselves.
    pub fn forget(&mut self) {
        self.current = None;
    }
}

/// Adverts are not taken to come faster than this.
const LEAST_INTERVAL: Duration = Duration::from_millis(250);

/// Whether a discarded packet looks like an advert of a router of this link, and
/// its interval as it says.
fn master(
    datagram: &Datagram<'_>,
    transport: &Transport,
    why: Discard,
) -> Option<(Refused, Duration)> {
    let is_of_a_peer = match why {
        Discard::Version(_)
        | Discard::Destination(_)
        | Discard::UnknownPeer
        | Discard::Length { .. }
        | Discard::Checksum
        | Discard::OwnerHere
        | Discard::AuthType(_)
        | Discard::AuthPassword
        | Discard::Interval { .. } => true,
        // From afar, and so from anybody, unless we have asked for it.
        Discard::Ttl { .. } => transport.peers().contains(&datagram.source),
        Discard::Runt
        | Discard::Giant
        | Discard::IpHeader
        | Discard::Fragment
        | Discard::Protocol(_)
        | Discard::Type(_)
        | Discard::NoAddresses
        | Discard::IntervalZero
        | Discard::UnknownVrid(_)
        | Discard::OwnPacket => false,
    };
    let [version_type, _, priority, _, high, low, ..] = datagram.message.first_chunk::<8>()?;
    let (version_type, priority, low) = (*version_type, *priority, *low);
    let interval = match version_type {
        0x21 => Duration::from_secs(low.into()),
        0x31 => Duration::from_millis(10) * u32::from(u16::from_be_bytes([*high & 0x0F, low])),
        _ => return None,
    };
    let refused = Refused {
        peer: Peer {
            address: datagram.source,
            priority,
        },
        version: version_type >> 4,
        why,
    };
    is_of_a_peer.then_some((refused, interval))
}

#[cfg(test)]
mod tests;
