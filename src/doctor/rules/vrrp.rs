//! VRRP: adverts that cannot pass, two masters, somebody else's virtual router.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{listed, names};
use crate::doctor::facts::Heard;
use crate::doctor::firewall::{Fate, Hook, Packet};
use crate::doctor::{Facts, Finding, Kind};
use crate::vrrp::transport::MULTICAST_V4;

pub(super) const VRRP_BLOCKED: Kind = Kind::broken(
    "vrrp-blocked",
    "a director that does not hear the master makes itself master: both hold the VIP, and \
     connections break",
);

pub(super) const TWO_MASTERS: Kind = Kind::broken(
    "two-masters",
    "both directors hold the VIP and announce it in turn: clients reach now one, now the other, \
     and each knows half of the connections",
);

pub(super) const VRID_FOREIGN: Kind = Kind::broken(
    "vrid-foreign",
    "routers of one virtual router elect one master: the other's VIPs are held by nobody, or its \
     adverts are refused at every interval",
);

/// The packet filter drops adverts, in one direction or the other.
pub(super) fn blocked(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for hook in [Hook::Input, Hook::Output] {
        let adverts = adverts(facts, hook);
        let dropped = adverts
            .into_iter()
            .find_map(|advert| match facts.firewall.fate(&advert) {
                Fate::Dropped { by, packets } => Some((advert.interface, by, packets)),
                Fate::Passes => None,
            });
        findings.extend(dropped.map(|(interface, by, packets)| {
            let which = match hook {
                Hook::Output => "this host's own adverts",
                _ => "adverts that come in",
            };
            let count = match packets {
                Some(0) | None => String::new(),
                Some(count) => format!(", {count} packets so far"),
            };
            let seen = format!("{which} on {interface} are dropped by `{by}`{count}");
            VRRP_BLOCKED.found(seen, accept(hook, &interface, &by))
        }));
    }
    findings
}

/// The rule that lets adverts pass before they meet `by`.
fn accept(hook: Hook, interface: &str, by: &str) -> String {
    let (chain, option, key) = match hook {
        Hook::Output => ("OUTPUT", "-o", "oifname"),
        _ => ("INPUT", "-i", "iifname"),
    };
    let command = match by.contains("iptables ") {
        true => format!("iptables -I {chain} {option} {interface} -p vrrp -j ACCEPT"),
        false => format!("in that chain, before it: {key} {interface} ip protocol vrrp accept"),
    };
    format!("{command}; and in the file that is loaded at boot")
}

/// The adverts of this host's virtual routers over IPv4, in one direction.
fn adverts(facts: &Facts, hook: Hook) -> Vec<Packet> {
    let group = IpAddr::from(MULTICAST_V4);
    let routers = facts.virtual_routers();
    let of_ipv4 = routers
        .iter()
        .filter(|it| it.addresses.iter().any(IpAddr::is_ipv4));
    let mut adverts: Vec<_> = of_ipv4
        .map(|router| {
            let to = match (hook, router.peers.as_slice()) {
                (_, []) => Some(group),
                (Hook::Output, [peer, ..]) => Some(*peer),
                (_, [peer, ..]) => facts.near(*peer),
            };
            Packet::advert(hook, &router.interface, to.unwrap_or(group))
        })
        .collect();
    // Of keepalived's interfaces nothing is known.
    if facts.boot.running.contains("keepalived") {
        let links = names(facts.lan_links());
        adverts.extend(links.iter().map(|link| Packet::advert(hook, link, group)));
    }
    adverts
}

/// Two routers are master of one virtual router that this host has to do with.
/// Where this host drops adverts, that is the finding.
pub(super) fn two_masters(facts: &Facts) -> Vec<Finding> {
    if !blocked(facts).is_empty() {
        return vec![];
    }
    let vips = facts.vips();
    let ours = |heard: &&Heard| heard.has_any(&vips);
    let mut told = BTreeSet::new();
    let mut findings = Vec::new();
    for one in facts.heard().filter(ours) {
        let masters: Vec<_> = facts.heard().filter(|it| rivals(it, one)).collect();
        let router = (one.interface.clone(), one.advert.vrid.get());
        if masters.is_empty() || !told.insert(router) {
            continue;
        }
        let all = [one].into_iter().chain(masters);
        let name = |heard: &Heard| {
            let (source, priority) = (heard.source, heard.advert.priority);
            let this = if facts.is_own(source) {
                ", this host"
            } else {
                ""
            };
            format!("{source} (priority {priority}{this})")
        };
        let seen = format!(
            "virtual router {} on {} has the masters {}",
            one.advert.vrid.get(),
            one.interface,
            listed(all.map(name))
        );
        findings.push(TWO_MASTERS.found(
            seen,
            "run `lvsd doctor` and `lvsd status` on the other: a packet filter there drops \
             adverts, or its version, password, interval or virtual_router_id is not this one's",
        ));
    }
    findings
}

/// Whether both are masters of one virtual router with an address in common, at
/// one time.
fn rivals(one: &Heard, other: &Heard) -> bool {
    let addresses = other.advert.addresses.iter().copied().collect();
    one.source != other.source
        && one.is_same_router(other)
        && one.has_any(&addresses)
        && one.is_master()
        && other.is_master()
        && one.overlaps(other)
}

/// Somebody uses the number of a virtual router of ours for other addresses.
pub(super) fn foreign_vrid(facts: &Facts) -> Vec<Finding> {
    let vips = facts.vips();
    let mut findings = Vec::new();
    for heard in facts.heard().filter(|it| !facts.is_own(it.source)) {
        let vrid = heard.advert.vrid.get();
        let routers = facts.virtual_routers();
        let same = routers
            .iter()
            .find(|it| it.interface == heard.interface && it.vrid == vrid);
        let others = facts
            .heard()
            .find(|it| it.is_same_router(heard) && it.source != heard.source && it.has_any(&vips));
        if heard.has_any(&vips) || (same.is_none() && others.is_none()) {
            continue;
        }
        let seen = format!(
            "{} uses virtual_router_id {vrid} on {} for {}, as this site does for its VIP",
            heard.source,
            heard.interface,
            listed(&heard.advert.addresses)
        );
        let free = (1..=u8::MAX).find(|vrid| {
            let mut senders = facts.heard();
            !senders.any(|it| it.interface == heard.interface && it.advert.vrid.get() == *vrid)
        });
        let mend = format!(
            "virtual_router_id = {} on both directors of this site (nobody was heard to use it)",
            free.unwrap_or(1)
        );
        findings.push(VRID_FOREIGN.found(seen, mend));
    }
    findings
}
