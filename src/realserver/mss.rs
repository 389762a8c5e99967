//! Telling clients to send segments that still fit once the director has wrapped them.
//!
//! ```text
//!  client ── 1500 bytes ──▶ director ── 1500 + 20 bytes of IPIP ──▶ real server
//! ```
//! On a LAN with an MTU of 1500 the wrapped packet does not fit. The director sees
//! only what clients send, so it cannot clamp the MSS: the one that counts is in the
//! SYN-ACK, which goes from here to the client directly. So answers from a VIP look
//! into a table of routes of its own, a copy of the main one in which each route
//! says `advmss`. Nothing else on this host is touched, and other addresses keep
//! their full segments. A LAN with an MTU of 1600 is the better way: then `mss = 0`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::config::realserver::{Method, Mss, Tunnel};
use crate::lvs::Family;
use crate::sys::host_route::{MAIN, Route, Rule};
use crate::sys::link::Link;

/// The table with the copies, and the priority of the rules that lead to it: before
/// the main table's 32766, after what people usually choose for themselves.
pub const TABLE: u32 = 9480;
const PRIORITY: u32 = 9480;

/// Headers of IP and TCP without options, which a segment's length does not count.
const IPV4_AND_TCP: u32 = 20 + 20;
const IPV6_AND_TCP: u32 = 40 + 20;

/// What is to be there, or is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Routing {
    /// Of the main table and of [`TABLE`].
    pub routes: BTreeSet<Route>,
    /// That lead to [`TABLE`].
    pub rules: BTreeSet<Rule>,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Add a route to [`TABLE`].
    AddRoute(Route),
    /// Delete one from it.
    DeleteRoute(Route),
    /// Lead packets there.
    AddRule(Rule),
    /// Lead them there no more.
    DeleteRule(Rule),
}

/// Tells whether a method of forwarding needs any of this.
pub fn is_needed(method: &Method) -> bool {
    matches!(method, Method::Tunnel { mss, .. } if *mss != Mss::Untouched)
}

/// The steps from what there is to what must be, for these VIPs; none wanted takes
/// away all of it.
pub fn plan(method: &Method, vips: &[IpAddr], links: &[Link], found: &Routing) -> Vec<Step> {
    let wanted = wanted(method, vips, links, &found.routes);
    let in_table: BTreeSet<_> = found
        .routes
        .iter()
        .filter(|route| route.table == TABLE)
        .collect();
    let ours = found.rules.iter().filter(|rule| rule.table == TABLE);
    let ours: BTreeSet<_> = ours.collect();
    // Rules come last and go first: no packet looks into a table that is not whole.
    let old_rules = ours
        .iter()
        .filter(|rule| !wanted.rules.contains(**rule))
        .map(|rule| Step::DeleteRule(**rule));
    let old_routes = in_table
        .iter()
        .filter(|route| !wanted.routes.contains(**route))
        .map(|route| Step::DeleteRoute((*route).clone()));
    // Direct routes before those whose gateway they lead to.
    let mut new_routes: Vec<_> = wanted
        .routes
        .iter()
        .filter(|route| !in_table.contains(route))
        .collect();
    new_routes.sort_by_key(|route| route.gateway.is_some());
    let new_routes = new_routes
        .into_iter()
        .map(|route| Step::AddRoute(route.clone()));
    let new_rules = wanted
        .rules
        .iter()
        .filter(|rule| !ours.contains(rule))
        .map(|rule| Step::AddRule(*rule));
    old_rules
        .chain(old_routes)
        .chain(new_routes)
        .chain(new_rules)
        .collect()
}

fn wanted(method: &Method, vips: &[IpAddr], links: &[Link], found: &BTreeSet<Route>) -> Routing {
    if !is_needed(method) {
        return Routing::default();
    }
    let has = |family| vips.iter().any(|vip| Family::of(*vip) == family);
    let copies = found
        .iter()
        .filter(|route| route.table == MAIN && has(Family::of(route.to.address)));
    let copies = copies.filter_map(|route| {
        let mtu = links.iter().find(|link| link.index == route.interface)?.mtu;
        Some(Route {
            table: TABLE,
            advmss: Some(advmss(method, Family::of(route.to.address), mtu)?),
            ..route.clone()
        })
    });
    Routing {
        routes: copies.collect(),
        rules: vips
            .iter()
            .map(|vip| Rule {
                from: *vip,
                table: TABLE,
                priority: PRIORITY,
            })
            .collect(),
    }
}

/// The longest segment that fits into packets of this MTU after wrapping; none: the
/// kernel's own is as good.
pub fn advmss(method: &Method, family: Family, mtu: u32) -> Option<u32> {
    let Method::Tunnel { tunnel, local, mss } = method else {
        return None;
    };
    let over_ipv6 = local.is_some_and(|local| local.is_ipv6());
    let fitting = mtu
        .saturating_sub(overhead(*tunnel, over_ipv6))
        .saturating_sub(match family {
            Family::Ipv4 => IPV4_AND_TCP,
            Family::Ipv6 => IPV6_AND_TCP,
        });
    match mss {
        Mss::Untouched => None,
        Mss::Fixed(bytes) => Some((*bytes).into()),
        Mss::Fitting => Some(fitting.max(crate::config::realserver::MIN_MSS.into())),
    }
}

/// How many bytes wrapping adds at most.
pub fn overhead(tunnel: Tunnel, over_ipv6: bool) -> u32 {
    let outer = if over_ipv6 { 40 } else { 20 };
    outer
        + match tunnel {
            Tunnel::Ipip => 0,
            // UDP, GUE, and what remote checksum offload adds.
            Tunnel::Gue { .. } => 8 + 4 + 8,
            Tunnel::Gre { checksum } => 4 + if checksum { 4 } else { 0 },
        }
}

#[cfg(test)]
mod tests;
