//! The administrator's programs, run when a quorum is gained or lost.
//!
//! They run one at a time in the order of the events, in a task of their own:
//! whoever reports an event never waits for them. A hook that takes too long is
//! killed with every process it started.

use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::config::director::DirectorConfig;
use crate::pool::Event;

/// As many may wait; what comes then is not run, and said so.
const MOST_WAITING: usize = 1_000;

/// How long the one that runs may go on while lvsd stops.
const GRACE: Duration = Duration::from_secs(2);

/// A program to run, with what it is told in its environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hook {
    argv: Vec<String>,
    environment: Vec<(&'static str, String)>,
    limit: Duration,
}

/// The hook of an event, if it has one.
pub(super) fn of(event: &Event, config: &DirectorConfig) -> Option<Hook> {
    let (name, virtual_server, weight, quorum) = match event {
        Event::QuorumGained {
            virtual_server,
            weight,
            quorum,
        } => ("quorum_up", virtual_server, weight, quorum),
        Event::QuorumLost {
            virtual_server,
            weight,
            quorum,
        } => ("quorum_down", virtual_server, weight, quorum),
        Event::Serving { .. } | Event::Draining { .. } | Event::Drained { .. } => return None,
    };
    let rules = &config.virtual_servers.get(virtual_server)?.rules;
    let argv = match event {
        Event::QuorumGained { .. } => rules.on_quorum_up.clone(),
        _ => rules.on_quorum_down.clone(),
    };
    Some(Hook {
        argv: argv?,
        environment: vec![
            ("LVSD_EVENT", name.to_owned()),
            ("LVSD_ROUTER_ID", config.router_id.clone()),
            ("LVSD_VIRTUAL_SERVER", virtual_server.to_string()),
            ("LVSD_WEIGHT", weight.to_string()),
            ("LVSD_QUORUM", quorum.to_string()),
        ],
        limit: rules.hook_timeout,
    })
}

/// The task that runs hooks.
#[derive(Debug)]
pub(super) struct Hooks {
    queue: mpsc::Sender<Hook>,
    task: JoinHandle<()>,
}

impl Hooks {
    /// Nothing runs yet.
    pub(super) fn start() -> Self {
        let (queue, mut hooks) = mpsc::channel(MOST_WAITING);
        let task = tokio::spawn(async move {
            while let Some(hook) = hooks.recv().await {
                run(&hook).await;
            }
        });
        Self { queue, task }
    }

    /// Runs it after those before it.
    pub(super) fn run(&self, hook: Hook) {
        if let Err(error) = self.queue.try_send(hook) {
            warn!(%error, "a hook is not run: too many wait already");
        }
    }

    /// Lets those that wait run, for a short time; then kills what still runs.
    pub(super) async fn stop(self) {
        let Self { queue, mut task } = self;
        drop(queue);
        if timeout(GRACE, &mut task).await.is_err() {
            warn!("hooks are cut short: lvsd stops");
            task.abort();
            // Cancelled is what it is meant to be.
            let _ = task.await;
        }
    }
}

/// A process group, killed as a whole when this goes out of scope.
struct Group {
    leader: Child,
    id: Option<Pid>,
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            // It may have ended by itself.
            let _ = killpg(id, Signal::SIGKILL);
        }
    }
}

async fn run(hook: &Hook) {
    let Some((program, arguments)) = hook.argv.split_first() else {
        return;
    };
    let spawned = Command::new(program)
        .args(arguments)
        .envs(hook.environment.iter().map(|(key, value)| (key, value)))
        .stdin(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let leader = match spawned {
        Ok(leader) => leader,
        Err(error) => {
            warn!(program, %error, "a hook cannot be run");
            return;
        }
    };
    let id = leader.id().and_then(|id| i32::try_from(id).ok());
    let mut group = Group {
        leader,
        id: id.map(Pid::from_raw),
    };
    match timeout(hook.limit, group.leader.wait()).await {
        Ok(Ok(status)) if status.success() => info!(program, "hook has run"),
        Ok(Ok(status)) => warn!(program, %status, "a hook has failed"),
        Ok(Err(error)) => warn!(program, %error, "a hook was lost"),
        Err(_) => warn!(program, limit = ?hook.limit, "a hook takes too long: killed"),
    }
}

#[cfg(test)]
mod tests;
