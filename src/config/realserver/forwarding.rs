//! How the directors forward to this host, and what that needs here.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;

use toml::Spanned;

use super::raw;
use super::vips::of_another_host;
use crate::config::document::Document;
use crate::config::values::{number, parsed};
use crate::lvs::{Checksum, Forwarding};

/// How packets come here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// As they are, to this host's MAC address.
    DirectRoute,
    /// Within others.
    Tunnel {
        /// Within what.
        tunnel: Tunnel,
        /// This host's address that they are sent to; none: any IPv4 address.
        local: Option<IpAddr>,
        /// What clients are told about the longest segment.
        mss: Mss,
    },
    /// With this host's own address as destination; answers must pass the director.
    Nat {
        /// The addresses at which directors forward answers, at least one.
        gateways: Vec<IpAddr>,
    },
}

/// What the packets are within.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tunnel {
    /// IP in IP.
    Ipip,
    /// Generic UDP encapsulation.
    Gue {
        /// The UDP port.
        port: NonZeroU16,
    },
    /// Generic routing encapsulation.
    Gre {
        /// Whether they carry a checksum: a device takes either kind, not both.
        checksum: bool,
    },
}

/// The longest TCP segment that clients are told to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mss {
    /// What fits into the outgoing interface's MTU once it is wrapped.
    Fitting,
    /// This, in bytes.
    Fixed(u16),
    /// As the kernel does by itself: the LAN has room for wrapped packets.
    Untouched,
}

/// The smallest that may be asked for: what every host must take (RFC 9293 §3.7.1).
pub const MIN_MSS: u16 = 536;
/// The largest: an IPv6 packet of 64 KB.
pub const MAX_MSS: u16 = 65_475;

/// `dr`, `nat`, `tun ipip`, `tun gue 6080`, `tun gre`.
impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DirectRoute => f.write_str("dr"),
            Self::Nat { .. } => f.write_str("nat"),
            Self::Tunnel { tunnel, .. } => match tunnel {
                Tunnel::Ipip => f.write_str("tun ipip"),
                Tunnel::Gue { port } => write!(f, "tun gue {port}"),
                Tunnel::Gre { checksum: false } => f.write_str("tun gre"),
                Tunnel::Gre { checksum: true } => f.write_str("tun gre plain"),
            },
        }
    }
}

/// Reads `forwarding` and the keys that go with it.
pub(super) fn read(
    document: &mut Document<'_>,
    raw: &raw::Agent,
    vips: &[IpAddr],
) -> Option<Method> {
    let mend = "use one of: dr tun nat";
    let default = Forwarding::DirectRoute;
    let forwarding = parsed(document, &raw.forwarding, default, mend)?;
    if !matches!(forwarding, Forwarding::Tunnel(_))
        && let Some(tunnel) = &raw.tunnel
    {
        let message = "not used here";
        document.refuse(&tunnel.span(), message, "write forwarding = \"tun\" too");
    }
    if forwarding != Forwarding::Nat
        && let Some(gateways) = &raw.gateways
    {
        let message = "not used here";
        document.refuse(&gateways.span(), message, "write forwarding = \"nat\" too");
    }
    match forwarding {
        Forwarding::DirectRoute => Some(Method::DirectRoute),
        Forwarding::Tunnel(_) => tunnel(document, raw.tunnel.as_ref(), vips),
        Forwarding::Nat => nat(document, raw),
        Forwarding::Local => {
            if let Some(field) = &raw.forwarding {
                let message = "other directors reach this host by direct routing, a tunnel or NAT";
                document.refuse(&field.span(), message, mend);
            }
            None
        }
    }
}

fn nat(document: &mut Document<'_>, raw: &raw::Agent) -> Option<Method> {
    if let Some(vip) = raw.vips.first() {
        let message = "a real server behind NAT has no VIP of its own";
        document.refuse(&vip.span(), message, "remove vips");
    }
    let mend = "name the directors' address on this side, such as \
                gateways = [\"192.168.1.254\"]";
    let Some(list) = &raw.gateways else {
        document.refuse_missing(&(0..0), "gateways", mend);
        return None;
    };
    if list.get_ref().is_empty() {
        document.refuse(&list.span(), "no gateway", mend);
    }
    let mut gateways = Vec::new();
    for text in list.get_ref() {
        let gateway = host(document, text, mend);
        match gateway {
            Some(gateway) if gateways.contains(&gateway) => {
                document.refuse(
                    &text.span(),
                    "this gateway is there already",
                    "list it once",
                );
            }
            _ => gateways.extend(gateway),
        }
    }
    (!gateways.is_empty()).then_some(Method::Nat { gateways })
}

fn host(document: &mut Document<'_>, text: &Spanned<String>, mend: &str) -> Option<IpAddr> {
    let address = text.get_ref().parse::<IpAddr>();
    let legal = address
        .map_err(|_| "not an IP address")
        .and_then(|address| of_another_host(address).map(|()| address));
    document.accept(&text.span(), legal, mend)
}

fn tunnel(
    document: &mut Document<'_>,
    table: Option<&Spanned<raw::Tunnel>>,
    vips: &[IpAddr],
) -> Option<Method> {
    let plain = raw::Tunnel::default();
    let (raw, span) = table.map_or((&plain, 0..0), |table| (table.get_ref(), table.span()));
    let kind = raw.kind.as_ref().map_or("ipip", |kind| kind.get_ref());
    let tunnel = match kind {
        "ipip" => Some(Tunnel::Ipip),
        "gue" => gue(document, raw, &span),
        "gre" => gre(document, raw, &span),
        _ => {
            let at = raw.kind.as_ref().map_or(span, Spanned::span);
            document.refuse(&at, "unknown tunnel", "use one of: ipip gue gre");
            None
        }
    };
    unused(document, raw, kind);
    let local = match &raw.local {
        None => Some(None),
        Some(text) => {
            let mend = "write this host's own address, such as \"192.168.1.53\"";
            local(document, text, kind, vips, mend).map(Some)
        }
    };
    let mss = mss(document, raw);
    Some(Method::Tunnel {
        tunnel: tunnel?,
        local: local?,
        mss: mss?,
    })
}

fn gue(
    document: &mut Document<'_>,
    raw: &raw::Tunnel,
    span: &std::ops::Range<usize>,
) -> Option<Tunnel> {
    if raw.port.is_none() {
        let mend = "name the UDP port that the directors send to, as in port = 6080";
        document.refuse_missing(span, "tunnel.port", mend);
    }
    let port = number(document, &raw.port, 0_u16, 1..=65_535)?;
    Some(Tunnel::Gue {
        port: NonZeroU16::new(port)?,
    })
}

fn gre(
    document: &mut Document<'_>,
    raw: &raw::Tunnel,
    span: &std::ops::Range<usize>,
) -> Option<Tunnel> {
    let mend = "use one of: none plain";
    match parsed(document, &raw.checksum, Checksum::None, mend)? {
        Checksum::None => Some(Tunnel::Gre { checksum: false }),
        Checksum::Plain if raw.local.is_none() => {
            // A device of its own must differ from `gre0`, which takes none with one.
            let mend = "name this host's own address, as in local = \"192.168.1.53\"";
            document.refuse_missing(span, "tunnel.local", mend);
            None
        }
        Checksum::Plain => Some(Tunnel::Gre { checksum: true }),
        Checksum::Remote => {
            if let Some(field) = &raw.checksum {
                document.refuse(&field.span(), "not a kind that GRE has", mend);
            }
            None
        }
    }
}

/// The keys of one kind of tunnel, in a tunnel of another kind, are a mistake.
fn unused(document: &mut Document<'_>, raw: &raw::Tunnel, kind: &str) {
    let message = format!("not used by a tunnel of type {kind:?}");
    if let Some(port) = raw.port.as_ref().filter(|_| kind != "gue") {
        document.refuse(&port.span(), &message, "remove it");
    }
    // A receiver of GUE takes packets with any kind of checksum.
    if let Some(checksum) = raw.checksum.as_ref().filter(|_| kind != "gre") {
        document.refuse(&checksum.span(), &message, "remove it");
    }
}

fn local(
    document: &mut Document<'_>,
    text: &Spanned<String>,
    kind: &str,
    vips: &[IpAddr],
    mend: &str,
) -> Option<IpAddr> {
    let address = host(document, text, mend)?;
    if vips.contains(&address) {
        let message = "a VIP: directors send to an address that only this host has";
        document.refuse(&text.span(), message, mend);
        return None;
    }
    if address.is_ipv6() && kind != "ipip" {
        let message = format!("{kind} over IPv6 is not supported");
        document.refuse(&text.span(), message, "use type = \"ipip\" over IPv6");
        return None;
    }
    Some(address)
}

fn mss(document: &mut Document<'_>, raw: &raw::Tunnel) -> Option<Mss> {
    let Some(field) = &raw.mss else {
        return Some(Mss::Fitting);
    };
    let value = *field.get_ref();
    let legal = match u16::try_from(value) {
        Ok(0) => Ok(Mss::Untouched),
        Ok(n) if (MIN_MSS..=MAX_MSS).contains(&n) => Ok(Mss::Fixed(n)),
        _ => Err("out of range"),
    };
    let mend = format!("must be {MIN_MSS}..={MAX_MSS}, or 0 to leave it to the kernel");
    document.accept(&field.span(), legal, mend)
}
