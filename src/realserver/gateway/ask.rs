//! Asks the kernel which way answers take.

use std::net::IpAddr;

use super::{CLIENTS, Way};
use crate::lvs::Family;
use crate::status::text::chain;
use crate::sys::rtnetlink::Rtnetlink;

/// The ways of answers to clients of the families of `gateways`, from the address
/// that this host has toward a gateway: the one that directors know.
pub async fn ways(netlink: &Rtnetlink, gateways: &[IpAddr]) -> Vec<Way> {
    let mut ways = Vec::new();
    for family in [Family::Ipv4, Family::Ipv6] {
        let Some(gateway) = gateways.iter().find(|ip| Family::of(**ip) == family) else {
            continue;
        };
        let toward = netlink.route_to(*gateway).await.ok().flatten();
        let from = toward.and_then(|hop| hop.source);
        let clients = CLIENTS.iter().filter_map(|ip| ip.parse().ok());
        for to in clients.filter(|ip| Family::of(*ip) == family) {
            let hop = netlink.route_from(to, from).await;
            let hop = hop.map_err(|error| chain(&error));
            ways.push(Way { to, from, hop });
        }
    }
    ways
}
