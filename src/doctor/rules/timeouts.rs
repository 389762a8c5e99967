//! Timeouts of connections and of persistence.

use std::time::Duration;

use crate::doctor::{Facts, Finding, Kind, Severity};
use crate::lvs::Forwarding;

pub(super) const TIMEOUTS_DISAGREE: Kind = Kind::warning(
    "timeouts-disagree",
    "the table forgets a connection that is silent for so long, and its next packet is refused; \
     with NAT an answer that comes later even leaves with the RIP as its source",
);

/// The kernel's own: whoever left it alone is not asked.
const KERNEL_TCP: Duration = Duration::from_secs(900);

/// Somebody shortened the TCP timeout: below that of connections that are over
/// already, or below the time for which clients are bound to a real server.
pub(super) fn disagree(facts: &Facts) -> Vec<Finding> {
    let Some(kernel) = facts
        .kernel()
        .filter(|kernel| kernel.timeouts.tcp < KERNEL_TCP)
    else {
        return vec![];
    };
    let timeouts = kernel.timeouts;
    let persistent = kernel.table.iter().filter_map(|(id, server)| {
        let persistence = server.settings.persistence?;
        (timeouts.tcp < persistence.timeout).then_some((id, persistence.timeout, server))
    });
    let worst = persistent.max_by_key(|(_, timeout, _)| *timeout);
    let tcp = timeouts.tcp.as_secs();
    let (seen, wanted) = match worst {
        Some((id, persistence, _)) => {
            let persistence = persistence.as_secs();
            let seen = format!(
                "established TCP connections are forgotten after {tcp} s, while {id} keeps its \
                 clients for {persistence} s"
            );
            (seen, persistence)
        }
        None if timeouts.tcp < timeouts.tcp_fin => {
            let fin = timeouts.tcp_fin.as_secs();
            let seen = format!(
                "established TCP connections are forgotten after {tcp} s, those that are over \
                 after {fin} s"
            );
            (seen, KERNEL_TCP.as_secs())
        }
        None => return vec![],
    };
    let nat = worst.is_some_and(|(.., server)| {
        let mut pool = server.real_servers.values();
        pool.any(|it| it.real_server.forwarding == Forwarding::Nat)
    });
    let (fin, udp) = (timeouts.tcp_fin.as_secs(), timeouts.udp.as_secs());
    let mend = format!(
        "ipvs.timeouts = {{ tcp = \"{wanted}s\" }} (ipvsadm --set {wanted} {fin} {udp}): not \
         shorter than persistence, nor than the silence that clients and servers allow"
    );
    vec![Finding {
        severity: match nat {
            true => Severity::Broken,
            false => Severity::Warning,
        },
        ..TIMEOUTS_DISAGREE.found(seen, mend)
    }]
}
