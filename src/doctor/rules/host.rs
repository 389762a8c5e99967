//! The host itself: tables that are full, and a processor that is not there.

use std::time::Duration;

use crate::doctor::{Facts, Finding, Kind};

pub(super) const CONNTRACK_FULL: Kind = Kind::broken(
    "conntrack-full",
    "the kernel drops every packet of a new connection that it cannot follow, before IPVS sees it",
);

pub(super) const NEIGHBOURS_FULL: Kind = Kind::broken(
    "neighbours-full",
    "the kernel finds no place for the MAC addresses of further real servers and clients, and \
     drops what goes to them",
);

pub(super) const STALLED: Kind = Kind::warning(
    "stalled",
    "a master that does not run for three advert intervals is taken for dead by its backup, and \
     the VIP moves for nothing",
);

/// What is nearly full is told too: nine tenths.
fn is_full((count, most): (u64, u64)) -> bool {
    most > 0 && count.saturating_mul(10) >= most.saturating_mul(9)
}

/// The table of connection tracking.
pub(super) fn conntrack_full(facts: &Facts) -> Vec<Finding> {
    let Some((count, most)) = facts.conntrack.filter(|limit| is_full(*limit)) else {
        return vec![];
    };
    let seen = format!("conntrack follows {count} connections, and {most} is all it can");
    let mend = format!(
        "sysctl -w net.netfilter.nf_conntrack_max={}, or leave LVS traffic out: iptables -t raw \
         -A PREROUTING -d VIP -j NOTRACK",
        most.saturating_mul(4)
    );
    vec![CONNTRACK_FULL.found(seen, mend)]
}

/// The table of neighbours.
pub(super) fn neighbours_full(facts: &Facts) -> Vec<Finding> {
    let Some((count, most)) = facts.neighbours.filter(|limit| is_full(*limit)) else {
        return vec![];
    };
    let seen = format!("the kernel knows {count} neighbours, and {most} is all it can");
    let mend = "sysctl -w net.ipv4.neigh.default.gc_thresh1=1024 \
                net.ipv4.neigh.default.gc_thresh2=2048 net.ipv4.neigh.default.gc_thresh3=4096";
    vec![NEIGHBOURS_FULL.found(seen, mend)]
}

/// This program, or the VRRP thread of the running director, was not run for
/// longer than VRRP can bear.
pub(super) fn stalled(facts: &Facts) -> Vec<Finding> {
    if !facts.is_director() {
        return vec![];
    }
    let routers = facts.virtual_routers();
    let shortest = routers.iter().map(|it| it.interval).min();
    let interval = shortest.unwrap_or(Duration::from_secs(1));
    let here = facts.stall.filter(|stall| *stall >= interval);
    let here = here.map(|stall| format!("this command was kept from running for {stall:.1?}"));
    let status = facts.director.iter().flat_map(|status| &status.vrrp);
    let mut late = status.filter_map(|router| {
        let worst = Duration::from_micros(router.worst_lateness_us);
        let interval = Duration::from_millis(router.advert_interval_ms);
        (worst >= interval * 3).then(|| {
            let name = &router.name;
            format!("lvsd was {worst:.1?} late for an advert of {name}, once since its start")
        })
    });
    let Some(seen) = late.next().or(here) else {
        return vec![];
    };
    let mend = format!(
        "give this host processor time of its own (steal in `vmstat 1`, snapshots and migration \
         of the hypervisor), or advert_interval longer than {} ms",
        interval.as_millis()
    );
    vec![STALLED.found(seen, mend)]
}
