//! The rules of a pool: quorum, sorry server and backup pool, and what becomes
//! of servers that fail, recover or leave.

use std::collections::BTreeMap;
use std::time::Duration;

use toml::Spanned;

use super::director::{RealServer, VirtualServer};
use super::document::Document;
use super::pool::{Outer, forwarding_of, real_server, real_server_id};
use super::raw::{self, Field, Text};
use super::values::{duration, number, parsed};
use crate::ipvs::table;
use crate::lvs::{RealServerId, Scheduler, Weight};

/// How long a server may take to finish its connections unless told otherwise.
pub const DRAIN: Duration = Duration::from_secs(30);

/// How long a hook may run unless told otherwise.
pub const HOOK_TIMEOUT: Duration = Duration::from_secs(10);

const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What a virtual server does when its pool changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The sum of the weights of usable servers with which the pool serves.
    pub quorum: u32,
    /// How far the sum must be above the quorum to gain it, and below to lose it.
    pub hysteresis: u32,
    /// Run when the quorum is gained: a program and its arguments.
    pub on_quorum_up: Option<Vec<String>>,
    /// Run when it is lost.
    pub on_quorum_down: Option<Vec<String>>,
    /// How long a hook may run.
    pub hook_timeout: Duration,
    /// What serves when neither the pool nor the backup pool can.
    pub sorry_server: Option<(RealServerId, RealServer)>,
    /// What serves instead of a pool without quorum.
    pub backup_servers: BTreeMap<RealServerId, RealServer>,
}

/// The rules of a virtual server that names none.
impl Default for Rules {
    fn default() -> Self {
        Self {
            quorum: 1,
            hysteresis: 0,
            on_quorum_up: None,
            on_quorum_down: None,
            hook_timeout: HOOK_TIMEOUT,
            sorry_server: None,
            backup_servers: BTreeMap::new(),
        }
    }
}

/// What becomes of one real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conduct {
    /// What becomes of it when it fails.
    pub on_failure: OnFailure,
    /// How long its weight takes to grow after a recovery; none: no time.
    pub slow_start: Option<Duration>,
    /// How long its connections may take to end when it leaves. Zero: it leaves
    /// at once.
    pub drain: Duration,
}

impl Default for Conduct {
    fn default() -> Self {
        Self {
            on_failure: OnFailure::Remove,
            slow_start: None,
            drain: DRAIN,
        }
    }
}

/// What becomes of a server that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// It is taken out of the table; its connections are cut.
    Remove,
    /// It stays at weight 0; the kernel goes on sending it what it has.
    Quiesce,
}

impl OnFailure {
    /// The word of the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Remove => "remove",
            Self::Quiesce => "quiesce",
        }
    }
}

impl std::str::FromStr for OnFailure {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "remove" => Ok(Self::Remove),
            "quiesce" => Ok(Self::Quiesce),
            _ => Err("unknown choice"),
        }
    }
}

/// The keys of [`Conduct`] of one table, over what it inherits.
pub(super) fn conduct(
    document: &mut Document<'_>,
    (on_failure, slow_start, drain): (&Field<String>, &Field<Text>, &Field<Text>),
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

/// Reads the rules of a virtual server whose pool is read already.
pub(super) fn read(
    document: &mut Document<'_>,
    raw: &raw::VirtualServer,
    outer: &Outer<'_>,
    real_servers: &BTreeMap<RealServerId, RealServer>,
) -> Option<Rules> {
    let most = i64::from(u32::MAX);
    let quorum = number(document, &raw.quorum, 1, 1..=most);
    let hysteresis = number(document, &raw.hysteresis, 0, 0..=most);
    let on_quorum_up = hook(document, &raw.on_quorum_up);
    let on_quorum_down = hook(document, &raw.on_quorum_down);
    let range = Duration::from_millis(100)..=LONGEST;
    let hook_timeout = duration(document, &raw.hook_timeout, HOOK_TIMEOUT, range);
    let sorry_server = sorry_server(document, raw, outer);
    let backup_servers = backup_servers(document, raw, outer, real_servers);
    Some(Rules {
        quorum: quorum?,
        hysteresis: hysteresis?,
        on_quorum_up: on_quorum_up?,
        on_quorum_down: on_quorum_down?,
        hook_timeout: hook_timeout?,
        sorry_server: sorry_server?,
        backup_servers,
    })
}

/// `Some(None)`: no hook.
fn hook(document: &mut Document<'_>, field: &Field<Vec<String>>) -> Option<Option<Vec<String>>> {
    let Some(field) = field else {
        return Some(None);
    };
    let argv = field.get_ref();
    let legal = match argv.first() {
        None => Err("names no program"),
        Some(program) if !program.starts_with('/') => Err("the program has no absolute path"),
        Some(_) if argv.iter().any(|word| word.contains('\0')) => Err("holds a NUL"),
        Some(_) => Ok(Some(argv.clone())),
    };
    let mend = "write the program's absolute path and its arguments, as in \
                [\"/usr/local/bin/notify\", \"up\"]";
    document.accept(&field.span(), legal, mend)
}

/// `Some(None)`: none is configured.
fn sorry_server(
    document: &mut Document<'_>,
    raw: &raw::VirtualServer,
    outer: &Outer<'_>,
) -> Option<Option<(RealServerId, RealServer)>> {
    let Some(text) = &raw.sorry_server else {
        if let Some(forwarding) = &raw.sorry_forwarding {
            let message = "there is no sorry server to forward to";
            document.refuse(
                &forwarding.span(),
                message,
                "add sorry_server, or remove it",
            );
        }
        return Some(None);
    };
    let forwarding = forwarding_of(document, &raw.sorry_forwarding, outer.forwarding)?;
    let outer = Outer {
        forwarding,
        ..*outer
    };
    let id = real_server_id(document, text, &outer)?;
    let settings = table::RealServer {
        forwarding,
        weight: Weight::ONE,
        upper_threshold: 0,
        lower_threshold: 0,
    };
    let conduct = Conduct {
        drain: outer.conduct.drain,
        ..Conduct::default()
    };
    let server = RealServer {
        settings,
        check: None,
        conduct,
    };
    Some(Some((id, server)))
}

fn backup_servers(
    document: &mut Document<'_>,
    raw: &raw::VirtualServer,
    outer: &Outer<'_>,
    real_servers: &BTreeMap<RealServerId, RealServer>,
) -> BTreeMap<RealServerId, RealServer> {
    let mut pool = BTreeMap::new();
    for table in &raw.backup_server {
        let (span, own) = (table.span(), table.get_ref());
        let mend = "write RIP:PORT, such as \"192.168.1.58:80\"";
        let Some(text) = document.require(&span, own.address.as_ref(), "address", mend) else {
            continue;
        };
        let read = real_server(document, text, Some(own), outer, &span);
        let Some((id, server)) = read else { continue };
        let (message, mend) = if real_servers.contains_key(&id) {
            let message = "this backup server is a real server too";
            (message, "list it in one of the two pools")
        } else if pool.insert(id, server).is_some() {
            ("this backup server is there already", "list it once")
        } else {
            continue;
        };
        document.refuse(&text.span(), message, mend);
    }
    pool
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
