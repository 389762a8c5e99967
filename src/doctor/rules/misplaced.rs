//! A VIP on a NIC of a host that must not have it there: a backup, a real server.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::vrrp;
use crate::doctor::{Facts, Finding, Kind};
use crate::lvs::Prefixed;
use crate::status::director::VirtualRouter;
use crate::sys::address::Address;
use crate::sys::link::Link;

pub(super) const VIP_ON_BACKUP: Kind = Kind::broken(
    "vip-on-backup",
    "the master has it as well, so two hosts answer who has it (ARP, neighbour discovery), and \
     lvsd removes no address that it did not add: clients reach now the one, now the other",
);

pub(super) const VIP_ON_NIC: Kind = Kind::broken(
    "vip-on-nic",
    "a real server has the VIP on lo alone: with it on a NIC this host answers the LAN's question \
     who has it (ARP, neighbour discovery; arp_ignore = 1 does not keep it from that), so clients \
     come straight to it, past the director",
);

/// An address of a virtual router that is not master here: put there by somebody
/// else, as the director says, or left behind, as the master's adverts say.
pub(super) fn on_backup(facts: &Facts) -> Vec<Finding> {
    let routers = facts.director.iter().flat_map(|status| &status.vrrp);
    let foreign = routers.flat_map(|router| {
        let foreign = foreign(router).filter(|vip| is_placed(facts, *vip));
        foreign.map(|vip| (vip, format!("{} is {} here", router.name, router.state)))
    });
    let found = foreign.chain(left_behind(facts));
    found
        .flat_map(|(vip, why)| {
            let addresses = placed(facts, vip);
            addresses.map(move |(address, link)| {
                let seen = format!("{} is on {}, and {why}", address.address, link.name);
                VIP_ON_BACKUP.found(seen, mend(facts, address, link))
            })
        })
        .collect()
}

/// The addresses of a virtual router that somebody else put here.
fn foreign(router: &VirtualRouter) -> impl Iterator<Item = IpAddr> {
    let holdings = router.holdings.iter();
    let foreign = holdings.filter(|it| it.kind == "address" && it.state == "foreign");
    foreign.filter_map(|it| it.name.split('/').next()?.parse().ok())
}

/// The VIPs that this host has while it hears another who is their master, and why
/// that is known. Who drops adverts is master himself.
fn left_behind(facts: &Facts) -> BTreeMap<IpAddr, String> {
    if !vrrp::blocked(facts).is_empty() {
        return BTreeMap::new();
    }
    let (own, others): (Vec<_>, Vec<_>) = facts
        .heard()
        .filter(|heard| heard.is_master())
        .partition(|heard| facts.is_own(heard.source));
    let own: BTreeSet<_> = own.iter().flat_map(|it| &it.advert.addresses).collect();
    let mut known = known_to_director(facts);
    known.extend(vrrp::silenced(facts).into_iter().flat_map(|it| it.vips));
    known.extend(vrrp::apart(facts).into_iter().flat_map(|it| it.vips));
    let vips = others.iter().flat_map(|master| {
        master
            .advert
            .addresses
            .iter()
            .map(move |vip| (*vip, master))
    });
    let left = vips.filter(|(vip, _)| {
        let is_ours = own.contains(vip) || known.contains(vip) || serves_only(facts, *vip);
        !is_ours && is_placed(facts, *vip)
    });
    left.map(|(vip, master)| {
        let (source, priority) = (master.source, master.advert.priority);
        let vrid = master.advert.vrid.get();
        let why = format!("{source} (priority {priority}) is master of virtual router {vrid}");
        (vip, why)
    })
    .collect()
}

/// The VIPs that the running director knows of, and tells of itself.
fn known_to_director(facts: &Facts) -> BTreeSet<IpAddr> {
    let running = facts.director.as_ref();
    let routers = running.map(|_| facts.virtual_routers());
    let routers = routers.into_iter().flatten();
    routers.flat_map(|router| router.addresses).collect()
}

/// A VIP of this real server that is on a NIC.
pub(super) fn on_nic(facts: &Facts) -> Vec<Finding> {
    let vips = facts.vips().into_iter();
    vips.filter(|vip| serves_only(facts, *vip))
        .flat_map(|vip| placed(facts, vip).map(move |found| (vip, found)))
        .map(|(vip, (address, link))| {
            let nic = &link.name;
            let mut mend = mend(facts, address, link);
            let seen = match facts.has_on_lo(vip) {
                true => format!("{vip} is on {} and on {nic}", facts.place_of(vip)),
                false => {
                    let host = Prefixed::host(vip);
                    mend = format!("ip address add {host} dev lo; {mend}");
                    format!("{vip} is on {nic}, where it should be on lo")
                }
            };
            VIP_ON_NIC.found(seen, mend)
        })
        .collect()
}

/// Whether this host is a real server of the VIP and no director of it: neither
/// has it the VIP in its table, nor does anything run here that moves VIPs.
pub(super) fn serves_only(facts: &Facts, vip: IpAddr) -> bool {
    let agent = facts.agent.iter().flat_map(|agent| &agent.vips);
    let files = facts.realserver_config.iter();
    let is_wanted = agent.map(|it| it.address).any(|it| it == vip)
        || files.flat_map(|file| &file.vips).any(|it| *it == vip);
    let moves = facts.director.is_some() || facts.boot.running.contains("keepalived");
    (is_wanted || facts.has_on_lo(vip)) && !moves && !facts.balanced_vips().contains(&vip)
}

fn is_placed(facts: &Facts, vip: IpAddr) -> bool {
    placed(facts, vip).next().is_some()
}

/// The address with its prefix, on each interface that answers for it: neither `lo`,
/// nor a dummy, nor what the agent's file names.
fn placed(facts: &Facts, vip: IpAddr) -> impl Iterator<Item = (&Address, &Link)> {
    let same = facts.addresses.iter();
    let same = same.filter(move |it| it.address.address == vip);
    let file = facts.realserver_config.as_ref();
    same.filter_map(move |it| {
        let link = facts.links.iter().find(|link| link.index == it.link)?;
        let is_silent = link.loopback || link.noarp;
        let is_named = file.is_some_and(|file| file.interface == link.name);
        (!is_silent && !is_named).then_some((it, link))
    })
}

/// What takes the address off, and keeps it off.
fn mend(facts: &Facts, address: &Address, link: &Link) -> String {
    let vip = address.address.address;
    let mut scripts = facts.boot.scripts.iter();
    let boot = match scripts.find(|script| script.vips.contains(&vip)) {
        Some(script) => format!("if {} puts it there, take it out of that", script.path),
        None => "if it comes back, rc.local or the file of the interface puts it there".to_owned(),
    };
    format!("{}; {boot}", removal(facts, address, link))
}

/// The command that takes off this address and no other. With the first address of a
/// network the kernel removes the others of it, unless it is told to keep them.
pub(super) fn removal(facts: &Facts, address: &Address, link: &Link) -> String {
    let prefixed = address.address;
    let leads = facts.addresses.iter().any(|other| {
        let same = other.address.prefix_len == prefixed.prefix_len;
        let is_follower = other.secondary && other.address.address.is_ipv4();
        other.link == address.link
            && is_follower
            && same
            && prefixed.contains(other.address.address)
    });
    let command = format!("ip addr del {prefixed} dev {}", link.name);
    match leads && !address.secondary {
        true => {
            let interface = link.name.replace('.', "/");
            format!("sysctl -w net.ipv4.conf.{interface}.promote_secondaries=1; {command}")
        }
        false => command,
    }
}
