//! What happens to a director, as those who follow it read it: a JSON object a
//! line.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::lvs::{RealServerId, VirtualServerId};

/// Something that happened, with its place among all that happened since the
/// director started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Counts from 1; none is left out.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The director is ready.
    Ready,
    /// It begins to stop.
    Stopping,
    /// A virtual router is in another state.
    VrrpState {
        /// Its name.
        instance: String,
        /// The state that it left.
        previous: String,
        /// The state that it is in.
        state: String,
        /// Why.
        cause: String,
        /// The priority that it runs with.
        priority: u8,
        /// The other router that had a part in it.
        peer: Option<IpAddr>,
    },
    /// Another master is heard beside this one.
    SplitBrain {
        /// The virtual router.
        instance: String,
        /// Where the other one's adverts come from.
        peer: IpAddr,
        /// Its priority.
        peer_priority: u8,
        /// The version of VRRP that it speaks.
        peer_version: u8,
        /// The priority of this one.
        priority: u8,
        /// Why its adverts are discarded, if they are.
        discarded: Option<String>,
    },
    /// The other master is no longer heard.
    SplitBrainOver {
        /// The virtual router.
        instance: String,
        /// Where its adverts came from.
        peer: IpAddr,
    },
    /// Something else about a virtual router, in words.
    Vrrp {
        /// The virtual router.
        instance: String,
        /// The state that it is in.
        state: String,
        /// What.
        text: String,
    },
    /// What a virtual router tracks came up or went down.
    Tracker {
        /// The virtual router.
        instance: String,
        /// The tracker's name.
        tracker: String,
        /// `up` or `down`.
        state: String,
        /// Why it is down; else empty.
        cause: String,
    },
    /// The checks think otherwise of a real server.
    RealServer {
        /// Of which virtual server.
        virtual_server: VirtualServerId,
        /// RIP and port.
        real_server: RealServerId,
        /// What they thought.
        previous: String,
        /// `up`, `down` or `draining`.
        state: String,
        /// Why.
        cause: String,
    },
    /// A pool gained or lost its quorum.
    Quorum {
        /// Whose pool.
        virtual_server: VirtualServerId,
        /// `up` or `down`.
        state: String,
        /// The weight that is usable.
        weight: u64,
        /// What is required.
        quorum: u32,
    },
    /// Others serve a virtual server now.
    Serving {
        /// Which.
        virtual_server: VirtualServerId,
        /// Who did: `pool`, `backup` or `sorry`.
        previous: String,
        /// Who does.
        by: String,
    },
    /// Servers that the configuration no longer has serve on, because none that it
    /// has is usable.
    Held {
        /// For which virtual server.
        virtual_server: VirtualServerId,
        /// How many.
        servers: usize,
    },
    /// A server takes no new connections and keeps those it has.
    Draining {
        /// Of which virtual server.
        virtual_server: VirtualServerId,
        /// RIP and port.
        real_server: RealServerId,
        /// Why.
        cause: String,
    },
    /// A server that drained is out.
    Drained {
        /// Of which virtual server.
        virtual_server: VirtualServerId,
        /// RIP and port.
        real_server: RealServerId,
        /// Connections that were cut because the time was over.
        connections: u32,
    },
    /// The file was read again.
    Reloaded {
        /// How much it changed.
        count: usize,
        /// The first of what it changed, a line each.
        changes: Vec<String>,
    },
    /// The file was read again and refused; the older one runs on.
    ReloadRefused {
        /// Why.
        error: String,
    },
    /// Somebody had changed the kernel's IPVS table, and it was put right.
    Repaired {
        /// Operations that it took.
        operations: u64,
    },
}

/// What a reader is told who was too slow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename = "missed")]
pub struct Missed {
    /// How many lines there were.
    pub count: u64,
}
