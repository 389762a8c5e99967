//! One snapshot of everything, from what each part tells of itself.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::Instant;

use crate::config::director::DirectorConfig;
use crate::health::checks::{Attempt, CheckStatus};
use crate::health::verdict::State;
use crate::health::{Check, Outcome};
use crate::ipvs::daemon::{Daemon, Role};
use crate::ipvs::kernel::{self, Counters, KernelRealServer, KernelVirtualServer, Rates};
use crate::lvs::VirtualServerId;
use crate::pool::{MemberView, PoolView, Pools};
use crate::pulse::Part;
use crate::status::director as status;
use crate::sys::clock;

use super::reconcile::{Object, Report};
use super::vrrp::PartStatus;
use super::{settings, sysctls};

/// The virtual servers of the configuration, with what checks and kernel say.
pub(super) fn virtual_servers(
    config: &DirectorConfig,
    loaded: jiff::Timestamp,
    checks: &[CheckStatus],
    report: Option<&Report>,
    pools: &Pools,
    held_back: &BTreeSet<VirtualServerId>,
) -> Vec<status::VirtualServer> {
    let checks: HashMap<&Check, &CheckStatus> = checks
        .iter()
        .map(|status| (status.check.as_ref(), status))
        .collect();
    let now = clock::now();
    let of = |pool: PoolView<'_>| {
        let kernel = report.and_then(|report| report.kernel.virtual_servers.get(&pool.id));
        let real_servers = pool.members.iter().map(|member| {
            let entry = kernel.and_then(|kernel| kernel.real_servers.get(&member.address));
            let check = member.server.check.as_deref();
            let check = check.and_then(|check| checks.get(check).copied());
            let told = real_server(member, check, entry, loaded, now);
            let refused = report.and_then(|report| refused(report, &pool.id, member));
            with_refusal(told, refused)
        });
        let settings = &pool.settings;
        let flags = settings.scheduler_flags.set(settings.scheduler);
        let persistence = settings.persistence;
        status::VirtualServer {
            id: pool.id,
            scheduler: settings.scheduler.to_string(),
            scheduler_flags: flags.map(str::to_owned).collect(),
            one_packet: settings.one_packet,
            persistence_s: persistence.map(|p| p.timeout.as_secs()),
            persistence_prefix: persistence.map(|p| p.prefix_len),
            persistence_engine: persistence.and_then(|p| p.engine).map(|e| e.to_string()),
            in_kernel: kernel.is_some(),
            refused: report.and_then(|report| reason(report, &(pool.id, None))),
            held_back: held_back.contains(&pool.id),
            removed: pool.rules.is_none(),
            quorum: status::Quorum {
                state: pool.quorum.as_str().to_owned(),
                weight: pool.weight,
                required: pool.rules.map_or(0, |rules| rules.quorum),
                hysteresis: pool.rules.map_or(0, |rules| rules.hysteresis),
            },
            served_by: pool.serving.as_str().to_owned(),
            traffic: kernel.map(KernelVirtualServer::traffic).unwrap_or_default(),
            real_servers: real_servers.collect(),
        }
    };
    pools.views(&config.virtual_servers).map(of).collect()
}

/// Why a server serves that the configuration no longer has.
const HELD: &str = "replaced by the configuration, serves until one of the new servers is usable";

fn real_server(
    member: &MemberView<'_>,
    check: Option<&CheckStatus>,
    entry: Option<&KernelRealServer>,
    loaded: jiff::Timestamp,
    now: Instant,
) -> status::RealServer {
    let configured = member.server;
    let (health, since, reason) = match check {
        // Nothing but this host's own trouble explains why there is no verdict.
        Some(CheckStatus {
            verdict,
            last:
                Some(Attempt {
                    outcome: Outcome::Undecided(why),
                    ..
                }),
            ..
        }) if verdict.state == State::Unchecked => {
            (verdict.state.as_str(), verdict.since.wall, why.as_str())
        }
        Some(CheckStatus { verdict, .. }) => (
            verdict.state.as_str(),
            verdict.since.wall,
            verdict.reason.as_ref(),
        ),
        None if configured.check.is_none() => ("up", loaded, "it is not checked"),
        None => ("unchecked", loaded, "not checked yet"),
    };
    let is_held = member.removed && member.state == "held";
    let reason = if is_held { HELD } else { reason };
    let last = check.and_then(|check| check.last.as_ref());
    status::RealServer {
        address: member.address,
        role: member.role.as_str().to_owned(),
        removed: member.removed,
        state: member.state.to_owned(),
        refused: None,
        draining: member.drain.map(|drain| status::Draining {
            because: drain.because.to_string(),
            left_s: drain.until.saturating_duration_since(now).as_secs(),
        }),
        overridden: member.overridden.map(ToString::to_string),
        forwarding: configured.settings.forwarding.to_string(),
        upper_threshold: configured.settings.upper_threshold,
        lower_threshold: configured.settings.lower_threshold,
        configured_weight: configured.settings.weight.get(),
        share_percent: check.and_then(share),
        weight: entry.map(|entry| entry.real_server.weight.get()),
        health: health.to_owned(),
        since,
        reason: reason.to_owned(),
        check: configured
            .check
            .as_ref()
            .map(|check| check.probe.to_string()),
        check_took_us: last.map(|last| u64::try_from(last.took.as_micros()).unwrap_or(u64::MAX)),
        active: entry.map_or(0, |entry| entry.active_connections),
        inactive: entry.map_or(0, |entry| entry.inactive_connections),
        traffic: entry.map(KernelRealServer::traffic).unwrap_or_default(),
    }
}

/// Why the kernel refuses what is wanted of this.
fn reason(report: &Report, object: &Object) -> Option<String> {
    Some(report.refused.get(object)?.reason.clone())
}

/// The same for a real server, which comes to nothing without its virtual server.
fn refused(report: &Report, id: &VirtualServerId, member: &MemberView<'_>) -> Option<String> {
    let virtual_server = report.refused.get(&(*id, None));
    if virtual_server.is_some_and(|told| told.is_missing) && member.entry.is_some() {
        return Some("its virtual server is".to_owned());
    }
    reason(report, &(*id, Some(member.address)))
}

fn with_refusal(told: status::RealServer, refused: Option<String>) -> status::RealServer {
    match refused {
        None => told,
        Some(_) => status::RealServer {
            state: "refused".to_owned(),
            refused,
            ..told
        },
    }
}

/// How much of its weight a server wants, if it is one that tells.
fn share(status: &CheckStatus) -> Option<u8> {
    let verdict = &status.verdict;
    let known = status.check.tells_share() && verdict.state == State::Up && !verdict.adopted;
    known.then(|| verdict.share.get())
}

/// The connection to the kernel's table.
pub(super) fn ipvs(
    report: Option<&Report>,
    settings: Option<&settings::Report>,
    sysctls: &sysctls::Report,
) -> status::Ipvs {
    let Some(report) = report else {
        return status::Ipvs::default();
    };
    let problems = settings.iter().flat_map(|settings| &settings.problems);
    let daemons = settings.iter().flat_map(|settings| &settings.daemons);
    let sysctl_values = sysctls.values.iter();
    status::Ipvs {
        version: report.info.map(|info| info.version.to_string()),
        connection_table_size: report.info.map_or(0, |info| info.connection_table_size),
        operations: report.operations,
        repaired: report.repaired,
        error: report.error.clone(),
        refused: sentences(report),
        looks_each_ms: u64::try_from(report.pause.as_millis()).unwrap_or(u64::MAX),
        peers: None,
        timeouts: settings
            .and_then(|settings| settings.timeouts)
            .map(timeouts),
        sync: daemons
            .map(|(role, daemon)| sync_daemon(*role, daemon))
            .collect(),
        sysctls: sysctl_values
            .map(|(key, value)| (key.to_string(), value.clone()))
            .collect(),
        problems: problems.chain(sysctls.problems.values()).cloned().collect(),
        settings_repaired: sysctls.repaired + settings.map_or(0, |settings| settings.repaired),
    }
}

/// What the kernel refuses, a line each.
pub(super) fn sentences(report: &Report) -> Vec<String> {
    let told = report.refused.values();
    told.map(|told| told.sentence.clone()).collect()
}

fn timeouts(timeouts: kernel::Timeouts) -> status::Timeouts {
    status::Timeouts {
        tcp_s: timeouts.tcp.as_secs(),
        tcp_fin_s: timeouts.tcp_fin.as_secs(),
        udp_s: timeouts.udp.as_secs(),
    }
}

fn sync_daemon(role: Role, daemon: &Daemon) -> status::SyncDaemon {
    status::SyncDaemon {
        role: role.to_string(),
        interface: daemon.interface.clone(),
        id: daemon.sync_id,
        group: SocketAddr::new(daemon.group, daemon.port),
        ttl: daemon.ttl,
        max_len: daemon.max_len,
    }
}

impl KernelVirtualServer {
    fn traffic(&self) -> status::Traffic {
        traffic(&self.counters, &self.rates)
    }
}

/// A part of the director that is stuck, or was.
pub(super) fn part((part, known): (&Part, &PartStatus)) -> status::Part {
    status::Part {
        name: part.as_str().to_owned(),
        stuck: known.stuck.map(|stuck| stuck.to_string()),
        times: known.times,
    }
}

impl KernelRealServer {
    fn traffic(&self) -> status::Traffic {
        traffic(&self.counters, &self.rates)
    }
}

fn traffic(counters: &Counters, rates: &Rates) -> status::Traffic {
    status::Traffic {
        connections: counters.connections,
        packets_in: counters.packets_in,
        packets_out: counters.packets_out,
        bytes_in: counters.bytes_in,
        bytes_out: counters.bytes_out,
        connections_per_s: rates.connections,
        packets_in_per_s: rates.packets_in,
        packets_out_per_s: rates.packets_out,
        bytes_in_per_s: rates.bytes_in,
        bytes_out_per_s: rates.bytes_out,
    }
}
