//! How a scenario's outcome gets from inside to the machine: one file each, in a shared
//! directory, written whole and then renamed into place.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

/// What became of a scenario.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) passed: bool,
    pub(crate) took: Duration,
    /// Why it failed, with everything known about it; for one that passed, its narration.
    pub(crate) report: String,
}

impl Outcome {
    /// A failure that happened outside of the scenario.
    pub(crate) fn failed(report: &str) -> Self {
        Self {
            passed: false,
            took: Duration::ZERO,
            report: report.to_owned(),
        }
    }

    /// Leaves the outcome for the machine.
    pub(crate) fn save(&self, out: &Path, name: &str) -> io::Result<()> {
        let word = if self.passed { "passed" } else { "failed" };
        let text = format!("{word} {}\n{}", self.took.as_millis(), self.report);
        let part = out.join(format!("{name}.part"));
        fs::write(&part, text)?;
        fs::rename(part, path(out, name))
    }

    /// Fetches the outcome of a scenario, when there is one already.
    pub(crate) fn load(out: &Path, name: &str) -> Option<Self> {
        let text = fs::read_to_string(path(out, name)).ok()?;
        let (head, report) = text.split_once('\n')?;
        let (word, millis) = head.split_once(' ')?;
        let took = Duration::from_millis(millis.parse().ok()?);
        Some(Self {
            passed: word == "passed",
            took,
            report: report.to_owned(),
        })
    }
}

fn path(out: &Path, name: &str) -> PathBuf {
    out.join(format!("{name}.result"))
}

/// Outcomes as they come in, for those who wait for them.
#[derive(Debug, Default)]
pub(crate) struct Board {
    outcomes: Mutex<BTreeMap<String, Outcome>>,
    changed: Condvar,
}

impl Board {
    pub(crate) fn post(&self, name: &str, outcome: Outcome) {
        self.outcomes
            .lock()
            .unwrap()
            .insert(name.to_owned(), outcome);
        self.changed.notify_all();
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.outcomes.lock().unwrap().contains_key(name)
    }

    /// Waits for a scenario's outcome, which `boot` posts in any case.
    pub(crate) fn wait(&self, name: &str) -> Outcome {
        let outcomes = self.outcomes.lock().unwrap();
        let outcomes = self
            .changed
            .wait_while(outcomes, |all| !all.contains_key(name))
            .unwrap();
        outcomes[name].clone()
    }
}
