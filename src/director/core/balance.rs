//! From health, connections and time to the wanted table.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;
use tokio::time::sleep_until;
use tracing::{info, warn};

use super::Core;
use crate::config::director::{OnStop, RealServer};
use crate::director::balancer::Balancer;
use crate::director::hooks;
use crate::director::reconcile::Report;
use crate::director::settling::Server;
use crate::health::Share;
use crate::health::runner::Verdicts;
use crate::health::verdict::State;
use crate::lvs::{RealServerId, VirtualServerId};
use crate::pool::{Configured, Event, Inputs, Load, Standing};
use crate::sys::clock;

/// How long verdicts wait after a decision, in times of what it took: where there
/// are ten thousand real servers and all of them flap, the checks must go on.
const REST: u32 = 3;
/// Lines that one decision writes at most: a line costs more than a real server in the
/// kernel's table, and a thousand virtual servers start at once.
const MOST_LOGGED: usize = 20;

impl Core {
    /// Tells the pools and the checks of the configuration.
    pub(super) fn configure_pools(&mut self, before: &Configured) {
        let report = self.balancer.as_ref().map(Balancer::report);
        let report = report.map(|report| Arc::clone(&report.borrow().kernel));
        let after = &self.config.virtual_servers;
        self.pools.configure(before, after, |id| {
            let kernel = &report.as_ref()?.virtual_servers;
            Some(kernel.get(id)?.virtual_server())
        });
        self.checks.configure(self.pools.checks(after));
        self.rebalance();
    }

    /// Decides what the table should be now, and tells the balancer if that is
    /// something else.
    pub(super) fn rebalance(&mut self) {
        let Some(balancer) = &self.balancer else {
            return;
        };
        let report = match &mut self.reports {
            Some(reports) => Arc::clone(&reports.borrow_and_update()),
            None => Arc::default(),
        };
        let started = clock::now();
        self.missing = report.missing();
        let (verdicts, held_back) = (self.checks.verdicts(), &self.held_back);
        let mut outcome = self.pools.step(&Inputs {
            now: started,
            configured: &self.config.virtual_servers,
            standing: &|_, _, server| standing(&verdicts, server),
            share: &|_, _, server| share(&verdicts, server),
            load: &|id, rip| load(&report, id, rip),
            refused: &|id, rip| is_refused(&report, id, rip),
            awaited: &|id, rip| !held_back.contains(id) && load(&report, id, rip).is_none(),
        });
        let configured = &self.config.virtual_servers;
        self.waiting
            .see(|server| is_unchecked(&verdicts, configured, server));
        drop(verdicts);
        self.pulses.core_works();
        outcome.table.retain(|id, _| !held_back.contains(id));
        (self.pools_deadline, self.awaits_report) = (outcome.deadline, outcome.awaits_report);
        if self.wanted.as_deref() != Some(&outcome.table) {
            let table = Arc::new(outcome.table);
            self.generation = balancer.want(Arc::clone(&table));
            self.wanted = Some(table);
        }
        self.waiting.tell(self.generation);
        if outcome.fewer_checks {
            let wanted = self.pools.checks(&self.config.virtual_servers);
            self.checks.configure(wanted);
        }
        for (nth, event) in outcome.events.iter().enumerate() {
            self.tell(event, nth < MOST_LOGGED);
        }
        if let Some(more @ 1..) = outcome.events.len().checked_sub(MOST_LOGGED) {
            info!(more, "pools changed at once: `lvsd status` shows each");
        }
        self.track_pools();
        let ended = clock::now();
        self.rest_until = ended + (ended - started) * REST;
    }

    /// Decides anew if the kernel's newest report is waited for, or if it refuses
    /// other servers than before.
    pub(super) fn follow_report(&mut self) {
        let report = self.reports.as_ref().map(|reports| reports.borrow());
        let missing = report.map(|report| report.missing()).unwrap_or_default();
        if self.awaits_report || missing != self.missing {
            self.rebalance();
        }
    }

    fn tell(&mut self, event: &Event, log: bool) {
        self.tell_pool(event);
        match event {
            _ if !log => {}
            Event::QuorumLost { .. } | Event::Held { .. } => warn!("{event}"),
            Event::QuorumGained { .. }
            | Event::Serving { .. }
            | Event::Draining { .. }
            | Event::Drained { .. } => info!("{event}"),
        }
        if let Some(hook) = hooks::of_pool(event, &self.config) {
            self.hooks.run(hook);
        }
    }
}

/// What the checks say of a server.
pub(super) fn standing(verdicts: &Verdicts<'_>, server: &RealServer) -> Standing {
    let Some(check) = &server.check else {
        return Standing::Up;
    };
    match verdicts.of(check) {
        None => Standing::Unchecked,
        Some(verdict) if verdict.adopted => Standing::Unchecked,
        Some(verdict) => match verdict.state {
            State::Unchecked => Standing::Unchecked,
            State::Up => Standing::Up,
            State::Draining => Standing::Draining,
            State::Down => Standing::Down,
        },
    }
}

/// Whether a server waits for the first answer of its check.
pub(super) fn is_unchecked(
    verdicts: &Verdicts<'_>,
    configured: &Configured,
    (id, rip): &Server,
) -> bool {
    let server = configured.get(id).and_then(|pool| pool.server(rip));
    let check = server.and_then(|server| server.check.as_deref());
    check.is_some_and(|check| {
        let verdict = verdicts.of(check);
        verdict.is_none_or(|verdict| verdict.state == State::Unchecked)
    })
}

/// How much of its weight a server wants.
pub(super) fn share(verdicts: &Verdicts<'_>, server: &RealServer) -> Share {
    let check = server.check.as_deref();
    let verdict = check.and_then(|check| verdicts.of(check));
    verdict.map_or(Share::FULL, |verdict| verdict.share)
}

pub(super) fn load(report: &Report, id: &VirtualServerId, rip: &RealServerId) -> Option<Load> {
    let entry = report.kernel.virtual_servers.get(id)?;
    let entry = entry.real_servers.get(rip)?;
    Some(Load {
        weight: entry.real_server.weight,
        active: entry.active_connections,
        counted_at: report.read_at?,
    })
}

/// Whether the kernel refuses to have it, or its virtual server.
pub(super) fn is_refused(report: &Report, id: &VirtualServerId, rip: &RealServerId) -> bool {
    let is_missing = |real_server| {
        let told = report.refused.get(&(*id, real_server));
        told.is_some_and(|told| told.is_missing)
    };
    is_missing(None) || is_missing(Some(*rip))
}

/// Waits for the next report, for ever where nobody reports.
pub(super) async fn reported(reports: &mut Option<watch::Receiver<Arc<Report>>>) {
    let Some(reports) = reports else {
        return std::future::pending().await;
    };
    if reports.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Waits for that moment, and then for something else.
pub(super) async fn after<T>(moment: Instant, something: impl Future<Output = T>) -> T {
    sleep_until(moment.into()).await;
    something.await
}

/// Waits for that moment, for ever where there is none.
pub(super) async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// Leaves the table as configured, and ends the thread.
pub(super) async fn stop(balancer: Balancer, on_stop: OnStop) {
    match on_stop {
        OnStop::Keep => {}
        OnStop::Drain | OnStop::Clear => {
            balancer.want(Arc::default());
        }
    }
    balancer.stop().await;
}
