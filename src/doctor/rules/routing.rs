//! Packets that go in circles, and answers that go nowhere.

use crate::config::realserver::Method;
use crate::doctor::{Facts, Finding, Kind, Severity};
use crate::ipvs::daemon::Role;
use crate::ipvs::kernel::KernelVirtualServer;
use crate::lvs::Forwarding;
use crate::realserver::gateway::{self, Fault};
use crate::sys::sysctl::Key;

pub(super) const DIRECTOR_IN_POOL: Kind = Kind::broken(
    "director-in-pool",
    "what the master sends a backup that is a real server too, the backup's own table balances \
     again, perhaps back to the master: the packet goes round until its time to live is over",
);

pub(super) const NO_DEFAULT_ROUTE: Kind = Kind::warning(
    "no-default-route",
    "under direct routing and tunnels this host answers clients itself; without a default route \
     only those of its own network get an answer",
);

pub(super) const NAT_DEFAULT_ROUTE: Kind = Kind::broken(
    "nat-default-route",
    "with NAT the director has changed where packets go, and only it can give the answers the VIP \
     as their source again: clients reset what comes from the RIP",
);

/// A director of a pair is a real server of its own table, and nothing keeps the
/// backup's table from balancing what comes from the master. (lvsd does.)
pub(super) fn director_in_pool(facts: &Facts) -> Vec<Finding> {
    let backup_only = facts.sysctl(&Key::ipvs("backup_only")) == Some(1);
    let daemons = facts
        .kernel()
        .into_iter()
        .flat_map(|kernel| &kernel.daemons);
    let receives = daemons.into_iter().any(|(role, _)| *role == Role::Backup);
    if facts.director.is_some() || (backup_only && receives) {
        return vec![];
    }
    let servers = facts
        .table()
        .iter()
        .filter(|(_, server)| has_own(facts, server));
    let found = servers.filter_map(|(id, _)| {
        let vip = id.vip()?;
        let is_pair = facts.boot.keepalived_routes
            || facts
                .heard()
                .any(|heard| heard.advert.addresses.contains(&vip));
        if !is_pair || !facts.has_on_lo(vip) {
            return None;
        }
        let holds = facts.holder(vip).is_some();
        let now = match holds {
            true => "holds the VIP now: the loop begins when it does not",
            false => "does not hold the VIP, so what the master sends it is balanced again",
        };
        let seen = format!("this host is a real server of its own {id}, and {now}");
        let mend = "use `lvsd director` on both, which keeps such a virtual server out of a \
                    backup's table; or net.ipv4.vs.backup_only=1 with the sync daemons";
        Some(Finding {
            severity: match holds {
                true => Severity::Warning,
                false => Severity::Broken,
            },
            ..DIRECTOR_IN_POOL.found(seen, mend)
        })
    });
    found.collect()
}

fn has_own(facts: &Facts, server: &KernelVirtualServer) -> bool {
    let mut pool = server.real_servers.iter();
    pool.any(|(rip, server)| match server.real_server.forwarding {
        Forwarding::DirectRoute | Forwarding::Tunnel(_) | Forwarding::Local => {
            facts.is_own(rip.ip())
        }
        Forwarding::Nat => false,
    })
}

/// A real server that has no way to clients of other networks.
pub(super) fn no_default_route(facts: &Facts) -> Vec<Finding> {
    let mut vips = facts.served_vips().map(|vip| vip.address.address);
    let lost = vips.find(|vip| {
        let mut gateways = facts.gateways.iter();
        !gateways.any(|gateway| gateway.is_ipv4() == vip.is_ipv4())
    });
    let Some(vip) = lost else {
        return vec![];
    };
    let seen = format!(
        "{vip} is on {}, and there is no default route",
        facts.place_of(vip)
    );
    let mend = "ip route add default via ROUTER, and the same in the network configuration \
                (GATEWAY= of the network card, not of lo:0)";
    vec![NO_DEFAULT_ROUTE.found(seen, mend)]
}

/// A real server behind NAT whose answers miss the directors that its file names.
pub(super) fn nat_default_route(facts: &Facts) -> Vec<Finding> {
    let file = facts.realserver_config.as_ref();
    let Some(Method::Nat { gateways }) = file.map(|file| &file.method) else {
        return vec![];
    };
    let faults = gateway::faults(gateways, &facts.answer_ways).into_iter();
    let boot = "and the same in the network configuration (GATEWAY=)";
    faults
        .map(|Fault { seen, mend }| NAT_DEFAULT_ROUTE.found(seen, format!("{mend}, {boot}")))
        .collect()
}
