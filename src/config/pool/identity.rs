//! What names virtual servers: `address`, `addresses` or `fwmark`.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::ops::{Range, RangeInclusive};

use toml::Spanned;

use super::member;
use crate::config::check::is_host;
use crate::config::document::Document;
use crate::config::raw;
use crate::config::values::parsed;
use crate::lvs::{Family, Protocol, VirtualServerId};

const MEND: &str = "write VIP:PORT, such as \"192.168.1.200:80\"; a range of ports \
                    goes into `addresses`";
const MEND_RANGE: &str =
    "write VIP:PORT or VIP:FIRST-LAST, such as \"192.168.1.200:80\" or \"192.168.1.200:8000-8010\"";
const MEND_FAMILY: &str = "use one of: ipv4 ipv6";

/// A virtual server's identity, and where it is written.
pub(super) struct Identity {
    pub(super) id: VirtualServerId,
    pub(super) place: Range<usize>,
}

impl Identity {
    /// Its protocol; none: a firewall mark, which may take any.
    pub(super) fn protocol(&self) -> Option<Protocol> {
        match self.id {
            VirtualServerId::Address { protocol, .. } => Some(protocol),
            VirtualServerId::Fwmark { .. } => None,
        }
    }

    /// Its port; 0: every port.
    pub(super) fn port(&self) -> u16 {
        match self.id {
            VirtualServerId::Address { address, .. } => address.port(),
            VirtualServerId::Fwmark { .. } => 0,
        }
    }
}

/// Reads the identities of one table, in the order of the file.
pub(super) fn read(
    document: &mut Document<'_>,
    raw: &raw::VirtualServer,
    table: &Range<usize>,
) -> Vec<Identity> {
    let mend = "use one of: tcp udp sctp";
    let protocol = parsed(document, &raw.protocol, Protocol::Tcp, mend);
    let family = family(document, raw);
    let written = [
        raw.address.as_ref().map(Spanned::span),
        raw.addresses.as_ref().map(Spanned::span),
        raw.fwmark.as_ref().map(Spanned::span),
    ];
    let mut written = written.into_iter().flatten();
    if written.next().is_none() {
        let mend = "write VIP:PORT, such as \"192.168.1.200:80\", or fwmark = 7";
        document.refuse_missing(table, "address", mend);
    }
    let mut clash = false;
    for span in written {
        let message = "a virtual server has one of address, addresses and fwmark";
        document.refuse(&span, message, "remove the others");
        clash = true;
    }
    if clash {
        return Vec::new();
    }
    if let Some(fwmark) = &raw.fwmark {
        return firewall_mark(document, raw, fwmark, family)
            .into_iter()
            .collect();
    }
    let addresses: Vec<_> = match (&raw.address, &raw.addresses) {
        (Some(address), _) => single(document, address).into_iter().collect(),
        (_, Some(list)) => several(document, list),
        _ => Vec::new(),
    };
    let Some(protocol) = protocol else {
        return Vec::new();
    };
    let identity = |(address, place)| Identity {
        id: VirtualServerId::Address { protocol, address },
        place,
    };
    addresses.into_iter().map(identity).collect()
}

type Placed = (SocketAddr, Range<usize>);

fn single(document: &mut Document<'_>, text: &Spanned<String>) -> Option<Placed> {
    let span = text.span();
    let legal = text.get_ref().parse::<SocketAddr>();
    let legal = legal.map_err(|_| "not an address with a port");
    let address = document.accept(&span, legal, MEND)?;
    let address = served(document, &span, address)?;
    Some((address, span))
}

fn several(document: &mut Document<'_>, list: &Spanned<Vec<Spanned<String>>>) -> Vec<Placed> {
    if list.get_ref().is_empty() {
        document.refuse(&list.span(), "is empty", MEND_RANGE);
    }
    let mut addresses = Vec::new();
    for text in list.get_ref() {
        let span = text.span();
        let range = address_range(text.get_ref()).ok_or("not an address with a port or ports");
        let Some((vip, ports)) = document.accept(&span, range, MEND_RANGE) else {
            continue;
        };
        if served(document, &span, SocketAddr::new(vip, *ports.start())).is_some() {
            addresses.extend(ports.map(|port| (SocketAddr::new(vip, port), span.clone())));
        }
    }
    addresses
}

fn served(
    document: &mut Document<'_>,
    span: &Range<usize>,
    address: SocketAddr,
) -> Option<SocketAddr> {
    let legal = is_host(address.ip())
        .then_some(address)
        .ok_or("not an address that can be served");
    document.accept(span, legal, MEND)
}

/// `192.168.1.200:80`, or `192.168.1.200:8000-8010` without port 0.
fn address_range(text: &str) -> Option<(IpAddr, RangeInclusive<u16>)> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some((address.ip(), address.port()..=address.port()));
    }
    let (first, last) = text.rsplit_once('-')?;
    let first: SocketAddr = first.parse().ok()?;
    let last: u16 = last.parse().ok()?;
    (1..=last)
        .contains(&first.port())
        .then_some((first.ip(), first.port()..=last))
}

/// The family that is written: only firewall marks need it.
fn family(document: &mut Document<'_>, raw: &raw::VirtualServer) -> Option<Family> {
    let field = raw.family.as_ref()?;
    if raw.fwmark.is_none() {
        let message = "an address tells its family by itself";
        document.refuse(&field.span(), message, "remove it");
        return None;
    }
    let family = match field.get_ref().as_str() {
        "ipv4" => Ok(Family::Ipv4),
        "ipv6" => Ok(Family::Ipv6),
        _ => Err("unknown family"),
    };
    document.accept(&field.span(), family, MEND_FAMILY)
}

fn firewall_mark(
    document: &mut Document<'_>,
    raw: &raw::VirtualServer,
    fwmark: &Spanned<i64>,
    family: Option<Family>,
) -> Option<Identity> {
    if let Some(protocol) = &raw.protocol {
        let message = "a firewall mark takes packets of every protocol";
        document.refuse(&protocol.span(), message, "remove it");
    }
    let mark = u32::try_from(*fwmark.get_ref()).ok();
    let mark = mark.and_then(NonZeroU32::new).ok_or("not a firewall mark");
    let mark = document.accept(&fwmark.span(), mark, "must be 1..=4294967295")?;
    let id = VirtualServerId::Fwmark {
        family: family.unwrap_or_else(|| family_of_pool(raw)),
        mark,
    };
    Some(Identity {
        id,
        place: fwmark.span(),
    })
}

/// A firewall mark has no address of its own to tell its family by.
fn family_of_pool(raw: &raw::VirtualServer) -> Family {
    let long = raw.real_server.iter();
    let long = long.filter_map(|server| server.get_ref().address.as_ref());
    let first = raw.real_servers.iter().chain(long).next();
    let address = first.and_then(|text| member::address_of(text.get_ref()));
    address.map_or(Family::Ipv4, |address| Family::of(address.ip()))
}

#[cfg(test)]
mod tests;
