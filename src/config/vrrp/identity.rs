//! Which virtual router, on which interface, under which name.

use std::ops::Range;

use toml::Spanned;

use super::super::document::Document;
use super::super::values::is_interface_name;
use super::raw;
use crate::vrrp::Vrid;

const NAME_INTERFACE: &str = "name the interface of the VIP's network, as `ip -br link` lists it";

/// The name that status, log and other tables call it by.
pub(super) fn name<'a>(
    document: &mut Document<'_>,
    raw: &'a raw::Vrrp,
    table: &Range<usize>,
) -> Option<&'a str> {
    let name = document.require(
        table,
        raw.name.as_ref(),
        "name",
        "give it a name, such as \"VI_1\"",
    )?;
    let text = name.get_ref();
    let legal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let legal = legal.then_some(text.as_str()).ok_or("not a name");
    let mend = "use letters, digits and punctuation, no spaces";
    document.accept(&name.span(), legal, mend)
}

/// The number that its adverts carry.
pub(super) fn vrid(
    document: &mut Document<'_>,
    raw: &raw::Vrrp,
    table: &Range<usize>,
) -> Option<Vrid> {
    let mend = "name the virtual router, 1..=255, the same on every director of the VIP";
    let vrid = document.require(
        table,
        raw.virtual_router_id.as_ref(),
        "virtual_router_id",
        mend,
    )?;
    let n = u8::try_from(*vrid.get_ref()).unwrap_or(0);
    document.accept(&vrid.span(), n.try_into(), "must be 1..=255")
}

/// The interface of its adverts.
pub(super) fn interface(
    document: &mut Document<'_>,
    raw: &raw::Vrrp,
    table: &Range<usize>,
) -> Option<String> {
    let interface = document.require(table, raw.interface.as_ref(), "interface", NAME_INTERFACE)?;
    let name = interface_name(document, interface)?;
    let legal = match name == "lo" {
        true => Err("adverts on the loopback reach no other director"),
        false => Ok(name),
    };
    document.accept(&interface.span(), legal, NAME_INTERFACE)
}

/// The name of an interface, which need not be there yet.
pub(in crate::config) fn interface_name(
    document: &mut Document<'_>,
    interface: &Spanned<String>,
) -> Option<String> {
    let name = interface.get_ref();
    let legal = is_interface_name(name).then(|| name.clone());
    let legal = legal.ok_or("not an interface name");
    document.accept(&interface.span(), legal, NAME_INTERFACE)
}
