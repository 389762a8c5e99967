//! Whether the service can be reached at the VIP.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use super::{listed, mends};
use crate::config::realserver::Asked;
use crate::doctor::firewall::{Fate, Packet};
use crate::doctor::{Facts, Finding, Kind, Severity};
use crate::lvs::{Protocol, VirtualServerId};

mod answers;

pub(super) use answers::blocked as answers_blocked;

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

/// Ports of UDP that every host may have for itself: addresses, time, names, printers.
const OF_THE_HOST: [u16; 9] = [67, 68, 111, 123, 161, 323, 514, 546, 631];

/// From here on the ports of UDP are nobody's in particular.
const EPHEMERAL: u16 = 5_000;

/// The services of the agent's file, or any that listens on the RIP alone on a
/// host where nothing listens on the VIP; or none at all.
pub(super) fn not_on_vip(facts: &Facts) -> Vec<Finding> {
    let vips = facts.served_vips().map(|vip| vip.address.address);
    let vips: BTreeSet<IpAddr> = vips.collect();
    let found = vips.into_iter().filter_map(|vip| {
        let there = ports_on(facts, vip);
        let elsewhere = elsewhere(facts, vip);
        let is_idle = there.is_empty() && elsewhere.is_empty() && !receives(facts, vip);
        if is_idle && services(facts, vip).is_empty() {
            return Some(idle(vip));
        }
        let known = services(facts, vip);
        let lost: Vec<_> = match known.is_empty() {
            false => known.difference(&there).copied().collect(),
            true if there.is_empty() => elsewhere.into_iter().collect(),
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

/// No service runs. Directors that check leave this host out.
fn idle(vip: IpAddr) -> Finding {
    let seen = format!("nothing listens on {vip}, no port of TCP or UDP");
    let finding = SERVICE_NOT_ON_VIP.found(seen, "start the service (systemctl start nginx)");
    Finding {
        severity: Severity::Warning,
        why: "the VIP answers ping and none of its ports do: every client that is sent here is \
              refused, unless the directors check this host and leave it out",
        ..finding
    }
}

/// Whether datagrams for the address are received, by what may be a service.
fn receives(facts: &Facts, address: IpAddr) -> bool {
    let mut sockets = facts.receiving.iter();
    sockets.any(|it| {
        let may_serve = it.port() < EPHEMERAL && !OF_THE_HOST.contains(&it.port());
        it.ip() == address || (reaches(it, address) && may_serve)
    })
}

/// The TCP ports that the agent's file wants answers from, for clients,
/// of the VIP's family.
fn services(facts: &Facts, vip: IpAddr) -> BTreeSet<u16> {
    let files = facts.realserver_config.iter();
    let services = files.flat_map(|file| &file.services);
    services
        .filter(|service| service.asked != Asked::Internal)
        .flat_map(|service| &service.checks)
        .map(|check| check.probe.address())
        .filter(|address| address.is_ipv4() == vip.is_ipv4())
        .map(|address| address.port())
        .collect()
}

/// Whether a socket gets what is sent to an address. One of `[::]` has that of IPv4 too,
/// unless its program said otherwise, which the kernel does not list.
fn reaches(socket: &SocketAddr, address: IpAddr) -> bool {
    let ip = socket.ip();
    let of_family = ip.is_ipv6() || address.is_ipv4();
    ip == address || (ip.is_unspecified() && of_family)
}

/// The ports of services that listen on the address, or on every one.
fn ports_on(facts: &Facts, address: IpAddr) -> BTreeSet<u16> {
    let sockets = facts.listening.iter();
    let reach = sockets.filter(|it| reaches(it, address));
    let ports = reach.map(SocketAddr::port);
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
    let ports = others.map(SocketAddr::port);
    ports.filter(|port| !NOT_SERVICES.contains(port)).collect()
}

/// The packet filter drops what comes for the VIP.
pub(super) fn blocked(facts: &Facts) -> Vec<Finding> {
    let mut wanted: BTreeSet<(IpAddr, u16)> = facts.table().keys().filter_map(tcp).collect();
    for vip in facts.served_vips().map(|vip| vip.address.address) {
        let services = services(facts, vip);
        wanted.extend(services.into_iter().map(|port| (vip, port)));
    }
    let told = |vip| wanted.iter().any(|(other, _)| *other == vip);
    let mut at_vip = blocked_at_vip(facts);
    at_vip.retain(|(vip, _), _| !told(*vip));
    let wanted = wanted.into_iter().map(|place| (place, Severity::Broken));
    let found = wanted.chain(at_vip).filter_map(|((vip, port), severity)| {
        let interface = &facts.lan_of(vip)?.name;
        let packet = Packet::tcp(interface, vip, port);
        let Fate::Dropped { by, base, .. } = facts.firewall.fate(&packet) else {
            return None;
        };
        let seen = format!("TCP to {vip} port {port} is dropped by `{by}`");
        let mend = mends::let_pass(facts, &base, &packet);
        Some(Finding {
            severity,
            ..SERVICE_BLOCKED.found(seen, mend)
        })
    });
    found.collect()
}

/// Without a file that names the services: those whose port is let through at the RIP,
/// where checks come, and not at the VIP. Where another port of the VIP is let through,
/// somebody may mean it so.
fn blocked_at_vip(facts: &Facts) -> BTreeMap<(IpAddr, u16), Severity> {
    let mut blocked = BTreeMap::new();
    for vip in facts.served_vips().map(|vip| vip.address.address) {
        let (Some(link), Some(rip)) = (facts.lan_of(vip), facts.near(vip)) else {
            continue;
        };
        let passes = |address, port| {
            let packet = Packet::tcp(&link.name, address, port);
            facts.firewall.fate(&packet) == Fate::Passes
        };
        let checked = ports_on(facts, vip).into_iter();
        let (open, closed): (Vec<_>, Vec<_>) = checked
            .filter(|port| passes(rip, *port))
            .partition(|port| passes(vip, *port));
        let severity = match open.is_empty() {
            true => Severity::Broken,
            false => Severity::Warning,
        };
        blocked.extend(closed.into_iter().map(|port| ((vip, port), severity)));
    }
    blocked
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
