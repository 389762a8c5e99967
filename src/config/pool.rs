//! `[[virtual_server]]`: virtual servers and their pools as written.
//!
//! A table with several addresses becomes as many virtual servers, which share
//! its keys, its pool and the verdicts of its checks.

mod forwarding;
mod identity;
mod member;
mod rules;
mod scheduling;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::ops::Range;

use super::director::{RealServer, VirtualServer};
use super::document::Document;
use super::raw;
use super::rules::Conduct;
use crate::lvs::{Forwarding, Protocol, RealServerId, Servers, VirtualServerId};
use forwarding::Outer;
use identity::Identity;
use member::Member;

/// What the rest of the file has to do with the virtual servers.
pub(super) struct Around {
    /// The addresses of the virtual routers.
    pub(super) vips: BTreeSet<IpAddr>,
    /// Connections are synchronised with another director.
    pub(super) synced: bool,
}

/// The virtual servers of a file, read table by table.
pub(super) struct Reader {
    around: Around,
    virtual_servers: BTreeMap<VirtualServerId, VirtualServer>,
    places: HashMap<VirtualServerId, Range<usize>>,
}

impl Reader {
    pub(super) fn new(around: Around) -> Self {
        Self {
            around,
            virtual_servers: BTreeMap::new(),
            places: HashMap::new(),
        }
    }

    /// Reads one table, which may be several virtual servers.
    pub(super) fn read(
        &mut self,
        document: &mut Document<'_>,
        raw: &raw::VirtualServer,
        table: &Range<usize>,
    ) {
        for (identity, server) in table_of(document, raw, table, &self.around) {
            let Identity { id, place } = identity;
            if let Some(first) = self.places.insert(id, place.clone()) {
                let first = document.place(&first);
                let message = format!("{id} is a virtual server already, {first}");
                document.refuse(&place, message, "list each virtual server once");
            }
            self.virtual_servers.insert(id, server);
        }
    }

    pub(super) fn finish(self) -> BTreeMap<VirtualServerId, VirtualServer> {
        self.virtual_servers
    }
}

/// The virtual servers of one table: none where anything about it is wrong.
fn table_of(
    document: &mut Document<'_>,
    raw: &raw::VirtualServer,
    table: &Range<usize>,
    around: &Around,
) -> Vec<(Identity, VirtualServer)> {
    let identities = identity::read(document, raw, table);
    let forwarding = forwarding::read(document, raw);
    let conduct = rules::conduct(document, rules::keys(raw), Conduct::default());
    if raw.real_servers.is_empty() && raw.real_server.is_empty() {
        let mend = "list the pool, as in real_servers = [\"192.168.1.53:80\", \"192.168.1.54:80\"]";
        document.refuse_missing(table, "real_servers", mend);
    }
    let settings = scheduling::read(document, raw, &identities);
    // Without an identity the pool is read for the sake of its own errors, and any
    // port will do.
    let first = identities.first();
    let protocol = first.and_then(Identity::protocol);
    let outer = Outer {
        forwarding,
        check: raw.check.as_deref(),
        needs_check: matches!(protocol, Some(Protocol::Udp | Protocol::Sctp)),
        port: first.map_or(1, Identity::port),
        conduct: conduct.unwrap_or_default(),
    };
    let members = member::read(document, raw, &outer);
    let written = rules::read(document, raw, &outer);
    refuse_vips(document, &members, &around.vips, &identities);
    if around.synced {
        let mut families = identities.iter().map(|identity| identity.id.family());
        let family = families
            .next()
            .filter(|first| families.all(|other| other == *first));
        member::refuse_other_family(document, &members, family);
    }
    scheduling::refuse_answers_nobody_translates(document, raw, &members);
    let servers = identities
        .into_iter()
        .zip(settings)
        .map(|(identity, settings)| {
            let persistent = settings.persistence.is_some();
            let real_servers = pool(document, &identity, persistent, &members);
            let server = VirtualServer {
                settings,
                real_servers,
                rules: written.place(|members| pool(document, &identity, persistent, members)),
            };
            rules::contradictions(document, raw, &server);
            if members.iter().all(|member| member.real_server.is_some()) {
                rules::weights(document, raw, &server);
            }
            (identity, server)
        });
    servers.collect()
}

/// A virtual router's address is on whichever director is master, so what is sent
/// to it comes back to this host. That of the virtual server itself is told
/// elsewhere.
fn refuse_vips(
    document: &mut Document<'_>,
    members: &[Member],
    vips: &BTreeSet<IpAddr>,
    identities: &[Identity],
) {
    let is_its_own = |ip: IpAddr| identities.iter().any(|it| it.id.vip() == Some(ip));
    let is_sent = |member: &&Member| !matches!(member.forwarding(), None | Some(Forwarding::Local));
    let vips = members
        .iter()
        .filter(is_sent)
        .filter(|member| vips.contains(&member.ip()) && !is_its_own(member.ip()));
    for member in vips {
        let message = "this is an address of a [[vrrp]] table: the master would send to itself";
        let mend = "write the real server's own address (RIP)";
        document.refuse(&member.place, message, mend);
    }
}

/// The pool of one virtual server.
fn pool(
    document: &mut Document<'_>,
    identity: &Identity,
    persistent: bool,
    members: &[Member],
) -> Servers<RealServer> {
    let mut pool = Vec::with_capacity(members.len());
    let mut places: HashMap<RealServerId, Range<usize>> = HashMap::new();
    for member in members {
        let Some(id) = member.place_in(document, &identity.id, persistent) else {
            continue;
        };
        if let Some(first) = places.insert(id, member.place.clone()) {
            let first = document.place(&first);
            let message = format!("this real server is there already, {first}");
            let mend = "list it once; `weight` gives it a larger share";
            document.refuse(&member.place, message, mend);
        }
        pool.extend(member.real_server.clone().map(|server| (id, server)));
    }
    pool.into_iter().collect()
}

#[cfg(test)]
mod tests;
