//! Who has the VIP: nobody, two hosts, or a real server that lost it.

use std::net::IpAddr;

use super::misplaced::{removal, serves_only};
use super::{listed, mends, source, station, vrrp};
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
            let mend = holder_wanted(facts, vip, lan);
            VIP_UNHELD.found(format!("nobody on {lan} has {vip}"), mend)
        })
        .collect()
}

/// What gives the VIP a holder.
fn holder_wanted(facts: &Facts, vip: IpAddr, lan: &str) -> String {
    let Facts { boot, .. } = facts;
    if facts.director.is_some() {
        "a director must be master: `lvsd status` says why this one is not (interface down? no \
         [[vrrp]] table with this address?)"
            .to_owned()
    } else if facts.director_config.is_some() {
        "systemctl enable --now lvsd-director; `lvsd status` then says who is master".to_owned()
    } else if boot.running.contains("keepalived") {
        "no virtual router of keepalived is master with it here: its log says why (interface \
         down? another address?)"
            .to_owned()
    } else if boot.keepalived_routes {
        "systemctl enable --now keepalived".to_owned()
    } else if facts.is_director() {
        source::addition(vip, lan)
    } else {
        "on a director: `lvsd doctor`, which says there what keeps the VIP from it".to_owned()
    }
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
/// such, and so is a real server that has the VIP on a NIC.
pub(super) fn duplicate(facts: &Facts) -> Vec<Finding> {
    let vips = facts.vips().into_iter();
    let apart = vrrp::apart(facts);
    let is_told = |vip: &IpAddr| {
        let on_nic = facts.holder(*vip).is_some() && serves_only(facts, *vip);
        on_nic || apart.iter().any(|it| it.vips.contains(vip))
    };
    let found = vips.filter(|vip| !is_told(vip)).filter_map(|vip| {
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
             director, {}",
            listed(not_heard),
            of_director(facts, vip)
        );
        Some(VIP_DUPLICATE.found(seen, mend))
    });
    found.collect()
}

/// What to do about a director that has the VIP too. Where nothing of this host moves
/// VIPs, nobody will hear this one either.
fn of_director(facts: &Facts, vip: IpAddr) -> String {
    let elects = facts.director.is_some() || facts.boot.running.contains("keepalived");
    let mut addresses = facts.addresses.iter();
    let here = facts.holder(vip).filter(|_| !elects).and_then(|link| {
        let address = addresses.find(|it| it.link == link.index && it.address.address == vip)?;
        Some(removal(facts, address, link))
    });
    match here {
        Some(command) => format!(
            "one of the two may have it: here `{command}` takes it off (neither lvsd director nor \
             keepalived runs here)"
        ),
        None => "find out why it is not heard: `lvsd doctor` there".to_owned(),
    }
}

/// Whether it was heard to be master for the VIP, with its own hardware address
/// or with that of a virtual router.
fn is_master(facts: &Facts, vip: IpAddr, mac: Mac) -> bool {
    let mut masters = facts
        .heard()
        .filter(|heard| heard.is_master() && heard.advert.addresses.contains(&vip));
    masters.any(|heard| {
        let of_family = match vip {
            IpAddr::V4(_) => 1,
            IpAddr::V6(_) => 2,
        };
        let virtual_mac = [0, 0, 0x5E, 0, of_family, heard.advert.vrid.get()];
        mac == heard.mac || mac == virtual_mac
    })
}

/// A VIP that agent, file or script want on `lo` is not there.
pub(super) fn missing(facts: &Facts) -> Vec<Finding> {
    let file = facts.realserver_config.as_ref();
    if facts.is_drained() || file.is_some_and(|file| matches!(file.method, Method::Nat { .. })) {
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
                (None, None, Some(script)) => {
                    let start = mends::start(script).map(|it| format!("{it}; or "));
                    format!(
                        "{}`lvsd realserver --vip {vip}`, which looks after the VIP",
                        start.unwrap_or_default()
                    )
                }
                (None, None, None) => format!("lvsd realserver --vip {vip}"),
            };
            let by = script.map(|it| format!(", where {} puts it", it.path));
            let seen = format!("{vip} is not on lo{}", by.unwrap_or_default());
            VIP_MISSING.found(seen, mend)
        })
        .collect()
}

/// A VIP on `lo` with the prefix of a network.
pub(super) fn network(facts: &Facts) -> Vec<Finding> {
    // Host addresses are the only ones that count elsewhere.
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
