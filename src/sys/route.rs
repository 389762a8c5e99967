//! Routes of the kernel's routing tables: list, add, delete. Every route here is
//! lvsd's own: it carries [`PROTOCOL`], and others are neither listed nor deleted.

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteMetric, RouteProtocol,
    RouteScope as KernelScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::link::Link;
use super::rtnetlink::{Error, Rtnetlink, address_family};
use crate::lvs::routing::{Route, RouteId, RouteKind, RouteScope};
use crate::lvs::{Family, Prefixed};

/// Who put a route or a rule there, as `ip route show proto 112` tells it: the
/// number of VRRP, which `/etc/iproute2/rt_protos` has no name for.
pub const PROTOCOL: u8 = 112;

impl Rtnetlink {
    /// Lists the routes of [`PROTOCOL`] in every table, both families. `links`
    /// tell the names of their interfaces.
    pub async fn routes(&self, links: &[Link]) -> Result<Vec<Route>, Error> {
        let mut routes = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut filter = RouteMessage::default();
            filter.header.address_family = family;
            filter.header.protocol = RouteProtocol::Other(PROTOCOL);
            let what = || "list the routes".to_owned();
            let listed = self.routes_for(filter, what).await?;
            let ours = listed.iter().filter(|it| is_ours(it));
            routes.extend(ours.filter_map(|message| from_message(message, links)));
        }
        Ok(routes)
    }

    /// Adds a route. `link` is the index of its interface, if it names one;
    /// `replace`: in place of the one of the same identity.
    pub async fn add_route(
        &self,
        route: &Route,
        link: Option<u32>,
        replace: bool,
    ) -> Result<(), Error> {
        let mode = if replace { NLM_F_REPLACE } else { NLM_F_EXCL };
        let message = RouteNetlinkMessage::NewRoute(to_message(route, link));
        let what = || format!("add route {}", route.id);
        self.ask(message, NLM_F_CREATE | mode, what).await
    }

    /// Deletes the route of [`PROTOCOL`] with this identity.
    pub async fn delete_route(&self, id: &RouteId) -> Result<(), Error> {
        let mut message = identify(id);
        // Whatever its scope and kind.
        message.header.scope = KernelScope::NoWhere;
        message.header.kind = RouteType::Unspec;
        let message = RouteNetlinkMessage::DelRoute(message);
        let what = || format!("delete route {id}");
        self.ask(message, 0, what).await
    }
}

/// Whether it is lvsd's, by what it carries.
pub(super) fn is_ours(message: &RouteMessage) -> bool {
    message.header.protocol == RouteProtocol::Other(PROTOCOL)
}

fn identify(id: &RouteId) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(id.to.address);
    message.header.destination_prefix_length = id.to.prefix_len;
    message.header.protocol = RouteProtocol::Other(PROTOCOL);
    message.header.table = u8::try_from(id.table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC);
    message.attributes = vec![
        RouteAttribute::Table(id.table),
        RouteAttribute::Priority(id.metric),
    ];
    if id.to.prefix_len > 0 {
        let to = RouteAttribute::Destination(id.to.address.into());
        message.attributes.push(to);
    }
    message
}

fn to_message(route: &Route, link: Option<u32>) -> RouteMessage {
    let mut message = identify(&route.id);
    message.header.kind = match route.kind {
        RouteKind::Unicast => RouteType::Unicast,
        RouteKind::Blackhole => RouteType::BlackHole,
        RouteKind::Unreachable => RouteType::Unreachable,
        RouteKind::Prohibit => RouteType::Prohibit,
        RouteKind::Local => RouteType::Local,
    };
    message.header.scope = match route.scope {
        Some(RouteScope::Global) | None => KernelScope::Universe,
        Some(RouteScope::Link) => KernelScope::Link,
        Some(RouteScope::Host) => KernelScope::Host,
    };
    let metrics: Vec<_> = [
        route.mtu.map(RouteMetric::Mtu),
        route.advmss.map(RouteMetric::Advmss),
    ]
    .into_iter()
    .flatten()
    .collect();
    let metrics = (!metrics.is_empty()).then_some(RouteAttribute::Metrics(metrics));
    let more = [
        route.via.map(|via| RouteAttribute::Gateway(via.into())),
        link.map(RouteAttribute::Oif),
        route.source.map(|ip| RouteAttribute::PrefSource(ip.into())),
        metrics,
    ];
    message.attributes.extend(more.into_iter().flatten());
    message
}

/// Reads a route; none for a kind that lvsd does not make.
fn from_message(message: &RouteMessage, links: &[Link]) -> Option<Route> {
    let header = &message.header;
    let unspecified = match header.address_family {
        AddressFamily::Inet => IpAddr::from([0; 4]),
        AddressFamily::Inet6 => IpAddr::from([0; 16]),
        _ => return None,
    };
    let mut route = Route {
        id: RouteId {
            table: u32::from(header.table),
            to: Prefixed {
                address: unspecified,
                prefix_len: header.destination_prefix_length,
            },
            metric: 0,
        },
        kind: kind(header.kind)?,
        via: None,
        interface: None,
        source: None,
        scope: scope(header.scope).filter(|_| unspecified.is_ipv4()),
        mtu: None,
        advmss: None,
    };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Table(table) => route.id.table = *table,
            RouteAttribute::Priority(metric) => route.id.metric = *metric,
            RouteAttribute::Destination(to) => route.id.to.address = ip(to)?,
            RouteAttribute::Gateway(via) => route.via = ip(via),
            RouteAttribute::PrefSource(source) => route.source = ip(source),
            RouteAttribute::Oif(index) => {
                let link = links.iter().find(|link| link.index == *index);
                route.interface = link.map(|link| link.name.clone());
            }
            RouteAttribute::Metrics(metrics) => {
                for metric in metrics {
                    match metric {
                        RouteMetric::Mtu(mtu) => route.mtu = Some(*mtu),
                        RouteMetric::Advmss(advmss) => route.advmss = Some(*advmss),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Some(route)
}

fn kind(kind: RouteType) -> Option<RouteKind> {
    match kind {
        RouteType::Unicast => Some(RouteKind::Unicast),
        RouteType::BlackHole => Some(RouteKind::Blackhole),
        RouteType::Unreachable => Some(RouteKind::Unreachable),
        RouteType::Prohibit => Some(RouteKind::Prohibit),
        RouteType::Local => Some(RouteKind::Local),
        _ => None,
    }
}

fn scope(scope: KernelScope) -> Option<RouteScope> {
    match scope {
        KernelScope::Universe => Some(RouteScope::Global),
        KernelScope::Link => Some(RouteScope::Link),
        KernelScope::Host => Some(RouteScope::Host),
        _ => None,
    }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some((*ip).into()),
        RouteAddress::Inet6(ip) => Some((*ip).into()),
        _ => None,
    }
}

pub(super) fn family(address: IpAddr) -> AddressFamily {
    address_family(Family::of(address))
}
