//! The keys of [`crate::config::rules`].

use std::time::Duration;

use toml::Spanned;

use super::forwarding::{self, Outer};
use super::member::{self, Member};
use crate::config::director::{RealServer, VirtualServer};
use crate::config::document::Document;
use crate::config::raw::{self, Field, Text};
use crate::config::rules::{Conduct, HOOK_TIMEOUT, Rules};
use crate::config::script;
use crate::config::values::{duration, number, parsed};
use crate::lvs::{Scheduler, Servers, Weight};

const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// `on_failure`, `slow_start`, `drain`.
type ConductKeys<'a> = (&'a Field<String>, &'a Field<Text>, &'a Field<Text>);

/// Those of a virtual server.
pub(super) fn keys(raw: &raw::VirtualServer) -> ConductKeys<'_> {
    (&raw.on_failure, &raw.slow_start, &raw.drain)
}

/// Those of a real server.
pub(super) fn keys_of(raw: &raw::RealServer) -> ConductKeys<'_> {
    (&raw.on_failure, &raw.slow_start, &raw.drain)
}

/// The keys of [`Conduct`] of one table, over what it inherits.
pub(super) fn conduct(
    document: &mut Document<'_>,
    (on_failure, slow_start, drain): ConductKeys<'_>,
    inherited: Conduct,
) -> Option<Conduct> {
    let mend = "use one of: remove quiesce";
    let on_failure = parsed(document, on_failure, inherited.on_failure, mend);
    let (range, none) = (Duration::ZERO..=LONGEST, Duration::ZERO);
    let default = inherited.slow_start.unwrap_or(none);
    let slow_start = duration(document, slow_start, default, range.clone());
    let drain = duration(document, drain, inherited.drain, range);
    Some(Conduct {
        on_failure: on_failure?,
        slow_start: slow_start.map(|time| (!time.is_zero()).then_some(time))?,
        drain: drain?,
    })
}

/// The rules of a table, before they stand in one of its virtual servers.
pub(super) struct Written {
    rules: Rules,
    backup: Vec<Member>,
    sorry: Vec<Member>,
}

/// Reads the rules of a table. Where one is refused its default stands in, so
/// that the others are read too.
pub(super) fn read(
    document: &mut Document<'_>,
    raw: &raw::VirtualServer,
    outer: &Outer<'_>,
) -> Written {
    let most = i64::from(u32::MAX);
    let range = Duration::from_millis(100)..=LONGEST;
    let default = Rules::default();
    let user = script::user(document, &raw.hook_user);
    let rules = Rules {
        quorum: number(document, &raw.quorum, 1, 1..=most).unwrap_or(1),
        hysteresis: number(document, &raw.hysteresis, 0, 0..=most).unwrap_or(0),
        on_quorum_up: script::argv(document, &raw.on_quorum_up, user.as_deref()),
        on_quorum_down: script::argv(document, &raw.on_quorum_down, user.as_deref()),
        hook_timeout: duration(document, &raw.hook_timeout, HOOK_TIMEOUT, range)
            .unwrap_or(HOOK_TIMEOUT),
        hook_user: user,
        ..default
    };
    Written {
        rules,
        backup: member::read_backup(document, raw, outer),
        sorry: sorry(document, raw, outer).into_iter().collect(),
    }
}

impl Written {
    /// The rules of one virtual server; `place` finds out what names servers in
    /// it.
    pub(super) fn place(&self, mut place: impl FnMut(&[Member]) -> Servers<RealServer>) -> Rules {
        Rules {
            backup_servers: place(&self.backup),
            sorry_server: place(&self.sorry).into_iter().next(),
            ..self.rules.clone()
        }
    }
}

fn sorry(
    document: &mut Document<'_>,
    raw: &raw::VirtualServer,
    outer: &Outer<'_>,
) -> Option<Member> {
    let forwarding = forwarding::of_sorry(document, raw, outer.forwarding);
    if let (None, Some(field)) = (&raw.sorry_server, &raw.sorry_forwarding) {
        let message = "there is no sorry server to forward to";
        document.refuse(&field.span(), message, "add sorry_server, or remove it");
    }
    member::read_sorry(document, raw.sorry_server.as_ref()?, forwarding?, outer)
}

/// Refuses what cannot be meant: rules and pool that contradict each other.
pub(super) fn contradictions(
    document: &mut Document<'_>,
    raw: &raw::VirtualServer,
    server: &VirtualServer,
) {
    let rules = &server.rules;
    if let (Some(field), Some((id, _))) = (&raw.sorry_server, &rules.sorry_server)
        && (server.real_servers.contains_key(id) || rules.backup_servers.contains_key(id))
    {
        let message = "the sorry server cannot be a server of the pool too";
        let mend = "name another server: this one is out when the sorry server is needed";
        document.refuse(&field.span(), message, mend);
    }
    for table in &raw.backup_server {
        let address = table.get_ref().address.as_ref();
        let twice = address.and_then(|text| Some((text, member::address_of(text.get_ref())?)));
        let Some((text, address)) = twice else {
            continue;
        };
        let mut both = rules.backup_servers.keys();
        if both.any(|id| id.ip() == address.ip() && server.real_servers.contains_key(id)) {
            let message = "this backup server is a real server too";
            document.refuse(&text.span(), message, "list it in one of the two pools");
        }
    }
}

/// Refuses rules that the weights of the pool contradict.
pub(super) fn weights(
    document: &mut Document<'_>,
    raw: &raw::VirtualServer,
    server: &VirtualServer,
) {
    quorum_out_of_reach(document, raw, server);
    weights_that_do_not_count(document, raw, server);
}

fn quorum_out_of_reach(
    document: &mut Document<'_>,
    raw: &raw::VirtualServer,
    server: &VirtualServer,
) {
    let Rules {
        quorum, hysteresis, ..
    } = server.rules;
    let place = raw.hysteresis.as_ref().map(Spanned::span);
    if let Some(place) = &place
        && hysteresis >= quorum
    {
        let message = format!("not below the quorum, which is {quorum}");
        let mend =
            "write less, or a larger quorum: else the quorum is lost only with the last server";
        document.refuse(place, message, mend);
    }
    let weights = server.real_servers.values();
    let sum: u64 = weights.map(|rs| u64::from(rs.settings.weight.get())).sum();
    let needed = u64::from(quorum) + u64::from(hysteresis);
    let named = raw.quorum.as_ref().map(Spanned::span).or(place);
    if let Some(named) = named
        && needed > sum
    {
        let message = format!(
            "out of reach: it takes {needed} to gain the quorum, and the weights sum to {sum}"
        );
        document.refuse(
            &named,
            message,
            format!("write at most {sum} for both together"),
        );
    }
}

/// A weight that grows where weights do not count, or cannot grow.
fn weights_that_do_not_count(
    document: &mut Document<'_>,
    raw: &raw::VirtualServer,
    server: &VirtualServer,
) {
    let Some(field) = &raw.slow_start else { return };
    let scheduler = server.settings.scheduler;
    if matches!(
        scheduler,
        Scheduler::RoundRobin | Scheduler::LeastConnection
    ) {
        let message = format!("scheduler {scheduler} takes no account of weights");
        let mend = "use wrr or wlc, or remove slow_start";
        document.refuse(&field.span(), message, mend);
    }
    let largest = server.real_servers.values().map(|rs| rs.settings.weight);
    if largest.max().unwrap_or_default() <= Weight::ONE {
        let message = "no real server has a weight that could grow";
        let mend = "write larger weights, such as weight = 100: growing starts at a tenth";
        document.refuse(&field.span(), message, mend);
    }
}

#[cfg(test)]
mod tests;
