//! VRRP: adverts that cannot pass, two masters, somebody else's virtual router.

mod blocked;
mod peers;

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::listed;
use crate::doctor::facts::{Heard, VirtualRouter};
use crate::doctor::{Facts, Finding, Kind};
use crate::vrrp::Version;

pub(super) use blocked::{VRRP_BLOCKED, blocked};
pub(super) use peers::apart;

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

const GIVE_THE_SAME: &str = "give both files the same, reload both, and one of them yields";

/// Two routers are master of one VIP that this host has to do with. Where this host
/// drops adverts, that is the finding.
pub(super) fn two_masters(facts: &Facts) -> Vec<Finding> {
    if !blocked(facts).is_empty() {
        return vec![];
    }
    let vips = facts.vips();
    let ours = |heard: &&Heard| heard.has_any(&vips);
    let mut told = BTreeSet::new();
    let mut findings: Vec<_> = silenced(facts).iter().map(Silenced::finding).collect();
    findings.extend(apart(facts).iter().map(peers::Apart::finding));
    for one in facts.heard().filter(ours) {
        let masters: Vec<_> = facts.heard().filter(|it| rivals(it, one)).collect();
        let all = || [one].into_iter().chain(masters.iter().copied());
        let names: BTreeSet<_> = all().map(|it| (&it.interface, it.source)).collect();
        if masters.is_empty() || !told.insert(names) {
            continue;
        }
        let mut differences = differences(one, &masters);
        let miss = peers::between(facts, all());
        let by_peers = differences.is_empty() && !miss.is_empty();
        differences.extend(miss);
        let seen = format!(
            "{} on {} has the masters {}{}",
            shared(one, &masters),
            one.interface,
            listed(all().map(|heard| master(facts, heard))),
            differences
                .iter()
                .map(|it| format!("; {it}"))
                .collect::<String>()
        );
        let mend = match differences.is_empty() {
            _ if by_peers => peers::NAME_EACH_OTHER.to_owned(),
            true => {
                let others = all().filter(|it| !facts.is_own(it.source));
                let others: Vec<_> = others.map(|it| it.source).collect();
                let on = match others.as_slice() {
                    [_] => "the other".to_owned(),
                    several => listed(several),
                };
                format!(
                    "run `lvsd doctor` on {on}: a packet filter there drops adverts, or its lvsd \
                     or keepalived refuses them, as its log says"
                )
            }
            false => GIVE_THE_SAME.to_owned(),
        };
        findings.push(TWO_MASTERS.found(seen, mend));
    }
    findings
}

/// `192.168.1.51 (priority 100, this host)`
fn master(facts: &Facts, heard: &Heard) -> String {
    let (source, priority) = (heard.source, heard.advert.priority);
    let this = if facts.is_own(source) {
        ", this host"
    } else {
        ""
    };
    format!("{source} (priority {priority}{this})")
}

/// The VIPs that more than one of them has, in words.
fn shared(one: &Heard, others: &[&Heard]) -> String {
    let vips = one.advert.addresses.iter();
    let has = |vip: &&IpAddr| others.iter().any(|it| it.advert.addresses.contains(vip));
    let vips: Vec<_> = vips.filter(has).collect();
    match vips.as_slice() {
        [first, _, _, others @ ..] if !others.is_empty() => {
            format!("{first} with {} other VIPs", vips.len() - 1)
        }
        few => listed(few),
    }
}

/// What of their files keeps routers from electing one master, as their adverts
/// say.
fn differences(one: &Heard, others: &[&Heard]) -> Vec<String> {
    let adverts = || {
        [one]
            .into_iter()
            .chain(others.iter().copied())
            .map(|it| &it.advert)
    };
    let mut found = Vec::new();
    let vrids: BTreeSet<_> = adverts().map(|advert| advert.vrid.get()).collect();
    if vrids.len() > 1 {
        found.push(format!("their virtual_router_id is {}", listed(vrids)));
    }
    let versions: BTreeSet<_> = adverts().map(|it| it.version.number()).collect();
    if versions.len() > 1 {
        found.push(format!("their VRRP version is {}", listed(versions)));
        return found;
    }
    let Version::V2 { auth } = &one.advert.version else {
        return found;
    };
    let of_v2 = |it: &Version| matches!(it, Version::V2 { auth: other } if other == auth);
    if !adverts().all(|it| of_v2(&it.version)) {
        found.push("their passwords (auth_pass) differ".to_owned());
    }
    let intervals: BTreeSet<_> = adverts().map(|it| it.interval).collect();
    if intervals.len() > 1 {
        let seconds = intervals.iter().map(|it| format!("{} s", it.as_secs()));
        found.push(format!("their advert interval is {}", listed(seconds)));
    }
    found
}

/// Whether both are masters with an address in common, at one time: of one virtual
/// router, or of two that were to be one.
fn rivals(one: &Heard, other: &Heard) -> bool {
    let addresses = other.advert.addresses.iter().copied().collect();
    one.source != other.source
        && one.interface == other.interface
        && one.has_any(&addresses)
        && one.is_master()
        && other.is_master()
        && one.overlaps(other)
}

/// A keepalived of this host's that has the VIP and is not heard, beside a master.
///
/// Under version 2 it refuses adverts of another interval, and begins its own anew with each
/// that it refuses: the slower of two masters hardly ever sends.
pub(super) struct Silenced<'a> {
    /// Its virtual router, by its file.
    router: VirtualRouter,
    /// The master that is heard.
    master: &'a Heard,
    /// The VIPs that both have.
    pub(super) vips: BTreeSet<IpAddr>,
}

pub(super) fn silenced(facts: &Facts) -> Vec<Silenced<'_>> {
    if facts.director.is_some() || !facts.boot.running.contains("keepalived") {
        return vec![];
    }
    let (own, others): (Vec<_>, Vec<_>) = facts
        .heard()
        .filter(|heard| heard.is_master())
        .partition(|heard| facts.is_own(heard.source));
    let routers = facts.virtual_routers().into_iter();
    let silent = routers.filter(|router| !own.iter().any(|heard| router.is_of(heard)));
    let found = silent.filter_map(|router| {
        let master = *others.iter().find(|heard| router.is_of(heard))?;
        let is_v2 = matches!(master.advert.version, Version::V2 { .. });
        if !is_v2 || master.advert.interval == router.interval {
            return None;
        }
        let both = master.advert.addresses.iter();
        let both = both.filter(|vip| router.addresses.contains(vip));
        let vips: BTreeSet<_> = both
            .filter(|vip| facts.holder(**vip).is_some())
            .copied()
            .collect();
        (!vips.is_empty()).then_some(Silenced {
            router,
            master,
            vips,
        })
    });
    found.collect()
}

impl Silenced<'_> {
    fn finding(&self) -> Finding {
        let Self {
            router,
            master,
            vips,
        } = self;
        let seen = format!(
            "{} on {} has the masters {} (priority {}) and this host, whose keepalived holds it \
             and is not heard; their advert interval (advert_int) is {} s and {} s",
            listed(vips),
            router.interface,
            master.source,
            master.advert.priority,
            master.advert.interval.as_secs_f32(),
            router.interval.as_secs_f32(),
        );
        TWO_MASTERS.found(seen, GIVE_THE_SAME)
    }
}

/// Somebody uses the number of a virtual router of ours for other addresses.
pub(super) fn foreign_vrid(facts: &Facts) -> Vec<Finding> {
    let vips = facts.vips();
    let mut findings = Vec::new();
    for heard in facts.heard().filter(|it| !facts.is_own(it.source)) {
        let vrid = heard.advert.vrid.get();
        let routers = facts.virtual_routers();
        let same = routers.iter().find(|it| {
            it.interface == heard.interface && it.family == heard.family() && it.vrid == vrid
        });
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
