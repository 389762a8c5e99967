//! The local services: their checks, under the names people gave them.

use crate::config::realserver::Service;
use crate::health::checks::Origin;
use crate::health::runner::{self, Changes, Runner};
use crate::health::verdict::State;
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
        let (runner, changes) = runner::spawn(u64::from(std::process::id()));
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
        let checks = wanted.iter().map(|s| (s.check.clone(), Origin::New));
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
            let verdict = self.runner.verdict(&service.check)?;
            let (health, reason) = match verdict.state {
                State::Unchecked => (Health::Unknown, None),
                State::Up => (Health::Up, None),
                State::Draining | State::Down => (Health::Down, Some(verdict.reason.to_string())),
            };
            Some(Report {
                name: service.name.clone(),
                health,
                since: verdict.since.wall,
                reason,
            })
        };
        self.wanted.iter().filter_map(report).collect()
    }
}
