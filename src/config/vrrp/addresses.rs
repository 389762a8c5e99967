//! The virtual addresses.

use std::net::IpAddr;
use std::ops::Range;

use toml::Spanned;

use super::super::check::is_host;
use super::super::document::Document;
use super::raw;
use crate::lvs::Prefixed;

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
    let addresses: Vec<_> = list
        .get_ref()
        .iter()
        .map(|text| address(document, text))
        .collect();
    addresses.into_iter().collect()
}

fn address(document: &mut Document<'_>, text: &Spanned<String>) -> Option<Prefixed> {
    let mend = "write an address such as \"192.168.1.200\" or \"192.168.1.200/24\"";
    let prefixed: Prefixed = document.accept(&text.span(), text.get_ref().parse(), mend)?;
    let refusal = match prefixed.address {
        IpAddr::V6(_) => Some((
            "this version speaks VRRP over IPv4 only",
            "use an IPv4 address",
        )),
        address if !is_host(address) || address.is_loopback() => {
            Some(("not the address of a host", mend))
        }
        _ if prefixed.prefix_len == 0 => Some(("not a host's prefix length", mend)),
        _ => None,
    };
    match refusal {
        None => Some(prefixed),
        Some((message, mend)) => {
            document.refuse(&text.span(), message, mend);
            None
        }
    }
}
