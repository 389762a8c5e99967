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

/// `arp_ignore`: the kernel takes the larger of `all` and the interface.
pub(super) fn answers(facts: &Facts) -> Vec<Finding> {
    find(
        facts,
        "arp_ignore",
        &ARP_ANSWERS,
        |value, hidden_scope| match value {
            // 8 answers for no address at all, which hides the VIP too.
            1 | 2 | 8 => true,
            // 3 hides only addresses that are valid on this host alone.
            3 => hidden_scope,
            _ => false,
        },
    )
}

/// `arp_announce`: likewise, and only 2 is enough where VIP and RIP share a
/// network.
pub(super) fn announces(facts: &Facts) -> Vec<Finding> {
    find(facts, "arp_announce", &ARP_ANNOUNCES, |value, _| value == 2)
}

fn find(
    facts: &Facts,
    name: &str,
    kind: &Kind,
    is_silent: impl Fn(i32, bool) -> bool,
) -> Vec<Finding> {
    let vips = facts
        .vips_on_lo()
        .filter(|vip| vip.address.address.is_ipv4());
    let vips: Vec<_> = vips
        .map(|vip| (vip.address.address, vip.scope == Scope::Host))
        .collect();
    let wanted = if name == "arp_ignore" { 1 } else { 2 };
    let leaks = facts.lan_links().filter_map(|link| {
        let value = facts.larger(&link.name, name)?;
        let leaking = vips.iter().filter(|(_, hidden)| !is_silent(value, *hidden));
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
