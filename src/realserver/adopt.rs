//! Taking over from the scripts: which of what is there becomes lvsd's. What would bring
//! the old ways back is found by [`crate::leftovers`].
//!
//! | the guides say | what is left | here |
//! |---|---|---|
//! | `ifconfig lo:0 VIP netmask 255.255.255.255 up` | an alias on `lo` | becomes lvsd's, and never leaves |
//! | `echo 1 >…/arp_ignore` and its sisters | values | become lvsd's: at the stop they are 0, as the scripts' own stop has it |
//!
//! Nothing is lvsd's before all is as the configuration says. No file is touched: they
//! are the administrator's.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::journal::{Journal, Origin};
use super::sysctl::{Original, Wanted};
use crate::config::realserver::RealServerConfig;
use crate::lvs::Prefixed;
use crate::sys::address::Address;
use crate::sys::link::Link;

/// The host addresses on `lo` that are not its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OnLo {
    /// Those that are VIPs.
    pub vips: Vec<IpAddr>,
    /// Those of which nothing says so: a routing daemon's, say.
    pub others: Vec<IpAddr>,
    /// What would be a VIP with the mask of a host, with its label.
    pub wide: Vec<(Prefixed, Option<String>)>,
}

/// Tells VIPs from other addresses on `lo`: a VIP is what a name is given for, or, where
/// none is, an alias (`lo:0`) and what `leftovers` have.
pub fn on_lo(
    links: &[Link],
    addresses: &[Address],
    named: &[IpAddr],
    leftovers: &BTreeSet<IpAddr>,
) -> OnLo {
    let lo = links.iter().find(|link| link.name == "lo");
    let is_alias = |address: &Address| {
        let label = address.label.as_ref();
        label.is_some_and(|label| label.starts_with("lo:"))
    };
    let is_vip = |address: &Address| {
        let ip = address.address.address;
        match named {
            [] => is_alias(address) || leftovers.contains(&ip),
            _ => named.contains(&ip),
        }
    };
    let on_lo = addresses.iter().filter(|address| {
        let ip = address.address.address;
        lo.is_some_and(|lo| lo.index == address.link) && RealServerConfig::from_vips(&[ip]).is_ok()
    });
    let is_host = |address: &&Address| address.address == Prefixed::host(address.address.address);
    let (hosts, wide): (Vec<_>, Vec<_>) = on_lo.partition(is_host);
    let wide = wide.into_iter().filter(|address| is_vip(address));
    let (vips, others): (Vec<_>, Vec<_>) = hosts.into_iter().partition(|address| is_vip(address));
    let ips = |addresses: Vec<&Address>| addresses.iter().map(|it| it.address.address).collect();
    OnLo {
        vips: ips(vips),
        others: ips(others),
        wide: wide.map(|it| (it.address, it.label.clone())).collect(),
    }
}

/// Makes lvsd the owner of these VIPs, and of the values that were right before it came,
/// unless an `earlier` run has noted them.
pub fn claim(journal: &mut Journal, earlier: &Journal, vips: &[IpAddr], wanted: &Wanted) {
    for vip in vips {
        journal.vips.insert(*vip, Origin::Created);
    }
    for (key, rule) in wanted {
        let is_new = !earlier.sysctls.contains_key(key);
        if let Some(original) = journal.sysctls.get_mut(key)
            && is_new
            && !original.changed
            // What a script sets is what a rule wants; any other value is somebody's
            // intention.
            && original.value == rule.wanted
        {
            *original = Original {
                value: 0,
                changed: true,
            };
        }
    }
}

#[cfg(test)]
mod tests;
