//! The routes of this host, whoever made them, and rules that choose a table of them
//! by source address. (Routes that are lvsd's own by their mark are those of
//! [`route`](super::route) and [`rule`](super::rule).)

use std::net::IpAddr;

use futures_util::TryStreamExt;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteMetric,
    RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use rtnetlink::IpVersion;

use super::rtnetlink::{Error, Rtnetlink, address_family};
use crate::lvs::{Family, Prefixed};

/// The table that a host's routes are in unless somebody says otherwise.
pub const MAIN: u32 = RouteHeader::RT_TABLE_MAIN as u32;

/// A route with one next hop.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The table it is in.
    pub table: u32,
    /// Where to; the default route has the prefix length 0.
    pub to: Prefixed,
    /// By way of; none: directly.
    pub gateway: Option<IpAddr>,
    /// Out of the interface with this index.
    pub interface: u32,
    /// From this address, unless the socket has one.
    pub source: Option<IpAddr>,
    /// The smaller, the better.
    pub metric: u32,
    /// Whether the gateway is on the link whatever its address.
    pub onlink: bool,
    /// The largest segment that TCP peers are told to send, if it is not what
    /// follows from the MTU.
    pub advmss: Option<u32>,
}

/// A rule: packets from this address look into that table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// The source address.
    pub from: IpAddr,
    /// The table.
    pub table: u32,
    /// The smaller, the earlier.
    pub priority: u32,
}

impl Rtnetlink {
    /// Lists the unicast routes of one family that have one next hop.
    pub async fn host_routes(&self, family: Family) -> Result<Vec<Route>, Error> {
        let mut request = RouteMessage::default();
        request.header.address_family = address_family(family);
        let what = || "list the routes".to_owned();
        let messages = self.routes_for(request, what).await?;
        Ok(messages.iter().filter_map(route_from).collect())
    }

    /// Adds a route.
    pub async fn add_host_route(&self, route: &Route) -> Result<(), Error> {
        let done = self.handle.route().add(message(route)).execute().await;
        done.map_err(|error| {
            Error::refused(
                format!("add a route to {} in table {}", route.to, route.table),
                error,
            )
        })
    }

    /// Deletes a route.
    pub async fn delete_host_route(&self, route: &Route) -> Result<(), Error> {
        let done = self.handle.route().del(message(route)).execute().await;
        done.map_err(|error| {
            Error::refused(
                format!("delete the route to {} in table {}", route.to, route.table),
                error,
            )
        })
    }

    /// Lists the rules about a single source address.
    pub async fn source_rules(&self, family: Family) -> Result<Vec<Rule>, Error> {
        let version = match family {
            Family::Ipv4 => IpVersion::V4,
            Family::Ipv6 => IpVersion::V6,
        };
        let found: Result<Vec<_>, _> = self
            .handle
            .rule()
            .get(version)
            .execute()
            .try_collect()
            .await;
        let messages =
            found.map_err(|error| Error::refused("list the routing rules".into(), error))?;
        Ok(messages.iter().filter_map(rule_from).collect())
    }

    /// Adds a rule.
    pub async fn add_source_rule(&self, rule: &Rule) -> Result<(), Error> {
        let mut request = self.handle.rule().add();
        *request.message_mut() = rule_message(rule);
        let done = request.execute().await;
        done.map_err(|error| {
            let Rule { from, table, .. } = rule;
            Error::refused(
                format!("add a rule for packets from {from} to table {table}"),
                error,
            )
        })
    }

    /// Deletes a rule.
    pub async fn delete_source_rule(&self, rule: &Rule) -> Result<(), Error> {
        let done = self.handle.rule().del(rule_message(rule)).execute().await;
        done.map_err(|error| {
            Error::refused(
                format!("delete the rule for packets from {}", rule.from),
                error,
            )
        })
    }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some((*v4).into()),
        RouteAddress::Inet6(v6) => Some((*v6).into()),
        _ => None,
    }
}

fn route_from(message: &RouteMessage) -> Option<Route> {
    let header = &message.header;
    if header.kind != RouteType::Unicast {
        return None;
    }
    let everything: IpAddr = match header.address_family {
        AddressFamily::Inet => std::net::Ipv4Addr::UNSPECIFIED.into(),
        AddressFamily::Inet6 => std::net::Ipv6Addr::UNSPECIFIED.into(),
        _ => return None,
    };
    let mut route = Route {
        table: header.table.into(),
        to: Prefixed {
            address: everything,
            prefix_len: header.destination_prefix_length,
        },
        gateway: None,
        interface: 0,
        source: None,
        metric: 0,
        onlink: header.flags.contains(RouteFlags::Onlink),
        advmss: None,
    };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Table(table) => route.table = *table,
            RouteAttribute::Destination(to) => route.to.address = ip(to)?,
            RouteAttribute::Gateway(by) => route.gateway = ip(by),
            RouteAttribute::Oif(index) => route.interface = *index,
            RouteAttribute::PrefSource(from) => route.source = ip(from),
            RouteAttribute::Priority(metric) => route.metric = *metric,
            RouteAttribute::Metrics(metrics) => {
                route.advmss = metrics.iter().find_map(|metric| match metric {
                    RouteMetric::Advmss(bytes) => Some(*bytes),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    (route.interface != 0).then_some(route)
}

fn message(route: &Route) -> RouteMessage {
    let mut message = RouteMessage::default();
    let header = &mut message.header;
    header.address_family = address_family(Family::of(route.to.address));
    header.destination_prefix_length = route.to.prefix_len;
    header.protocol = RouteProtocol::Static;
    header.kind = RouteType::Unicast;
    header.scope = match (route.gateway, route.to.address) {
        (None, IpAddr::V4(_)) => RouteScope::Link,
        _ => RouteScope::Universe,
    };
    if route.onlink {
        header.flags = RouteFlags::Onlink;
    }
    let mut attributes = vec![
        RouteAttribute::Table(route.table),
        RouteAttribute::Oif(route.interface),
    ];
    if route.to.prefix_len > 0 {
        attributes.push(RouteAttribute::Destination(route.to.address.into()));
    }
    attributes.extend(route.gateway.map(|by| RouteAttribute::Gateway(by.into())));
    attributes.extend(
        route
            .source
            .map(|from| RouteAttribute::PrefSource(from.into())),
    );
    if route.metric > 0 {
        attributes.push(RouteAttribute::Priority(route.metric));
    }
    if let Some(bytes) = route.advmss {
        attributes.push(RouteAttribute::Metrics(vec![RouteMetric::Advmss(bytes)]));
    }
    message.attributes = attributes;
    message
}

fn rule_from(message: &RuleMessage) -> Option<Rule> {
    let (mut from, mut table, mut priority) = (None, u32::from(message.header.table), 0);
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Source(address) => from = Some(*address),
            RuleAttribute::Table(number) => table = *number,
            RuleAttribute::Priority(number) => priority = *number,
            _ => {}
        }
    }
    let from = from.filter(|from| {
        message.header.src_len == Family::of(*from).host_prefix_len()
            && message.header.action == RuleAction::ToTable
    })?;
    Some(Rule {
        from,
        table,
        priority,
    })
}

fn rule_message(rule: &Rule) -> RuleMessage {
    let mut message = RuleMessage::default();
    let family = Family::of(rule.from);
    message.header.family = address_family(family);
    message.header.src_len = family.host_prefix_len();
    message.header.action = RuleAction::ToTable;
    message.attributes = vec![
        RuleAttribute::Source(rule.from),
        RuleAttribute::Table(rule.table),
        RuleAttribute::Priority(rule.priority),
    ];
    message
}
