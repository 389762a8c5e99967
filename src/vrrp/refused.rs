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

/// The one that is heard now, if any, and those that may be one.
///
/// One packet is no master: anybody can send it. A master is who sends adverts at
/// [`MOMENTS`], each at least half an interval after the last one and with less
/// silence than a master may keep.
///
/// Packets that may be anything, with a wrong checksum say, tell of a master only where
/// they come as slowly as a master's: a flood of them is a flood.
#[derive(Debug, Default)]
pub struct RefusedMaster {
    current: Option<Seen>,
    /// At most [`MOST`], the one heard longest ago first.
    suspects: Vec<Seen>,
    /// No other one is told until then.
    lull_until: Option<Instant>,
}

/// Somebody whose adverts are discarded.
#[derive(Debug, Clone, Copy)]
struct Seen {
    refused: Refused,
    interval: Duration,
    moments: u8,
    /// The last of these moments.
    moment_at: Instant,
    /// It is gone then, unless it is heard before.
    until: Instant,
    /// Since when packets that may be anything are counted, and how many came.
    counted_since: Instant,
    doubtful: u32,
}

impl Seen {
    /// Takes another advert of the same sender. Who it is and why it is refused
    /// changes with the moments only, however fast its adverts alternate.
    fn again(&mut self, now: Instant, (refused, interval): (Refused, Duration)) {
        let half = self.interval.min(interval) / 2;
        if !refused.why.is_of_an_intact_advert() && !self.is_after_calm(now, half) {
            return;
        }
        self.until = now + patience(interval);
        if now >= self.moment_at + half {
            (self.refused, self.interval) = (refused, interval);
            self.moment_at = now;
            self.moments = self.moments.saturating_add(1);
        }
    }

    /// Takes a packet that may be anything. Whether it is the first one after half an
    /// interval in which such packets came as slowly as a master's.
    fn is_after_calm(&mut self, now: Instant, half: Duration) -> bool {
        if now < self.counted_since + half {
            self.doubtful = self.doubtful.saturating_add(1);
            return false;
        }
        self.counted_since = now;
        std::mem::take(&mut self.doubtful) < CROWD
    }
}

impl RefusedMaster {
    /// The one that is heard now.
    pub fn current(&self) -> Option<Refused> {
        self.current.map(|seen| seen.refused)
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
        let advert = master(datagram, transport, why)?;
        let (refused, _) = advert;
        let address = refused.peer.address;
        let resigns = refused.peer.priority == 0;
        match &mut self.current {
            // `tend` says so.
            Some(known) if known.refused.peer.address == address && resigns => known.until = now,
            Some(known) if known.refused.peer.address == address => known.again(now, advert),
            _ if resigns => self
                .suspects
                .retain(|it| it.refused.peer.address != address),
            Some(_) => {}
            None => return self.suspect(now, advert),
        }
        None
    }

    /// Somebody who is not known to be a master sent an advert. Returns him once
    /// he behaves like one.
    fn suspect(&mut self, now: Instant, advert: (Refused, Duration)) -> Option<Refused> {
        let (refused, interval) = advert;
        self.suspects.retain(|it| now < it.until);
        let is_it = |it: &Seen| it.refused.peer.address == refused.peer.address;
        let seen = match self.suspects.iter().position(is_it) {
            Some(index) => {
                let mut seen = self.suspects.remove(index);
                seen.again(now, advert);
                seen
            }
            None => Seen {
                refused,
                interval,
                moments: 1,
                moment_at: now,
                until: now + patience(interval),
                counted_since: now,
                doubtful: 0,
            },
        };
        if seen.moments >= MOMENTS && self.lull_until.is_none_or(|until| until <= now) {
            self.suspects.clear();
            self.current = Some(seen);
            return Some(seen.refused);
        }
        if self.suspects.len() == MOST {
            // Whoever was heard at one moment only is one of many forged ones.
            let least = (0..MOST).min_by_key(|index| self.suspects[*index].moments);
            self.suspects.remove(least.unwrap_or(0));
        }
        self.suspects.push(seen);
        None
    }

    /// Forgets the master once it was silent for four intervals of its own, or
    /// resigned, and returns it.
    pub fn tend(&mut self, now: Instant) -> Option<Refused> {
        let gone = self.current.take_if(|seen| seen.until <= now)?;
        self.lull_until = Some(now + LULL);
        Some(gone.refused)
    }

    /// The adverts of a master are taken from now on: if it is this one, it is the
    /// state machine's to watch, and the split brain goes on.
    pub fn is_taken_now(&mut self, address: IpAddr) -> bool {
        let is_it = |seen: &mut Seen| seen.refused.peer.address == address;
        self.current.take_if(is_it).is_some()
    }

    /// Packets were dropped before they were read: how many came is not known, only that
    /// they were too many.
    pub fn lose_packets(&mut self) {
        for seen in self.suspects.iter_mut().chain(&mut self.current) {
            seen.doubtful = seen.doubtful.max(CROWD);
        }
    }

    /// Forgets it: we are no longer master ourselves.
    pub fn forget(&mut self) {
        self.current = None;
        self.suspects.clear();
    }
}

/// How often a master is heard before it is one.
const MOMENTS: u8 = 3;

/// So many packets in half an interval are no master's: it sends an advert, perhaps in both
/// forms of checksum, and a LAN with a fault may double it.
const CROWD: u32 = 8;

/// So many are watched for whether they are masters.
const MOST: usize = 16;

/// When one is gone, how long until another one is told: bursts of forged adverts
/// are not a split brain each.
const LULL: Duration = Duration::from_secs(10);

/// How long a master may be silent.
fn patience(interval: Duration) -> Duration {
    interval.max(LEAST_INTERVAL) * 4
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
        | Discard::Source(_)
        | Discard::Type(_)
        | Discard::NoAddresses
        | Discard::IntervalZero
        | Discard::UnknownVrid(_)
        | Discard::OwnPacket => false,
    };
    let [version_type, _, priority, count, high, low, ..] = *datagram.message.first_chunk::<8>()?;
    let (interval, trailer_len) = match version_type {
        0x21 => (Duration::from_secs(low.into()), 8),
        0x31 => {
            let centiseconds = u16::from_be_bytes([high & 0x0F, low]);
            (Duration::from_millis(10) * u32::from(centiseconds), 0)
        }
        _ => return None,
    };
    let address_len = if datagram.source.is_ipv4() { 4 } else { 16 };
    // Longer ones have an extension; shorter ones are nobody's advert.
    let least_len = 8 + usize::from(count) * address_len + trailer_len;
    if count == 0 || interval.is_zero() || datagram.message.len() < least_len {
        return None;
    }
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
