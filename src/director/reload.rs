//! What came of a reload: the file is taken at once, the kernel's table follows.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use tracing::warn;

use super::control::Reloaded;
use super::reconcile::Report;
use super::snapshot;

/// How long whoever asked waits for the kernel's table.
const PATIENCE: Duration = Duration::from_secs(15);

/// How many refusals of a reload are logged; its reply has them all.
const MOST_LOGGED: usize = 20;

/// A reload whose file is in force.
#[derive(Debug)]
pub(super) struct Reloading {
    /// What the file changed, a line each.
    pub(super) changes: Vec<String>,
    /// Who tells of the kernel's table, and from which generation on it is the file's.
    pub(super) table: Option<(watch::Receiver<Arc<Report>>, u64)>,
}

impl Reloading {
    /// Waits until the kernel's table is as the file wants it, but for what the kernel
    /// refuses, and tells that.
    pub(super) async fn settled(self) -> Reloaded {
        let mut done = Reloaded {
            changes: self.changes,
            ..Reloaded::default()
        };
        let Some((mut reports, generation)) = self.table else {
            return done;
        };
        let is_told = |report: &Arc<Report>| {
            let failed = report.error.is_some();
            failed || report.generation >= generation
        };
        match timeout(PATIENCE, reports.wait_for(is_told)).await {
            Ok(Ok(report)) => {
                done.refused = snapshot::sentences(&report);
                done.refused.extend(report.error.clone());
            }
            // It takes its time, or the director stops.
            Err(_) | Ok(Err(_)) => done.under_way = true,
        }
        for refused in done.refused.iter().take(MOST_LOGGED) {
            warn!(refused, "reloaded, but the kernel does not have all of it");
        }
        if let Some(more @ 1..) = done.refused.len().checked_sub(MOST_LOGGED) {
            warn!(more, "reloaded, but the kernel does not have all of it");
        }
        done
    }
}
