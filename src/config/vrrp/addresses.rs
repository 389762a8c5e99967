//! The virtual addresses.

use std::net::IpAddr;
use std::ops::Range;

use toml::Spanned;

use super::super::check::is_host;
use super::super::document::Document;
use super::raw;
use crate::lvs::{Family, Prefixed};

/// The addresses that the adverts name, in the order of the file.
pub(super) fn addresses(
    document: &mut Document<'_>,
    raw: &raw::Vrrp,
    table: &Range<usize>,
) -> Option<Vec<Prefixed>> {
    let mend = "list the VIPs, as in [\"192.168.1.200\"]";
    let list = document.require(
        table,
        raw.virtual_addresses.as_ref(),
        "virtual_addresses",
        mend,
    )?;
    if list.get_ref().is_empty() || list.get_ref().len() > 255 {
        let message = "a virtual router has 1 to 255 addresses";
        document.refuse(&list.span(), message, mend);
        return None;
    }
    let read: Vec<_> = list
        .get_ref()
        .iter()
        .map(|text| address(document, text))
        .collect();
    one_family(document, list.get_ref());
    link_local_first(document, list.get_ref());
    read.into_iter().collect()
}

/// The family of the first address that is one, and so of the virtual router.
pub(super) fn family(raw: &raw::Vrrp) -> Option<Family> {
    let mut texts = raw.virtual_addresses.iter().flat_map(|it| it.get_ref());
    texts.find_map(parsed).map(Family::of)
}

/// An address as written, however wrong otherwise.
pub(super) fn parsed(text: &Spanned<String>) -> Option<IpAddr> {
    let prefixed = text.get_ref().parse::<Prefixed>().ok()?;
    Some(prefixed.address)
}

fn address(document: &mut Document<'_>, text: &Spanned<String>) -> Option<Prefixed> {
    let mend = "write an address such as \"192.168.1.200\" or \"192.168.1.200/24\"";
    let prefixed: Prefixed = document.accept(&text.span(), text.get_ref().parse(), mend)?;
    let legal = if !is_unicast(prefixed.address) {
        Err("not the address of a host")
    } else if prefixed.prefix_len == 0 {
        Err("not a host's prefix length")
    } else {
        Ok(prefixed)
    };
    document.accept(&text.span(), legal, mend)
}

/// Whether a host of a network can have it.
pub(super) fn is_unicast(address: IpAddr) -> bool {
    let is_mapped = matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
    is_host(address) && !address.is_loopback() && !is_mapped
}

/// RFC 9568 §5.2.9: an advert names addresses of one family.
fn one_family(document: &mut Document<'_>, list: &[Spanned<String>]) {
    let mut families = list.iter().filter_map(|text| Some((text, parsed(text)?)));
    let Some((_, first)) = families.next() else {
        return;
    };
    for (text, address) in families {
        if Family::of(address) != Family::of(first) {
            let message = format!("not of the family of {first}: an advert has one");
            let mend = "give the other family a [[vrrp]] of its own, or list it as extra_addresses";
            document.refuse(&text.span(), message, mend);
        }
    }
}

/// RFC 9568 §5.2.9, as far as there is a link-local address.
fn link_local_first(document: &mut Document<'_>, list: &[Spanned<String>]) {
    let is_link_local = |text: &Spanned<String>| matches!(parsed(text), Some(IpAddr::V6(v6)) if v6.is_unicast_link_local());
    let mut link_local = list
        .iter()
        .enumerate()
        .filter(|(_, text)| is_link_local(text));
    if let Some((at, text)) = link_local.next()
        && at > 0
    {
        let message = "the link-local address of a virtual router is the first";
        document.refuse(&text.span(), message, "write it first in the list");
    }
}
