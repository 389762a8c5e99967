//! A real server that tells the LAN about the VIP.

use std::net::IpAddr;

use super::listed;
use crate::doctor::{Facts, Finding, Kind, Severity};
use crate::sys::address::Scope;

pub(super) const ARP_ANSWERS: Kind = Kind::broken(
    "arp-answers",
    "this host answers the LAN's question who has the VIP, so clients come straight to it, past \
     the director",
);

pub(super) const ARP_ANNOUNCES: Kind = Kind::broken(
    "arp-announces",
    "ARP requests that this host sends name the VIP as its own, and the router learns that: hours \
     later all traffic comes here",
);

pub(super) const ARP_SILENT: Kind = Kind::broken(
    "arp-silent",
    "directors and routers that ask for this host's own address get no answer, so nothing \
     reaches it, neither checks nor clients",
);

/// Why a leak is worth a note where nothing shows that the LAN of the VIP is there.
const PERHAPS: &str = "nothing shows that the VIP's LAN is on this interface; should it be \
                       plugged in there, this host gives the VIP away";

/// The value of `arp_ignore` that answers for no address at all.
const NO_ANSWER: i32 = 8;

/// A kernel parameter that keeps a VIP on `lo` from the LAN.
#[derive(Clone, Copy)]
pub(super) struct Parameter {
    /// Its name.
    pub(super) name: &'static str,
    /// What lvsd sets it to.
    pub(super) wanted: i32,
    kind: &'static Kind,
}

/// Those that there are.
pub(super) const PARAMETERS: [Parameter; 2] = [IGNORE, ANNOUNCE];

const IGNORE: Parameter = Parameter {
    name: "arp_ignore",
    wanted: 1,
    kind: &ARP_ANSWERS,
};

const ANNOUNCE: Parameter = Parameter {
    name: "arp_announce",
    wanted: 2,
    kind: &ARP_ANNOUNCES,
};

impl Parameter {
    /// Whether an interface with this value, the larger of `all` and its own, is
    /// silent about an address of `lo`; `is_hidden`: one of scope `host`.
    pub(super) fn is_silent(self, value: i32, is_hidden: bool) -> bool {
        match (self.name, value) {
            ("arp_ignore", 1 | 2 | NO_ANSWER) => true,
            // 3 hides only addresses that are valid on this host alone.
            ("arp_ignore", 3) => is_hidden,
            // 1 is not enough where VIP and RIP share a network.
            ("arp_announce", 2) => true,
            _ => false,
        }
    }

    /// Whether it is silent about such an address, and not about the RIP.
    pub(super) fn is_right(self, value: i32, is_hidden: bool) -> bool {
        let hides_all = self.name == IGNORE.name && value == NO_ANSWER;
        !hides_all && self.is_silent(value, is_hidden)
    }
}

/// An interface that answers nobody, on a host that others must find.
pub(super) fn silent(facts: &Facts) -> Vec<Finding> {
    let Parameter { name, wanted, .. } = IGNORE;
    if facts.roles().is_empty() {
        return vec![];
    }
    let links = facts.lan_links();
    let silent = links.filter(|link| facts.larger(&link.name, name) == Some(NO_ANSWER));
    let found = silent.filter_map(|link| {
        let own = facts.addresses.iter().filter(|it| it.link == link.index);
        let own: Vec<_> = own.map(|it| it.address.address).collect();
        let own: Vec<_> = own.iter().filter(|it| it.is_ipv4()).collect();
        (!own.is_empty()).then(|| {
            let seen = format!(
                "{name} is {NO_ANSWER} on {} (the larger of all and the interface): it answers \
                 nobody who asks for {}",
                link.name,
                listed(own)
            );
            ARP_SILENT.found(seen, mend(name, &link.name, NO_ANSWER, wanted))
        })
    });
    found.collect()
}

/// An interface that answers.
pub(super) fn answers(facts: &Facts) -> Vec<Finding> {
    find(facts, IGNORE)
}

/// An interface that tells of it in questions of its own.
pub(super) fn announces(facts: &Facts) -> Vec<Finding> {
    find(facts, ANNOUNCE)
}

fn find(facts: &Facts, parameter: Parameter) -> Vec<Finding> {
    let Parameter { name, wanted, kind } = parameter;
    let vips = facts
        .vips_on_lo()
        .filter(|vip| vip.address.address.is_ipv4());
    let vips: Vec<_> = vips
        .map(|vip| (vip.address.address, vip.scope == Scope::Host))
        .collect();
    let leaks = facts.lan_links().filter_map(|link| {
        let value = facts.larger(&link.name, name)?;
        let leaking = vips
            .iter()
            .filter(|(_, hidden)| !parameter.is_silent(value, *hidden));
        let leaking: Vec<IpAddr> = leaking.map(|(vip, _)| *vip).collect();
        let (sure, unsure): (Vec<_>, Vec<_>) = leaking
            .into_iter()
            .partition(|vip| facts.sees_lan_of(link, *vip));
        let place = format!("{} (the larger of all and the interface)", link.name);
        let mend = mend(name, &link.name, value, wanted);
        if !sure.is_empty() {
            let seen = format!("{name} is {value} on {place}: it leaks {}", listed(sure));
            return Some(kind.found(seen, mend));
        }
        (!unsure.is_empty() && !link.bridge).then(|| {
            let seen = format!(
                "{name} is {value} on {place}: it would leak {}",
                listed(unsure)
            );
            Finding {
                severity: Severity::Note,
                why: PERHAPS,
                ..kind.found(seen, mend)
            }
        })
    });
    leaks.collect()
}

/// An interface's own value that is larger than right outdoes `all`.
fn mend(name: &str, interface: &str, value: i32, wanted: i32) -> String {
    let all = format!("sysctl -w net.ipv4.conf.all.{name}={wanted}");
    let interface = interface.replace('.', "/");
    let own = format!("sysctl -w net.ipv4.conf.{interface}.{name}=0");
    let agent = "`lvsd realserver --vip` keeps it so";
    match value > wanted {
        true => format!("{all}; {own}; {agent}"),
        false => format!("{all}; {agent}"),
    }
}
