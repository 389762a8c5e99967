//! Tunnels that this kernel does not have.
//!
//! Linux before 5.2 takes GUE and GRE for IP in IP, and 5.2 leaves out checksums,
//! both without an error: the real server would get what it does not understand,
//! and each look at the table would find the same difference again. Only reading
//! back what was set tells. A real server behind such a tunnel is kept out.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use tracing::warn;

use super::Kernel;
use super::refused::{Refusals, Told, object};
use crate::ipvs::client::Error;
use crate::ipvs::kernel::KernelTable;
use crate::ipvs::plan::Op;
use crate::ipvs::table::{RealServer, Table};
use crate::lvs::{Forwarding, RealServerId, Tunnel, VirtualServerId};

const NO_SUCH: &str = "this kernel has no such tunnel (GUE and GRE take Linux 5.3)";

/// What is known of this kernel's tunnels.
#[derive(Debug, Default)]
pub(super) struct Tunnels {
    kept: BTreeSet<Tunnel>,
    lost: BTreeSet<Tunnel>,
}

impl Tunnels {
    /// What is wanted, without the real servers that this kernel cannot reach.
    pub(super) fn within_reach<'table>(&self, wanted: &'table Table) -> Cow<'table, Table> {
        if self.lost.is_empty() {
            return Cow::Borrowed(wanted);
        }
        let mut reachable = wanted.clone();
        for server in reachable.values_mut() {
            server.real_servers.retain(|_, entry| !self.is_lost(entry));
        }
        Cow::Owned(reachable)
    }

    /// Why the others are not there.
    pub(super) fn refused(&self, wanted: &Table) -> Refusals {
        if self.lost.is_empty() {
            return Refusals::new();
        }
        let servers = wanted.iter().flat_map(|(id, server)| {
            let lost = server.real_servers.iter();
            lost.filter(|(_, entry)| self.is_lost(entry))
                .map(move |(rip, entry)| (*id, *rip, *entry))
        });
        let told = servers.map(|(id, rip, entry)| {
            let op = Op::AddRealServer(id, rip, entry);
            (object(&op), Told::new(&op, NO_SUCH.to_owned()))
        });
        told.collect()
    }

    /// Reads back the first real server of each tunnel that is new to this kernel;
    /// returns whether one has become something else.
    pub(super) fn learn(&mut self, kernel: &mut impl Kernel, ops: &[Op]) -> Result<bool, Error> {
        let unproven = self.unproven(ops);
        if unproven.is_empty() {
            return Ok(false);
        }
        let read: BTreeSet<_> = unproven.values().map(|(id, _)| *id).collect();
        let found = kernel.dump_again(&KernelTable::default(), |id| read.contains(id))?;
        let found = found.virtual_servers;
        let before = self.lost.len();
        for (tunnel, (id, rip)) in unproven {
            let entry = found
                .get(&id)
                .and_then(|server| server.real_servers.get(&rip));
            match entry.map(|entry| entry.real_server.forwarding) {
                Some(Forwarding::Tunnel(found)) if found == tunnel => {
                    self.kept.insert(tunnel);
                }
                Some(Forwarding::Tunnel(found)) => {
                    warn!(%tunnel, became = %found, "this kernel does not have this tunnel");
                    self.lost.insert(tunnel);
                }
                // Refused, or changed by somebody else meanwhile.
                None | Some(Forwarding::DirectRoute | Forwarding::Nat | Forwarding::Local) => {}
            }
        }
        Ok(self.lost.len() > before)
    }

    /// A real server for each tunnel of which nothing is known.
    fn unproven(&self, ops: &[Op]) -> BTreeMap<Tunnel, (VirtualServerId, RealServerId)> {
        let mut unproven = BTreeMap::new();
        for op in ops {
            if let Op::AddRealServer(id, rip, entry) | Op::SetRealServer(id, rip, entry) = op
                && let Forwarding::Tunnel(tunnel) = entry.forwarding
                && tunnel != Tunnel::Ipip
                && !self.kept.contains(&tunnel)
            {
                unproven.entry(tunnel).or_insert((*id, *rip));
            }
        }
        unproven
    }

    fn is_lost(&self, entry: &RealServer) -> bool {
        match entry.forwarding {
            Forwarding::Tunnel(tunnel) => self.lost.contains(&tunnel),
            Forwarding::DirectRoute | Forwarding::Nat | Forwarding::Local => false,
        }
    }
}
