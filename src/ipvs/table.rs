//! The table of virtual and real servers: what is wanted and what the kernel
//! has, in the same type, so that one can be taken from the other.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::lvs::{
    Family, Forwarding, PersistenceEngine, Scheduler, SchedulerFlags, Servers, VirtualServerId,
    Weight,
};

/// Virtual servers by identity. Ordered, so that plans and logs come in the
/// same order each time.
pub type Table = BTreeMap<VirtualServerId, VirtualServer>;

/// A virtual server with its real servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualServer {
    /// What can be edited without touching the real servers.
    pub settings: Settings,
    /// The pool, by RIP and port.
    pub real_servers: Servers<RealServer>,
}

/// What the kernel keeps of a virtual server besides its identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How a real server is chosen.
    pub scheduler: Scheduler,
    /// What the scheduler does differently.
    pub scheduler_flags: SchedulerFlags,
    /// Each UDP datagram is scheduled by itself, and no connection is kept.
    pub one_packet: bool,
    /// Whether a client stays with its real server, and for how long.
    pub persistence: Option<Persistence>,
}

impl Settings {
    /// A scheduler and nothing else.
    pub const fn of(scheduler: Scheduler) -> Self {
        Self {
            scheduler,
            scheduler_flags: SchedulerFlags::NONE,
            one_packet: false,
            persistence: None,
        }
    }
}

/// `wrr`, `mh port`, `rr one-packet`, `wrr persistent 60s mask 24 engine sip`: the
/// mask is left out where each client counts for itself.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.scheduler)?;
        for flag in self.scheduler_flags.set(self.scheduler) {
            write!(f, " {flag}")?;
        }
        if self.one_packet {
            f.write_str(" one-packet")?;
        }
        let Some(persistence) = self.persistence else {
            return Ok(());
        };
        write!(f, " persistent {}s", persistence.timeout.as_secs())?;
        match persistence.prefix_len {
            32 | 128 => {}
            prefix_len => write!(f, " mask {prefix_len}")?,
        }
        match persistence.engine {
            None => Ok(()),
            Some(engine) => write!(f, " engine {engine}"),
        }
    }
}

/// A client (or its whole network) keeps its real server for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Persistence {
    /// Whole seconds, at least one: how long after the last connection.
    pub timeout: Duration,
    /// Clients that share this many leading bits count as one. 32 or 128: each
    /// client for itself.
    pub prefix_len: u8,
    /// What else tells clients apart.
    pub engine: Option<PersistenceEngine>,
}

impl Persistence {
    /// Each client for itself, told by its address.
    pub fn of_clients(timeout: Duration, family: Family) -> Self {
        Self {
            timeout,
            prefix_len: family.host_prefix_len(),
            engine: None,
        }
    }
}

/// What the kernel keeps of a real server besides its identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RealServer {
    /// How packets reach it.
    pub forwarding: Forwarding,
    /// Its share of new connections.
    pub weight: Weight,
    /// No new connections above this many; 0: no limit.
    pub upper_threshold: u32,
    /// New connections again below this many; 0: three quarters of the upper.
    pub lower_threshold: u32,
}

/// `dr weight 1`, `nat weight 10 thresholds 800..1000`.
impl fmt::Display for RealServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} weight {}", self.forwarding, self.weight)?;
        match (self.lower_threshold, self.upper_threshold) {
            (0, 0) => Ok(()),
            (lower, upper) => write!(f, " thresholds {lower}..{upper}"),
        }
    }
}
