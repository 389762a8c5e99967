//! What virtual routers track, and what it makes of their fitness.
//!
//! ```text
//!  drivers ──Observation──▶ Board ──▶ one Verdict per source ──▶ one Influence per virtual router
//! ```
//! A *source* is something that can be observed: an interface, a script, a
//! process, a file, the pool of a virtual server. Virtual routers that track
//! equal sources share it, so a script runs once however many ask. A *tracker*
//! is a virtual router's interest in a source, with its weight.
//!
//! This module decides; `director::track` observes.

mod board;
mod verdict;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use self::board::{Board, Changed};
pub use self::verdict::{State, Verdict};
use crate::lvs::VirtualServerId;
use crate::vrrp::influence::Influence;

/// Largest weight, either way: a priority ends at 254.
pub const MOST_WEIGHT: i16 = 254;

/// Something that can be observed. Its value is its identity: one that a new
/// configuration still has keeps its verdict.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// Good while it is up and has its carrier.
    Interface(String),
    /// Good when it exits 0.
    Script(Script),
    /// Good while at least one such process runs.
    Process(Process),
    /// The number in it is added to the priority.
    File(File),
    /// Good while a real server or backup server of its pool is usable.
    VirtualServer(VirtualServerId),
}

/// A script to run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Script {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Who runs it; none: whoever runs lvsd.
    pub user: Option<String>,
    /// How long it may take.
    pub timeout: Duration,
    /// How often it runs.
    pub pace: Pace,
}

/// A process to look for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Process {
    /// The name of its program, without the path.
    pub name: String,
    /// What its command line must contain.
    pub cmdline: Option<String>,
    /// How often it is looked for.
    pub pace: Pace,
}

/// A file to read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct File {
    /// Its absolute path.
    pub path: PathBuf,
    /// How often it is read.
    pub interval: Duration,
}

/// How often something is asked, and how many answers decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pace {
    /// From one beginning to the next.
    pub interval: Duration,
    /// Good answers in a row before it is up again.
    pub rise: u32,
    /// Bad answers in a row before it is down.
    pub fall: u32,
}

/// A virtual router's interest in a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracker {
    /// What it is called.
    pub name: String,
    /// What is observed.
    pub source: Source,
    /// Added to the priority while it is up if positive, while it is down if
    /// negative. None: it is a fault while down, except for a file, which says
    /// itself what it means.
    pub weight: Option<i16>,
}

/// What was seen of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// It is as it should be.
    Good,
    /// It is not, and why.
    Bad(Arc<str>),
    /// A file holds this number.
    Number(i16),
    /// It says nothing that could be used, and why: as if nobody had looked.
    Unclear(Arc<str>),
}

impl Source {
    /// The word of the file for it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Interface(_) => "interface",
            Self::Script(_) => "script",
            Self::Process(_) => "process",
            Self::File(_) => "file",
            Self::VirtualServer(_) => "virtual_server",
        }
    }

    /// How many answers decide: rise and fall.
    fn counts(&self) -> (u32, u32) {
        match self {
            Self::Script(Script { pace, .. }) | Self::Process(Process { pace, .. }) => {
                (pace.rise, pace.fall)
            }
            Self::Interface(_) | Self::File(_) | Self::VirtualServer(_) => (1, 1),
        }
    }
}

/// What a tracker is called that has no name.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface(name) => write!(f, "interface {name}"),
            Self::Script(script) => {
                let program = script.argv.first().map_or("", String::as_str);
                write!(
                    f,
                    "script {}",
                    program.rsplit('/').next().unwrap_or(program)
                )
            }
            Self::Process(process) => write!(f, "process {}", process.name),
            Self::File(file) => write!(f, "file {}", file.path.display()),
            Self::VirtualServer(id) => write!(f, "virtual_server {id}"),
        }
    }
}

impl Tracker {
    /// What it adds to the priority, and whether it is a fault.
    ///
    /// A source without a verdict says nothing, except that a router which is
    /// just `starting` does not become master before its sources have answered.
    fn effect(&self, verdict: Option<&Verdict>, starting: bool) -> (i16, Option<String>) {
        let state = verdict.map_or(State::Unknown, |verdict| verdict.state);
        let why = || verdict.map_or("", |verdict| &verdict.reason);
        match (state, self.weight) {
            (State::Unknown, None) if starting => {
                (0, Some(format!("{} has not answered yet", self.name)))
            }
            (State::Unknown, Some(weight)) if starting => (weight.min(0), None),
            (State::Unknown, _) => (0, None),
            (State::Up(number), None) => (number, None),
            (State::Up(_), Some(weight)) => (weight.max(0), None),
            (State::Down, Some(weight)) => (weight.min(0), None),
            (State::Down, None) => (0, Some(format!("{} ({})", self.name, why()))),
        }
    }
}

/// What all trackers of a virtual router come to.
fn influence<'a>(
    trackers: impl IntoIterator<Item = (&'a Tracker, Option<&'a Verdict>)>,
    starting: bool,
) -> Influence {
    let (mut faults, mut priority) = (BTreeSet::new(), 0_i16);
    for (tracker, verdict) in trackers {
        let (added, fault) = tracker.effect(verdict, starting);
        priority = priority.saturating_add(added);
        faults.extend(fault);
    }
    Influence { faults, priority }
}

#[cfg(test)]
mod tests;
