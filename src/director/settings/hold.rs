//! One pass of bringing timeouts and sync daemons to what is wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::{Report, Wanted};
use crate::config::ipvs::{self as config, Sync, SyncRole};
use crate::director::vrrp::VrrpStatus;
use crate::ipvs::client;
use crate::ipvs::daemon::{Daemons, Op, Role, plan};
use crate::ipvs::kernel::Timeouts;
use crate::status::text::chain;
use crate::sys::state_file::{self, StateFile};
use crate::vrrp::router::Claim;

/// The kernel's side: a netlink client, or a model of it in tests.
pub(in crate::director) trait Kernel {
    fn timeouts(&mut self) -> Result<Timeouts, client::Error>;
    fn set_timeouts(&mut self, timeouts: &Timeouts) -> Result<(), client::Error>;
    fn daemons(&mut self) -> Result<Daemons, client::Error>;
    fn change_daemon(&mut self, op: &Op) -> Result<(), client::Error>;
    /// The index of an interface, if there is one of this name.
    fn interface(&self, name: &str) -> Option<u32>;
}

/// Why a pass could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused, or could not be asked.
    #[error(transparent)]
    Kernel(#[from] client::Error),
    /// What an earlier run changed cannot be read or kept.
    #[error(transparent)]
    StateFile(#[from] state_file::Error),
}

/// What must be known after a crash.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    /// The timeouts before lvsd changed them.
    timeouts: Originals,
    /// The daemons that lvsd started, and the index of their interface then.
    daemons: BTreeMap<Role, u32>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Originals {
    tcp: Option<Duration>,
    tcp_fin: Option<Duration>,
    udp: Option<Duration>,
}

/// What is remembered from pass to pass.
#[derive(Debug)]
pub(super) struct Keeper {
    file: StateFile<Kept>,
    kept: Kept,
    /// The timeouts that were right when they were read last.
    held: Option<config::Timeouts>,
    /// The daemons that were wanted, and there, at the end of the last pass.
    settled: Option<Daemons>,
    pub(super) report: Report,
}

impl Keeper {
    /// Takes over what an earlier run changed.
    pub(super) fn new(file: PathBuf) -> Result<Self, state_file::Error> {
        let file = StateFile::new(file);
        Ok(Self {
            kept: file.load()?,
            file,
            held: None,
            settled: None,
            report: Report::default(),
        })
    }

    /// Makes the kernel what is wanted, and reports on it.
    pub(super) fn pass(
        &mut self,
        kernel: &mut impl Kernel,
        wanted: &Wanted,
        vrrp: &VrrpStatus,
    ) -> Result<(), Error> {
        let mut problems = Vec::new();
        self.hold_timeouts(kernel, &wanted.timeouts, &mut problems)?;
        self.hold_daemons(kernel, wanted.sync.as_ref(), vrrp, &mut problems)?;
        for problem in &problems {
            if !self.report.problems.contains(problem) {
                warn!(problem, "IPVS is not as wanted");
            }
        }
        self.report.problems = problems;
        Ok(())
    }

    fn keep(&mut self, kept: Kept) -> Result<(), Error> {
        if kept != self.kept {
            self.file.save(&kept)?;
            self.kept = kept;
        }
        Ok(())
    }

    fn hold_timeouts(
        &mut self,
        kernel: &mut impl Kernel,
        wanted: &config::Timeouts,
        problems: &mut Vec<String>,
    ) -> Result<(), Error> {
        let actual = kernel.timeouts()?;
        self.report.timeouts = Some(actual);
        let held = self.held.replace(*wanted) == Some(*wanted);
        let (target, originals) = target(wanted, &actual, &self.kept.timeouts, held);
        if target != actual {
            self.keep(Kept {
                timeouts: originals,
                ..self.kept.clone()
            })?;
            match kernel.set_timeouts(&target) {
                Ok(()) if held => {
                    self.report.repaired += 1;
                    warn!(found = %actual, set = %target, "somebody changed the IPVS timeouts: put right");
                }
                Ok(()) => info!(found = %actual, set = %target, "IPVS timeouts set"),
                Err(error) => {
                    self.held = None;
                    problems.push(chain(&error));
                    return Ok(());
                }
            }
            self.report.timeouts = Some(target);
        }
        let timeouts = Originals {
            tcp: originals.tcp.filter(|_| wanted.tcp.is_some()),
            tcp_fin: originals.tcp_fin.filter(|_| wanted.tcp_fin.is_some()),
            udp: originals.udp.filter(|_| wanted.udp.is_some()),
        };
        self.keep(Kept {
            timeouts,
            ..self.kept.clone()
        })
    }

    fn hold_daemons(
        &mut self,
        kernel: &mut impl Kernel,
        sync: Option<&Sync>,
        vrrp: &VrrpStatus,
        problems: &mut Vec<String>,
    ) -> Result<(), Error> {
        let mut actual = kernel.daemons()?;
        let sends =
            actual.contains_key(&Role::Master) && self.kept.daemons.contains_key(&Role::Master);
        let Some(wanted) = wanted_daemons(sync, vrrp, sends) else {
            self.report.daemons = actual;
            return Ok(());
        };
        let repair = self.settled.as_ref() == Some(&wanted);
        self.drop_lost(kernel, &mut actual)?;
        let owned: BTreeSet<_> = self.kept.daemons.keys().copied().collect();
        let plan = plan(&wanted, &actual, &owned);
        for (role, daemon) in &plan.foreign {
            problems.push(format!(
                "a sync daemon that lvsd did not start is in the way: {role} on {daemon}; stop it \
                 with `ipvsadm --stop-daemon {role}`"
            ));
        }
        let mut failed = false;
        for op in &plan.ops {
            if let Err(error) = self.change(kernel, op, repair) {
                failed = true;
                problems.push(tell(op, error)?);
            }
        }
        self.settled = (!failed && plan.foreign.is_empty()).then_some(wanted);
        if !plan.ops.is_empty() {
            actual = kernel.daemons()?;
        }
        let mut kept = self.kept.clone();
        kept.daemons.retain(|role, _| actual.contains_key(role));
        self.report.daemons = actual;
        self.keep(kept)
    }

    fn change(&mut self, kernel: &mut impl Kernel, op: &Op, repair: bool) -> Result<(), Error> {
        if let Op::Start(role, daemon) = op {
            let index = kernel.interface(&daemon.interface).unwrap_or(0);
            let mut kept = self.kept.clone();
            kept.daemons.insert(*role, index);
            self.keep(kept)?;
        }
        if let Err(error) = kernel.change_daemon(op) {
            if let Op::Start(role, _) = op {
                let mut kept = self.kept.clone();
                kept.daemons.remove(role);
                self.keep(kept)?;
            }
            return Err(error.into());
        }
        if repair {
            self.report.repaired += 1;
            warn!(%op, "somebody changed the sync daemons: put right");
        } else {
            info!(%op, "IPVS");
        }
        Ok(())
    }

    /// Stops our daemons whose interface went away and came back: their sockets
    /// belong to the old one, and say nothing any more.
    fn drop_lost(&mut self, kernel: &mut impl Kernel, actual: &mut Daemons) -> Result<(), Error> {
        for (role, index) in self.kept.daemons.clone() {
            let Some(daemon) = actual.get(&role) else {
                continue;
            };
            let now = kernel.interface(&daemon.interface);
            if now.is_some_and(|now| now != index) {
                info!(%role, interface = daemon.interface, "the interface of the sync daemon is new");
                kernel.change_daemon(&Op::Stop(role))?;
                actual.remove(&role);
            }
        }
        Ok(())
    }
}

/// What a director that starts would change, a line each.
pub(in crate::director) fn foresee(
    kernel: &mut impl Kernel,
    file: PathBuf,
    wanted: &Wanted,
) -> Result<Vec<String>, Error> {
    let kept: Kept = StateFile::new(file).load()?;
    let actual = kernel.timeouts()?;
    let (target, _) = target(&wanted.timeouts, &actual, &kept.timeouts, false);
    let timeouts = [
        ("tcp", actual.tcp, target.tcp),
        ("tcp_fin", actual.tcp_fin, target.tcp_fin),
        ("udp", actual.udp, target.udp),
    ];
    let differ = timeouts.iter().filter(|(_, found, wanted)| found != wanted);
    let mut lines: Vec<_> = differ
        .map(|(name, found, wanted)| {
            let (found, wanted) = (found.as_secs(), wanted.as_secs());
            format!("IPVS timeout {name}: {found}s becomes {wanted}s")
        })
        .collect();
    // A virtual router starts as backup.
    let roles = wanted.sync.iter().flat_map(|sync| match &sync.role {
        SyncRole::Both => Role::ALL.to_vec(),
        SyncRole::Follow(_) => vec![Role::Backup],
    });
    let daemons = roles.zip(wanted.sync.iter().cycle());
    let daemons = daemons.map(|(role, sync)| (role, sync.daemon.clone()));
    let owned = kept.daemons.keys().copied().collect();
    let plan = plan(&daemons.collect(), &kernel.daemons()?, &owned);
    lines.extend(plan.ops.iter().map(ToString::to_string));
    Ok(lines)
}

/// What went wrong with a step, in words that name the way out.
fn tell(op: &Op, error: Error) -> Result<String, Error> {
    let Error::Kernel(client::Error::Refused { source, .. }) = &error else {
        return Err(error);
    };
    let why = match (op, source.errno()) {
        (Op::Start(_, daemon), nix::errno::Errno::ENODEV) => {
            format!("there is no interface {}", daemon.interface)
        }
        (Op::Start(..), nix::errno::Errno::EINVAL) => {
            "real servers of the other address family and connection sync exclude each other"
                .to_owned()
        }
        (_, _) => source.to_string(),
    };
    Ok(format!("cannot {op}: {why}; tried again each second"))
}

/// The timeouts to set, and what to remember of those before.
fn target(
    wanted: &config::Timeouts,
    actual: &Timeouts,
    originals: &Originals,
    held: bool,
) -> (Timeouts, Originals) {
    let of = |wanted: Option<Duration>, actual: Duration, original: Option<Duration>| {
        let changed = wanted.is_some_and(|wanted| wanted != actual) && !held;
        let original = original.or(changed.then_some(actual));
        (wanted.or(original).unwrap_or(actual), original)
    };
    let (tcp, tcp_before) = of(wanted.tcp, actual.tcp, originals.tcp);
    let (tcp_fin, tcp_fin_before) = of(wanted.tcp_fin, actual.tcp_fin, originals.tcp_fin);
    let (udp, udp_before) = of(wanted.udp, actual.udp, originals.udp);
    let originals = Originals {
        tcp: tcp_before,
        tcp_fin: tcp_fin_before,
        udp: udp_before,
    };
    (Timeouts { tcp, tcp_fin, udp }, originals)
}

/// The daemons that should run; none: not known yet, so nothing changes.
///
/// A director listens from its start, so that it knows as much as it can when it
/// becomes master. After a crash of a master the daemon goes on sending until
/// the virtual router has decided again: `sends` tells that there is one of ours.
fn wanted_daemons(sync: Option<&Sync>, vrrp: &VrrpStatus, sends: bool) -> Option<Daemons> {
    let Some(sync) = sync else {
        return Some(Daemons::new());
    };
    let roles = match &sync.role {
        SyncRole::Both => Role::ALL.to_vec(),
        SyncRole::Follow(name) => match vrrp.instances.get(name)?.claim {
            Claim::Hold | Claim::Keep => vec![Role::Master],
            Claim::Undecided if sends => return None,
            Claim::Undecided | Claim::Release => vec![Role::Backup],
        },
    };
    let daemon = |role| (role, sync.daemon.clone());
    Some(roles.into_iter().map(daemon).collect())
}

#[cfg(test)]
mod tests;
