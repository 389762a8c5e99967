//! Whether the service can be reached at the VIP.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::listed;
use crate::config::realserver::Asked;
use crate::doctor::firewall::{Fate, Packet};
use crate::doctor::{Facts, Finding, Kind};
use crate::lvs::{Protocol, VirtualServerId};

pub(super) const SERVICE_NOT_ON_VIP: Kind = Kind::broken(
    "service-not-on-vip",
    "packets arrive here with the VIP as their destination: a service that listens on the RIP \
     alone resets them, while every check of the RIP passes",
);

pub(super) const SERVICE_BLOCKED: Kind = Kind::broken(
    "service-blocked",
    "the VIP answers ping and its port does not: packets for the VIP pass this host's input chain \
     before they are balanced or served",
);

/// Ports that tell nothing of the service: of administrators and of the agent.
const NOT_SERVICES: [u16; 3] = [22, 111, crate::config::check::READINESS_PORT];

/// The services of the agent's file, or any that listens on the RIP alone on a
/// host where nothing listens on the VIP.
pub(super) fn not_on_vip(facts: &Facts) -> Vec<Finding> {
    let vips = facts.served_vips().map(|vip| vip.address.address);
    let found = vips.filter_map(|vip| {
        let there = ports_on(facts, vip);
        let known = services(facts);
        let lost: Vec<_> = match known.is_empty() {
            false => known.difference(&there).copied().collect(),
            true if there.is_empty() => elsewhere(facts, vip).into_iter().collect(),
            true => vec![],
        };
        let port = lost.first()?;
        let sockets = facts
            .listening
            .iter()
            .filter(|it| lost.contains(&it.port()));
        let sockets: Vec<_> = sockets.map(ToString::to_string).collect();
        let seen = match sockets.is_empty() {
            true => format!("nothing listens on port {}", listed(&lost)),
            false => format!(
                "nothing listens on {vip} port {}: the service has {}",
                listed(&lost),
                listed(&sockets)
            ),
        };
        let mend = match sockets.is_empty() {
            true => "start the service".to_owned(),
            false => format!(
                "have it listen on every address, or on {vip}:{port} too (nginx: `listen {port};`)"
            ),
        };
        Some(SERVICE_NOT_ON_VIP.found(seen, mend))
    });
    found.collect()
}

/// The TCP ports that the agent's file wants answers from, for clients.
fn services(facts: &Facts) -> BTreeSet<u16> {
    let files = facts.realserver_config.iter();
    let services = files.flat_map(|file| &file.services);
    services
        .filter(|service| service.asked != Asked::Internal)
        .flat_map(|service| &service.checks)
        .map(|check| check.probe.address().port())
        .collect()
}

/// The ports of services that listen on the address, or on every one.
fn ports_on(facts: &Facts, address: IpAddr) -> BTreeSet<u16> {
    let sockets = facts.listening.iter();
    let reach = sockets.filter(|it| it.ip() == address || it.ip().is_unspecified());
    let ports = reach.map(std::net::SocketAddr::port);
    ports.filter(|port| !NOT_SERVICES.contains(port)).collect()
}

/// The ports of services that listen on another address of the family, and not
/// for this host alone.
fn elsewhere(facts: &Facts, vip: IpAddr) -> BTreeSet<u16> {
    let sockets = facts.listening.iter();
    let others = sockets.filter(|it| {
        let ip = it.ip();
        ip.is_ipv4() == vip.is_ipv4() && !ip.is_loopback() && !facts.has_on_lo(ip)
    });
    let ports = others.map(std::net::SocketAddr::port);
    ports.filter(|port| !NOT_SERVICES.contains(port)).collect()
}

/// The packet filter drops what comes for the VIP.
pub(super) fn blocked(facts: &Facts) -> Vec<Finding> {
    let mut wanted: BTreeSet<(IpAddr, u16)> = facts.table().keys().filter_map(tcp).collect();
    let services = services(facts);
    for vip in facts.served_vips().map(|vip| vip.address.address) {
        wanted.extend(services.iter().map(|port| (vip, *port)));
    }
    let found = wanted.into_iter().filter_map(|(vip, port)| {
        let interface = &facts.lan_of(vip)?.name;
        let packet = Packet::tcp(interface, vip, port);
        let Fate::Dropped { by, .. } = facts.firewall.fate(&packet) else {
            return None;
        };
        let mend = match by.contains("iptables ") {
            true => format!("iptables -I INPUT -p tcp --dport {port} -j ACCEPT"),
            false => format!("in that chain, before it: tcp dport {port} accept"),
        };
        let seen = format!("TCP to {vip} port {port} is dropped by `{by}`");
        let mend = format!("{mend}; and in the file that is loaded at boot");
        Some(SERVICE_BLOCKED.found(seen, mend))
    });
    found.collect()
}

fn tcp(id: &VirtualServerId) -> Option<(IpAddr, u16)> {
    match id {
        VirtualServerId::Address {
            protocol: Protocol::Tcp,
            address,
        } if address.port() != 0 && address.is_ipv4() => Some((address.ip(), address.port())),
        _ => None,
    }
}
