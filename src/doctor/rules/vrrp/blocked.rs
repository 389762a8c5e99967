//! Adverts that cannot pass this host: what was heard on both sides of its packet filter, and
//! where nothing was heard, what its rules say.

use std::net::IpAddr;

use super::super::{mends, names};
use crate::doctor::facts::Heard;
use crate::doctor::firewall::{Fate, Hook, Packet, Suspect};
use crate::doctor::{Facts, Finding, Kind};
use crate::lvs::Family;
use crate::vrrp::transport::group;

pub(in super::super) const VRRP_BLOCKED: Kind = Kind::broken(
    "vrrp-blocked",
    "a director that does not hear the master makes itself master: both hold the VIP, and \
     connections break",
);

/// The packet filter drops adverts, in one direction or the other, of one version of IP or
/// the other.
pub(in super::super) fn blocked(facts: &Facts) -> Vec<Finding> {
    let families = [Family::Ipv4, Family::Ipv6].into_iter();
    let of_each = families.flat_map(|family| {
        let incoming = by_rules(facts, family, Hook::Input).or_else(|| by_ear(facts, family));
        let outgoing = by_rules(facts, family, Hook::Output);
        incoming.into_iter().chain(outgoing)
    });
    of_each.collect()
}

/// The rules say so, and nothing that was heard says otherwise.
fn by_rules(facts: &Facts, family: Family, hook: Hook) -> Option<Finding> {
    let mut adverts = adverts(facts, family, hook).into_iter();
    adverts.find_map(|advert| {
        let Fate::Dropped { by, packets, base } = facts.firewall.fate(&advert) else {
            return None;
        };
        let passes = |heard: &Heard| {
            heard.came_through > 0 && !heard.is_kept_out() && is_such(&advert, heard)
        };
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
fn by_ear(facts: &Facts, family: Family) -> Option<Finding> {
    let adverts = adverts(facts, family, Hook::Input);
    let vips = facts.vips();
    let mut kept_out = facts
        .incoming()
        .filter(|heard| heard.is_kept_out() && heard.has_any(&vips));
    let (heard, advert) = kept_out.find_map(|heard| {
        let advert = adverts.iter().find(|advert| is_such(advert, heard))?;
        Some((heard, advert.sent_by(heard.source)))
    })?;
    let Heard {
        interface,
        source,
        arrived,
        came_through,
        ..
    } = heard;
    let few = match came_through {
        0 => "none".to_owned(),
        few => format!("only {few}"),
    };
    let seen = format!(
        "{arrived} adverts of {source} arrived on {interface}, and this host let {few} of them \
         through"
    );
    if let Fate::Dropped { by, base, .. } = facts.firewall.fate(&advert) {
        let mend = mends::let_pass(facts, &base, &advert);
        return Some(VRRP_BLOCKED.found(format!("{seen}: `{by}` drops them"), mend));
    }
    let look = format!(
        "find what drops IP protocol 112 here ({}), and let it pass, also after a boot",
        places(heard)
    );
    let finding = match culprit(facts, &advert, arrived - came_through) {
        Some((it, Some(growth))) => {
            let seen = format!("{seen}: `{}` met {growth} packets in that time", it.by);
            VRRP_BLOCKED.found(seen, mends::let_pass(facts, &it.base, &advert))
        }
        Some((it, None)) => {
            let first = mends::let_pass(facts, &it.base, &advert);
            let mend = format!("{first}; if that is not enough, {look}");
            VRRP_BLOCKED.found(format!("{seen}: perhaps by `{}`", it.by), mend)
        }
        None => VRRP_BLOCKED.found(seen, look),
    };
    Some(finding)
}

/// Where to look for what drops adverts.
fn places(heard: &Heard) -> String {
    let interface = &heard.interface;
    let (save, other) = match heard.family() {
        Family::Ipv4 => ("iptables-save", ", rp_filter"),
        Family::Ipv6 => ("ip6tables-save", ""),
    };
    format!("`{save} -c`, `nft list ruleset`, `tc filter show dev {interface} ingress`{other}")
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
    let to_group = advert.destination.is_some_and(|it| it.is_multicast());
    advert.interface == heard.interface
        && advert.family == heard.family()
        && to_group == heard.destination.is_multicast()
}

/// The adverts of this host's virtual routers over a version of IP, in one direction.
fn adverts(facts: &Facts, family: Family, hook: Hook) -> Vec<Packet> {
    let group = group(family);
    let routers = facts.virtual_routers();
    let of_family = routers.iter().filter(|it| it.family == family);
    let mut adverts: Vec<_> = of_family
        .map(|router| match (hook, router.peers.as_slice()) {
            (_, []) => Packet::advert(hook, &router.interface, group),
            (Hook::Output, [peer, ..]) => Packet::advert(hook, &router.interface, *peer),
            (_, [peer, ..]) => {
                let to = facts.near(*peer).unwrap_or(group);
                Packet::advert(hook, &router.interface, to).sent_by(*peer)
            }
        })
        .collect();
    // Of a keepalived whose file has not told its interfaces nothing is known; over IPv6 are few.
    let is_blind = facts.boot.running.contains("keepalived") && routers.is_empty();
    let is_blind =
        is_blind && (family == Family::Ipv4 || facts.balanced_vips().iter().any(IpAddr::is_ipv6));
    if is_blind {
        let links = names(facts.lan_links());
        adverts.extend(links.iter().map(|link| Packet::advert(hook, link, group)));
    }
    adverts
}
