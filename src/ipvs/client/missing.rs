//! Whether the kernel has the modules that a table needs, asked beforehand.
//!
//! The kernel lists neither its schedulers nor its engines, and loads a module only
//! when a virtual server names it. So one is made that does, of a firewall mark
//! that nobody uses, and removed again:
//!
//! ```text
//!   --> NEW_SERVICE fwmark n, DEL_SERVICE fwmark n        (one sendmsg)
//!   <-- error ENOENT: there is no such scheduler
//! ```
//! Both are performed inside the one system call, so a crash leaves nothing behind,
//! and as no packet has the mark, none meets the virtual server.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use nix::errno::Errno;

use super::link::LinkError;
use super::{Client, Error, request};
use crate::ipvs::plan::Op;
use crate::ipvs::table::{Persistence, Settings};
use crate::ipvs::wire::{Command, Message};
use crate::lvs::{Family, PersistenceEngine, Scheduler, VirtualServerId};

const DOING: &str = "ask IPVS which schedulers it has";

/// A module of the kernel that settings need, besides `ip_vs` itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Module {
    /// A scheduler.
    Scheduler(Scheduler),
    /// A persistence engine.
    Engine(PersistenceEngine),
}

impl Module {
    /// Those that settings need.
    pub fn needed(settings: &Settings) -> impl Iterator<Item = Self> + use<> {
        let engine = settings.persistence.and_then(|found| found.engine);
        let scheduler = Self::Scheduler(settings.scheduler);
        let both = [Some(scheduler), engine.map(Self::Engine)];
        both.into_iter().flatten()
    }

    /// What users call it.
    pub fn name(&self) -> &str {
        match self {
            Self::Scheduler(scheduler) => scheduler.name(),
            Self::Engine(engine) => engine.name(),
        }
    }

    /// Its file, without the ending.
    pub fn file(&self) -> String {
        let prefix = match self {
            Self::Scheduler(_) => "ip_vs_",
            Self::Engine(_) => "ip_vs_pe_",
        };
        format!("{prefix}{}", self.name())
    }
}

/// `scheduler "twos"`
impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::Scheduler(_) => "scheduler",
            Self::Engine(_) => "persistence engine",
        };
        write!(f, "{what} {:?}", self.name())
    }
}

impl Client {
    /// Tells which of these the kernel neither has nor can load. Engines are asked for
    /// with one of these schedulers, and not at all where it has none of them.
    pub fn modules_missing(
        &mut self,
        wanted: &[Module],
        schedulers: impl IntoIterator<Item = Scheduler>,
    ) -> Result<Vec<Module>, Error> {
        let (mut engines, mut own) = (Vec::new(), Vec::new());
        for module in wanted {
            match module {
                Module::Scheduler(scheduler) => own.push(*scheduler),
                Module::Engine(engine) => engines.push(*engine),
            }
        }
        let lost = self.schedulers_missing(&own)?;
        let mut schedulers = schedulers.into_iter();
        let scheduler = schedulers.find(|scheduler| !lost.contains(scheduler));
        let mut missing: Vec<_> = lost.into_iter().map(Module::Scheduler).collect();
        // Without any scheduler, engines are the lesser trouble.
        if let Some(scheduler) = scheduler {
            let lost = self.engines_missing(&engines, scheduler)?;
            missing.extend(lost.into_iter().map(Module::Engine));
        }
        Ok(missing)
    }

    fn schedulers_missing(&mut self, schedulers: &[Scheduler]) -> Result<Vec<Scheduler>, Error> {
        let settings: Vec<_> = schedulers.iter().copied().map(Settings::of).collect();
        let missing = self.refused(&settings)?;
        Ok(missing.into_iter().map(|index| schedulers[index]).collect())
    }

    fn engines_missing(
        &mut self,
        engines: &[PersistenceEngine],
        scheduler: Scheduler,
    ) -> Result<Vec<PersistenceEngine>, Error> {
        let with = |engine: &PersistenceEngine| Settings {
            persistence: Some(Persistence {
                engine: Some(*engine),
                ..Persistence::of_clients(Duration::from_secs(1), Family::Ipv4)
            }),
            ..Settings::of(scheduler)
        };
        let settings: Vec<_> = engines.iter().map(with).collect();
        let missing = self.refused(&settings)?;
        Ok(missing.into_iter().map(|index| engines[index]).collect())
    }

    /// The indices of those settings for which the kernel finds no module.
    fn refused(&mut self, settings: &[Settings]) -> Result<Vec<usize>, Error> {
        if settings.is_empty() {
            return Ok(Vec::new());
        }
        let id = self.unused()?;
        let failed = self
            .link
            .perform(settings.iter().flat_map(|settings| attempt(id, *settings)))
            .map_err(|error| Error::from_link(DOING, error))?;
        let mut missing = Vec::new();
        for (index, source) in failed {
            match (index % 2, source.errno()) {
                (0, Errno::ENOENT) => missing.push(index / 2),
                // What could not be added cannot be removed.
                (1, Errno::ESRCH) => {}
                _ => {
                    return Err(Error::Refused {
                        doing: DOING,
                        source,
                    });
                }
            }
        }
        Ok(missing)
    }

    /// A virtual server that is not there.
    fn unused(&mut self) -> Result<VirtualServerId, Error> {
        let mut mark = NonZeroU32::MAX;
        loop {
            let id = VirtualServerId::Fwmark {
                family: Family::Ipv4,
                mark,
            };
            match self
                .link
                .ask(request::virtual_server(Command::GetService, &id))
            {
                Err(LinkError::Kernel(source)) if source.errno() == Errno::ESRCH => return Ok(id),
                Err(error) => return Err(Error::from_link(DOING, error)),
                Ok(_) => mark = NonZeroU32::new(mark.get() - 1).unwrap_or(NonZeroU32::MAX),
            }
        }
    }
}

fn attempt(id: VirtualServerId, settings: Settings) -> [Message; 2] {
    [
        request::op(&Op::AddVirtualServer(id, settings)),
        request::op(&Op::RemoveVirtualServer(id)),
    ]
}
