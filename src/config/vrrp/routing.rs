//! `[[vrrp.route]]` and `[[vrrp.rule]]`.

use std::net::IpAddr;
use std::ops::Range;

use toml::Spanned;

use super::super::document::Document;
use super::super::raw::Field;
use super::super::values::number;
use super::identity::interface_name;
use super::raw::{self, holdings};
use crate::lvs::routing::{Network, Route, RouteId, RouteKind, RouteScope, Rule, TABLE_MAIN};
use crate::lvs::{Family, Prefixed};

/// Tables are numbered by 32 bits; 0 is none.
const TABLES: std::ops::RangeInclusive<i64> = 1..=u32::MAX as i64;

/// The kernel's own rule for table `main` comes after these.
const PRIORITIES: std::ops::RangeInclusive<i64> = 1..=32_765;

/// The routes, in the order of the file.
pub(super) fn routes(document: &mut Document<'_>, raw: &raw::Vrrp) -> Option<Vec<Route>> {
    let read: Vec<_> = raw
        .route
        .iter()
        .map(|table| route(document, table.get_ref(), &table.span()))
        .collect();
    read.into_iter().collect()
}

/// The rules, in the order of the file. `family`: the virtual router's.
pub(super) fn rules(
    document: &mut Document<'_>,
    raw: &raw::Vrrp,
    family: Option<Family>,
) -> Option<Vec<Rule>> {
    let read: Vec<_> = raw
        .rule
        .iter()
        .map(|table| rule(document, table.get_ref(), &table.span(), family))
        .collect();
    read.into_iter().collect()
}

fn route(
    document: &mut Document<'_>,
    raw: &holdings::Route,
    table: &Range<usize>,
) -> Option<Route> {
    let kind = kind(document, &raw.kind);
    let via = address(document, &raw.via);
    let interface = device(document, &raw.dev);
    let source = address(document, &raw.src);
    let number_of = number(document, &raw.table, TABLE_MAIN, TABLES);
    let mtu = optional(document, &raw.mtu, 68..=65_535);
    let advmss = optional(document, &raw.advmss, 1..=65_535);
    let via_family = via.flatten().map(Family::of);
    let to = destination(document, raw.to.as_ref(), table, via_family)?;
    let family = Family::of(to.address);
    for (field, address) in [(&raw.via, via), (&raw.src, source)] {
        same_family(document, field, address.flatten(), family);
    }
    let metrics = i64::from(family == Family::Ipv6)..=i64::from(u32::MAX);
    let metric = number(document, &raw.metric, family.metric(), metrics);
    let kind = kind?;
    complete(document, raw, table, kind);
    let scope = scope(document, &raw.scope, family, default_scope(kind, via?));
    Some(Route {
        id: RouteId {
            table: number_of?,
            to,
            metric: metric?,
        },
        kind,
        via: via?,
        interface: interface?,
        source: source?,
        scope: scope?,
        mtu: mtu?,
        advmss: advmss?,
    })
}

/// A way out has a gateway or an interface; what is dropped has neither.
fn complete(
    document: &mut Document<'_>,
    raw: &holdings::Route,
    table: &Range<usize>,
    kind: RouteKind,
) {
    let drops = !matches!(kind, RouteKind::Unicast | RouteKind::Local);
    if kind == RouteKind::Unicast && raw.via.is_none() && raw.dev.is_none() {
        let mend = "name the gateway with via, the interface with dev, or both";
        document.refuse_missing(table, "via", mend);
    }
    for field in [&raw.via, &raw.dev, &raw.src] {
        if let Some(field) = field.as_ref().filter(|_| drops) {
            let message = "a route of this type leads nowhere";
            document.refuse(&field.span(), message, "remove it, or the type");
        }
    }
}

fn rule(
    document: &mut Document<'_>,
    raw: &holdings::Rule,
    table: &Range<usize>,
    of_router: Option<Family>,
) -> Option<Rule> {
    let mend = "number it, 1..=32765: rules are asked in ascending order, table main last";
    let priority = document.require(table, raw.priority.as_ref(), "priority", mend);
    let priority = priority.and_then(|_| number(document, &raw.priority, 0, PRIORITIES));
    let mend = "name the routing table to look in, such as 100";
    let number_of = document.require(table, raw.table.as_ref(), "table", mend);
    let number_of = number_of.and_then(|_| number(document, &raw.table, 0, TABLES));
    let fwmark = optional(document, &raw.fwmark, 1..=i64::from(u32::MAX));
    let iif = device(document, &raw.iif);
    let oif = device(document, &raw.oif);
    let from = network(document, &raw.from);
    let to = network(document, &raw.to);
    let written = match raw.family.as_ref().map(|it| it.get_ref().as_str()) {
        None => None,
        Some("ipv4") => Some(Family::Ipv4),
        Some("ipv6") => Some(Family::Ipv6),
        Some(_) => {
            let span = raw.family.as_ref()?.span();
            document.refuse(&span, "unknown family", "use one of: ipv4 ipv6");
            return None;
        }
    };
    let of = |it: Option<Option<Prefixed>>| it.flatten().map(|it| Family::of(it.address));
    let family = written.or(of(from)).or(of(to)).or(of_router)?;
    for (field, network) in [(&raw.from, from), (&raw.to, to)] {
        let address = network.flatten().map(|network| network.address);
        same_family(document, field, address, family);
    }
    Some(Rule {
        priority: priority?,
        family,
        from: from?,
        to: to?,
        fwmark: fwmark?,
        iif: iif?,
        oif: oif?,
        table: number_of?,
    })
}

fn kind(document: &mut Document<'_>, field: &Field<String>) -> Option<RouteKind> {
    let Some(field) = field else {
        return Some(RouteKind::Unicast);
    };
    let kind = match field.get_ref().as_str() {
        "unicast" => Ok(RouteKind::Unicast),
        "blackhole" => Ok(RouteKind::Blackhole),
        "unreachable" => Ok(RouteKind::Unreachable),
        "prohibit" => Ok(RouteKind::Prohibit),
        "local" => Ok(RouteKind::Local),
        _ => Err("unknown type"),
    };
    let mend = "use one of: unicast blackhole unreachable prohibit local";
    document.accept(&field.span(), kind, mend)
}

fn default_scope(kind: RouteKind, via: Option<IpAddr>) -> RouteScope {
    match (kind, via) {
        (RouteKind::Local, _) => RouteScope::Host,
        (RouteKind::Unicast, None) => RouteScope::Link,
        (_, _) => RouteScope::Global,
    }
}

fn scope(
    document: &mut Document<'_>,
    field: &Field<String>,
    family: Family,
    default: RouteScope,
) -> Option<Option<RouteScope>> {
    let Some(field) = field else {
        return Some((family == Family::Ipv4).then_some(default));
    };
    let scope = match field.get_ref().as_str() {
        _ if family == Family::Ipv6 => Err("routes of IPv6 have no scope"),
        "global" => Ok(Some(RouteScope::Global)),
        "link" => Ok(Some(RouteScope::Link)),
        "host" => Ok(Some(RouteScope::Host)),
        _ => Err("unknown scope"),
    };
    let mend = "use one of: global link host; or leave it out";
    document.accept(&field.span(), scope, mend)
}

fn destination(
    document: &mut Document<'_>,
    field: Option<&Spanned<String>>,
    table: &Range<usize>,
    of_gateway: Option<Family>,
) -> Option<Prefixed> {
    let mend = "write a network such as \"10.0.0.0/8\", or \"default\"";
    let field = document.require(table, field, "to", mend)?;
    if field.get_ref() != "default" {
        return parse_network(document, field);
    }
    let address = match of_gateway {
        Some(Family::Ipv4) => Ok(IpAddr::from([0; 4])),
        Some(Family::Ipv6) => Ok(IpAddr::from([0; 16])),
        None => Err("of which family"),
    };
    let mend = "write \"0.0.0.0/0\" or \"::/0\"";
    let address = document.accept(&field.span(), address, mend)?;
    let prefix_len = 0;
    Some(Prefixed {
        address,
        prefix_len,
    })
}

fn network(document: &mut Document<'_>, field: &Field<String>) -> Option<Option<Prefixed>> {
    match field {
        None => Some(None),
        Some(field) => parse_network(document, field).map(Some),
    }
}

fn parse_network(document: &mut Document<'_>, field: &Spanned<String>) -> Option<Prefixed> {
    let mend = "write a network such as \"10.0.0.0/8\", or a host";
    let network: Prefixed = document.accept(&field.span(), field.get_ref().parse(), mend)?;
    let whole = network.network();
    let legal = (whole == network)
        .then_some(network)
        .ok_or("has bits beyond its prefix length");
    let mend = format!("write \"{}\"", Network(&whole));
    document.accept(&field.span(), legal, mend)
}

fn address(document: &mut Document<'_>, field: &Field<String>) -> Option<Option<IpAddr>> {
    match field {
        None => Some(None),
        Some(field) => {
            let parsed = field.get_ref().parse().map_err(|_| "not an IP address");
            let mend = "write an address such as \"192.168.1.1\"";
            document.accept(&field.span(), parsed, mend).map(Some)
        }
    }
}

fn device(document: &mut Document<'_>, field: &Field<String>) -> Option<Option<String>> {
    match field {
        None => Some(None),
        Some(field) => interface_name(document, field).map(Some),
    }
}

fn optional(
    document: &mut Document<'_>,
    field: &Field<i64>,
    range: std::ops::RangeInclusive<i64>,
) -> Option<Option<u32>> {
    match field {
        None => Some(None),
        Some(_) => number(document, field, 0, range).map(Some),
    }
}

fn same_family(
    document: &mut Document<'_>,
    field: &Field<String>,
    address: Option<IpAddr>,
    family: Family,
) {
    if let (Some(field), Some(address)) = (field, address)
        && Family::of(address) != family
    {
        let message = "is of another family than the rest";
        document.refuse(&field.span(), message, "use addresses of one family");
    }
}
