//! Which way packets leave: the next hop to an address, whoever made its route.

use std::collections::BTreeSet;
use std::net::IpAddr;

use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteMessage, RouteProtocol, RouteType,
};

use super::route::family;
use super::rtnetlink::{Error, Rtnetlink, address_family};
use crate::lvs::{Family, Prefixed};

/// `RT_TABLE_LOCAL` of `<linux/rtnetlink.h>`.
pub const LOCAL: u8 = 255;

/// `RT_TABLE_UNSPEC`: every table. What is in a VRF has its local routes in the VRF's.
pub const ANY: u8 = 0;

/// The next hop to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hop {
    /// The router on the way; none: the address is on the link itself.
    pub gateway: Option<IpAddr>,
    /// The index of the interface; none where there is none to leave by.
    pub link: Option<u32>,
    /// Whether the address is this host's own.
    pub local: bool,
    /// The address of this host that packets leave from, unless they have one.
    pub source: Option<IpAddr>,
}

impl Rtnetlink {
    /// Asks the kernel for the next hop to an address, as `ip route get` does;
    /// none: the kernel has no route.
    pub async fn route_to(&self, address: IpAddr) -> Result<Option<Hop>, Error> {
        self.route_from(address, None).await
    }

    /// The same for packets that have a source address, by which rules may choose.
    pub async fn route_from(
        &self,
        address: IpAddr,
        source: Option<IpAddr>,
    ) -> Result<Option<Hop>, Error> {
        let mut request = message(address);
        let whole = Family::of(address).host_prefix_len();
        request.header.destination_prefix_length = whole;
        let to = RouteAttribute::Destination(address.into());
        request.attributes.push(to);
        if let Some(source) = source {
            request.header.source_prefix_length = whole;
            let from = RouteAttribute::Source(source.into());
            request.attributes.push(from);
        }
        let what = || format!("look up the route to {address}");
        match self.routes_for(request, what).await {
            Ok(messages) => Ok(messages.first().map(hop)),
            Err(error) if error.is_unreachable() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The addresses of one family that this host takes packets for by the routes of a
    /// table: [`LOCAL`], or [`ANY`]. The kernel adds them with the address, and only then.
    pub async fn local_addresses(
        &self,
        family: Family,
        table: u8,
    ) -> Result<BTreeSet<IpAddr>, Error> {
        let mut request = RouteMessage::default();
        request.header.address_family = address_family(family);
        request.header.table = table;
        request.header.kind = RouteType::Local;
        let what = || "list the local routes".to_owned();
        let routes = match self.routes_for(request, what).await {
            // A kernel without routing tables has one, and not this.
            Err(error) if error.is_not_found() => return Ok(BTreeSet::new()),
            listed => listed?,
        };
        // A kernel that heeds no filter lists all.
        let local = routes.iter().filter(|route| {
            [ANY, route.header.table].contains(&table)
                && route.header.kind == RouteType::Local
                && route.header.destination_prefix_length == family.host_prefix_len()
        });
        let to = local.flat_map(|route| &route.attributes);
        Ok(to
            .filter_map(|attribute| match attribute {
                RouteAttribute::Destination(RouteAddress::Inet(v4)) => Some((*v4).into()),
                RouteAttribute::Destination(RouteAddress::Inet6(v6)) => Some((*v6).into()),
                _ => None,
            })
            .collect())
    }

    /// The networks that some route leads to without being on a link of this host: all
    /// tables, the default route excepted, and those that packets are thrown away for.
    pub async fn networks_beyond(&self, family: Family) -> Result<BTreeSet<Prefixed>, Error> {
        let mut request = RouteMessage::default();
        request.header.address_family = address_family(family);
        let what = || "list the routes".to_owned();
        let routes = self.routes_for(request, what).await?;
        Ok(routes.iter().filter_map(beyond).collect())
    }

    /// The gateways of the default routes, both families.
    pub async fn gateways(&self) -> Result<BTreeSet<IpAddr>, Error> {
        let mut gateways = BTreeSet::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut request = RouteMessage::default();
            request.header.address_family = family;
            let what = || "list the routes".to_owned();
            let routes = self.routes_for(request, what).await?;
            let default = routes
                .iter()
                .filter(|route| route.header.destination_prefix_length == 0);
            gateways.extend(default.flat_map(|route| routers(&route.attributes)));
        }
        Ok(gateways)
    }
}

fn message(address: IpAddr) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(address);
    message
}

/// Where a route leads, unless that is everywhere or a link of this host.
fn beyond(route: &RouteMessage) -> Option<Prefixed> {
    let header = &route.header;
    let thrown_away = matches!(
        header.kind,
        RouteType::BlackHole | RouteType::Unreachable | RouteType::Prohibit
    );
    // The kernel makes the routes to links, and routers tell of some (RFC 4861 §6.3.4).
    let made = matches!(header.protocol, RouteProtocol::Kernel | RouteProtocol::Ra);
    let on_link = made && routers(&route.attributes).is_empty();
    let elsewhere = header.kind == RouteType::Unicast && !on_link;
    if header.destination_prefix_length == 0 || !(elsewhere || thrown_away) {
        return None;
    }
    let to = |attribute: &RouteAttribute| match attribute {
        RouteAttribute::Destination(RouteAddress::Inet(v4)) => Some((*v4).into()),
        RouteAttribute::Destination(RouteAddress::Inet6(v6)) => Some((*v6).into()),
        _ => None,
    };
    Some(Prefixed {
        address: route.attributes.iter().find_map(to)?,
        prefix_len: header.destination_prefix_length,
    })
}

/// The routers that a route leads by: several, if it has several next hops.
fn routers(attributes: &[RouteAttribute]) -> Vec<IpAddr> {
    let mut routers = Vec::new();
    for attribute in attributes {
        match attribute {
            RouteAttribute::Gateway(RouteAddress::Inet(v4)) => routers.push((*v4).into()),
            RouteAttribute::Gateway(RouteAddress::Inet6(v6)) => routers.push((*v6).into()),
            RouteAttribute::MultiPath(hops) => {
                routers.extend(hops.iter().flat_map(|hop| self::routers(&hop.attributes)));
            }
            _ => {}
        }
    }
    routers
}

fn hop(message: &RouteMessage) -> Hop {
    let mut hop = Hop {
        gateway: None,
        link: None,
        local: message.header.kind == RouteType::Local,
        source: None,
    };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Gateway(RouteAddress::Inet(v4)) => hop.gateway = Some((*v4).into()),
            RouteAttribute::Gateway(RouteAddress::Inet6(v6)) => hop.gateway = Some((*v6).into()),
            RouteAttribute::PrefSource(RouteAddress::Inet(v4)) => hop.source = Some((*v4).into()),
            RouteAttribute::PrefSource(RouteAddress::Inet6(v6)) => hop.source = Some((*v6).into()),
            RouteAttribute::Oif(index) => hop.link = Some(*index),
            _ => {}
        }
    }
    hop
}
