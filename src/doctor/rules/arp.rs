//! A real server that tells the LAN about the VIP.

use std::net::IpAddr;

use super::listed;
use crate::doctor::{Facts, Finding, Kind};
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
            // 8 answers for no address at all, which hides the VIP too.
            ("arp_ignore", 1 | 2 | 8) => true,
            // 3 hides only addresses that are valid on this host alone.
            ("arp_ignore", 3) => is_hidden,
            // 1 is not enough where VIP and RIP share a network.
            ("arp_announce", 2) => true,
            _ => false,
        }
    }
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
        (!leaking.is_empty()).then(|| {
            let seen = format!(
                "{name} is {value} on {} (the larger of all and the interface): it leaks {}",
                link.name,
                listed(leaking)
            );
            kind.found(seen, mend(name, &link.name, value, wanted))
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
