//! The virtual addresses, and those that only move with them.

use std::net::IpAddr;
use std::ops::Range;

use toml::Spanned;

use super::super::check::is_host;
use super::super::document::Document;
use super::holdings::VirtualAddress;
use super::identity::interface_name;
use super::raw::{self, Address};
use crate::lvs::{Family, Prefixed};
use crate::sys::address::MAX_LABEL_LEN;

/// The addresses that the adverts name, in the order of the file.
pub(super) fn addresses(
    document: &mut Document<'_>,
    raw: &raw::Vrrp,
    table: &Range<usize>,
) -> Option<Vec<VirtualAddress>> {
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
    let read = read(document, list.get_ref(), true);
    one_family(document, list.get_ref());
    link_local_first(document, list.get_ref());
    read
}

/// The addresses that the adverts do not name, of either family.
pub(super) fn extra_addresses(
    document: &mut Document<'_>,
    raw: &raw::Vrrp,
) -> Option<Vec<VirtualAddress>> {
    match &raw.extra_addresses {
        None => Some(vec![]),
        Some(list) => read(document, list, false),
    }
}

fn read(
    document: &mut Document<'_>,
    list: &[Spanned<Address>],
    advertised: bool,
) -> Option<Vec<VirtualAddress>> {
    let read: Vec<_> = list
        .iter()
        .map(|entry| virtual_address(document, entry, advertised))
        .collect();
    read.into_iter().collect()
}

fn virtual_address(
    document: &mut Document<'_>,
    entry: &Spanned<Address>,
    advertised: bool,
) -> Option<VirtualAddress> {
    let Some((text, span)) = Address::written(entry) else {
        document.refuse_missing(
            &entry.span(),
            "address",
            "name the address, with its prefix length if it has one",
        );
        return None;
    };
    let prefixed = address(document, text, &span);
    let Address::Table(table) = entry.get_ref() else {
        return prefixed.map(|address| VirtualAddress {
            advertised,
            ..address.into()
        });
    };
    let interface = match &table.interface {
        None => Some(None),
        Some(name) => own_interface(document, name).map(Some),
    };
    let label = label(document, table.label.as_ref(), prefixed);
    Some(VirtualAddress {
        address: prefixed?,
        label: label?,
        interface: interface?,
        advertised,
    })
}

/// Where the neighbours can be told of the address.
fn own_interface(document: &mut Document<'_>, name: &Spanned<String>) -> Option<String> {
    let interface = interface_name(document, name)?;
    let legal = match interface == "lo" {
        true => Err("an address of the loopback is announced to nobody"),
        false => Ok(interface),
    };
    let mend = "name the interface of the address's network; if it has none, a dummy interface";
    document.accept(&name.span(), legal, mend)
}

/// IPv4 only; the kernel cuts a longer one.
fn label(
    document: &mut Document<'_>,
    label: Option<&Spanned<String>>,
    address: Option<Prefixed>,
) -> Option<Option<String>> {
    let Some(label) = label else {
        return Some(None);
    };
    let text = label.get_ref();
    let legal = if address.is_some_and(|it| it.address.is_ipv6()) {
        Err("addresses of IPv6 have no label")
    } else if !(1..=MAX_LABEL_LEN).contains(&text.len())
        || !text.bytes().all(|byte| byte.is_ascii_graphic())
    {
        Err("not a label of 1 to 15 characters")
    } else {
        Ok(Some(text.clone()))
    };
    let mend =
        "write the interface's name, a colon and a word, such as \"eth0:vip\", or leave it out";
    document.accept(&label.span(), legal, mend)
}

/// The family of the first address that is one, and so of the virtual router.
pub(super) fn family(raw: &raw::Vrrp) -> Option<Family> {
    let mut texts = raw.virtual_addresses.iter().flat_map(|it| it.get_ref());
    texts.find_map(parsed).map(Family::of)
}

/// An address as written, however wrong otherwise.
pub(super) fn parsed(entry: &Spanned<Address>) -> Option<IpAddr> {
    let (text, _) = Address::written(entry)?;
    let prefixed = text.parse::<Prefixed>().ok()?;
    Some(prefixed.address)
}

fn address(document: &mut Document<'_>, text: &str, span: &Range<usize>) -> Option<Prefixed> {
    let mend = "write an address such as \"192.168.1.200\" or \"192.168.1.200/24\"";
    let prefixed: Prefixed = document.accept(span, text.parse(), mend)?;
    let legal = if !is_unicast(prefixed.address) {
        Err("not the address of a host")
    } else if prefixed.prefix_len == 0 {
        Err("not a host's prefix length")
    } else {
        Ok(prefixed)
    };
    let prefixed = document.accept(span, legal, mend)?;
    let legal = match of_whole_network(prefixed) {
        Some(what) => Err(format!(
            "the {what} address of its network, which no host can have"
        )),
        None => Ok(prefixed),
    };
    let host = Prefixed::host(prefixed.address);
    let mend = format!("write the VIP's own address; if that is it, as {host}");
    document.accept(span, legal, mend)
}

/// What it is, if it is no host's: all bits behind the prefix are 0 or 1. A network
/// of two (RFC 3021) or one has neither, and IPv6 has no broadcast.
fn of_whole_network(prefixed: Prefixed) -> Option<&'static str> {
    let (IpAddr::V4(address), 1..=30) = (prefixed.address, prefixed.prefix_len) else {
        return None;
    };
    let host_bits = u32::MAX >> prefixed.prefix_len;
    match address.to_bits() & host_bits {
        0 => Some("network"),
        bits if bits == host_bits => Some("broadcast"),
        _ => None,
    }
}

/// Whether a host of a network can have it.
pub(super) fn is_unicast(address: IpAddr) -> bool {
    let is_mapped = matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
    is_host(address) && !address.is_loopback() && !is_mapped
}

/// RFC 9568 §5.2.9: an advert names addresses of one family.
fn one_family(document: &mut Document<'_>, list: &[Spanned<Address>]) {
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
fn link_local_first(document: &mut Document<'_>, list: &[Spanned<Address>]) {
    let is_link_local = |text: &Spanned<Address>| matches!(parsed(text), Some(IpAddr::V6(v6)) if v6.is_unicast_link_local());
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
