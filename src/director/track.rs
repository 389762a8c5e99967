//! The eyes of [`crate::track`]: a task for each source that must be looked at.
//!
//! ```text
//!  scripts, processes, files: a task each ─┐
//!  interfaces: one task, told by rtnetlink ─┼─▶ channel ─▶ core task ─▶ Board ─▶ Influence ─▶ VRRP
//!  virtual servers: the core task itself ───┘
//! ```
//! No task waits for another, and none of them is the VRRP thread: a script
//! that hangs, a file on a dead server or a directory service that does not
//! answer holds up its own verdict only.

mod file;
mod interface;
mod process;
mod script;

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::track::{Observation, Source};

/// So many observations may wait to be taken; whoever has another waits.
const MOST_WAITING: usize = 64;

/// Where observations go.
type Outlet = mpsc::Sender<(Source, Observation)>;

/// The tasks that look.
#[derive(Debug)]
pub(super) struct Eyes {
    outlet: Outlet,
    seen: mpsc::Receiver<(Source, Observation)>,
    tasks: BTreeMap<Source, JoinHandle<()>>,
    interfaces: watch::Sender<BTreeSet<String>>,
    watcher: Option<JoinHandle<()>>,
}

impl Eyes {
    /// Nothing is looked at yet.
    pub(super) fn new() -> Self {
        let (outlet, seen) = mpsc::channel(MOST_WAITING);
        Self {
            outlet,
            seen,
            tasks: BTreeMap::new(),
            interfaces: watch::channel(BTreeSet::new()).0,
            watcher: None,
        }
    }

    /// Looks at these from now on. What is looked at already goes on without a
    /// break; what is no longer named ends at once, a script with its children.
    pub(super) fn configure<'a>(&mut self, sources: impl Iterator<Item = &'a Source>) {
        let wanted: BTreeSet<_> = sources.collect();
        self.tasks.retain(|source, task| {
            let stays = wanted.contains(source);
            if !stays {
                task.abort();
            }
            stays
        });
        let mut interfaces = BTreeSet::new();
        for source in wanted {
            match source {
                Source::Interface(name) => drop(interfaces.insert(name.clone())),
                Source::VirtualServer(_) => {}
                Source::Script(_) | Source::Process(_) | Source::File(_) => {
                    if !self.tasks.contains_key(source) {
                        let task = look(source.clone(), self.outlet.clone());
                        self.tasks.insert(source.clone(), task);
                    }
                }
            }
        }
        if !interfaces.is_empty() && self.watcher.is_none() {
            let names = self.interfaces.subscribe();
            let outlet = self.outlet.clone();
            self.watcher = Some(tokio::spawn(interface::watch(names, outlet)));
        }
        self.interfaces.send_replace(interfaces);
    }

    /// Waits for something that was seen. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<(Source, Observation)> {
        self.seen.recv().await
    }

    /// Looks no more; every script that runs is killed with its children.
    pub(super) async fn stop(self) {
        let tasks = self.tasks.into_values().chain(self.watcher);
        let tasks: Vec<_> = tasks.collect();
        for task in &tasks {
            task.abort();
        }
        for task in tasks {
            // Cancelled is what it is meant to be.
            let _ = task.await;
        }
    }
}

fn look(source: Source, outlet: Outlet) -> JoinHandle<()> {
    tokio::spawn(async move {
        match &source {
            Source::Script(script) => script::run(script, &source, &outlet).await,
            Source::Process(process) => process::look(process, &source, &outlet).await,
            Source::File(file) => file::read(file, &source, &outlet).await,
            Source::Interface(_) | Source::VirtualServer(_) => {}
        }
    })
}

#[cfg(test)]
mod tests;
