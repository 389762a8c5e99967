//! The rules, one file for each subject. A rule is pure: facts in, findings out.

mod agent;
mod arp;
mod boot;
mod forwarding;
mod host;
mod mends;
mod misplaced;
mod pool;
mod routing;
mod service;
mod settings;
mod source;
mod table;
mod timeouts;
mod vip;
mod vrrp;

use std::collections::BTreeSet;
use std::fmt::Display;

use super::{Facts, Finding, Kind};

/// A rule.
pub type Rule = fn(&Facts) -> Vec<Finding>;

/// Every rule, in the order in which findings of one severity are told: causes
/// before what they lead to.
pub const ALL: &[Rule] = &[
    boot::refused_file,
    table::ipvs_missing,
    vrrp::blocked,
    vrrp::two_masters,
    vrrp::foreign_vrid,
    vip::unheld,
    misplaced::on_backup,
    misplaced::on_nic,
    vip::duplicate,
    vip::missing,
    agent::lost,
    vip::network,
    arp::silent,
    arp::answers,
    arp::announces,
    service::blocked,
    service::answers_blocked,
    service::not_on_vip,
    forwarding::ip_forward,
    forwarding::nat_gateway,
    forwarding::other_subnet,
    forwarding::port_differs,
    forwarding::rp_filter,
    routing::director_in_pool,
    routing::no_default_route,
    routing::nat_default_route,
    source::vip_is_source,
    pool::no_real_server,
    pool::unanswered,
    timeouts::disagree,
    table::too_small,
    host::conntrack_full,
    host::neighbours_full,
    host::stalled,
    boot::keepalived_beside,
    boot::script_beside,
    boot::script_not_run,
    agent::not_running,
    settings::undo,
    agent::drained,
];

/// Every kind of finding, for the documentation and its test.
pub const KINDS: &[&Kind] = &[
    &boot::CONFIG_REFUSED,
    &table::IPVS_MISSING,
    &vrrp::VRRP_BLOCKED,
    &vrrp::TWO_MASTERS,
    &vrrp::VRID_FOREIGN,
    &vip::VIP_UNHELD,
    &vip::VIP_DUPLICATE,
    &misplaced::VIP_ON_BACKUP,
    &misplaced::VIP_ON_NIC,
    &vip::VIP_MISSING,
    &vip::VIP_NETWORK,
    &arp::ARP_SILENT,
    &arp::ARP_ANSWERS,
    &arp::ARP_ANNOUNCES,
    &service::SERVICE_BLOCKED,
    &service::SERVICE_NOT_ON_VIP,
    &forwarding::IP_FORWARD,
    &forwarding::NAT_GATEWAY,
    &forwarding::OTHER_SUBNET,
    &forwarding::PORT_DIFFERS,
    &forwarding::TUNNEL_RP_FILTER,
    &routing::DIRECTOR_IN_POOL,
    &routing::NO_DEFAULT_ROUTE,
    &routing::NAT_DEFAULT_ROUTE,
    &source::VIP_IS_SOURCE,
    &pool::NO_REAL_SERVER,
    &pool::SYN_RECV,
    &timeouts::TIMEOUTS_DISAGREE,
    &table::CONNECTION_TABLE,
    &host::CONNTRACK_FULL,
    &host::NEIGHBOURS_FULL,
    &host::STALLED,
    &boot::KEEPALIVED_BESIDE,
    &boot::SCRIPT_BESIDE,
    &boot::SCRIPT_NOT_RUN,
    &agent::AGENT_NOT_RUNNING,
    &settings::SYSCTL_FILE,
    &agent::DRAINED,
];

/// `a`, `a and b`, `a, b and c`.
fn listed(items: impl IntoIterator<Item = impl Display>) -> String {
    let mut texts: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    match texts.pop() {
        None => String::new(),
        Some(last) if texts.is_empty() => last,
        Some(last) => format!("{} and {last}", texts.join(", ")),
    }
}

/// A hardware address with the name of its host, if that is known:
/// `192.168.1.54 (02:00:c0:a8:01:36)`.
fn station(facts: &Facts, mac: [u8; 6]) -> String {
    let text = mac.map(|byte| format!("{byte:02x}")).join(":");
    match facts.name_of(mac) {
        Some(address) => format!("{address} ({text})"),
        None => text,
    }
}

/// The interfaces by name, each once.
fn names<'a>(links: impl Iterator<Item = &'a crate::sys::link::Link>) -> BTreeSet<&'a str> {
    links.map(|link| link.name.as_str()).collect()
}

#[cfg(test)]
mod tests;
