//! What comes of a reload, or of an operator's wish: lvsd decides at once, the kernel's
//! table follows.
//!
//! A server that has never been checked comes into the table with the first answer of its
//! check, and may be refused only then. So whoever asked waits for those answers, then for
//! the table, each for a limited time, and is told what is not known by then.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{info, warn};

use super::control::{Changed, Pending, Reloaded};
use super::reconcile::Report;
use super::snapshot;
use crate::lvs::{RealServerId, VirtualServerId};

/// How long whoever asked waits.
const PATIENCE: Patience = Patience {
    answers: Duration::from_secs(2),
    table: Duration::from_secs(15),
};

/// How many lines of one kind are logged; the reply has them all.
const MOST_LOGGED: usize = 20;

/// A real server of a virtual server.
pub(super) type Server = (VirtualServerId, RealServerId);

/// How far the deciding has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Decided {
    /// Of the newest wanted table.
    generation: u64,
    /// Those that it was decided upon without an answer of their check.
    unchecked: Vec<Server>,
}

/// Those who wait for first answers.
#[derive(Debug, Default)]
pub(super) struct Waiting(Vec<Waiter>);

#[derive(Debug)]
struct Waiter {
    unchecked: Vec<Server>,
    decided: watch::Sender<Decided>,
}

/// A place among them.
#[derive(Debug)]
pub(super) struct Ticket(watch::Receiver<Decided>);

impl Waiting {
    /// For these; to be called before it is decided upon them.
    pub(super) fn begin(&mut self, unchecked: Vec<Server>) -> Ticket {
        let (decided, ticket) = watch::channel(Decided {
            generation: 0,
            unchecked: unchecked.clone(),
        });
        self.0.retain(|waiter| !waiter.decided.is_closed());
        self.0.push(Waiter { unchecked, decided });
        Ticket(ticket)
    }

    /// It is being decided upon those of which this is not true any more.
    pub(super) fn see(&mut self, is_unchecked: impl Fn(&Server) -> bool) {
        for waiter in &mut self.0 {
            waiter.unchecked.retain(&is_unchecked);
        }
    }

    /// That is the table that was decided upon.
    pub(super) fn tell(&mut self, generation: u64) {
        self.0.retain(|waiter| {
            let unchecked = waiter.unchecked.clone();
            let goes_on = !unchecked.is_empty();
            let decided = Decided {
                generation,
                unchecked,
            };
            waiter.decided.send(decided).is_ok() && goes_on
        });
    }
}

#[derive(Debug, Clone, Copy)]
struct Patience {
    /// For the first answers of checks.
    answers: Duration,
    /// For the kernel's table, then.
    table: Duration,
}

/// A change that the kernel's table follows.
#[derive(Debug)]
pub(super) struct Settling {
    ticket: Ticket,
    reports: watch::Receiver<Arc<Report>>,
}

/// What is known of it by the end of all patience.
#[derive(Debug)]
struct Settled {
    /// The table that was decided upon; none: it is not there yet.
    report: Option<Arc<Report>>,
    /// Those whose check has not answered yet.
    unchecked: Vec<Server>,
}

impl Settling {
    pub(super) fn new(ticket: Ticket, reports: watch::Receiver<Arc<Report>>) -> Self {
        Self { ticket, reports }
    }

    async fn settled(mut self, patience: Patience) -> Settled {
        let Ticket(mut decided) = self.ticket;
        let answered = decided.wait_for(|decided| decided.unchecked.is_empty());
        // Late, or the director stops: that shows in what is left.
        let _ = timeout(patience.answers, answered).await;
        let Decided {
            generation,
            unchecked,
        } = decided.borrow().clone();
        let is_told = |report: &Arc<Report>| {
            let failed = report.error.is_some();
            failed || report.generation >= generation
        };
        let told = timeout(patience.table, self.reports.wait_for(is_told)).await;
        let report = told.ok().and_then(Result::ok);
        Settled {
            report: report.map(|report| Arc::clone(&report)),
            unchecked,
        }
    }
}

/// A reload whose file is in force.
#[derive(Debug)]
pub(super) struct Reloading {
    /// What the file changed, a line each.
    pub(super) changes: Vec<String>,
    /// None: the kernel's table has no part in it.
    pub(super) table: Option<Settling>,
}

impl Reloading {
    /// Waits until the kernel's table is as the file wants it, but for what the kernel
    /// refuses, and tells that.
    pub(super) async fn settled(self) -> Reloaded {
        let mut done = Reloaded {
            changes: self.changes,
            ..Reloaded::default()
        };
        if let Some(table) = self.table {
            done.take(table.settled(PATIENCE).await);
        }
        log(&done.refused, |refused| {
            warn!(refused, "reloaded, but the kernel does not have all of it");
        });
        log(&done.unchecked, |real_server| {
            info!(real_server, "reloaded, and its check has not answered yet");
        });
        done
    }
}

impl Reloaded {
    fn take(&mut self, settled: Settled) {
        self.under_way = settled.report.is_none();
        if let Some(report) = settled.report {
            self.refused = snapshot::sentences(&report);
            self.refused.extend(report.error.clone());
        }
        let unchecked = settled.unchecked.into_iter();
        self.unchecked = unchecked
            .map(|(id, rip)| format!("{rip} of {id}"))
            .collect();
    }
}

fn log(lines: &[String], line: impl Fn(&str)) {
    lines.iter().take(MOST_LOGGED).for_each(|it| line(it));
    if let Some(more @ 1..) = lines.len().checked_sub(MOST_LOGGED) {
        line(&format!("and {more} more"));
    }
}

/// Real servers that the operator changed.
#[derive(Debug)]
pub(super) struct Changing {
    /// Which.
    pub(super) servers: Vec<Server>,
    /// The kernel's table with the change.
    pub(super) table: Option<Settling>,
}

/// What the kernel makes of a change.
#[derive(Debug)]
pub(super) struct Outcome {
    servers: Vec<Server>,
    settled: Option<Settled>,
}

impl Changing {
    /// Waits until the kernel's table has the change, but for what the kernel refuses.
    pub(super) async fn settled(self) -> Outcome {
        let settled = match self.table {
            Some(table) => Some(table.settled(PATIENCE).await),
            None => None,
        };
        Outcome {
            servers: self.servers,
            settled,
        }
    }
}

impl Outcome {
    /// The servers, each as it is now, and what is known of the change.
    pub(super) fn of(&self, now: impl Fn(&Server) -> Changed) -> Vec<Changed> {
        let told = |server: &Server| Changed {
            refused: self.refused(server),
            pending: self.pending(server),
            ..now(server)
        };
        self.servers.iter().map(told).collect()
    }

    fn refused(&self, (id, rip): &Server) -> Option<String> {
        let report = self.settled.as_ref()?.report.as_ref()?;
        let told = |object| Some(report.refused.get(&object)?.sentence.clone());
        told((*id, Some(*rip)))
            .or_else(|| told((*id, None)))
            .or_else(|| report.error.clone())
    }

    fn pending(&self, server: &Server) -> Option<Pending> {
        let settled = self.settled.as_ref()?;
        if settled.unchecked.contains(server) {
            return Some(Pending::Check);
        }
        settled.report.is_none().then_some(Pending::Table)
    }
}

#[cfg(test)]
mod tests;
