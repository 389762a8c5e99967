//! Interfaces, addresses, routes, kernel parameters, limits.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;

use super::{MOST_NEIGHBOURS, neighbours};
use crate::config::realserver::Method;
use crate::doctor::Facts;
use crate::realserver::gateway;
use crate::sys::rtnetlink::{Error, Rtnetlink};
use crate::sys::sysctl::Key;

/// Parameters that each interface has.
const OF_INTERFACES: [&str; 3] = ["arp_ignore", "arp_announce", "rp_filter"];

/// Others.
const OF_HOST: [&str; 2] = ["net.ipv4.ip_forward", "net.ipv4.vs.backup_only"];

/// Reads them.
pub(super) async fn look(facts: &mut Facts) -> Result<(), Error> {
    let netlink = Rtnetlink::open()?;
    facts.links = netlink.links().await?;
    facts.addresses = netlink.addresses().await?;
    let interfaces = facts.links.iter().map(|link| link.name.as_str());
    let keys = interfaces
        .chain(["all"])
        .flat_map(|interface| OF_INTERFACES.map(|name| Key::ipv4_conf(interface, name)));
    let keys = keys.chain(OF_HOST.iter().filter_map(|name| name.parse().ok()));
    let values = keys.filter_map(|key| key.read().ok().map(|value| (key, value)));
    facts.sysctls = values.collect();
    facts.conntrack = limit(
        "/proc/sys/net/netfilter/nf_conntrack_count",
        "/proc/sys/net/netfilter/nf_conntrack_max",
    );
    facts.neighbours = known_neighbours();
    facts.gateways = netlink.gateways().await?;
    if let Some(Method::Nat { gateways }) = facts.realserver_config.as_ref().map(|it| &it.method) {
        facts.answer_ways = gateway::ways(&netlink, gateways).await;
    }
    for rip in checked(facts) {
        let hop = netlink.route_to(rip).await?;
        facts.routes.insert(rip, hop);
    }
    Ok(())
}

/// Reads the addresses anew. What cannot be read was told the first time.
pub(super) async fn look_again(facts: &mut Facts) {
    if let Ok(netlink) = Rtnetlink::open()
        && let Ok(addresses) = netlink.addresses().await
    {
        facts.addresses = addresses;
    }
}

/// The real servers whose routes are asked for. Those that failed their checks are in
/// the file alone.
fn checked(facts: &Facts) -> BTreeSet<IpAddr> {
    let shared = facts.shared_vips();
    let rips: BTreeSet<_> = shared.into_iter().map(|(_, rip)| rip).collect();
    let mut checked = neighbours(facts);
    checked.extend(rips.into_iter().take(MOST_NEIGHBOURS));
    checked
}

fn number(file: &str) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn limit(count: &str, most: &str) -> Option<(u64, u64)> {
    Some((number(count)?, number(most)?))
}

/// The lines of the kernel's list but its heading.
fn known_neighbours() -> Option<(u64, u64)> {
    let list = fs::read_to_string("/proc/net/arp").ok()?;
    let count = list.lines().count().saturating_sub(1);
    let most = number("/proc/sys/net/ipv4/neigh/default/gc_thresh3")?;
    Some((u64::try_from(count).ok()?, most))
}
