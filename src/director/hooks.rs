//! The administrator's programs, run when something has happened.
//!
//! They run one at a time in the order of the events, in a task of their own:
//! whoever reports an event never waits for them. No event is lost while
//! there is room ([`queue`]); one that takes too long is killed with every
//! process that it started.

mod event;
mod queue;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{info, warn};

pub(super) use self::event::{of_pool, of_router};
use self::queue::Queue;
use crate::sys::command::{self, Command};

/// How long those that wait are given while lvsd stops, all together.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// A program to run, about something that has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hook {
    /// Whose event: a virtual router or a virtual server.
    subject: String,
    command: Command,
}

/// The task that runs hooks.
#[derive(Debug)]
pub(super) struct Hooks {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    queue: Queue,
    closed: bool,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next one, once there is one; none: there will be none.
    async fn next(&self) -> Option<Hook> {
        loop {
            {
                let mut waiting = self.waiting();
                match waiting.queue.pop() {
                    Some(hook) => return Some(hook),
                    None if waiting.closed => return None,
                    None => {}
                }
            }
            self.arrived.notified().await;
        }
    }
}

impl Hooks {
    /// Nothing runs yet.
    pub(super) fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let hooks = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Some(hook) = hooks.next().await {
                run(&hook).await;
            }
        });
        Self { shared, task }
    }

    /// Runs it after those before it.
    pub(super) fn run(&self, hook: Hook) {
        if let Some(skipped) = self.shared.waiting().queue.push(hook) {
            let (subject, event) = (&skipped.subject, skipped.event());
            warn!(
                subject,
                event, "a hook is not run: too many wait, and newer ones of it"
            );
        }
        self.shared.arrived.notify_one();
    }

    /// Lets those that wait run, for a short time; then kills what still runs.
    pub(super) async fn stop(self) {
        let Self { shared, mut task } = self;
        shared.waiting().closed = true;
        shared.arrived.notify_one();
        if timeout(GRACE, &mut task).await.is_err() {
            let waiting = shared.waiting().queue.len();
            warn!(waiting, "hooks are cut short: lvsd stops");
            task.abort();
            // Cancelled is what it is meant to be.
            let _ = task.await;
        }
    }
}

impl Hook {
    fn event(&self) -> &str {
        let mut environment = self.command.environment.iter();
        let event = environment.find(|(key, _)| *key == "LVSD_EVENT");
        event.map_or("", |(_, value)| value)
    }
}

async fn run(hook: &Hook) {
    let ended = command::run(&hook.command).await;
    let program = hook.command.argv.first().map_or("", String::as_str);
    let (subject, event) = (&hook.subject, hook.event());
    if ended.succeeded() {
        let output = ended.output.trim_end();
        info!(subject, event, program, output, "hook has run");
    } else {
        warn!(subject, event, "hook {program} {ended}");
    }
}

#[cfg(test)]
mod tests;
