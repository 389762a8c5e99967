//! How a virtual server chooses: `scheduler`, `scheduler_flags`, `one_packet` and
//! the keys of persistence.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::identity::Identity;
use super::member::Member;
use crate::config::document::Document;
use crate::config::raw;
use crate::config::values::duration;
use crate::ipvs::table::{Persistence, Settings};
use crate::lvs::{Family, Forwarding, PersistenceEngine, Protocol, Scheduler, SchedulerFlags};

/// The kernel counts whole seconds, and refuses more than a month.
const LONGEST_PERSISTENCE: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// Reads the settings of each of these virtual servers of one table: none where
/// anything is wrong with them.
pub(super) fn read(
    document: &mut Document<'_>,
    raw: &raw::VirtualServer,
    identities: &[Identity],
) -> Vec<Settings> {
    let scheduler = scheduler(document, raw);
    let flags = scheduler.and_then(|scheduler| flags(document, raw, scheduler));
    let one_packet = one_packet(document, raw, identities);
    let timeout = timeout(document, raw);
    let engine = engine(document, raw, identities);
    let prefix_len = prefix_len(document, raw, identities);
    if let Some(None) = timeout {
        refuse_every_port(document, identities);
    }
    let settings = |identity: &Identity| {
        let of_family = |timeout| Persistence {
            engine: engine.flatten(),
            ..Persistence::of_clients(timeout, identity.id.family())
        };
        let persistence = timeout?.map(of_family).map(|persistence| Persistence {
            prefix_len: prefix_len.flatten().unwrap_or(persistence.prefix_len),
            ..persistence
        });
        Some(Settings {
            scheduler: scheduler?,
            scheduler_flags: flags?,
            one_packet: one_packet?,
            persistence,
        })
    };
    identities.iter().filter_map(settings).collect()
}

fn scheduler(document: &mut Document<'_>, raw: &raw::VirtualServer) -> Option<Scheduler> {
    let Some(name) = &raw.scheduler else {
        return Some(Scheduler::WeightedLeastConnection);
    };
    let names: Vec<_> = Scheduler::ALL.iter().map(Scheduler::name).collect();
    let known = Scheduler::known(name.get_ref()).ok_or("unknown scheduler");
    let mend = format!("use one of: {}", names.join(" "));
    document.accept(&name.span(), known, mend)
}

fn flags(
    document: &mut Document<'_>,
    raw: &raw::VirtualServer,
    scheduler: Scheduler,
) -> Option<SchedulerFlags> {
    let names: Vec<_> = SchedulerFlags::names(scheduler)
        .into_iter()
        .flatten()
        .collect();
    let mut flags = SchedulerFlags::NONE;
    let mut legal = true;
    for flag in &raw.scheduler_flags {
        match flags.with(scheduler, flag.get_ref()) {
            Some(with) => flags = with,
            None if names.is_empty() => {
                let message = format!("scheduler {:?} has no flags", scheduler.name());
                document.refuse(&flag.span(), message, "remove it; sh and mh have flags");
                legal = false;
            }
            None => {
                let message = format!("scheduler {:?} has no such flag", scheduler.name());
                let mend = format!("use any of: {}", names.join(" "));
                document.refuse(&flag.span(), message, mend);
                legal = false;
            }
        }
    }
    legal.then_some(flags)
}

fn one_packet(
    document: &mut Document<'_>,
    raw: &raw::VirtualServer,
    identities: &[Identity],
) -> Option<bool> {
    let Some(field) = &raw.one_packet else {
        return Some(false);
    };
    if *field.get_ref() && !is_udp(identities) {
        let message = "only UDP can be scheduled packet by packet";
        let mend = "remove it, or write protocol = \"udp\"";
        document.refuse(&field.span(), message, mend);
        return None;
    }
    Some(*field.get_ref())
}

/// Whether UDP may come in: a firewall mark takes what the firewall gives it.
fn is_udp(identities: &[Identity]) -> bool {
    let mut protocols = identities.iter().map(Identity::protocol);
    protocols.all(|protocol| protocol.is_none_or(|protocol| protocol == Protocol::Udp))
}

/// `Some(None)`: not persistent.
fn timeout(document: &mut Document<'_>, raw: &raw::VirtualServer) -> Option<Option<Duration>> {
    let Some(field) = &raw.persistence else {
        let mend = "write persistence = \"300s\" too, or remove it";
        let message = "nothing is persistent here";
        if let Some(prefix) = &raw.persistence_prefix {
            document.refuse(&prefix.span(), message, mend);
        }
        if let Some(engine) = &raw.persistence_engine {
            document.refuse(&engine.span(), message, mend);
        }
        return Some(None);
    };
    let range = Duration::from_secs(1)..=LONGEST_PERSISTENCE;
    let timeout = duration(document, &raw.persistence, Duration::ZERO, range)?;
    if timeout.subsec_nanos() != 0 {
        let message = "the kernel counts whole seconds";
        document.refuse(&field.span(), message, "write whole seconds");
        return None;
    }
    Some(Some(timeout))
}

/// `Some(None)`: each client counts for itself.
fn prefix_len(
    document: &mut Document<'_>,
    raw: &raw::VirtualServer,
    identities: &[Identity],
) -> Option<Option<u8>> {
    let Some(field) = &raw.persistence_prefix else {
        return Some(None);
    };
    let span = field.span();
    let family = identities
        .first()
        .map_or(Family::Ipv4, |first| first.id.family());
    if identities.iter().any(|other| other.id.family() != family) {
        let message = "a prefix of IPv4 addresses is not one of IPv6 addresses";
        let mend = "give the addresses of each family a table of their own";
        document.refuse(&span, message, mend);
        return None;
    }
    let longest = family.host_prefix_len();
    let length = parse_prefix(&field.get_ref().0, family);
    let length = length.filter(|length| (1..=longest).contains(length));
    let mend = match family {
        Family::Ipv4 => "write 1 to 32, or a netmask such as \"255.255.255.0\"",
        Family::Ipv6 => "write 1 to 128",
    };
    document
        .accept(&span, length.ok_or("not a prefix"), mend)
        .map(Some)
}

fn parse_prefix(text: &str, family: Family) -> Option<u8> {
    if let Ok(length) = text.parse() {
        return Some(length);
    }
    let mask = text.parse::<Ipv4Addr>().ok()?.to_bits();
    let contiguous = mask.leading_ones() + mask.trailing_zeros() == 32;
    let length = u8::try_from(mask.leading_ones()).ok()?;
    (contiguous && family == Family::Ipv4).then_some(length)
}

/// `Some(None)`: none.
fn engine(
    document: &mut Document<'_>,
    raw: &raw::VirtualServer,
    identities: &[Identity],
) -> Option<Option<PersistenceEngine>> {
    let Some(field) = &raw.persistence_engine else {
        return Some(None);
    };
    if field.get_ref() != "sip" {
        document.refuse(&field.span(), "unknown engine", "use one of: sip");
        return None;
    }
    if !is_udp(identities) {
        let message = "the engine reads SIP over UDP only";
        let mend = "remove it, or write protocol = \"udp\"";
        document.refuse(&field.span(), message, mend);
        return None;
    }
    Some(Some(PersistenceEngine::Sip))
}

/// The kernel finds a virtual server of port 0, and then no real server for it
/// unless a client is to keep one over all ports.
fn refuse_every_port(document: &mut Document<'_>, identities: &[Identity]) {
    let every_port = |identity: &&Identity| identity.protocol().is_some() && identity.port() == 0;
    for identity in identities.iter().filter(every_port) {
        let message = "port 0, which is every port, needs persistence";
        let mend = "write persistence = \"300s\", or name the port";
        document.refuse(&identity.place, message, mend);
    }
}

/// With `one_packet` no connection is kept by which the director could translate
/// an answer back; only the SIP engine makes one when the answer comes.
pub(super) fn refuse_answers_nobody_translates(
    document: &mut Document<'_>,
    raw: &raw::VirtualServer,
    members: &[Member],
) {
    let one_packet = raw.one_packet.as_ref().filter(|field| *field.get_ref());
    let (Some(field), None) = (one_packet, &raw.persistence_engine) else {
        return;
    };
    let nat = |member: &Member| member.forwarding() == Some(Forwarding::Nat);
    if members.iter().any(nat) {
        let message = "forwarding \"nat\" cannot translate answers of which no connection is kept";
        let mend = "remove it, or use forwarding = \"dr\" or \"tun\"";
        document.refuse(&field.span(), message, mend);
    }
}
