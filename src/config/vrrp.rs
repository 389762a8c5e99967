//! `[[vrrp]]`: virtual routers as written.
//!
//! Each file below reads the keys of one concern; `raw` lists them all, `show`
//! writes them back, `seen` finds what only shows across tables.

mod addresses;
pub(super) mod groups;
pub(super) mod holdings;
pub(super) mod hooks;
mod identity;
mod mac;
mod protocol;
pub(super) mod raw;
mod routing;
mod seen;
pub(super) mod show;
mod takeover;
pub(super) mod track;
mod transport;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;

use super::director::VrrpInstance;
use super::document::Document;
use crate::lvs::Family;
use crate::vrrp::{Settings, Vrid};
use holdings::Holdings;
pub(super) use identity::interface_name;
use seen::Seen;

/// Reads every virtual router, and what only shows when they are seen together.
pub(super) fn read(
    document: &mut Document<'_>,
    raw: &[Spanned<raw::Vrrp>],
) -> BTreeMap<String, VrrpInstance> {
    let mut instances = BTreeMap::new();
    let mut seen = Seen::default();
    for table in raw {
        let instance = instance(document, table.get_ref(), &table.span());
        seen.check(document, table);
        if let Some((name, instance)) = instance {
            seen.check_holdings(document, table, &instance);
            instances.insert(name, instance);
        }
    }
    instances
}

/// Everything is read before anything missing ends it, so that every error of
/// the table is told.
fn instance(
    document: &mut Document<'_>,
    raw: &raw::Vrrp,
    table: &Range<usize>,
) -> Option<(String, VrrpInstance)> {
    let name = identity::name(document, raw, table);
    let interface = identity::interface(document, raw, table);
    let vrid = identity::vrid(document, raw, table);
    let priority = protocol::priority(document, raw);
    let family = addresses::family(raw);
    let version = protocol::version(document, raw, family);
    let advert_interval = protocol::interval(document, raw, version);
    let checksum = protocol::checksum(document, raw, version, family);
    let addresses = addresses::addresses(document, raw, table);
    let holdings = holdings(document, raw, (interface.as_deref(), vrid, family));
    let accept = protocol::accept(document, raw, priority);
    let transport = transport::transport(document, raw, family);
    let preempt = protocol::preempt(document, raw, priority);
    let trackers = track::trackers(document, raw, priority);
    let hooks = hooks::hooks(document, raw);
    let takeover = takeover::takeover(document, raw, (version, advert_interval), priority);
    let extra_addresses = addresses::extra_addresses(document, raw);
    let addresses = addresses?;
    let instance = VrrpInstance {
        group: None,
        interface: interface?,
        settings: Settings {
            vrid: vrid?,
            priority: priority?,
            version: version?,
            advert_interval: advert_interval?,
            preempt: preempt?,
            addresses: addresses.iter().map(|it| it.address.address).collect(),
            checksum: checksum?,
            takeover: takeover?,
        },
        transport: transport?,
        addresses: addresses.into_iter().chain(extra_addresses?).collect(),
        holdings: Arc::new(Holdings {
            drops_packets: !accept?,
            ..holdings?
        }),
        trackers: trackers.into(),
        hooks: hooks.into(),
    };
    Some((name?.to_owned(), instance))
}

/// What else comes and goes with the addresses.
fn holdings(
    document: &mut Document<'_>,
    raw: &raw::Vrrp,
    (interface, vrid, family): (Option<&str>, Option<Vrid>, Option<Family>),
) -> Option<Holdings> {
    let virtual_mac = mac::virtual_mac(document, raw, interface, vrid, family);
    let announce = mac::announce(document, raw);
    let routes = routing::routes(document, raw);
    let rules = routing::rules(document, raw, family);
    Some(Holdings {
        virtual_mac: virtual_mac?,
        routes: routes?,
        rules: rules?,
        announce: announce?,
        ..Holdings::default()
    })
}

#[cfg(test)]
mod tests;
