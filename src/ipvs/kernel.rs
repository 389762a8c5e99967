//! What the kernel reports: the table with its counters, its version, its
//! timeouts.
//!
//! [`crate::ipvs::client`] fills these in; nothing here is sent back.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::mem::discriminant;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::lvs::{Servers, VirtualServerId};

use super::plan::Op;
use super::table::{RealServer, Settings, Table, VirtualServer};

/// Every virtual server of the network namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KernelTable {
    /// By identity, in its order.
    pub virtual_servers: BTreeMap<VirtualServerId, KernelVirtualServer>,
}

impl KernelTable {
    /// The table without counters, to be compared with what is wanted.
    pub fn table(&self) -> Table {
        self.virtual_servers
            .iter()
            .map(|(id, reported)| (*id, reported.virtual_server()))
            .collect()
    }

    /// Takes note of ops that the kernel has performed since, so that the whole
    /// table need not be read again to know it. Counters stay as they were read.
    pub fn note(&mut self, ops: &[Op]) {
        // Ops of one kind on one pool follow each other in a plan.
        let alike = |one: &Op, next: &Op| {
            discriminant(one) == discriminant(next) && one.virtual_server() == next.virtual_server()
        };
        for run in ops.chunk_by(alike) {
            match run {
                [op] => self.note_one(op),
                [first, ..] => self.note_run(first.virtual_server(), run),
                [] => {}
            }
        }
    }

    /// Real servers that come to a pool, or leave it, many at a time: one by one they
    /// would move all the others as often.
    fn note_run(&mut self, id: &VirtualServerId, run: &[Op]) {
        let Some(server) = self.virtual_servers.get_mut(id) else {
            return;
        };
        let added = run.iter().filter_map(|op| match op {
            Op::AddRealServer(_, rip, real_server) => {
                Some((*rip, KernelRealServer::new(*real_server)))
            }
            _ => None,
        });
        let removed = run.iter().filter_map(|op| match op {
            Op::RemoveRealServer(_, rip) => Some(*rip),
            _ => None,
        });
        let (added, removed): (Vec<_>, BTreeSet<_>) = (added.collect(), removed.collect());
        if !added.is_empty() {
            server.pool_mut().extend(added);
        } else if !removed.is_empty() {
            server.pool_mut().retain(|rip, _| !removed.contains(rip));
        } else {
            run.iter().for_each(|op| self.note_one(op));
        }
    }

    fn note_one(&mut self, op: &Op) {
        let servers = &mut self.virtual_servers;
        match op {
            Op::AddVirtualServer(id, settings) => {
                servers.insert(*id, KernelVirtualServer::new(*settings));
            }
            Op::SetVirtualServer(id, settings) => {
                if let Some(server) = servers.get_mut(id) {
                    server.settings = *settings;
                }
            }
            Op::AddRealServer(id, rip, real_server) => {
                if let Some(server) = servers.get_mut(id) {
                    let reported = KernelRealServer::new(*real_server);
                    server.pool_mut().insert(*rip, reported);
                }
            }
            Op::SetRealServer(id, rip, real_server) => {
                let pool = servers.get_mut(id).map(KernelVirtualServer::pool_mut);
                if let Some(reported) = pool.and_then(|pool| pool.get_mut(rip)) {
                    reported.real_server = *real_server;
                }
            }
            Op::RemoveRealServer(id, rip) => {
                if let Some(server) = servers.get_mut(id) {
                    server.pool_mut().remove(rip);
                }
            }
            Op::RemoveVirtualServer(id) => {
                servers.remove(id);
            }
        }
    }
}

/// A virtual server as the kernel reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelVirtualServer {
    /// What lvsd sets.
    pub settings: Settings,
    /// What went through it since it was added or zeroed.
    pub counters: Counters,
    /// What goes through it now.
    pub rates: Rates,
    /// Its real servers; shared with another reading that found the same.
    pub real_servers: Arc<KernelPool>,
}

/// The real servers of a virtual server as the kernel reports them.
pub type KernelPool = Servers<KernelRealServer>;

impl KernelVirtualServer {
    /// One that was just added: without real servers, every counter 0.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            counters: Counters::default(),
            rates: Rates::default(),
            real_servers: Arc::default(),
        }
    }

    /// Its real servers, to be changed: no longer shared.
    pub fn pool_mut(&mut self) -> &mut KernelPool {
        Arc::make_mut(&mut self.real_servers)
    }

    /// The virtual server without its counters.
    pub fn virtual_server(&self) -> VirtualServer {
        VirtualServer {
            settings: self.settings,
            real_servers: self
                .real_servers
                .iter()
                .map(|(id, reported)| (*id, reported.real_server))
                .collect(),
        }
    }
}

/// A real server as the kernel reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelRealServer {
    /// What lvsd sets.
    pub real_server: RealServer,
    /// Established connections.
    pub active_connections: u32,
    /// Connections in any other state.
    pub inactive_connections: u32,
    /// Persistence templates.
    pub persistent_connections: u32,
    /// What went to it since it was added or zeroed.
    pub counters: Counters,
    /// What goes to it now.
    pub rates: Rates,
}

impl KernelRealServer {
    /// One that was just added: no connections, every counter 0.
    pub fn new(real_server: RealServer) -> Self {
        Self {
            real_server,
            active_connections: 0,
            inactive_connections: 0,
            persistent_connections: 0,
            counters: Counters::default(),
            rates: Rates::default(),
        }
    }
}

/// Running totals.
///
/// *Out* is what comes back through the director, so it stays 0 under direct
/// routing and tunnelling.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients.
    pub packets_out: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
}

/// The kernel's own estimate of the last seconds, each per second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Rates {
    /// New connections.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients.
    pub packets_out: u64,
    /// Bytes, not bits, from clients.
    pub bytes_in: u64,
    /// Bytes, not bits, to clients.
    pub bytes_out: u64,
}

/// Which IPVS this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Info {
    /// Its version.
    pub version: Version,
    /// Buckets of the connection table, a power of two.
    pub connection_table_size: u32,
}

/// As `ipvsadm -Ln` begins.
impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "IP Virtual Server version {} (size={})",
            self.version, self.connection_table_size
        )
    }
}

/// The version of the kernel's IPVS: `0x010201` is 1.2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [_, major, minor, patch] = self.0.to_be_bytes();
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// How long a connection is remembered after its last packet. Whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Of an established TCP connection.
    pub tcp: Duration,
    /// Of a TCP connection after its FIN.
    pub tcp_fin: Duration,
    /// Of UDP.
    pub udp: Duration,
}

/// As `ipvsadm -L --timeout` writes it.
impl fmt::Display for Timeouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Timeout (tcp tcpfin udp): {} {} {}",
            self.tcp.as_secs(),
            self.tcp_fin.as_secs(),
            self.udp.as_secs()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_named_as_ipvsadm_names_it() {
        let info = Info {
            version: Version(0x01_02_01),
            connection_table_size: 4096,
        };
        assert_eq!(
            info.to_string(),
            "IP Virtual Server version 1.2.1 (size=4096)"
        );
        let timeouts = Timeouts {
            tcp: Duration::from_secs(900),
            tcp_fin: Duration::from_secs(120),
            udp: Duration::from_secs(300),
        };
        assert_eq!(
            timeouts.to_string(),
            "Timeout (tcp tcpfin udp): 900 120 300"
        );
    }
}
