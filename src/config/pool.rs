//! `[[virtual_server]]`: virtual servers and their pools as written.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;

use super::check::{self, Target, is_host};
use super::director::{RealServer, VirtualServer};
use super::document::Document;
use super::raw;
use super::rules::{self, Conduct};
use super::values::{duration, number, parsed};
use crate::ipvs::table::{self, Persistence, Settings};
use crate::lvs::{Family, Forwarding, Protocol, RealServerId, Scheduler, VirtualServerId, Weight};

/// The kernel counts whole seconds, and refuses more than a month.
const LONGEST_PERSISTENCE: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// What real servers inherit from their virtual server.
pub(super) struct Outer<'a> {
    pub(super) id: VirtualServerId,
    pub(super) forwarding: Forwarding,
    pub(super) check: Option<&'a raw::Check>,
    /// Whether a check must be named, there being none that fits by default.
    pub(super) needs_check: bool,
    pub(super) conduct: Conduct,
}

/// Reads every virtual server.
pub(super) fn read(
    document: &mut Document<'_>,
    raw: &[Spanned<raw::VirtualServer>],
) -> BTreeMap<VirtualServerId, VirtualServer> {
    let mut virtual_servers = BTreeMap::new();
    let mut places = HashMap::new();
    for table in raw {
        let span = table.span();
        let Some((id, server)) = virtual_server(document, table.get_ref(), &span) else {
            continue;
        };
        let place = table.get_ref().address.as_ref().map_or(span, Spanned::span);
        if let Some(first) = places.insert(id, place.clone()) {
            let message = format!(
                "this virtual server is there already, {}",
                document.place(&first)
            );
            document.refuse(&place, message, "give each virtual server one table");
        }
        virtual_servers.insert(id, server);
    }
    virtual_servers
}

fn virtual_server(
    document: &mut Document<'_>,
    raw: &raw::VirtualServer,
    table: &Range<usize>,
) -> Option<(VirtualServerId, VirtualServer)> {
    let id = id(document, raw, table);
    let scheduler = scheduler(document, raw);
    let forwarding = forwarding_of(document, &raw.forwarding, Forwarding::DirectRoute);
    let keys = (&raw.on_failure, &raw.slow_start, &raw.drain);
    let conduct = rules::conduct(document, keys, Conduct::default());
    let persistence = persistence(document, raw, id);
    if raw.real_servers.is_empty() && raw.real_server.is_empty() {
        let mend = "list the pool, as in real_servers = [\"192.168.1.53:80\", \"192.168.1.54:80\"]";
        document.refuse_missing(table, "real_servers", mend);
    }
    let id = id?;
    let udp = matches!(
        id,
        VirtualServerId::Address {
            protocol: Protocol::Udp,
            ..
        }
    );
    let outer = Outer {
        id,
        forwarding: forwarding.unwrap_or(Forwarding::DirectRoute),
        check: raw.check.as_ref(),
        needs_check: udp,
        conduct: conduct.unwrap_or_default(),
    };
    let real_servers = real_servers(document, raw, &outer);
    let rules = rules::read(document, raw, &outer, &real_servers);
    forwarding.and(conduct)?;
    let settings = Settings {
        scheduler: scheduler?,
        persistence: persistence?,
    };
    let server = VirtualServer {
        settings,
        real_servers,
        rules: rules?,
    };
    rules::contradictions(document, raw, &server);
    Some((id, server))
}

fn id(
    document: &mut Document<'_>,
    raw: &raw::VirtualServer,
    table: &Range<usize>,
) -> Option<VirtualServerId> {
    let protocol = parsed(
        document,
        &raw.protocol,
        Protocol::Tcp,
        "use one of: tcp udp sctp",
    );
    match (&raw.address, &raw.fwmark) {
        (Some(address), None) => {
            let mend = "write VIP:PORT, such as \"192.168.1.200:80\"";
            let legal = address.get_ref().parse::<SocketAddr>();
            let legal = legal.map_err(|_| "not an address with a port");
            let address_span = address.span();
            let address = document.accept(&address_span, legal, mend)?;
            let legal = is_host(address.ip()) && address.port() != 0;
            let legal = legal
                .then_some(address)
                .ok_or("not an address that can be served");
            let address = document.accept(&address_span, legal, mend)?;
            Some(VirtualServerId::Address {
                protocol: protocol?,
                address,
            })
        }
        (None, Some(fwmark)) => {
            if let Some(protocol) = &raw.protocol {
                let message = "a firewall mark takes packets of every protocol";
                document.refuse(&protocol.span(), message, "remove it");
            }
            let mark = u32::try_from(*fwmark.get_ref())
                .ok()
                .and_then(NonZeroU32::new);
            let mend = "must be 1..=4294967295";
            let mark = document.accept(&fwmark.span(), mark.ok_or("not a firewall mark"), mend)?;
            Some(VirtualServerId::Fwmark {
                family: family_of_pool(raw),
                mark,
            })
        }
        (Some(_), Some(fwmark)) => {
            let message = "a virtual server has an address or a firewall mark, not both";
            document.refuse(&fwmark.span(), message, "remove one of them");
            None
        }
        (None, None) => {
            let mend = "write VIP:PORT, such as \"192.168.1.200:80\", or fwmark = 7";
            document.refuse_missing(table, "address", mend);
            None
        }
    }
}

/// A firewall mark has no address of its own to tell its family by.
fn family_of_pool(raw: &raw::VirtualServer) -> Family {
    let long = raw
        .real_server
        .iter()
        .filter_map(|server| server.get_ref().address.as_ref());
    let first = raw.real_servers.iter().chain(long).next();
    let address = first.and_then(|text| real_server_address(text.get_ref()));
    address.map_or(Family::Ipv4, |address| Family::of(address.ip()))
}

fn scheduler(document: &mut Document<'_>, raw: &raw::VirtualServer) -> Option<Scheduler> {
    let Some(name) = &raw.scheduler else {
        return Some(Scheduler::WeightedLeastConnection);
    };
    let names: Vec<_> = Scheduler::ALL.iter().map(Scheduler::name).collect();
    let known = Scheduler::known(name.get_ref()).ok_or("unknown scheduler");
    document.accept(
        &name.span(),
        known,
        format!("use one of: {}", names.join(" ")),
    )
}

pub(super) fn forwarding_of(
    document: &mut Document<'_>,
    field: &raw::Field<String>,
    default: Forwarding,
) -> Option<Forwarding> {
    parsed(document, field, default, "use one of: dr nat tun")
}

/// `Some(None)`: not persistent.
fn persistence(
    document: &mut Document<'_>,
    raw: &raw::VirtualServer,
    id: Option<VirtualServerId>,
) -> Option<Option<Persistence>> {
    let Some(field) = &raw.persistence else {
        return Some(None);
    };
    let range = Duration::from_secs(1)..=LONGEST_PERSISTENCE;
    let timeout = duration(document, &raw.persistence, Duration::ZERO, range)?;
    if timeout.subsec_nanos() != 0 {
        document.refuse(
            &field.span(),
            "the kernel counts whole seconds",
            "write whole seconds",
        );
        return None;
    }
    let prefix_len = id.map_or(Family::Ipv4, |id| id.family()).host_prefix_len();
    Some(Some(Persistence {
        timeout,
        prefix_len,
    }))
}

fn real_servers(
    document: &mut Document<'_>,
    raw: &raw::VirtualServer,
    outer: &Outer<'_>,
) -> BTreeMap<RealServerId, RealServer> {
    let mut pool = BTreeMap::new();
    let mut places: HashMap<RealServerId, Range<usize>> = HashMap::new();
    let short = raw
        .real_servers
        .iter()
        .map(|text| (text.span(), Some(text), None));
    let long = raw.real_server.iter().map(|table| {
        (
            table.span(),
            table.get_ref().address.as_ref(),
            Some(table.get_ref()),
        )
    });
    for (table, address, own) in short.chain(long) {
        let mend = "write RIP:PORT, such as \"192.168.1.53:80\"";
        let Some(text) = document.require(&table, address, "address", mend) else {
            continue;
        };
        let Some((id, server)) = real_server(document, text, own, outer, &table) else {
            continue;
        };
        if let Some(first) = places.insert(id, text.span()) {
            let message = format!(
                "this real server is there already, {}",
                document.place(&first)
            );
            document.refuse(
                &text.span(),
                message,
                "list it once; `weight` gives it a larger share",
            );
        }
        pool.insert(id, server);
    }
    pool
}

pub(super) fn real_server(
    document: &mut Document<'_>,
    address: &Spanned<String>,
    own: Option<&raw::RealServer>,
    outer: &Outer<'_>,
    table: &Range<usize>,
) -> Option<(RealServerId, RealServer)> {
    let id = real_server_id(document, address, outer);
    let weight = own.map_or(Some(Weight::ONE), |own| {
        let weight = number(document, &own.weight, 1, 0..=i64::from(Weight::MAX.get()))?;
        Weight::try_from(weight).ok()
    });
    let conduct = match own {
        None => Some(outer.conduct),
        Some(own) => {
            let keys = (&own.on_failure, &own.slow_start, &own.drain);
            rules::conduct(document, keys, outer.conduct)
        }
    };
    let check = check::inherit(outer.check, own.and_then(|own| own.check.as_ref()));
    if outer.needs_check && check.kind.is_none() {
        let mend = "name a check: a TCP connection says nothing about a UDP service; \
                    \"none\" balances onto unchecked servers";
        document.refuse_missing(table, "check.type", mend);
        return None;
    }
    let id = id?;
    let check = check::read(document, &check, Target::RealServer(id), table)?;
    let settings = table::RealServer {
        forwarding: outer.forwarding,
        weight: weight?,
        upper_threshold: 0,
        lower_threshold: 0,
    };
    let conduct = conduct?;
    let server = RealServer {
        settings,
        check,
        conduct,
    };
    Some((id, server))
}

/// `RIP:PORT`, or a bare RIP, whose port is 0 until the virtual server's is known.
fn real_server_address(text: &str) -> Option<SocketAddr> {
    text.parse()
        .ok()
        .or_else(|| text.parse().ok().map(|ip| SocketAddr::new(ip, 0)))
}

pub(super) fn real_server_id(
    document: &mut Document<'_>,
    text: &Spanned<String>,
    outer: &Outer<'_>,
) -> Option<RealServerId> {
    let span = text.span();
    let mend = "write RIP:PORT, such as \"192.168.1.53:80\"";
    let address = real_server_address(text.get_ref()).filter(|address| is_host(address.ip()));
    let mut address = document.accept(&span, address.ok_or("not the address of a server"), mend)?;
    if Family::of(address.ip()) != outer.id.family() {
        let message = "not of the family of its virtual server";
        document.refuse(&span, message, "use IPv4 for both, or IPv6 for both");
        return None;
    }
    let VirtualServerId::Address { address: vip, .. } = outer.id else {
        // The kernel keeps the port of the packet whatever the entry says.
        let check_port = address.port();
        if check_port != 0 {
            let message = "the packets of a firewall mark keep their port";
            document.refuse(
                &span,
                message,
                "leave the port out; check.port names the one to check",
            );
            return None;
        }
        return Some(address);
    };
    if address.port() == 0 {
        address.set_port(vip.port());
    }
    if outer.forwarding != Forwarding::Nat && address.port() != vip.port() {
        let message = format!(
            "forwarding {:?} cannot change the port: packets arrive at port {} whatever is written here",
            outer.forwarding.to_string(),
            vip.port()
        );
        let mend = format!("write port {}, or forwarding = \"nat\"", vip.port());
        document.refuse(&span, message, mend);
        return None;
    }
    if address.ip() == vip.ip() {
        let message = "the VIP itself cannot be its own real server";
        document.refuse(&span, message, "write the real server's own address (RIP)");
        return None;
    }
    Some(address)
}
