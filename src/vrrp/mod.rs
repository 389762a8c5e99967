//! The Virtual Router Redundancy Protocol: RFC 3768 (version 2) and RFC 9568
//! (version 3), as pure values.
//!
//! RFC 9568 says *Active*; this crate keeps the word of the older RFCs and of
//! the field, *master*.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU8;
use std::time::Duration;

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
        match text.len() {
            1..=8 => bytes[..text.len()].copy_from_slice(text.as_bytes()),
            0 => return Err("is empty"),
            _ => return Err("is longer than the 8 bytes that VRRP version 2 carries"),
        }
        Ok(Self(bytes))
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
}

/// Where adverts go (RFC 9568 §5.1.1.2).
pub const MULTICAST_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// The IP protocol number (RFC 9568 §5.1.1.4).
pub const IP_PROTOCOL: u8 = 112;
