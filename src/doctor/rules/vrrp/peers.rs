//! Two masters because unicast adverts go to nobody: what the file of this host says of it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{TWO_MASTERS, rivals};
use crate::doctor::facts::{Heard, VirtualRouter};
use crate::doctor::rules::{listed, station};
use crate::doctor::{Facts, Finding};

pub(super) const NAME_EACH_OTHER: &str = "have each file's unicast_peer (lvsd: unicast_peers) name the other \
                               director, or neither file have any; reload both, and one of them \
                               yields";

/// A master of this host's whose adverts and those of another director miss each other.
pub(in super::super) struct Apart {
    /// The VIPs that both have.
    pub(in super::super) vips: BTreeSet<IpAddr>,
    interface: String,
    other: String,
    cause: String,
}

impl Apart {
    pub(super) fn finding(&self) -> Finding {
        let seen = format!(
            "{} on {} is held by {} and by this host, each a master; {}",
            listed(&self.vips),
            self.interface,
            self.other,
            self.cause
        );
        TWO_MASTERS.found(seen, NAME_EACH_OTHER)
    }
}

/// Those that there are.
pub(in super::super) fn apart(facts: &Facts) -> Vec<Apart> {
    let routers = of_file(facts).into_iter();
    routers
        .filter_map(|router| {
            let addresses = router.addresses.iter().copied();
            let held = addresses.filter(|vip| facts.holder(*vip).is_some());
            let held: BTreeSet<_> = held.collect();
            by_adverts(facts, &router, &held).or_else(|| by_answers(facts, &router, &held))
        })
        .collect()
}

/// The virtual routers that this host may be master of, whose peers are known.
fn of_file(facts: &Facts) -> Vec<VirtualRouter> {
    let runs_keepalived = facts.boot.running.contains("keepalived");
    let files = facts.director_config.iter();
    let is_known = |name: &String| match &facts.director {
        Some(status) => {
            let mut routers = status.vrrp.iter();
            files.clone().any(|file| file.vrrp.contains_key(name))
                && routers.any(|it| it.name == *name && it.state == "master")
        }
        None => runs_keepalived && !name.is_empty() && facts.director_config.is_none(),
    };
    let mut routers = facts.virtual_routers();
    routers.retain(|router| is_known(&router.name));
    routers
}

/// Another master is heard, and by its adverts it cannot hear this one, or not be heard.
fn by_adverts(facts: &Facts, router: &VirtualRouter, held: &BTreeSet<IpAddr>) -> Option<Apart> {
    let masters = || {
        facts
            .heard()
            .filter(|it| it.is_master() && router.is_of(it))
    };
    let mut others = masters().filter(|it| !facts.is_own(it.source));
    let (heard, cause) = others.find_map(|it| Some((it, mismatch(facts, router, it)?)))?;
    let mut own = masters().filter(|it| facts.is_own(it.source));
    let vips = heard.advert.addresses.iter().copied();
    let vips: BTreeSet<_> = vips.filter(|vip| held.contains(vip)).collect();
    // Where both are heard, the adverts tell of two masters.
    (!vips.is_empty() && !own.any(|it| rivals(it, heard))).then(|| Apart {
        vips,
        interface: router.interface.clone(),
        other: format!("{} (priority {})", heard.source, heard.advert.priority),
        cause,
    })
}

/// The same of masters that were heard, this host among them.
pub(super) fn between<'a>(facts: &Facts, masters: impl Iterator<Item = &'a Heard>) -> Vec<String> {
    let routers = of_file(facts);
    let others = masters.filter(|it| !facts.is_own(it.source));
    let missed = others.filter_map(|heard| {
        let router = routers.iter().find(|router| router.is_of(heard))?;
        mismatch(facts, router, heard)
    });
    missed.collect()
}

/// What the file of this host and another's adverts disagree in.
fn mismatch(facts: &Facts, router: &VirtualRouter, heard: &Heard) -> Option<String> {
    let (source, to) = (heard.source, heard.destination);
    let (key, peers) = (key(facts), listed(&router.peers));
    match (router.peers.is_empty(), to.is_multicast()) {
        (false, true) => Some(format!(
            "the file here has {key} {peers}, and {source} sends to everybody (multicast)"
        )),
        (true, false) => Some(format!(
            "{source} sends to its unicast_peer {to} alone, and the file here has none (multicast)"
        )),
        (false, false) if !router.peers.contains(&source) => {
            Some(format!("the file here has {key} {peers}, and not {source}"))
        }
        (false, false) if !facts.is_own(to) => Some(format!(
            "{source} has unicast_peer {to}, which is not this host"
        )),
        _ => None,
    }
}

/// What the list is called in the file of this host.
fn key(facts: &Facts) -> &'static str {
    match &facts.director {
        Some(_) => "unicast_peers",
        None => "unicast_peer",
    }
}

/// Nobody else is heard, and another holds the VIP: a peer, or a stranger while no host
/// answers for a peer's address.
fn by_answers(facts: &Facts, router: &VirtualRouter, held: &BTreeSet<IpAddr>) -> Option<Apart> {
    let mut heard = facts.heard();
    if heard.any(|it| it.is_master() && router.is_of(it) && !facts.is_own(it.source)) {
        return None;
    }
    let vip = held.iter().find(|vip| {
        let others = facts.others_with(**vip);
        others.is_some_and(|others| !others.is_empty())
    })?;
    let others = facts.others_with(*vip)?;
    let mac = *others.first()?;
    let address = facts.name_of(mac);
    let peers = router.peers.iter();
    let peer = peers.clone().find(|peer| Some(**peer) == address);
    let nobody = peers.clone().find(|peer| is_nobodys(facts, router, **peer));
    let is_server = facts
        .shared_vips()
        .iter()
        .any(|(_, rip)| Some(*rip) == address);
    let cause = match (peer, nobody) {
        (Some(peer), _) => format!(
            "{peer} is a unicast_peer in the file here, and none of its adverts come: its own \
             unicast_peer names another host, or its file has none"
        ),
        (None, Some(nobody)) if !is_server => format!(
            "the file here has {} {}, and no host has {nobody}",
            key(facts),
            listed(&router.peers)
        ),
        _ => return None,
    };
    Some(Apart {
        vips: [*vip].into(),
        interface: router.interface.clone(),
        other: station(facts, mac),
        cause,
    })
}

/// Whether somebody was asked for the peer, and nobody answered.
fn is_nobodys(facts: &Facts, router: &VirtualRouter, peer: IpAddr) -> bool {
    let place = (router.interface.clone(), peer);
    let mut wire = facts.wire.iter();
    wire.any(|wire| wire.answers.get(&place).is_some_and(|macs| macs.is_empty()))
}
