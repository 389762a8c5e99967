//! What the state machine runs with: version, password, priority, interval.

use std::time::Duration;

use super::super::document::Document;
use super::super::values::{duration, number};
use super::raw;
use crate::lvs::Family;
use crate::vrrp::advert::Checksum;
use crate::vrrp::{AuthPass, Priority, Version};

const DEFAULT_PRIORITY: i64 = 100;
const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);

/// Who becomes master.
pub(super) fn priority(document: &mut Document<'_>, raw: &raw::Vrrp) -> Option<Priority> {
    let n = number(document, &raw.priority, DEFAULT_PRIORITY, 1..=255)?;
    u8::try_from(n).ok()?.try_into().ok()
}

/// Whether it takes mastership from a lesser one.
pub(super) fn preempt(
    document: &mut Document<'_>,
    raw: &raw::Vrrp,
    priority: Option<Priority>,
) -> Option<bool> {
    let Some(written) = &raw.preempt else {
        return Some(true);
    };
    let preempt = *written.get_ref();
    if !preempt && priority == Some(Priority::OWNER) {
        // RFC 9568 §6.1, Preempt_Mode.
        let message = "an owner of the addresses (priority 255) always preempts";
        let mend = "remove it, or write a lower priority, such as 254";
        document.refuse(&written.span(), message, mend);
        return None;
    }
    Some(preempt)
}

/// Whether packets to the addresses are taken, RFC 9568 §6.1. IPVS takes what it
/// balances whatever this says.
pub(super) fn accept(
    document: &mut Document<'_>,
    raw: &raw::Vrrp,
    priority: Option<Priority>,
) -> Option<bool> {
    let Some(written) = &raw.accept else {
        return Some(true);
    };
    let accept = *written.get_ref();
    if !accept && priority == Some(Priority::OWNER) {
        let message = "an owner of the addresses (priority 255) always accepts";
        let mend = "remove it, or write a lower priority";
        document.refuse(&written.span(), message, mend);
        return None;
    }
    Some(accept)
}

/// The version, and the password that only version 2 has.
pub(super) fn version(
    document: &mut Document<'_>,
    raw: &raw::Vrrp,
    family: Option<Family>,
) -> Option<Version> {
    let version = number(document, &raw.version, 3, 2..=3)?;
    if let Some(written) = &raw.version
        && version == 2
        && family == Some(Family::Ipv6)
    {
        let message = "VRRP version 2 has no IPv6";
        document.refuse(
            &written.span(),
            message,
            "write version = 3, or leave it out",
        );
        return None;
    }
    let auth = match &raw.auth_pass {
        None => None,
        Some(text) => {
            if version == 3 {
                let mend = "remove auth_pass, or write version = 2, as on the other directors";
                document.refuse(&text.span(), "VRRP version 3 has no authentication", mend);
                return None;
            }
            let auth = AuthPass::try_from(text.get_ref().as_str());
            let mend = "write 1 to 8 bytes of plain text, the same on every director";
            Some(document.accept(&text.span(), auth, mend)?)
        }
    };
    Some(if version == 2 {
        Version::V2 { auth }
    } else {
        Version::V3
    })
}

/// RFC 9568 §5.2.8, and what others make of it: where there is a choice.
pub(super) fn checksum(
    document: &mut Document<'_>,
    raw: &raw::Vrrp,
    version: Option<Version>,
    family: Option<Family>,
) -> Option<Option<Checksum>> {
    let Some(written) = &raw.checksum else {
        return Some(None);
    };
    let (message, mend) = match (written.get_ref().as_str(), version, family) {
        ("auto" | "rfc" | "pseudo-header", Some(Version::V2 { .. }), _) => {
            ("VRRP version 2 has one form of checksum", "remove it")
        }
        ("auto" | "rfc" | "pseudo-header", _, Some(Family::Ipv6)) => {
            ("over IPv6 there is one form of checksum", "remove it")
        }
        ("auto", _, _) => return Some(None),
        ("rfc", _, _) => return Some(Some(Checksum::MessageOnly)),
        ("pseudo-header", _, _) => return Some(Some(Checksum::PseudoHeader)),
        _ => (
            "unknown form of checksum",
            "use one of: auto rfc pseudo-header",
        ),
    };
    document.refuse(&written.span(), message, mend);
    None
}

/// RFC 3768 §5.3.7: whole seconds in a byte. RFC 9568 §5.2.7: 12 bits of
/// centiseconds.
pub(super) fn interval(
    document: &mut Document<'_>,
    raw: &raw::Vrrp,
    version: Option<Version>,
) -> Option<Duration> {
    let (range, unit) = match version? {
        Version::V2 { .. } => (Duration::from_secs(1)..=Duration::from_secs(255), 1_000),
        Version::V3 => (
            Duration::from_millis(10)..=Duration::from_millis(40_950),
            10,
        ),
    };
    let interval = duration(document, &raw.advert_interval, DEFAULT_INTERVAL, range)?;
    if interval.as_nanos() % (unit * 1_000_000) == 0 {
        return Some(interval);
    }
    let (message, mend) = match unit {
        1_000 => (
            "VRRP version 2 counts whole seconds",
            "write whole seconds, or version = 3",
        ),
        _ => (
            "VRRP version 3 counts hundredths of a second",
            "write a multiple of 10ms",
        ),
    };
    document.refuse(&raw.advert_interval.as_ref()?.span(), message, mend);
    None
}
