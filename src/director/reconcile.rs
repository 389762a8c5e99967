//! One pass of bringing the kernel's table to what is wanted: dump, compare,
//! apply the difference. Start, reload, health change, somebody's `ipvsadm -C`
//! and a restart after a crash all come through here.

mod refused;
mod tunnels;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{debug, error, info, warn};

use self::refused::Refused;
#[cfg(test)]
pub(super) use self::refused::Told;
pub(super) use self::refused::{Object, Refusals};
use self::tunnels::Tunnels;
use crate::ipvs::client::{Client, Refusal};
use crate::ipvs::kernel::{Info, KernelTable};
use crate::ipvs::plan::{Op, plan};
use crate::ipvs::table::Table;
use crate::lvs::VirtualServerId;
use crate::status::text::chain;
use crate::sys::clock;
use crate::sys::state_file::{self, StateFile};

/// How many times a pass starts over because the table changed under it.
const MOST_ATTEMPTS: usize = 5;

/// How many ops of one pass are logged singly.
const MOST_LOGGED: usize = 20;

/// The kernel's side: [`Client`], or a model of it in tests.
pub(super) trait Kernel {
    /// Reads the virtual servers, and the real servers of those that are picked; the
    /// others keep those from before.
    fn dump_again(
        &mut self,
        before: &KernelTable,
        picks: impl Fn(&VirtualServerId) -> bool,
    ) -> Result<KernelTable, crate::ipvs::client::Error>;
    /// Performs the ops, and tells those that the kernel refused.
    fn apply(&mut self, ops: &[Op]) -> Result<Vec<Refusal>, crate::ipvs::client::Error>;
}

impl Kernel for Client {
    fn dump_again(
        &mut self,
        before: &KernelTable,
        picks: impl Fn(&VirtualServerId) -> bool,
    ) -> Result<KernelTable, crate::ipvs::client::Error> {
        Client::dump_again(self, before, picks)
    }

    fn apply(&mut self, ops: &[Op]) -> Result<Vec<Refusal>, crate::ipvs::client::Error> {
        Client::apply(self, ops)
    }
}

/// Why a pass could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Kernel(#[from] crate::ipvs::client::Error),
    #[error(transparent)]
    StateFile(#[from] state_file::Error),
}

/// How much of the table a pass reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// All of it: somebody may have changed anything.
    Whole,
    /// What is wanted otherwise than in the last pass, so that one real server that
    /// fails is out of the table before ten thousand others have been looked at.
    Changes,
}

/// How a pass ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The table is as wanted, but for what the kernel refuses.
    Done,
    /// Something newer is wanted, and nothing came of this one.
    BrokenOff,
}

/// What the kernel holds and how it came to that.
#[derive(Debug, Clone, Default)]
pub(super) struct Report {
    /// Which wanted table this is about: the number given with it.
    pub generation: u64,
    /// Which IPVS; none while there is no connection.
    pub info: Option<Info>,
    /// The table as it was read or changed last, other people's virtual servers
    /// included.
    pub kernel: Arc<KernelTable>,
    /// When the oldest part of it was read.
    pub read_at: Option<Instant>,
    /// Ops sent since the start; one that is tried again and again counts once.
    pub operations: u64,
    /// Ops among them that undid what somebody else had done.
    pub repaired: u64,
    /// Why the newest pass failed.
    pub error: Option<String>,
    /// What the kernel refuses, with its reason.
    pub refused: Refusals,
    /// How long until all of the table is read again, and what is refused tried again.
    pub pause: Duration,
}

impl Report {
    /// What the kernel does not have because it refuses it.
    pub(super) fn missing(&self) -> Vec<Object> {
        let missing = self.refused.iter().filter(|(_, told)| told.is_missing);
        missing.map(|(object, _)| *object).collect()
    }
}

/// What is remembered from pass to pass.
#[derive(Debug)]
pub(super) struct Reconciler {
    owned: BTreeSet<VirtualServerId>,
    file: StateFile<BTreeSet<VirtualServerId>>,
    /// The generation that the kernel held at the end of the last pass, and its
    /// table.
    settled: Option<(u64, Arc<Table>)>,
    refused: Refused,
    tunnels: Tunnels,
    pub(super) report: Report,
}

impl Reconciler {
    /// Takes over what an earlier run owned, as the state file tells.
    pub(super) fn new(file: PathBuf) -> Result<Self, state_file::Error> {
        let file = StateFile::new(file);
        let owned = file.load()?;
        Ok(Self {
            owned,
            file,
            settled: None,
            refused: Refused::default(),
            tunnels: Tunnels::default(),
            report: Report::default(),
        })
    }

    /// Makes the kernel's table what is wanted, and reports on it.
    ///
    /// Only virtual servers that lvsd owns are changed: those that are wanted
    /// now, and those it put there before. A pass that fails makes the next one
    /// reach for the whole. It breaks off while it reads as soon as it is
    /// `superseded`: something newer is wanted.
    pub(super) fn pass(
        &mut self,
        kernel: &mut impl Kernel,
        wanted: &Arc<Table>,
        generation: u64,
        reach: Reach,
        superseded: impl Fn() -> bool,
    ) -> Result<End, Error> {
        let before = self.settled.take();
        let changed = before.as_ref().map(|(_, table)| difference(table, wanted));
        let outcome = self.attempt(kernel, wanted, changed.as_ref(), reach, superseded);
        if matches!(outcome, Ok(End::BrokenOff)) {
            self.settled = before;
            return outcome;
        }
        if outcome.is_ok() {
            if before.is_none_or(|(of, _)| of != generation) {
                debug!(generation, "IPVS table is as wanted");
            }
            self.report.generation = generation;
            self.settled = Some((generation, Arc::clone(wanted)));
        }
        let error = outcome.as_ref().err().map(|error| chain(error));
        if let Some(error) = &error
            && self.report.error.as_ref() != Some(error)
        {
            error!(
                error,
                "cannot hold the IPVS table to what is wanted, trying on"
            );
        }
        self.report.error = error;
        outcome
    }

    /// Brings the table to what is wanted. `changed`: what is wanted otherwise than in
    /// the last pass; none: nobody knows.
    fn attempt(
        &mut self,
        kernel: &mut impl Kernel,
        wanted: &Table,
        changed: Option<&BTreeSet<VirtualServerId>>,
        reach: Reach,
        superseded: impl Fn() -> bool,
    ) -> Result<End, Error> {
        self.own(wanted)?;
        let reached = |id: &VirtualServerId| match (reach, changed) {
            (Reach::Whole, _) | (_, None) => true,
            (Reach::Changes, Some(changed)) => changed.contains(id),
        };
        let is_repair =
            |op: &Op| changed.is_some_and(|changed| !changed.contains(op.virtual_server()));
        let part = wanted.iter().filter(|(id, _)| reached(id));
        let part = part.map(|(id, server)| (*id, server.clone())).collect();
        for _ in 0..MOST_ATTEMPTS {
            let Some(actual) = self.read(kernel, wanted, reached, &superseded)? else {
                return Ok(End::BrokenOff);
            };
            let ops = plan(&self.tunnels.within_reach(&part), &actual);
            let fresh = self.fresh(&ops);
            log(&fresh, is_repair);
            let refusals = match ops.as_slice() {
                [] => Vec::new(),
                ops => self.change(kernel, ops)?,
            };
            // A refusal that only says that the dump was old ends with the next one.
            let (stale, refusals): (Vec<_>, Vec<_>) =
                refusals.into_iter().partition(Refusal::is_stale);
            let stale = Refused::of(stale);
            self.refused.replace(reached, refusals);
            let lost = self.tunnels.learn(kernel, &ops)?;
            self.report.refused = self.refused.describe();
            self.report.refused.extend(self.tunnels.refused(wanted));
            let is_done = |op: &&Op| !self.refused.covers(op) && !stale.covers(op);
            let repaired = fresh.iter().filter(is_done).filter(|op| is_repair(op));
            self.report.operations += fresh.len() as u64;
            self.report.repaired += repaired.count() as u64;
            if stale.is_empty() && !lost {
                break;
            }
        }
        self.disown(wanted)?;
        Ok(End::Done)
    }

    /// Reads what is reached of the kernel's table, takes it into the report, and
    /// returns what of it is lvsd's to change. None: it is superseded.
    fn read(
        &mut self,
        kernel: &mut impl Kernel,
        wanted: &Table,
        reached: impl Fn(&VirtualServerId) -> bool,
        superseded: impl Fn() -> bool,
    ) -> Result<Option<Table>, Error> {
        let began_at = clock::now();
        let owned = &self.owned;
        // What is to go goes with its pool, whatever is in it.
        let goes = |id: &VirtualServerId| owned.contains(id) && !wanted.contains_key(id);
        let reads = |id: &VirtualServerId| !superseded() && reached(id) && !goes(id);
        let dump = kernel.dump_again(&self.report.kernel, reads)?;
        if superseded() {
            return Ok(None);
        }
        let whole = dump.virtual_servers.keys().all(&reached);
        let ours = dump.virtual_servers.iter();
        let ours = ours.filter(|(id, _)| reached(id) && owned.contains(id));
        let actual = ours.map(|(id, server)| (*id, server.virtual_server()));
        let actual = actual.collect();
        if whole {
            self.report.read_at = Some(began_at);
        }
        self.report.kernel = Arc::new(dump);
        Ok(Some(actual))
    }

    /// Applies the ops and brings the report up to them. Reading a large table takes
    /// longer than writing it, and the next pass reads it anyway.
    fn change(&mut self, kernel: &mut impl Kernel, ops: &[Op]) -> Result<Vec<Refusal>, Error> {
        let sent_at = clock::now();
        let refusals = kernel.apply(ops)?;
        let took = clock::now() - sent_at;
        if refusals.len() < ops.len() {
            info!(ops = ops.len(), ?took, "IPVS table changed");
        }
        let table = Arc::make_mut(&mut self.report.kernel);
        let mut refused = refusals.iter().peekable();
        // Refusals come in the order of their ops.
        let done = |op: &&Op| refused.next_if(|refusal| refusal.op == **op).is_none();
        let done: Vec<_> = ops.iter().filter(done).copied().collect();
        table.note(&done);
        Ok(refusals)
    }

    /// Remembers what is about to be added, before it is.
    fn own(&mut self, wanted: &Table) -> Result<(), Error> {
        let before = self.owned.len();
        self.owned.extend(wanted.keys());
        if self.owned.len() > before {
            self.file.save(&self.owned)?;
        }
        Ok(())
    }

    /// Forgets what is gone from the kernel and not wanted.
    fn disown(&mut self, wanted: &Table) -> Result<(), Error> {
        let before = self.owned.len();
        let kernel = &self.report.kernel.virtual_servers;
        self.owned
            .retain(|id| wanted.contains_key(id) || kernel.contains_key(id));
        if self.owned.len() < before {
            self.file.save(&self.owned)?;
        }
        Ok(())
    }

    /// The ops that are not just another try of what was refused before.
    fn fresh(&self, ops: &[Op]) -> Vec<Op> {
        let new = |op: &&Op| !self.refused.covers(op);
        ops.iter().filter(new).copied().collect()
    }
}

/// The virtual servers in which two tables differ.
fn difference(before: &Table, after: &Table) -> BTreeSet<VirtualServerId> {
    let new = after
        .iter()
        .filter(|(id, server)| before.get(id) != Some(server));
    let gone = before.keys().filter(|id| !after.contains_key(id));
    new.map(|(id, _)| *id).chain(gone.copied()).collect()
}

fn log(ops: &[Op], is_repair: impl Fn(&Op) -> bool) {
    for op in ops.iter().take(MOST_LOGGED) {
        if is_repair(op) {
            warn!(%op, "somebody else changed the IPVS table: repairing");
        } else {
            info!(%op, "IPVS");
        }
    }
}

#[cfg(test)]
mod tests;
