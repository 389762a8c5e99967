//! What only shows when all virtual routers of a file are seen together.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::Range;

use toml::Spanned;

use super::super::director::VrrpInstance;
use super::super::document::Document;
use super::raw::Address;
use super::{addresses, raw};
use crate::lvs::{Family, Prefixed};

/// What must be there once only, and where it was seen first.
#[derive(Default)]
pub(super) struct Seen {
    names: HashMap<String, Range<usize>>,
    routers: HashMap<(String, i64, Option<Family>), Range<usize>>,
    addresses: HashMap<IpAddr, Range<usize>>,
    /// Interfaces, routes and rules, in words.
    holdings: HashMap<String, Range<usize>>,
}

impl Seen {
    /// Notes what this table has, and what an earlier one has already.
    pub(super) fn check(&mut self, document: &mut Document<'_>, table: &Spanned<raw::Vrrp>) {
        let raw = table.get_ref();
        if let Some(name) = &raw.name
            && let Some(first) = self.names.insert(name.get_ref().clone(), name.span())
        {
            let message = format!("this name is taken, {}", document.place(&first));
            document.refuse(
                &name.span(),
                message,
                "give each virtual router a name of its own",
            );
        }
        if let (Some(interface), Some(vrid)) = (&raw.interface, &raw.virtual_router_id) {
            let router = (
                interface.get_ref().clone(),
                *vrid.get_ref(),
                addresses::family(raw),
            );
            if let Some(first) = self.routers.insert(router, vrid.span()) {
                let message = format!(
                    "interface {} has this virtual router already, {}",
                    interface.get_ref(),
                    document.place(&first)
                );
                document.refuse(&vrid.span(), message, "use another virtual_router_id");
            }
        }
        let advertised = raw.virtual_addresses.iter().flat_map(|list| list.get_ref());
        let extra = raw.extra_addresses.iter().flatten();
        for (text, span) in advertised.chain(extra).filter_map(Address::written) {
            let Ok(prefixed) = text.parse::<Prefixed>() else {
                continue;
            };
            if let Some(first) = self.addresses.insert(prefixed.address, span.clone()) {
                let message = format!("this address is taken, {}", document.place(&first));
                document.refuse(
                    &span,
                    message,
                    "give each address to one virtual router, once",
                );
            }
        }
    }

    /// Notes what this virtual router holds, and what an earlier one has already.
    pub(super) fn check_holdings(
        &mut self,
        document: &mut Document<'_>,
        table: &Range<usize>,
        instance: &VrrpInstance,
    ) {
        let holdings = &instance.holdings;
        let interface = holdings.virtual_mac.iter().map(|it| {
            let mend = "name another one with virtual_mac_interface";
            (format!("interface {}", it.interface), mend)
        });
        let routes = holdings.routes.iter().map(|it| {
            let mend = "give it another metric or table, or remove one";
            (format!("route {}", it.id), mend)
        });
        let rules = holdings.rules.iter();
        let rules = rules.map(|it| (format!("rule {it}"), "remove one of the two"));
        for (what, mend) in interface.chain(routes).chain(rules) {
            if let Some(first) = self.holdings.insert(what.clone(), table.clone()) {
                let message = format!("{what} is there already, {}", document.place(&first));
                document.refuse(table, message, mend);
            }
        }
    }
}
