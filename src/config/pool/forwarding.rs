//! How packets reach real servers: `forwarding` and `tunnel`.

use std::num::NonZeroU16;

use toml::Spanned;

use crate::config::document::Document;
use crate::config::raw::{self, Field};
use crate::config::rules::Conduct;
use crate::config::values::{number, parsed};
use crate::lvs::{Checksum, Forwarding, Tunnel};

const METHODS: &str = "use one of: dr nat tun local";

/// What real servers inherit from their virtual server.
pub(super) struct Outer<'a> {
    /// None: it is refused, and counts only for those that have one of their own.
    pub(super) forwarding: Option<Forwarding>,
    pub(super) check: Option<&'a raw::Check>,
    /// Whether a check must be named, there being none that fits by default.
    pub(super) needs_check: bool,
    /// The port to check where the real server names none; 0: there is none.
    pub(super) port: u16,
    /// What becomes of them when they fail, recover or leave.
    pub(super) conduct: Conduct,
}

/// Reads the virtual server's own keys.
pub(super) fn read(document: &mut Document<'_>, raw: &raw::VirtualServer) -> Option<Forwarding> {
    keys(
        document,
        &raw.forwarding,
        raw.tunnel.as_ref(),
        Some(Forwarding::DirectRoute),
    )
}

/// Reads the sorry server's own key.
pub(super) fn of_sorry(
    document: &mut Document<'_>,
    raw: &raw::VirtualServer,
    outer: Option<Forwarding>,
) -> Option<Forwarding> {
    keys(document, &raw.sorry_forwarding, None, outer)
}

/// Reads a real server's own keys over those of its virtual server.
pub(super) fn of_member(
    document: &mut Document<'_>,
    own: &raw::RealServer,
    outer: Option<Forwarding>,
) -> Option<Forwarding> {
    keys(document, &own.forwarding, own.tunnel.as_ref(), outer)
}

fn keys(
    document: &mut Document<'_>,
    method: &Field<String>,
    tunnel: Option<&Spanned<raw::Tunnel>>,
    inherited: Option<Forwarding>,
) -> Option<Forwarding> {
    let inherited = match method {
        None => inherited?,
        Some(_) => inherited.unwrap_or(Forwarding::DirectRoute),
    };
    let forwarding = match parsed(document, method, inherited, METHODS)? {
        // `forwarding = "tun"` says nothing new where the virtual server is tunnelled.
        Forwarding::Tunnel(_) if matches!(inherited, Forwarding::Tunnel(_)) => inherited,
        forwarding => forwarding,
    };
    let Some(tunnel) = tunnel else {
        return Some(forwarding);
    };
    let Forwarding::Tunnel(_) = forwarding else {
        let message = format!("forwarding {:?} has no tunnel", forwarding.method());
        let mend = "remove it, or write forwarding = \"tun\"";
        document.refuse(&tunnel.span(), message, mend);
        return None;
    };
    read_tunnel(document, tunnel).map(Forwarding::Tunnel)
}

fn read_tunnel(document: &mut Document<'_>, tunnel: &Spanned<raw::Tunnel>) -> Option<Tunnel> {
    let raw = tunnel.get_ref();
    let kind = raw.kind.as_ref().map_or("ipip", |kind| kind.get_ref());
    match kind {
        "ipip" => {
            refuse_key(document, &raw.port, kind, "no port");
            refuse_key(document, &raw.checksum, kind, "no checksum");
            Some(Tunnel::Ipip)
        }
        "gue" => {
            let mend = "name the UDP port at which the real servers listen, such as port = 6080";
            let port = match &raw.port {
                None => document.require(&tunnel.span(), None, "port", mend),
                written => number(document, written, 0, 1..=65_535),
            };
            let checksum = checksum(document, raw);
            Some(Tunnel::Gue {
                port: port.and_then(NonZeroU16::new)?,
                checksum: checksum?,
            })
        }
        "gre" => {
            refuse_key(document, &raw.port, kind, "no port");
            let checksum = checksum(document, raw)?;
            if let (Checksum::Remote, Some(field)) = (checksum, &raw.checksum) {
                let message = "only GUE has remote checksum offload";
                let mend = "use one of: none plain";
                document.refuse(&field.span(), message, mend);
                return None;
            }
            Some(Tunnel::Gre {
                checksum: checksum == Checksum::Plain,
            })
        }
        _ => {
            let span = raw.kind.as_ref().map_or(tunnel.span(), Spanned::span);
            let mend = "use one of: ipip gue gre";
            document.refuse(&span, "unknown kind of tunnel", mend);
            None
        }
    }
}

fn checksum(document: &mut Document<'_>, raw: &raw::Tunnel) -> Option<Checksum> {
    let mend = "use one of: none plain remote";
    parsed(document, &raw.checksum, Checksum::None, mend)
}

fn refuse_key<T>(document: &mut Document<'_>, field: &Field<T>, kind: &str, has: &str) {
    if let Some(field) = field {
        let message = format!("a tunnel of type {kind:?} has {has}");
        document.refuse(&field.span(), message, "remove it");
    }
}
