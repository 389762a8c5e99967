//! Where the checks of a director come from.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::listed;
use crate::doctor::{Facts, Finding, Kind};
use crate::lvs::Prefixed;
use crate::sys::link::Link;

pub(super) const VIP_IS_SOURCE: Kind = Kind::broken(
    "vip-is-source",
    "the real servers have the VIP themselves, so what they answer to it never comes back: each \
     check fails for want of an answer, and no real server is used",
);

/// What a director that checks its real servers sends to one leaves from a VIP that
/// this one has too.
pub(super) fn vip_is_source(facts: &Facts) -> Vec<Finding> {
    let mut to: BTreeMap<IpAddr, Vec<IpAddr>> = BTreeMap::new();
    let shared = facts.shared_vips().into_iter();
    for (vip, rip) in shared.filter(|_| checks(facts)) {
        let hop = facts.routes.get(&rip).copied().flatten();
        if hop.is_some_and(|hop| !hop.local && hop.source == Some(vip)) {
            to.entry(vip).or_default().push(rip);
        }
    }
    let found = to.into_iter().filter_map(|(vip, rips)| {
        let link = facts.holder(vip)?;
        let seen = format!("checks of {} leave from {vip}", listed(rips));
        Some(VIP_IS_SOURCE.found(seen, mend(facts, vip, link)))
    });
    found.collect()
}

/// Whether anybody checks real servers here: a table loaded by hand is not checked.
fn checks(facts: &Facts) -> bool {
    facts.director.is_some()
        || facts.director_config.is_some()
        || facts.boot.running.contains("keepalived")
}

/// A deprecated address of IPv6 is a source only where there is no other.
fn mend(facts: &Facts, vip: IpAddr, link: &Link) -> String {
    let mut addresses = facts.addresses.iter();
    let held = addresses.find(|it| it.address.address == vip && it.link == link.index);
    match held {
        Some(held) if vip.is_ipv6() && !held.deprecated => format!(
            "ip addr change {} dev {} preferred_lft 0, and the same where it is added; `lvsd \
             director` does so with the addresses of its virtual routers",
            held.address, link.name
        ),
        _ => format!(
            "give {} an address of its own on the real servers' network, and add it before the \
             VIP",
            link.name
        ),
    }
}

/// The command that gives an interface the VIP as a director has it.
pub(super) fn addition(vip: IpAddr, interface: &str) -> String {
    let host = Prefixed::host(vip);
    let deprecated = if vip.is_ipv6() {
        " preferred_lft 0"
    } else {
        ""
    };
    format!("ip addr add {host} dev {interface}{deprecated}")
}
