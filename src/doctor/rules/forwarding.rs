//! What each forwarding method needs.

use super::listed;
use crate::doctor::{Facts, Finding, Kind};
use crate::ipvs::kernel::KernelRealServer;
use crate::lvs::{Forwarding, RealServerId, VirtualServerId};
use crate::sys::link::Link;
use crate::sys::sysctl::Key;

pub(super) const IP_FORWARD: Kind = Kind::broken(
    "ip-forward-off",
    "answers of NAT real servers are packets of others, which a host that does not forward drops",
);

pub(super) const NAT_GATEWAY: Kind = Kind::broken(
    "nat-gateway",
    "with NAT the answers must come back through the director, which gives them the VIP as their \
     source; clients reset what comes straight from the RIP",
);

pub(super) const OTHER_SUBNET: Kind = Kind::broken(
    "real-server-elsewhere",
    "direct routing changes the MAC address only: the packet goes to the router, which sends it \
     back to the VIP, and it never arrives",
);

pub(super) const PORT_DIFFERS: Kind = Kind::broken(
    "port-differs",
    "direct routing and tunnels change no port: packets arrive at the virtual server's port, \
     where the service does not listen, while its check passes",
);

pub(super) const TUNNEL_RP_FILTER: Kind = Kind::broken(
    "tunnel-rp-filter",
    "packets come out of the tunnel from clients whose route is another interface; strict reverse \
     path filtering drops them without a word",
);

/// Packets from clients after which a NAT real server has surely answered, if it
/// does through this host: a handshake and its repetitions.
const ENOUGH: u64 = 3;

/// Every real server of the kernel's table.
fn servers(
    facts: &Facts,
) -> impl Iterator<Item = (&VirtualServerId, &RealServerId, &KernelRealServer)> {
    facts.table().iter().flat_map(|(id, server)| {
        let pool = server.real_servers.iter();
        pool.map(move |(rip, server)| (id, rip, server))
    })
}

/// Forwarding is off, and something is forwarded by NAT.
pub(super) fn ip_forward(facts: &Facts) -> Vec<Finding> {
    let mut nat = servers(facts).filter(|(.., server)| is_nat(server));
    let off = facts.sysctl(&Key::ipv4("ip_forward")) == Some(0);
    let Some((id, ..)) = nat.next().filter(|_| off) else {
        return vec![];
    };
    let seen = format!("net.ipv4.ip_forward is 0, and {id} is forwarded by NAT");
    let mend = "sysctl -w net.ipv4.ip_forward=1, and the same line in /etc/sysctl.conf; \
                `lvsd director` sets it while it is needed";
    vec![IP_FORWARD.found(seen, mend)]
}

/// Whether anything of the table is forwarded by NAT.
pub(super) fn has_nat(facts: &Facts) -> bool {
    servers(facts).any(|(.., server)| is_nat(server))
}

fn is_nat(server: &KernelRealServer) -> bool {
    server.real_server.forwarding == Forwarding::Nat
}

/// Whether a NAT real server gets packets, and none comes back.
pub(super) fn is_one_way(server: &KernelRealServer) -> bool {
    let counters = &server.counters;
    is_nat(server) && counters.packets_in >= ENOUGH && counters.packets_out == 0
}

/// Answers of NAT real servers do not come back through this host.
pub(super) fn nat_gateway(facts: &Facts) -> Vec<Finding> {
    if !ip_forward(facts).is_empty() {
        return vec![];
    }
    let found = servers(facts).filter(|(.., server)| is_one_way(server));
    found
        .map(|(id, rip, server)| {
            let seen = format!(
                "{rip} got {} packets of {id}, and none came back through this host",
                server.counters.packets_in
            );
            let near = facts.near(rip.ip());
            let gateway = near.map_or("ADDRESS OF THIS HOST".to_owned(), |it| it.to_string());
            let mend = format!(
                "on {}: ip route replace default via {gateway}, and the same in its network \
                 configuration; with a pair, an address that moves with the VIP",
                rip.ip()
            );
            NAT_GATEWAY.found(seen, mend)
        })
        .collect()
}

/// A real server under direct routing that is behind a router, or nowhere.
pub(super) fn other_subnet(facts: &Facts) -> Vec<Finding> {
    let direct = servers(facts)
        .filter(|(.., server)| server.real_server.forwarding == Forwarding::DirectRoute);
    let found = direct.filter_map(|(id, rip, _)| {
        let way = match facts.routes.get(&rip.ip())? {
            Some(hop) => format!("is reached through {}", hop.gateway?),
            None => "cannot be reached: there is no route".to_owned(),
        };
        let seen = format!("{rip} of {id} {way}, and not on a LAN of this host");
        let mend = "give it an address on the director's LAN, or use forwarding = \"tun\" \
                    (ipvsadm -i)";
        Some(OTHER_SUBNET.found(seen, mend))
    });
    found.collect()
}

/// A real server's port is not the virtual server's, where ports cannot change:
/// in the table, or in keepalived's file, of which keepalived says so in its log
/// and goes on with the virtual server's port.
pub(super) fn port_differs(facts: &Facts) -> Vec<Finding> {
    let in_table = servers(facts).filter_map(|(id, rip, server)| {
        let VirtualServerId::Address { address, .. } = id else {
            return None;
        };
        let method = server.real_server.forwarding;
        let changes_ports = matches!(method, Forwarding::Nat | Forwarding::Local);
        let differs = address.port() != 0 && rip.port() != address.port();
        let seen = format!("{rip} of {id} is forwarded by {method}");
        (differs && !changes_ports).then_some((address, seen))
    });
    let in_file = facts.boot.keepalived_maps.iter().map(|(vip, rip)| {
        let seen = format!("keepalived.conf has real_server {rip} of virtual_server {vip}");
        (vip, format!("{seen}, without NAT"))
    });
    let found = in_table.chain(in_file).map(|(address, seen)| {
        let mend = format!(
            "have the service listen on port {} too, or use forwarding = \"nat\" (ipvsadm -m)",
            address.port()
        );
        PORT_DIFFERS.found(seen, mend)
    });
    found.collect()
}

/// A tunnel that packets of a director come out of is filtered strictly.
pub(super) fn rp_filter(facts: &Facts) -> Vec<Finding> {
    let vips: Vec<_> = facts.served_vips().map(|vip| vip.address.address).collect();
    let found = tunnels(facts).filter(|link| facts.larger(&link.name, "rp_filter") == Some(1));
    found
        .map(|link| {
            let name = &link.name;
            let seen = format!(
                "rp_filter is 1 on {name} (the larger of all and the interface), where packets \
                 for {} come out",
                listed(&vips)
            );
            let mend = format!(
                "sysctl -w net.ipv4.conf.{name}.rp_filter=2 (0 would not do where all is 1); \
                 `lvsd realserver` with forwarding = \"tun\" keeps it so"
            );
            TUNNEL_RP_FILTER.found(seen, mend)
        })
        .collect()
}

/// The tunnels that packets for a VIP of this real server come out of. One with a network
/// of its own leads to another site.
pub(super) fn tunnels(facts: &Facts) -> impl Iterator<Item = &Link> {
    let serves = facts.served_vips().next().is_some();
    facts
        .links
        .iter()
        .filter(move |link| link.tunnel && link.up && serves && !facts.has_network(link))
}
