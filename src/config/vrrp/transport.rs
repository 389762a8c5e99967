//! Between whom adverts go: `source_address`, `unicast_peers`, `unicast_min_ttl`.

use std::net::IpAddr;

use toml::Spanned;

use super::super::document::Document;
use super::super::values::number;
use super::addresses::{is_unicast, parsed};
use super::raw;
use crate::lvs::Family;
use crate::vrrp::Priority;
use crate::vrrp::ipv4::TTL;
use crate::vrrp::transport::{Reach, Transport, Unicast};

/// Reads the keys of a virtual router of this family. None of the family: the
/// addresses are wrong, and everything is checked that can be.
pub(super) fn transport(
    document: &mut Document<'_>,
    raw: &raw::Vrrp,
    family: Option<Family>,
) -> Option<Transport> {
    let source = source(document, raw, family);
    let peers = raw.unicast_peers.as_ref().map(|list| {
        let list = list.as_ref();
        if list.is_empty() {
            let mend = "list the addresses of the other directors, or remove it for multicast";
            document.refuse(
                &raw.unicast_peers.as_ref()?.span(),
                "there is no peer",
                mend,
            );
            return None;
        }
        peers(document, raw, list, family)
    });
    let min_ttl = min_ttl(document, raw);
    let reach = match peers {
        None => Reach::Multicast,
        Some(peers) => Reach::Unicast(Unicast {
            peers: peers?,
            min_ttl: min_ttl?,
        }),
    };
    let source = source?;
    Some(Transport { source, reach })
}

fn source(
    document: &mut Document<'_>,
    raw: &raw::Vrrp,
    family: Option<Family>,
) -> Option<Option<IpAddr>> {
    let Some(text) = &raw.source_address else {
        return Some(None);
    };
    let mend = "write an address that the interface has by itself, such as \"192.168.1.51\"";
    let address = host(document, text, family, mend)?;
    let is_owner = raw
        .priority
        .as_ref()
        .is_some_and(|priority| *priority.get_ref() == i64::from(Priority::OWNER.get()));
    let refusal = match address {
        _ if is_virtual(raw, address) && !is_owner => {
            "a virtual address, which only the master has"
        }
        // RFC 9568 §5.1.2.1.
        IpAddr::V6(v6) if raw.unicast_peers.is_none() && !v6.is_unicast_link_local() => {
            "multicast adverts over IPv6 come from a link-local address"
        }
        _ => return Some(Some(address)),
    };
    document.refuse(&text.span(), refusal, mend);
    None
}

fn peers(
    document: &mut Document<'_>,
    raw: &raw::Vrrp,
    list: &[Spanned<String>],
    family: Option<Family>,
) -> Option<Vec<IpAddr>> {
    let own = raw
        .source_address
        .as_ref()
        .and_then(|it| it.get_ref().parse().ok());
    let mut peers = Some(Vec::new());
    for text in list {
        let mend = "list the addresses that the other directors' adverts come from";
        let peer = host(document, text, family, mend);
        let known = peers.get_or_insert_default();
        let refusal = match peer {
            None => None,
            Some(peer) if Some(peer) == own => Some("this director's own source_address"),
            Some(peer) if is_virtual(raw, peer) => Some("a virtual address, no director's own"),
            Some(peer) if known.contains(&peer) => Some("this peer is there already"),
            Some(peer) => {
                known.push(peer);
                continue;
            }
        };
        if let Some(refusal) = refusal {
            document.refuse(&text.span(), refusal, mend);
        }
        peers = None;
    }
    peers
}

fn min_ttl(document: &mut Document<'_>, raw: &raw::Vrrp) -> Option<u8> {
    if let Some(min_ttl) = &raw.unicast_min_ttl
        && raw.unicast_peers.is_none()
    {
        let message = "multicast adverts have a TTL of 255, always";
        let mend = "remove it, or list unicast_peers";
        document.refuse(&min_ttl.span(), message, mend);
        return None;
    }
    let ttl = number(document, &raw.unicast_min_ttl, i64::from(TTL), 1..=255)?;
    u8::try_from(ttl).ok()
}

/// The address of a host, of the virtual router's family.
fn host(
    document: &mut Document<'_>,
    text: &Spanned<String>,
    family: Option<Family>,
    mend: &str,
) -> Option<IpAddr> {
    let address: Result<IpAddr, _> = text.get_ref().parse();
    let address = document.accept(&text.span(), address.or(Err("not an IP address")), mend)?;
    let legal = if !is_unicast(address) {
        Err("not the address of a host")
    } else if family.is_some_and(|family| family != Family::of(address)) {
        Err("not of the family of virtual_addresses")
    } else {
        Ok(address)
    };
    document.accept(&text.span(), legal, mend)
}

fn is_virtual(raw: &raw::Vrrp, address: IpAddr) -> bool {
    let mut texts = raw.virtual_addresses.iter().flat_map(|it| it.get_ref());
    texts.any(|text| parsed(text) == Some(address))
}
