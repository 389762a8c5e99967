//! Asks the kernel which way answers take.

use std::net::IpAddr;

use super::beyond::{Beyond, MOST, inside, is_of_interest};
use super::{CLIENTS, Way};
use crate::lvs::Family;
use crate::status::text::chain;
use crate::sys::rtnetlink::Rtnetlink;

/// The ways of answers to clients of the families of `gateways`, from the address
/// that this host has toward a gateway: the one that directors know.
pub async fn ways(netlink: &Rtnetlink, gateways: &[IpAddr]) -> Vec<Way> {
    let mut ways = Vec::new();
    for (family, from) in families(netlink, gateways).await {
        let clients = CLIENTS.iter().filter_map(|ip| ip.parse().ok());
        for to in clients.filter(|ip| Family::of(*ip) == family) {
            ways.push(way(netlink, to, from).await);
        }
    }
    ways
}

/// The same for the networks that routes of this host lead to, links excepted.
pub async fn beyond(netlink: &Rtnetlink, gateways: &[IpAddr]) -> Beyond {
    let mut beyond = Beyond::default();
    for (family, from) in families(netlink, gateways).await {
        // Nothing is known then, and so nothing is told.
        let networks = netlink.networks_beyond(family).await.unwrap_or_default();
        let networks: Vec<_> = networks
            .into_iter()
            .filter(|it| is_of_interest(*it))
            .collect();
        beyond.others += networks.len().saturating_sub(MOST);
        for network in networks.into_iter().take(MOST) {
            let way = way(netlink, inside(network), from).await;
            beyond.ways.push((network, way));
        }
    }
    beyond
}

/// The families of `gateways`, each with the address that this host has toward one.
async fn families(netlink: &Rtnetlink, gateways: &[IpAddr]) -> Vec<(Family, Option<IpAddr>)> {
    let mut families = Vec::new();
    for family in [Family::Ipv4, Family::Ipv6] {
        let Some(gateway) = gateways.iter().find(|ip| Family::of(**ip) == family) else {
            continue;
        };
        let toward = netlink.route_to(*gateway).await.ok().flatten();
        families.push((family, toward.and_then(|hop| hop.source)));
    }
    families
}

async fn way(netlink: &Rtnetlink, to: IpAddr, from: Option<IpAddr>) -> Way {
    let hop = netlink.route_from(to, from).await;
    let hop = hop.map_err(|error| chain(&error));
    Way { to, from, hop }
}
