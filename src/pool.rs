//! Configuration and health in, the wanted IPVS table out.

use std::collections::BTreeMap;

use crate::config::director::{RealServer, VirtualServer};
use crate::ipvs::table::{self, Table};
use crate::lvs::{RealServerId, VirtualServerId, Weight};

/// What is known of a real server's fitness for traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Nobody has an answer from it yet.
    Unchecked,
    /// It answers, or nothing is asked of it.
    Up,
    /// It serves what it has and wants nothing new.
    Draining,
    /// It does not answer.
    Down,
}

/// The entries of wanted real servers that the kernel has already.
///
/// They are held as they are until the first verdict, because taking them out
/// would cut the connections they carry: those that an earlier run left, and
/// those whose check a reload replaced.
pub type Inherited = BTreeMap<(VirtualServerId, RealServerId), table::RealServer>;

/// Tells which of the wanted real servers the kernel has already.
pub fn inherited(
    configured: &BTreeMap<VirtualServerId, VirtualServer>,
    kernel: &Table,
) -> Inherited {
    let present = configured
        .iter()
        .filter_map(|(id, server)| Some((id, server, kernel.get(id)?)));
    let entries = present.flat_map(|(id, wanted, have)| {
        let common = have.real_servers.iter();
        let common = common.filter(|(rip, _)| wanted.real_servers.contains_key(rip));
        common.map(move |(rip, entry)| ((*id, *rip), *entry))
    });
    entries.collect()
}

/// The table that the kernel should hold.
///
/// A virtual server is there from the start, empty until a real server passed
/// its check, so that clients are refused at once instead of being sent to the
/// director's own ports.
pub fn desired(
    configured: &BTreeMap<VirtualServerId, VirtualServer>,
    inherited: &Inherited,
    standing: impl Fn(&RealServer) -> Standing,
) -> Table {
    let servers = configured.iter().map(|(id, server)| {
        let pool = server.real_servers.iter().filter_map(|(rip, real_server)| {
            let held = inherited.get(&(*id, *rip));
            let entry = entry(real_server, standing(real_server), held)?;
            Some((*rip, entry))
        });
        let wanted = table::VirtualServer {
            settings: server.settings,
            real_servers: pool.collect(),
        };
        (*id, wanted)
    });
    servers.collect()
}

fn entry(
    configured: &RealServer,
    standing: Standing,
    inherited: Option<&table::RealServer>,
) -> Option<table::RealServer> {
    match standing {
        Standing::Up => Some(configured.settings),
        Standing::Draining => Some(table::RealServer {
            weight: Weight::ZERO,
            ..configured.settings
        }),
        Standing::Unchecked => inherited.copied(),
        Standing::Down => None,
    }
}

#[cfg(test)]
mod tests;
