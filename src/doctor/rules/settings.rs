//! Lines of `sysctl.conf` and its like that undo what this host needs.

use std::net::IpAddr;

use super::{arp, forwarding};
use crate::doctor::facts::Setting;
use crate::doctor::{Facts, Finding, Kind};
use crate::sys::link::Link;
use crate::sys::sysctl::Key;

pub(super) const SYSCTL_FILE: Kind = Kind::warning(
    "sysctl-file",
    "the line is applied at the next boot and at each `sysctl -p`, and undoes what LVS needs",
);

/// Each line that does, once.
pub(super) fn undo(facts: &Facts) -> Vec<Finding> {
    let mut found: Vec<(&Setting, i32)> = Vec::new();
    let arp = of_arp(facts);
    for (line, wanted) in of_nat(facts)
        .into_iter()
        .chain(arp)
        .chain(of_tunnels(facts))
    {
        if found.iter().all(|(other, _)| *other != line) {
            found.push((line, wanted));
        }
    }
    found
        .into_iter()
        .map(|(Setting { place, key, value }, wanted)| {
            let mend = format!("write {key} = {wanted} there, or take the line out");
            SYSCTL_FILE.found(format!("{place}: {key} = {value}"), mend)
        })
        .collect()
}

/// The line that a parameter has its value from, at the next boot.
fn line<'a>(facts: &'a Facts, interface: &str, name: &str) -> Option<&'a Setting> {
    let key = Key::ipv4_conf(interface, name).to_string();
    facts.boot.settings.of(&key)
}

/// Forwarding, where NAT needs it.
fn of_nat(facts: &Facts) -> Option<(&Setting, i32)> {
    let line = facts.boot.settings.of("net.ipv4.ip_forward")?;
    (line.value == 0 && forwarding::has_nat(facts)).then_some((line, 1))
}

/// What keeps a VIP on `lo` from the LAN. The kernel takes the larger of `all` and the
/// interface: a line for one interface does harm only by being larger than right.
fn of_arp(facts: &Facts) -> Vec<(&Setting, i32)> {
    let vips = facts.served_vips().map(|vip| vip.address.address);
    let vips: Vec<_> = vips.filter(IpAddr::is_ipv4).collect();
    let sees = |link: &&Link| vips.iter().any(|vip| facts.sees_lan_of(link, *vip));
    let links = facts.lan_links().filter(sees);
    let parameters = links.flat_map(|link| arp::PARAMETERS.map(|parameter| (link, parameter)));
    parameters
        .filter_map(|(link, parameter)| {
            let arp::Parameter { name, wanted, .. } = parameter;
            let (all, own) = (line(facts, "all", name), line(facts, &link.name, name));
            let of_all = all.map_or(wanted, |line| line.value);
            let of_own = own.map_or(0, |line| line.value);
            if parameter.is_right(of_all.max(of_own), false) {
                return None;
            }
            // Whether the right value for all would mend it.
            let culprit = match parameter.is_right(wanted.max(of_own), false) {
                true => all,
                false => own,
            };
            culprit.map(|line| (line, wanted))
        })
        .collect()
}

/// Strict filtering of what comes out of a tunnel.
fn of_tunnels(facts: &Facts) -> Vec<(&Setting, i32)> {
    let tunnels = forwarding::tunnels(facts);
    tunnels
        .filter_map(|link| {
            const NAME: &str = "rp_filter";
            let (all, own) = (line(facts, "all", NAME), line(facts, &link.name, NAME));
            let now = |interface: &str| facts.sysctl(&Key::ipv4_conf(interface, NAME));
            let of_all = all.map(|line| line.value).or(now("all"))?;
            let of_own = own.map(|line| line.value).or(now(&link.name))?;
            let culprit = own.filter(|line| line.value == 1).or(all);
            (of_all.max(of_own) == 1).then_some((culprit?, 2))
        })
        .collect()
}
