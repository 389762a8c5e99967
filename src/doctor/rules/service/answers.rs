//! Answers of a real server: they leave with the VIP as their source.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::super::{listed, mends};
use super::{SERVICE_BLOCKED, ports_on, services};
use crate::doctor::firewall::{ChainId, Fate, Packet};
use crate::doctor::{Facts, Finding, Severity};

/// What drops an answer, and where the kernel begins.
struct Dropped {
    by: String,
    base: ChainId,
    packet: Packet,
}

/// The packet filter drops what comes from the VIP: the ports of the services in the agent's
/// file, else those whose answers from the RIP pass.
pub(in super::super) fn blocked(facts: &Facts) -> Vec<Finding> {
    let vips = facts.served_vips().map(|vip| vip.address.address);
    vips.filter_map(|vip| {
        let named = services(facts, vip);
        let may_answer = |port: &u16| {
            let rip = facts.near(vip);
            rip.is_some_and(|rip| dropped(facts, rip, *port).is_none())
        };
        let wanted: BTreeSet<_> = match named.is_empty() {
            false => named.clone(),
            true => ports_on(facts, vip)
                .into_iter()
                .filter(may_answer)
                .collect(),
        };
        let closed = wanted.iter().copied();
        let closed: Vec<_> = closed
            .filter_map(|port| Some((port, dropped(facts, vip, port)?)))
            .collect();
        // Where another port answers, somebody may mean it so.
        let severity = match named.is_empty() && closed.len() < wanted.len() {
            true => Severity::Warning,
            false => Severity::Broken,
        };
        let ports = listed(closed.iter().map(|(port, _)| port));
        let is_one = closed.len() == 1;
        let (_, dropped) = closed.into_iter().next()?;
        Some(finding(facts, vip, &ports, is_one, severity, dropped))
    })
    .collect()
}

fn finding(
    facts: &Facts,
    vip: IpAddr,
    ports: &str,
    is_one: bool,
    severity: Severity,
    dropped: Dropped,
) -> Finding {
    let Dropped { by, base, packet } = dropped;
    let wanted = Packet {
        source_port: packet.source_port.filter(|_| is_one),
        ..packet
    };
    let seen = format!("answers of {vip} port {ports} are dropped by `{by}`");
    Finding {
        severity,
        why: "they leave with the VIP as their source: clients get none, while every check of \
              the RIP does",
        ..SERVICE_BLOCKED.found(seen, mends::let_pass(facts, &base, &wanted))
    }
}

/// None: they pass, by one of the ways that they may take at least.
fn dropped(facts: &Facts, source: IpAddr, port: u16) -> Option<Dropped> {
    let mut first = None;
    for interface in ways_out(facts, source) {
        let packet = Packet::tcp_answer(interface, source, port);
        let Fate::Dropped { by, base, .. } = facts.firewall.fate(&packet) else {
            return None;
        };
        first.get_or_insert(Dropped { by, base, packet });
    }
    first
}

/// The interfaces to clients: those of the LAN, and those behind a router.
fn ways_out(facts: &Facts, source: IpAddr) -> BTreeSet<&str> {
    let gateways = facts.gateways.iter().copied();
    let of_family = gateways.filter(|it| it.is_ipv4() == source.is_ipv4());
    let ways = of_family.chain([source]);
    ways.filter_map(|address| Some(facts.lan_of(address)?.name.as_str()))
        .collect()
}
