//! The Virtual Router Redundancy Protocol: RFC 3768 (version 2) and RFC 9568
//! (version 3), as pure values.
//!
//! RFC 9568 says *Active*; this crate keeps the word of the older RFCs and of
//! the field, *master*.
//!
//! A packet goes through [`ipv4::parse`] (the IP header), [`receive::receive`]
//! (the checks of RFC 9568 §7.1) and [`router::Router::handle`] (the state
//! machine); what the router answers is built by [`Settings::advert`],
//! [`advert::Advert::encode`] and [`ipv4::header`]. Sockets, threads, the clock
//! and logs are the driver's, [`crate::director::vrrp`].
//!
//! # Deviations
//!
//! | rule | here | why |
//! |---|---|---|
//! | RFC 9568 §7.2, 3768 §7.2: the virtual MAC is the Ethernet source | only with `virtual_mac = true`; else the interface's own MAC, announced by gratuitous ARP | what LVS sites run today |
//! | RFC 9568 §6.1: accept mode defaults to off | to on; `accept = false` turns it off | LVS sites ping their VIP |
//! | RFC 3768 §5.3.6: authentication types 1 and 2 are gone | the password (type 1) is spoken | most installations of today send one |
//! | RFC 3768 §7.1: an address list unlike ours is dropped, unless the owner sent it | accepted and reported | dropping makes two masters of a typing error; keepalived stopped dropping in 2.3.3 |
//! | RFC 9568 §5.2.8: the IPv4 checksum covers the message only | sent in both forms, as two packets, unless `checksum` names one, or every router heard lately speaks in one alone | keepalived and FRR include one by default, and who only listens does not say what it takes |
//! | RFC 9568 §7.1, 3768 §7.1: a message may be longer than its count says | discarded | what follows is not VRRP: keepalived's HMAC trailer, which nobody here can check |
//! | RFC 9568 §5.1.1.2: adverts go to the group | with `unicast_peers` to these peers, and only theirs are taken | networks without multicast |
//! | RFC 9568 §7.1: the TTL is 255 | with unicast not less than `unicast_min_ttl`, 255 unless set | peers with routers between them |
//! | RFC 9568 §5.1.1.1: adverts come from the primary address | from `source_address`, if set | an interface with several networks, of which the peers know one |
//! | RFC 9568 §5.2.9: the first IPv6 address is the virtual router's link-local | if there is a link-local address it is the first; there need be none | clients of a VIP do not use it as their router |
//! | RFC 9568 §6.4.3: a lesser advert, or one of priority 0, is answered at once | not sooner than a centisecond after the previous advert | a flood must not be answered packet for packet |
//! | RFC 9568 §6.4.2 (365): the advert first, then the addresses | from a master that works or has resigned: addresses and announcements first, the advert when they are there | the advert sends a master away that serves till then; nobody is lost in between |
//! | RFC 9568 §6.4.3: a master that is shut down releases the addresses at once | after its priority 0 it keeps them until it hears its successor, for `handover_timeout` at most, and repeats the 0 each 1.25 intervals | a planned change costs no packet |
//! | RFC 9568 §6.4.2: a backup does not answer for the addresses | it does for 250 ms after another router has taken over | a successor that follows the RFC has its addresses after its advert |
//! | RFC 9568 §6.4.3 (740): a master that hears a better one is a backup, silently | it sends one advert more | after a split brain the better one would not know that clients were told of another, and not announce |
//! | RFC 9568 §6.1: preempt is yes or no | `preempt_delay`, `startup_delay`, `lvsd vrrp yield`, and not before the checks have answered since the start, or since a link changed | a director that serves well is not relieved by one that does not yet |
//! | RFC 9568 §6.1: the skew time follows the priority | while it has yielded, it is that of priority 1 | it is the last to take over |
//! | RFC 9568 §6.4: each virtual router for itself | a group is master together or not at all; between equal priorities the address in one LAN decides for all | what comes in by one address goes out by the other |
//! | RFC 9568 §6.4.2: the master down timer fires, the router is master | a timer handled more than one advert interval late starts one further, shorter wait, once | the host slept: the master's adverts may not have been read |
//! | RFC 9568 §6.4.2: the same | while packets are dropped before they are read, a wait of an interval and a skew more, six times at most | adverts may be among them, and a second master costs more than a late one |
//! | RFC 9568 §6.4.1: a router that starts listens for a master down interval | for one interval and a skew where its addresses are here since a run that was killed as master | it still serves all clients, whose connections a backup would break; one that has taken over is heard by then |
//! | RFC 9568 §6.4.3: the advert timer fires, the master sends; a lesser advert is answered | a master that sent nothing for longer than its own master down interval listens for one interval and a skew first, once, and six times more at most while packets are dropped; whoever it hears is its successor, of whatever priority | the host slept, and a backup serves: it is preempted by the rules, not run over |

pub mod advert;
pub mod dialects;
#[cfg(test)]
mod dice;
pub mod discard;
pub mod ethernet;
pub mod fragment;
pub mod group;
pub mod influence;
pub mod ipv4;
pub mod ipv6;
pub mod mismatch;
pub mod receive;
pub mod refused;
pub mod router;
#[cfg(test)]
mod rules;
pub mod timers;
pub mod transport;

use std::net::IpAddr;
use std::num::NonZeroU8;
use std::time::Duration;

use crate::lvs::Family;
use advert::{Advert, Checksum};

/// Virtual router identifier, 1..=255 (RFC 9568 §5.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vrid(NonZeroU8);

impl Vrid {
    /// The number.
    pub fn get(self) -> u8 {
        self.0.get()
    }
}

impl TryFrom<u8> for Vrid {
    type Error = &'static str;

    fn try_from(n: u8) -> Result<Self, Self::Error> {
        NonZeroU8::new(n).map(Self).ok_or("must be 1..=255")
    }
}

/// RFC 9568 §5.2.4: 0 on the wire means "I resign", so no router is configured
/// with it; 255 says that the virtual addresses are this host's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(NonZeroU8);

impl Priority {
    /// The addresses are this host's own (RFC 9568 §5.2.4).
    pub const OWNER: Self = Self(NonZeroU8::MAX);

    /// The last to become master.
    pub const LEAST: Self = Self(NonZeroU8::MIN);

    /// The number.
    pub fn get(self) -> u8 {
        self.0.get()
    }
}

impl TryFrom<u8> for Priority {
    type Error = &'static str;

    fn try_from(n: u8) -> Result<Self, Self::Error> {
        NonZeroU8::new(n).map(Self).ok_or("must be 1..=255")
    }
}

/// Version of the protocol that a router speaks, with what only that version has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// RFC 3768, with the simple password of RFC 2338 §5.3.6 that it dropped,
    /// because most installations of today still send one.
    V2 {
        /// The password, or none (authentication type 0).
        auth: Option<AuthPass>,
    },
    /// RFC 9568.
    V3,
}

impl Version {
    /// As the wire has it.
    pub fn number(self) -> u8 {
        match self {
            Self::V2 { .. } => 2,
            Self::V3 => 3,
        }
    }
}

/// A version 2 password: 1 to 8 bytes, zero-padded as on the wire.
///
/// It travels in the clear: it keeps a mistyped VRID out, not an attacker.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AuthPass([u8; 8]);

impl AuthPass {
    /// The eight bytes of the wire.
    pub fn bytes(&self) -> [u8; 8] {
        self.0
    }

    /// The password as configured.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        let end = self
            .0
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        String::from_utf8_lossy(&self.0[..end])
    }
}

impl TryFrom<&str> for AuthPass {
    type Error = &'static str;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let mut bytes = [0; 8];
        if text.chars().any(char::is_control) {
            return Err("holds a control character");
        }
        match text.len() {
            1..=8 => bytes[..text.len()].copy_from_slice(text.as_bytes()),
            0 => return Err("is empty"),
            _ => return Err("is longer than the 8 bytes that VRRP version 2 carries"),
        }
        Ok(Self(bytes))
    }
}

/// What the wire holds, which may be a password that nobody can configure.
impl From<[u8; 8]> for AuthPass {
    fn from(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }
}

/// Never shows the password.
impl std::fmt::Debug for AuthPass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuthPass(…)")
    }
}

/// One virtual router as configured: what the state machine and the wire need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Which virtual router.
    pub vrid: Vrid,
    /// Who becomes master.
    pub priority: Priority,
    /// Version and what belongs to it.
    pub version: Version,
    /// Between two adverts of this router. Version 2: 1 s..=255 s in whole
    /// seconds; version 3: 10 ms..=40.95 s in whole centiseconds.
    pub advert_interval: Duration,
    /// Whether a router of higher priority takes over from a working master.
    pub preempt: bool,
    /// The addresses in the advert, in configuration order; 1..=255 of them,
    /// one family.
    pub addresses: Vec<IpAddr>,
    /// The form of checksum that adverts of version 3 over IPv4 have; none: both, or that
    /// of the others if they all have one.
    pub checksum: Option<Checksum>,
    /// How mastership is taken and given away.
    pub takeover: Takeover,
}

/// How mastership is taken and given away, beyond what the RFCs say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Takeover {
    /// For how long a working master of lower priority is left alone after it
    /// was first heard.
    pub preempt_delay: Duration,
    /// How long a router that was just started only listens.
    pub startup_delay: Duration,
    /// How long a master that resigns on purpose keeps the addresses at most,
    /// while it hears no successor.
    pub handover_timeout: Duration,
}

impl Default for Takeover {
    fn default() -> Self {
        Self {
            preempt_delay: Duration::ZERO,
            startup_delay: Duration::ZERO,
            handover_timeout: Duration::from_secs(4),
        }
    }
}

impl Settings {
    /// The family of the addresses, and so of the adverts.
    pub fn family(&self) -> Family {
        self.addresses
            .first()
            .map_or(Family::Ipv4, |address| Family::of(*address))
    }

    /// The advert that a master with these settings sends. `priority` is the
    /// configured one, or 0 to resign.
    pub fn advert(&self, priority: u8) -> Advert {
        Advert {
            version: self.version,
            vrid: self.vrid,
            priority,
            interval: self.advert_interval,
            addresses: self.addresses.clone(),
        }
    }
}

/// The IP protocol number (RFC 9568 §5.1.1.4).
pub const IP_PROTOCOL: u8 = 112;
