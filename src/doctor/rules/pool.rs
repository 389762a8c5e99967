//! What the table and its connections say of the real servers.

use super::forwarding::is_one_way;
use crate::doctor::facts::{Count, Flow};
use crate::doctor::{Facts, Finding, Kind};
use crate::ipvs::kernel::KernelVirtualServer;
use crate::lvs::{Protocol, VirtualServerId};

pub(super) const NO_REAL_SERVER: Kind = Kind::broken(
    "no-real-server",
    "every new connection is refused: no real server of the table takes any",
);

pub(super) const SYN_RECV: Kind = Kind::broken(
    "syn-recv",
    "clients ask, are sent to this real server, and never confirm: it does not answer them, as a \
     server does that lacks the VIP, whose service is not on the VIP, or that has no way back",
);

/// Connections without an answer from which on it is no chance: a scan or a client
/// that went away leaves one or two.
const ENOUGH: u64 = 3;

/// A virtual server without any weight.
pub(super) fn no_real_server(facts: &Facts) -> Vec<Finding> {
    let idle = facts.table().iter().filter(|(_, server)| {
        let mut pool = server.real_servers.values();
        !pool.any(|it| it.real_server.weight.get() > 0)
    });
    idle.map(|(id, server)| {
        let seen = match server.real_servers.len() {
            0 => format!("{id} has no real server"),
            count => format!("each of the {count} real servers of {id} has weight 0"),
        };
        let mend = "`lvsd status` (or the log of keepalived) says which check fails and why; then \
                    start the service, or add a real server";
        NO_REAL_SERVER.found(seen, mend)
    })
    .collect()
}

/// Handshakes pile up towards a real server.
pub(super) fn unanswered(facts: &Facts) -> Vec<Finding> {
    let tcp = facts.table().iter().filter_map(|(id, server)| match id {
        VirtualServerId::Address {
            protocol: Protocol::Tcp,
            address,
        } => Some((id, *address, server)),
        _ => None,
    });
    tcp.flat_map(|(id, address, server)| {
        let stuck = stuck(facts, address, server);
        let all = stuck.len() == server.real_servers.len() && stuck.len() > 1;
        stuck.into_iter().map(move |(flow, count)| {
            let seen = format!(
                "{} of {} connections of {id} to {} are in SYN_RECV without an answer{}",
                count.unanswered,
                count.unanswered + count.established,
                flow.real_server,
                if all {
                    ", as with each of its others"
                } else {
                    ""
                }
            );
            let mend = match all {
                true => "if clients do get answers, this is a flood of forged requests; else look \
                         at what the real servers share: `lvsd doctor` on one of them"
                    .to_owned(),
                false => format!("run `lvsd doctor` on {}", flow.real_server.ip()),
            };
            SYN_RECV.found(seen, mend)
        })
    })
    .collect()
}

/// The real servers that left most of their connections without an answer.
fn stuck(
    facts: &Facts,
    virtual_address: std::net::SocketAddr,
    server: &KernelVirtualServer,
) -> Vec<(Flow, Count)> {
    let Some(kernel) = facts.kernel() else {
        return vec![];
    };
    let pool = server.real_servers.iter();
    // A NAT server whose answers go elsewhere is told as such.
    let flows = pool
        .filter(|(_, server)| !is_one_way(server))
        .filter_map(|(rip, _)| {
            let flow = Flow {
                protocol: Protocol::Tcp,
                virtual_address,
                real_server: *rip,
            };
            kernel.flows.get(&flow).map(|count| (flow, *count))
        });
    // Clients of before have packets to send too: whether new ones get through decides.
    let answers_again = |it: &Count| it.since > it.waiting;
    flows
        .filter(|(_, it)| it.unanswered >= ENOUGH && it.unanswered > it.established)
        .filter(|(_, it)| !answers_again(it))
        .collect()
}
