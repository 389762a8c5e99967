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
    /// Interfaces of virtual routers, and those that hold a virtual MAC.
    interfaces: HashMap<String, Range<usize>>,
    virtual_macs: HashMap<String, Range<usize>>,
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
        self.check_interfaces(document, raw);
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

    /// What lvsd makes is not what another virtual router stands on.
    fn check_interfaces(&mut self, document: &mut Document<'_>, raw: &raw::Vrrp) {
        let mend = "choose a name that no interface of this host has, such as \"vip51\"";
        if let Some(made) = &raw.virtual_mac_interface {
            let first = self.interfaces.get(made.get_ref());
            if let Some(first) = first {
                let place = document.place(first);
                let message = format!("is the interface of another virtual router, {place}");
                document.refuse(&made.span(), message, mend);
            }
            let name = made.get_ref().clone();
            self.virtual_macs.entry(name).or_insert(made.span());
        }
        if let Some(interface) = &raw.interface {
            let own = raw.virtual_mac_interface.as_ref().map(Spanned::span);
            let made = self.virtual_macs.get(interface.get_ref());
            // With its own it is compared where that is read.
            if let Some(made) = made.filter(|made| own.as_ref() != Some(*made)) {
                let place = document.place(made);
                let message =
                    format!("is the virtual_mac_interface of another virtual router, {place}");
                document.refuse(&interface.span(), message, "name the interface below it");
            }
            let name = interface.get_ref().clone();
            self.interfaces.entry(name).or_insert(interface.span());
        }
    }

    /// Notes what this virtual router holds, and what an earlier one has already.
    pub(super) fn check_holdings(
        &mut self,
        document: &mut Document<'_>,
        table: &Spanned<raw::Vrrp>,
        instance: &VrrpInstance,
    ) {
        let (raw, holdings) = (table.get_ref(), &instance.holdings);
        let interface = holdings.virtual_mac.iter().map(|it| {
            let named = raw.virtual_mac_interface.as_ref().map(Spanned::span);
            let switch = raw.virtual_mac.as_ref().map(Spanned::span);
            let mend = "name another one with virtual_mac_interface";
            let span = named.or(switch).unwrap_or(table.span());
            (format!("interface {}", it.interface), mend, span)
        });
        // None is left out of what was read.
        let routes = holdings.routes.iter().zip(&raw.route);
        let routes = routes.map(|(it, entry)| {
            let mend = "give it another metric or table, or remove one";
            (format!("route {}", it.id), mend, entry.span())
        });
        let rules = holdings.rules.iter().zip(&raw.rule);
        let rules = rules.map(|(it, entry)| {
            let mend = "remove one of the two";
            (format!("rule {it}"), mend, entry.span())
        });
        for (what, mend, span) in interface.chain(routes).chain(rules) {
            if let Some(first) = self.holdings.insert(what.clone(), span.clone()) {
                let message = format!("{what} is there already, {}", document.place(&first));
                document.refuse(&span, message, mend);
            }
        }
    }
}
