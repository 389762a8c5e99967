//! The checks of the local services.

use crate::config::realserver::Service;
use crate::status::realserver::Service as Report;

/// The checks and their task.
#[derive(Debug)]
pub(super) struct Services {
    wanted: Vec<Service>,
}

impl Services {
    /// Starts to check.
    pub(super) fn start(wanted: &[Service]) -> Self {
        Self {
            wanted: wanted.to_vec(),
        }
    }

    /// Checks these instead; a check that stays keeps its verdict.
    pub(super) fn configure(&mut self, wanted: &[Service]) {
        self.wanted = wanted.to_vec();
    }

    /// Waits for a verdict to change. Cancel-safe.
    pub(super) async fn changed(&mut self) {
        std::future::pending::<()>().await;
    }

    /// What the checks say now, in configuration order.
    pub(super) fn reports(&self) -> Vec<Report> {
        Vec::new()
    }
}
