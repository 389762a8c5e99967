//! Who has the VIP: nobody, two hosts, or a real server that lost it.

use std::net::IpAddr;

use super::{listed, station, vrrp};
use crate::config::realserver::Method;
use crate::doctor::{Facts, Finding, Kind};
use crate::lvs::Prefixed;
use crate::sys::neighbour::Mac;

pub(super) const VIP_UNHELD: Kind = Kind::broken(
    "vip-unheld",
    "no host answers who has the VIP (ARP, neighbour discovery), so no client and no router can send to it",
);

pub(super) const VIP_DUPLICATE: Kind = Kind::broken(
    "vip-duplicate",
    "the router in front sends to whoever answered it last: all clients reach one server past the \
     directors, or connections break each time the answer changes",
);

pub(super) const VIP_ON_BACKUP: Kind = Kind::broken(
    "vip-on-backup",
    "the master has it as well, so two hosts answer ARP for it, and lvsd removes no address that it \
     did not add: clients reach now the one, now the other",
);

pub(super) const VIP_MISSING: Kind = Kind::broken(
    "vip-missing",
    "a director sends packets for the VIP here, and this host takes them for a stranger's: \
     clients wait in vain while every check of the RIP passes",
);

pub(super) const VIP_NETWORK: Kind = Kind::broken(
    "vip-network",
    "a prefix shorter than a host's on lo makes the whole network this host's own: it answers \
     none of its neighbours, the router included",
);

/// The advert intervals of an election, and one more for the VIP to be put in its
/// place: three missed adverts and the skew time.
const ELECTION: u32 = 5;

/// Nobody on the LAN says to have a VIP that belongs there.
pub(super) fn unheld(facts: &Facts) -> Vec<Finding> {
    let is_explained = !vrrp::foreign_vrid(facts).is_empty();
    let vips = facts.vips().into_iter().filter(|vip| {
        let answers = facts.others_with(*vip);
        facts.holder(*vip).is_none() && answers.is_some_and(|others| others.is_empty())
    });
    let unheld = vips.filter(|vip| !is_explained && !is_elected(facts, *vip));
    unheld
        .map(|vip| {
            let lan = facts.lan_of(vip).map_or("the LAN", |link| &link.name);
            let mend = match facts.is_director() {
                true => {
                    "a director must be master: `lvsd status` says why none is (interface down? \
                     lvsd not running? no [[vrrp]] table with this address?)"
                }
                false => "ask the directors: `lvsd status` there says why none is master",
            };
            VIP_UNHELD.found(format!("nobody on {lan} has {vip}"), mend)
        })
        .collect()
}

/// Whether the director of this host has not been backup for long enough to know
/// that there is no master.
fn is_elected(facts: &Facts, vip: IpAddr) -> bool {
    let Some(status) = &facts.director else {
        return false;
    };
    let mut routers = status.vrrp.iter().zip(facts.virtual_routers());
    routers.any(|(router, known)| {
        let age = status.now.duration_since(router.since).unsigned_abs();
        known.addresses.contains(&vip)
            && router.state == "backup"
            && age < known.interval * ELECTION
    })
}

/// More than one host says to have a VIP. Masters that were heard are told as
/// such.
pub(super) fn duplicate(facts: &Facts) -> Vec<Finding> {
    let vips = facts.vips().into_iter();
    let found = vips.filter_map(|vip| {
        let others = facts.others_with(vip)?;
        let here = facts.holder(vip);
        if others.len() + usize::from(here.is_some()) < 2 {
            return None;
        }
        let strangers: Vec<_> = others
            .iter()
            .filter(|mac| !is_master(facts, vip, **mac))
            .collect();
        if strangers.is_empty() {
            return None;
        }
        let this = here.map(|link| format!("this host ({})", link.name));
        let all = others.iter().map(|mac| station(facts, *mac));
        let seen = format!("{vip} is held by {}", listed(this.into_iter().chain(all)));
        let not_heard = strangers.iter().map(|mac| station(facts, **mac));
        let silence = match vip {
            IpAddr::V4(_) => "or arp_ignore = 1 and arp_announce = 2 on all",
            IpAddr::V6(_) => "and the VIP on no NIC, proxy_ndp off",
        };
        let mend = format!(
            "on {}: if it is a real server, `lvsd realserver --vip {vip}` ({silence}); if it is a \
             director, find out why it is not heard: `lvsd doctor` there",
            listed(not_heard)
        );
        Some(VIP_DUPLICATE.found(seen, mend))
    });
    found.collect()
}

/// An address of a virtual router that is not master here, put there by somebody
/// else, as the director says.
pub(super) fn on_backup(facts: &Facts) -> Vec<Finding> {
    let routers = facts.director.iter().flat_map(|status| &status.vrrp);
    let foreign = routers.flat_map(|router| {
        let holdings = router.holdings.iter();
        let foreign = holdings.filter(|it| it.kind == "address" && it.state == "foreign");
        foreign.map(move |it| (router, it.name.split('/').next().unwrap_or_default()))
    });
    let found = foreign.flat_map(|(router, vip)| {
        let addresses = facts.addresses.iter();
        let same = addresses.filter(move |it| it.address.address.to_string() == vip);
        let there = same.filter_map(|it| {
            let mut links = facts.links.iter().filter(|link| link.index == it.link);
            let link = links.find(|link| !link.loopback)?;
            Some((it.address, &link.name))
        });
        there.map(move |(address, interface)| {
            let seen = format!(
                "{address} is on {interface}, and {} is {} here",
                router.name, router.state
            );
            VIP_ON_BACKUP.found(seen, format!("ip addr del {address} dev {interface}"))
        })
    });
    found.collect()
}

/// Whether it was heard to be master for the VIP, with its own hardware address
/// or with that of a virtual router.
fn is_master(facts: &Facts, vip: IpAddr, mac: Mac) -> bool {
    let mut masters = facts
        .heard()
        .filter(|heard| heard.is_master() && heard.advert.addresses.contains(&vip));
    masters.any(|heard| {
        let virtual_mac = [0, 0, 0x5E, 0, 1, heard.advert.vrid.get()];
        mac == heard.mac || mac == virtual_mac
    })
}

/// A VIP that agent, file or script want on `lo` is not there.
pub(super) fn missing(facts: &Facts) -> Vec<Finding> {
    let file = facts.realserver_config.as_ref();
    let is_leaving = facts
        .agent
        .as_ref()
        .is_some_and(|agent| agent.draining_until.is_some());
    if is_leaving || file.is_some_and(|file| matches!(file.method, Method::Nat { .. })) {
        return vec![];
    }
    let wanted = facts.wanted_on_lo();
    let missing = wanted.iter().filter(|vip| !facts.has_on_lo(**vip));
    missing
        .filter(|vip| facts.holder(**vip).is_none())
        .map(|vip| {
            let mut scripts = facts.boot.scripts.iter();
            let script = scripts.find(|script| script.vips.contains(vip));
            let mend = match (&facts.agent, file, script) {
                (Some(_), _, _) => {
                    "`lvsd status` says what keeps the agent from adding it".to_owned()
                }
                (None, Some(_), _) => "systemctl enable --now lvsd-realserver".to_owned(),
                (None, None, Some(script)) => format!(
                    "run {} again, or replace it by `lvsd realserver --vip {vip}`, which looks \
                     after the VIP",
                    script.path
                ),
                (None, None, None) => format!("lvsd realserver --vip {vip}"),
            };
            VIP_MISSING.found(format!("{vip} is not on lo"), mend)
        })
        .collect()
}

/// A VIP on `lo` with the prefix of a network.
pub(super) fn network(facts: &Facts) -> Vec<Finding> {
    let vips = facts.vips_on_lo();
    let wide = vips.filter(|it| it.address != Prefixed::host(it.address.address));
    // Loopback and link-local networks on lo are somebody's intention.
    wide.filter(|it| facts.lan_of(it.address.address).is_some())
        .map(|it| {
            let host = Prefixed::host(it.address.address);
            let mend = format!(
                "ip address add {host} dev lo; ip address del {} dev lo",
                it.address
            );
            VIP_NETWORK.found(format!("{} is on lo", it.address), mend)
        })
        .collect()
}
