//! Adverts that cannot pass this host: what was heard on both sides of its packet filter, and
//! where nothing was heard, what its rules say.

use std::net::IpAddr;

use super::super::{mends, names};
use crate::doctor::facts::Heard;
use crate::doctor::firewall::{Fate, Hook, Packet, Suspect};
use crate::doctor::{Facts, Finding, Kind};
use crate::vrrp::transport::MULTICAST_V4;

pub(in super::super) const VRRP_BLOCKED: Kind = Kind::broken(
    "vrrp-blocked",
    "a director that does not hear the master makes itself master: both hold the VIP, and \
     connections break",
);

/// The packet filter drops adverts, in one direction or the other.
pub(in super::super) fn blocked(facts: &Facts) -> Vec<Finding> {
    let incoming = by_rules(facts, Hook::Input).or_else(|| by_ear(facts));
    let outgoing = by_rules(facts, Hook::Output);
    incoming.into_iter().chain(outgoing).collect()
}

/// The rules say so, and nothing that was heard says otherwise.
fn by_rules(facts: &Facts, hook: Hook) -> Option<Finding> {
    let mut adverts = adverts(facts, hook).into_iter();
    adverts.find_map(|advert| {
        let Fate::Dropped { by, packets, base } = facts.firewall.fate(&advert) else {
            return None;
        };
        let passes = |heard: &Heard| heard.came_through > 0 && is_such(&advert, heard);
        if hook == Hook::Input && facts.incoming().any(passes) {
            return None;
        }
        let interface = &advert.interface;
        let which = match hook {
            Hook::Output => "this host's own adverts",
            _ => "adverts that come in",
        };
        let count = match packets {
            Some(0) | None => String::new(),
            Some(count) => format!(", {count} packets so far"),
        };
        let seen = format!("{which} on {interface} are dropped by `{by}`{count}");
        Some(VRRP_BLOCKED.found(seen, mends::let_pass(facts, &base, &advert)))
    })
}

/// Adverts for a VIP of this host's arrive, and no program gets them, whatever the rules say.
fn by_ear(facts: &Facts) -> Option<Finding> {
    let adverts = adverts(facts, Hook::Input);
    let vips = facts.vips();
    let mut kept_out = facts
        .incoming()
        .filter(|heard| heard.is_kept_out() && heard.has_any(&vips));
    let (heard, advert) = kept_out.find_map(|heard| {
        let advert = adverts.iter().find(|advert| is_such(advert, heard))?;
        Some((heard, advert))
    })?;
    let Heard {
        interface,
        source,
        arrived,
        ..
    } = heard;
    let seen = format!(
        "{arrived} adverts of {source} arrived on {interface}, and this host let none of them through"
    );
    let look = format!(
        "find what drops IP protocol 112 here (`iptables-save -c`, `nft list ruleset`, \
         `tc filter show dev {interface} ingress`, rp_filter), and let it pass, also after a boot"
    );
    let finding = match culprit(facts, advert, *arrived) {
        Some((it, Some(growth))) => {
            let seen = format!("{seen}: `{}` met {growth} packets in that time", it.by);
            VRRP_BLOCKED.found(seen, mends::let_pass(facts, &it.base, advert))
        }
        Some((it, None)) => VRRP_BLOCKED.found(format!("{seen}: perhaps by `{}`", it.by), look),
        None => VRRP_BLOCKED.found(seen, look),
    };
    Some(finding)
}

/// The only rule that may have dropped so many adverts while they were listened to, and what
/// its counter grew by.
fn culprit(facts: &Facts, advert: &Packet, arrived: u32) -> Option<(Suspect, Option<u64>)> {
    let earlier = facts.firewall.suspects(advert);
    let now = match &facts.firewall_later {
        Some(later) => later.suspects(advert),
        None => earlier.clone(),
    };
    let able = now.into_iter().filter_map(|suspect| {
        let growth = match facts.firewall_later {
            Some(_) => suspect.growth(&earlier),
            None => None,
        };
        let is_able = growth.is_none_or(|growth| growth >= arrived.into());
        is_able.then_some((suspect, growth))
    });
    let able: Vec<_> = able.collect();
    match able.as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    }
}

/// Whether what was heard is what the packet stands for: on one interface, to the group or
/// to this host alone.
fn is_such(advert: &Packet, heard: &Heard) -> bool {
    advert.interface == heard.interface
        && advert.destination.is_multicast() == heard.destination.is_multicast()
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
