//! One pass of bringing the kernel's table to what is wanted: dump, compare,
//! apply the difference. Start, reload, health change, somebody's `ipvsadm -C`
//! and a restart after a crash all come through here.

mod tunnels;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use tracing::{debug, error, info, warn};

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
    /// Reads the virtual servers, and the real servers of those that are picked.
    fn dump(
        &mut self,
        picks: impl Fn(&VirtualServerId) -> bool,
    ) -> Result<KernelTable, crate::ipvs::client::Error>;
    /// Performs the ops, and tells those that the kernel refused.
    fn apply(&mut self, ops: &[Op]) -> Result<Vec<Refusal>, crate::ipvs::client::Error>;
}

impl Kernel for Client {
    fn dump(
        &mut self,
        picks: impl Fn(&VirtualServerId) -> bool,
    ) -> Result<KernelTable, crate::ipvs::client::Error> {
        self.dump_with_pools(picks)
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
    /// Ops sent since the start; one that is tried again and again counts once.
    pub operations: u64,
    /// Ops among them that undid what somebody else had done.
    pub repaired: u64,
    /// Why the newest pass failed.
    pub error: Option<String>,
    /// What the kernel refuses, with its reason.
    pub refused: Vec<String>,
}

/// What is remembered from pass to pass.
#[derive(Debug)]
pub(super) struct Reconciler {
    owned: BTreeSet<VirtualServerId>,
    file: StateFile<BTreeSet<VirtualServerId>>,
    /// The generation that the kernel held at the end of the last pass.
    settled: Option<u64>,
    /// What the kernel refused in the last pass.
    refused: Vec<Refusal>,
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
            refused: Vec::new(),
            tunnels: Tunnels::default(),
            report: Report::default(),
        })
    }

    /// Makes the kernel's table what is wanted, and reports on it.
    ///
    /// Only virtual servers that lvsd owns are changed: those that are wanted
    /// now, and those it put there before.
    pub(super) fn pass(
        &mut self,
        kernel: &mut impl Kernel,
        wanted: &Table,
        generation: u64,
    ) -> Result<(), Error> {
        let outcome = self.attempt(kernel, wanted, generation);
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

    fn attempt(
        &mut self,
        kernel: &mut impl Kernel,
        wanted: &Table,
        generation: u64,
    ) -> Result<(), Error> {
        self.own(wanted)?;
        for _ in 0..MOST_ATTEMPTS {
            // What is to go goes with its pool, whatever is in it.
            let goes = |id: &VirtualServerId| self.owned.contains(id) && !wanted.contains_key(id);
            let dump = kernel.dump(|id| !goes(id))?;
            let mut actual = dump.table();
            actual.retain(|id, _| self.owned.contains(id));
            self.report.kernel = Arc::new(dump);
            let ops = plan(&self.tunnels.within_reach(wanted), &actual);
            if ops.is_empty() {
                self.refuse(&[], wanted);
                break;
            }
            let news = self.news(&ops);
            let repair = self.settled == Some(generation);
            log(&news, repair);
            let refusals = self.change(kernel, &ops)?;
            let done = news.iter().filter(|op| !is_refused(op, &refusals)).count() as u64;
            self.report.operations += news.len() as u64;
            self.report.repaired += if repair { done } else { 0 };
            // A refusal that only says that the dump was old ends with the next one.
            let (stale, refused): (Vec<_>, Vec<_>) =
                refusals.into_iter().partition(Refusal::is_stale);
            let lost = self.tunnels.learn(kernel, &ops)?;
            self.refuse(&refused, wanted);
            if stale.is_empty() && !lost {
                break;
            }
        }
        if self.settled != Some(generation) {
            debug!(generation, "IPVS table is as wanted");
        }
        self.report.generation = generation;
        self.settled = Some(generation);
        self.disown(wanted)
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
        for op in ops {
            // Refusals come in the order of their ops.
            if refused.next_if(|refusal| refusal.op == *op).is_none() {
                table.note(op);
            }
        }
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
    fn news(&self, ops: &[Op]) -> Vec<Op> {
        let tried_before = |op: &Op| is_refused(op, &self.refused);
        ops.iter().filter(|op| !tried_before(op)).copied().collect()
    }

    /// Tells each refusal once, as long as it lasts.
    fn refuse(&mut self, refusals: &[Refusal], wanted: &Table) {
        for refusal in refusals {
            if !self.refused.contains(refusal) {
                warn!(%refusal, "the kernel refused a change of the IPVS table");
            }
        }
        if refusals.is_empty() && !self.refused.is_empty() {
            info!("the kernel refuses nothing any more");
        }
        self.refused = refusals.to_vec();
        let told = refusals.iter().map(ToString::to_string);
        self.report.refused = told.chain(self.tunnels.refused(wanted)).collect();
    }
}

/// Whether it was refused, itself or with the virtual server it belongs to.
fn is_refused(op: &Op, refusals: &[Refusal]) -> bool {
    refusals.iter().any(|refusal| {
        let whole = matches!(refusal.op, Op::AddVirtualServer(..));
        refusal.op == *op
            || (whole
                && matches!(op, Op::AddRealServer(..))
                && refusal.op.virtual_server() == op.virtual_server())
    })
}

fn log(ops: &[Op], repair: bool) {
    for op in ops.iter().take(MOST_LOGGED) {
        if repair {
            warn!(%op, "somebody else changed the IPVS table: repairing");
        } else {
            info!(%op, "IPVS");
        }
    }
}

#[cfg(test)]
mod tests;
