//! What happens in pools, for logs, hooks and people.

use std::fmt;
use std::time::Duration;

use super::{Because, Serving};
use crate::lvs::{RealServerId, VirtualServerId};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A pool has its quorum.
    QuorumGained {
        /// Whose pool.
        virtual_server: VirtualServerId,
        /// The weight that is usable.
        weight: u64,
        /// The quorum.
        quorum: u32,
    },
    /// A pool has its quorum no more, or never had it.
    QuorumLost {
        /// Whose pool.
        virtual_server: VirtualServerId,
        /// The weight that is usable.
        weight: u64,
        /// The quorum.
        quorum: u32,
    },
    /// Others serve now.
    Serving {
        /// For which virtual server.
        virtual_server: VirtualServerId,
        /// Who did.
        from: Serving,
        /// Who does.
        to: Serving,
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
        /// The server.
        real_server: RealServerId,
        /// Why.
        because: Because,
        /// How long at most.
        limit: Duration,
    },
    /// A server that drained is out.
    Drained {
        /// Of which virtual server.
        virtual_server: VirtualServerId,
        /// The server.
        real_server: RealServerId,
        /// Why it drained.
        because: Because,
        /// Connections that were cut because the time was over.
        connections: u32,
    },
}

/// A log line without its time.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QuorumGained {
                virtual_server,
                weight,
                quorum,
            } => write!(
                f,
                "{virtual_server} has its quorum: weight {weight} of {quorum}"
            ),
            Self::QuorumLost {
                virtual_server,
                weight,
                quorum,
            } => write!(
                f,
                "{virtual_server} has no quorum: weight {weight} of {quorum}"
            ),
            Self::Serving {
                virtual_server,
                from,
                to,
            } => {
                let (from, to) = (from.as_str(), to.as_str());
                write!(
                    f,
                    "{virtual_server} is served by: {to}, no longer by: {from}"
                )
            }
            Self::Held {
                virtual_server,
                servers,
            } => write!(
                f,
                "{virtual_server} has no usable server among those of the configuration: {servers} \
                 that the configuration replaced serve on until one of the new servers is usable; \
                 `lvsd server drain` lets them go"
            ),
            Self::Draining {
                virtual_server,
                real_server,
                because,
                limit,
            } => write!(
                f,
                "{real_server} of {virtual_server} drains for at most {limit:?}, because {because}"
            ),
            Self::Drained {
                virtual_server,
                real_server,
                because,
                connections,
            } => write!(
                f,
                "{real_server} of {virtual_server} is drained and out, {connections} connections \
                 were cut; it was drained because {because}"
            ),
        }
    }
}
