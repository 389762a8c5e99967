//! What only shows when all virtual routers of a file are seen together.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::Range;

use toml::Spanned;

use super::super::document::Document;
use super::{addresses, raw};
use crate::lvs::{Family, Prefixed};

/// What must be there once only, and where it was seen first.
#[derive(Default)]
pub(super) struct Seen {
    names: HashMap<String, Range<usize>>,
    routers: HashMap<(String, i64, Option<Family>), Range<usize>>,
    addresses: HashMap<IpAddr, Range<usize>>,
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
        for text in raw.virtual_addresses.iter().flat_map(|list| list.get_ref()) {
            let Ok(prefixed) = text.get_ref().parse::<Prefixed>() else {
                continue;
            };
            if let Some(first) = self.addresses.insert(prefixed.address, text.span()) {
                let message = format!("this address is taken, {}", document.place(&first));
                document.refuse(
                    &text.span(),
                    message,
                    "give each address to one virtual router, once",
                );
            }
        }
    }
}
