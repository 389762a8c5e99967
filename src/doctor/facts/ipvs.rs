//! The kernel's table and what its connections say.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::ipvs::daemon::{Daemon, Role};
use crate::ipvs::kernel::{Info, KernelVirtualServer, Timeouts};
use crate::lvs::{Protocol, RealServerId, VirtualServerId};

use super::Facts;

/// The kernel's IPVS, if it could be asked.
#[derive(Debug, Clone, Default)]
pub enum Ipvs {
    /// The module is not loaded.
    #[default]
    Absent,
    /// It is there and could not be asked.
    Unseen,
    /// It was asked.
    Seen(Box<Kernel>),
}

/// What the kernel's IPVS holds.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// Version, and size of the connection table.
    pub info: Info,
    /// How long connections are remembered.
    pub timeouts: Timeouts,
    /// The table with its counters.
    pub table: BTreeMap<VirtualServerId, KernelVirtualServer>,
    /// The sync daemons that run.
    pub daemons: Vec<(Role, Daemon)>,
    /// The connections of TCP, counted.
    pub flows: BTreeMap<Flow, Count>,
}

/// The connections of a VIP and port that go to one real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flow {
    /// TCP.
    pub protocol: Protocol,
    /// VIP and port.
    pub virtual_address: SocketAddr,
    /// RIP and port.
    pub real_server: RealServerId,
}

/// How many of them are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Past the handshake.
    pub established: u64,
    /// The client asked, and has been silent for seconds since: no answer got
    /// through to it.
    pub unanswered: u64,
    /// Past the handshake, with a packet since the last of those clients asked: the real
    /// server answers again.
    pub since: u64,
    /// The client has asked since then, and not confirmed.
    pub waiting: u64,
}

static NO_SERVERS: BTreeMap<VirtualServerId, KernelVirtualServer> = BTreeMap::new();

impl Facts {
    /// The kernel's IPVS, if it was asked.
    pub fn kernel(&self) -> Option<&Kernel> {
        match &self.ipvs {
            Ipvs::Seen(kernel) => Some(kernel),
            Ipvs::Absent | Ipvs::Unseen => None,
        }
    }

    /// The virtual servers in the kernel; none where it could not be asked.
    pub fn table(&self) -> &BTreeMap<VirtualServerId, KernelVirtualServer> {
        self.kernel().map_or(&NO_SERVERS, |kernel| &kernel.table)
    }
}
