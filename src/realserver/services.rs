//! The local services: their checks, under the names people gave them.

use crate::config::realserver::{Asked, Service};
use crate::health::checks::Origin;
use crate::health::runner::{self, Changes, Runner};
use crate::health::verdict::{State, Verdict};
use crate::pulse::Pulse;
use crate::status::realserver::{Health, Service as Report};

/// The checks and their task, which ends with this.
#[derive(Debug)]
pub(super) struct Services {
    runner: Runner,
    changes: Changes,
    wanted: Vec<Service>,
}

impl Services {
    /// Starts to check.
    pub(super) fn start(wanted: &[Service]) -> Self {
        // The seed spreads attempts over time; any number that differs from host
        // to host will do.
        let (runner, changes) = runner::spawn(u64::from(std::process::id()), Pulse::default());
        let mut services = Self {
            runner,
            changes,
            wanted: Vec::new(),
        };
        services.configure(wanted);
        services
    }

    /// Checks these instead; a check that stays keeps its verdict.
    pub(super) fn configure(&mut self, wanted: &[Service]) {
        self.wanted = wanted.to_vec();
        let checks = wanted.iter().flat_map(|service| &service.checks);
        let checks = checks.map(|check| (check.clone(), Origin::New));
        self.runner.configure(checks);
    }

    /// Waits for a verdict to change. Cancel-safe.
    pub(super) async fn changed(&mut self) {
        if self.changes.next().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// What the checks say now, in configuration order.
    pub(super) fn reports(&self) -> Vec<Report> {
        let report = |service: &Service| {
            // Of several addresses, the worst speaks for the service; of those, the first.
            let worst = service
                .checks
                .iter()
                .rev()
                .filter_map(|check| Some((check, self.runner.verdict(check)?)))
                .max_by_key(|(_, verdict)| badness(verdict))?;
            let (check, verdict) = worst;
            let (address, is_first) =
                (check.probe.address(), Some(check) == service.checks.first());
            let reason = match service.asked {
                Asked::Address if !is_first => format!(
                    "{} on {address}, where clients connect (internal = true says that none does)",
                    verdict.reason
                ),
                Asked::Port => format!("{} on {address}", verdict.reason),
                Asked::Address | Asked::Internal => verdict.reason.to_string(),
            };
            let health = health(&verdict);
            Some(Report {
                name: service.name.clone(),
                health,
                since: verdict.since.wall,
                reason: (health == Health::Down).then_some(reason),
            })
        };
        self.wanted.iter().filter_map(report).collect()
    }
}

fn health(verdict: &Verdict) -> Health {
    match verdict.state {
        State::Unchecked => Health::Unknown,
        State::Up => Health::Up,
        State::Draining | State::Down => Health::Down,
    }
}

fn badness(verdict: &Verdict) -> u8 {
    match health(verdict) {
        Health::Up => 0,
        Health::Unknown => 1,
        Health::Down => 2,
    }
}
