//! The task that drives the checks.
//!
//! ```text
//!  Runner ──configure──▶ Checks ◀──due, finished── driver ──▶ one short task per attempt
//!         ◀──snapshot───   │
//!  Changes ◀──the newest change of each check
//! ```
//! There is one lasting task, however many checks there are. Attempts that are
//! due wait in [`Checks`], longest due first, while as many run as may.

mod changes;
mod crowd;
mod timer;

use std::collections::HashMap;
use std::fs;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinHandle, JoinSet};
use tracing::{debug, info, warn};

pub use self::changes::Changes;
use self::changes::Sender;
use self::crowd::Crowd;
use self::timer::{SystemTimer, Timer};
use super::checks::{Change, CheckId, CheckStatus, Checks, Origin};
use super::probe;
use super::verdict::Verdict;
use super::{Check, Outcome};
use crate::pulse::{BEAT, Pulse};
use crate::sys::memory;

/// How often a fault of this host is worth a line in the log.
const WARNING_PAUSE: Duration = Duration::from_secs(60);

/// Starts without checks. The seed decides how attempts are spread. While it runs it
/// beats.
///
/// Needs a tokio runtime around it. At most half of the files this process may
/// open are used for probes at a time; further ones wait.
pub fn spawn(seed: u64, pulse: Pulse) -> (Runner, Changes) {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let ask =
        |check: Arc<Check>| async move { probe::attempt(&check.probe, check.timing.timeout).await };
    spawn_with(seed, in_flight(&limits), Arc::new(SystemTimer), ask, pulse)
}

/// The checks and the task that runs them; dropping this stops it.
#[derive(Debug)]
pub struct Runner {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
    timer: Arc<dyn Timer>,
}

#[derive(Debug)]
struct Shared {
    checks: Mutex<Checks>,
    /// The driver's deadline may no longer be the right one.
    reconfigured: Notify,
}

impl Shared {
    /// No one panics while holding it, and if one did the others had better go on.
    fn checks(&self) -> MutexGuard<'_, Checks> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Runner {
    /// Makes these the checks, at once; see [`Checks::configure`]. No attempt of a
    /// check that stays is disturbed, and no verdict changes by this.
    pub fn configure<C: Into<Arc<Check>>>(&self, wanted: impl IntoIterator<Item = (C, Origin)>) {
        self.shared.checks().configure(self.timer.now(), wanted);
        self.shared.reconfigured.notify_one();
    }

    /// The verdict of a check, if it is configured.
    pub fn verdict(&self, check: &Check) -> Option<Verdict> {
        self.shared.checks().verdict(check).cloned()
    }

    /// The verdicts as they are now. No result is taken while this is held.
    pub fn verdicts(&self) -> Verdicts<'_> {
        Verdicts(self.shared.checks())
    }

    /// All checks, in the order in which they were configured.
    pub fn snapshot(&self) -> Vec<CheckStatus> {
        self.shared.checks().snapshot()
    }

    /// Whether the task has ended, which it does only when it is told to.
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    /// Stops: no attempt starts any more, those running are dropped, and
    /// [`Changes::next`] ends.
    pub async fn stop(mut self) {
        self.task.abort();
        // Cancelled is what it is meant to be.
        let _ = (&mut self.task).await;
    }
}

/// All verdicts at one moment: see [`Runner::verdicts`].
#[derive(Debug)]
pub struct Verdicts<'a>(MutexGuard<'a, Checks>);

impl Verdicts<'_> {
    /// The verdict of a check, if it is configured.
    pub fn of(&self, check: &Check) -> Option<&Verdict> {
        self.0.verdict(check)
    }

    /// Whether every check has a verdict of its own, and was asked since this moment.
    pub fn are_complete_since(&self, moment: Timestamp) -> bool {
        self.0.all_answered() && self.0.all_answered_since(moment)
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn spawn_with<A, F>(
    seed: u64,
    in_flight: usize,
    timer: Arc<dyn Timer>,
    ask: A,
    pulse: Pulse,
) -> (Runner, Changes)
where
    A: Fn(Arc<Check>) -> F + Send + 'static,
    F: Future<Output = Outcome> + Send + 'static,
{
    let shared = Arc::new(Shared {
        checks: Mutex::new(Checks::new(seed)),
        reconfigured: Notify::new(),
    });
    let (sender, changes) = changes::channel();
    let driver = Driver {
        shared: Arc::clone(&shared),
        sender,
        timer: Arc::clone(&timer),
        ask,
        in_flight,
        attempts: JoinSet::new(),
        running: HashMap::new(),
        crowd: Crowd::default(),
        warned: None,
        pulse,
    };
    let task = tokio::spawn(driver.run());
    (
        Runner {
            shared,
            task,
            timer,
        },
        changes,
    )
}

/// An attempt that ended: how long it took, and what it found.
type Ended = (Duration, Outcome);

struct Driver<A> {
    shared: Arc<Shared>,
    sender: Sender,
    timer: Arc<dyn Timer>,
    ask: A,
    in_flight: usize,
    attempts: JoinSet<Ended>,
    running: HashMap<Id, (CheckId, Arc<Check>)>,
    crowd: Crowd,
    warned: Option<Instant>,
    pulse: Pulse,
}

impl<A, F> Driver<A>
where
    A: Fn(Arc<Check>) -> F,
    F: Future<Output = Outcome> + Send + 'static,
{
    async fn run(mut self) {
        loop {
            self.pulse.beat();
            let beat_at = self.timer.now().at + BEAT;
            let wake_at = self.start_due().map_or(beat_at, |due| due.min(beat_at));
            let sleep = self.timer.sleep_until(wake_at);
            tokio::select! {
                Some(ended) = self.attempts.join_next_with_id() => {
                    self.finish(ended);
                    while let Some(ended) = self.attempts.try_join_next_with_id() {
                        self.finish(ended);
                    }
                    self.tidy();
                }
                () = sleep => {}
                () = self.shared.reconfigured.notified() => {}
            }
        }
    }

    /// Starts what is due and may run; returns when to look again, which is when
    /// an attempt ends if as many run as may.
    fn start_due(&mut self) -> Option<Instant> {
        let free = self.in_flight.saturating_sub(self.attempts.len());
        let (due, deadline) = {
            let mut checks = self.shared.checks();
            (checks.due(self.timer.now().at, free), checks.deadline())
        };
        let full = due.len() == free;
        for due in due {
            let (timer, asking) = (Arc::clone(&self.timer), (self.ask)(Arc::clone(&due.check)));
            let task = self.attempts.spawn(async move {
                let started = timer.now().at;
                let outcome = asking.await;
                (timer.now().at.saturating_duration_since(started), outcome)
            });
            self.running.insert(task.id(), (due.id, due.check));
        }
        deadline.filter(|_| !full)
    }

    fn finish(&mut self, ended: Result<(Id, Ended), JoinError>) {
        let (task, (took, outcome)) = ended.unwrap_or_else(|error| {
            let reason = format!("the probe broke: {error}");
            (error.id(), (Duration::ZERO, Outcome::Undecided(reason)))
        });
        let Some((id, check)) = self.running.remove(&task) else {
            return;
        };
        let now = self.timer.now();
        debug!(check = %check.probe, ?took, ?outcome, "attempt ended");
        if let Outcome::Undecided(reason) = &outcome {
            self.warn(now.at, reason);
        }
        let change = self.shared.checks().finished(now, id, took, outcome);
        if let Some(change) = change {
            log(&change);
            self.sender.send(id, change);
        }
    }

    /// Gives back what a crowd of attempts took.
    fn tidy(&mut self) {
        if self.crowd.is_over(self.running.len(), self.timer.now().at) {
            self.running.shrink_to_fit();
            memory::give_back();
        }
    }

    fn warn(&mut self, now: Instant, reason: &str) {
        let recently = |warned| now.saturating_duration_since(warned) < WARNING_PAUSE;
        if !self.warned.is_some_and(recently) {
            warn!(
                reason,
                "this host cannot make its health checks; verdicts stay as they are"
            );
            self.warned = Some(now);
        }
    }
}

fn log(change: &Change) {
    let Change {
        check,
        from,
        verdict,
    } = change;
    info!(check = %check.probe, %from, to = %verdict.state, reason = &*verdict.reason, "health verdict");
}

/// How many probes may run at a time, after the text of `/proc/self/limits`.
/// The other half of the files is for everything else.
fn in_flight(limits: &str) -> usize {
    let soft = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .and_then(|rest| rest.split_whitespace().next());
    match soft {
        Some("unlimited") => MAX_IN_FLIGHT,
        soft => soft
            .and_then(|n| n.parse::<usize>().ok())
            .map_or(MIN_IN_FLIGHT, |n| n / 2),
    }
    .clamp(MIN_IN_FLIGHT, MAX_IN_FLIGHT)
}

const MIN_IN_FLIGHT: usize = 16;
const MAX_IN_FLIGHT: usize = 16_384;

#[cfg(test)]
mod tests;
