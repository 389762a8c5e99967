//! Health checks: what is asked of a real server, how often, and when the
//! answers make it up or down.
//!
//! ```text
//!  configure ─▶ checks (when) ─▶ probe (one attempt) ─▶ verdict (up or down) ─▶ changes
//!               └────────────── runner: the only task ───────────────────┘
//! ```
//! [`verdict`] and [`checks`] decide and are pure; [`probe`] asks; [`runner`]
//! drives them. What a verdict does to the IPVS table is [`crate::pool`]'s.

pub mod agent;
pub mod checks;
pub mod probe;
pub mod readiness;
pub mod runner;
pub mod share;
pub mod verdict;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub use self::agent::Agent;
pub use self::share::Share;

/// A check: what is asked and when.
///
/// Its value is its identity. Real servers whose checks are equal share one
/// check, and a check that a new configuration still holds keeps its verdict.
///
/// There is one for each of tens of thousands of servers, so what many of a file have
/// in common is shared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Check {
    /// What is asked.
    pub probe: Probe,
    /// When, and how many answers decide.
    pub timing: Arc<Timing>,
}

/// One question to one server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Probe {
    /// A TCP connection is accepted.
    Tcp {
        /// Where to connect.
        address: SocketAddr,
    },
    /// `GET path` is answered with an expected status.
    Http {
        /// Where to connect.
        address: SocketAddr,
        /// What is asked for.
        page: Arc<Page>,
    },
    /// The real-server agent says it is ready (`GET /ready`).
    Readiness {
        /// Where the agent listens.
        address: SocketAddr,
        /// How it is asked.
        agent: Arc<Agent>,
    },
}

/// What an HTTP server is asked for, and what it must answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Page {
    /// Path and query, with the leading slash.
    pub path: String,
    /// The `Host` header; the address if absent.
    pub host: Option<String>,
    /// The statuses that pass, first and last, both inclusive.
    pub status: (u16, u16),
}

/// When a check is made and how many answers decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timing {
    /// From the start of one attempt to the start of the next while the
    /// answers agree with the verdict.
    pub interval: Duration,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// Further attempts after a failed one before the server is down.
    pub retries: u32,
    /// Pause between a failed attempt and the next one, until the verdict.
    pub retry_delay: Duration,
    /// Successes in a row before the server is up; at least 1.
    pub rise: u32,
}

/// What one attempt found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The server answered as it should.
    Passed,
    /// It did, and told how much of its weight it wants.
    Wants(Share),
    /// The server asks for no new connections, and still serves those it has.
    Draining,
    /// It did not answer, or wrongly. The reason reads after "because": lower
    /// case, no full stop, e.g. `connection refused`.
    Failed(String),
    /// This host could not ask, for a reason of its own such as `too many open
    /// files`. It says nothing about the server and changes no verdict.
    Undecided(String),
}

impl Check {
    /// Whether its answers may tell how much of its weight the server wants.
    pub fn tells_share(&self) -> bool {
        matches!(&self.probe, Probe::Readiness { agent, .. } if agent.follow_weight)
    }
}

impl Probe {
    /// Where the probe connects.
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Tcp { address }
            | Self::Http { address, .. }
            | Self::Readiness { address, .. } => *address,
        }
    }

    /// Asks the same elsewhere.
    pub fn move_to(&mut self, elsewhere: SocketAddr) {
        match self {
            Self::Tcp { address }
            | Self::Http { address, .. }
            | Self::Readiness { address, .. } => *address = elsewhere,
        }
    }
}

/// For people and logs: `tcp 192.168.1.53:80`, `http 192.168.1.53:80/health`.
impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { address } => write!(f, "tcp {address}"),
            Self::Http { address, page } => {
                write!(f, "http {address}{}", page.path)?;
                match &page.host {
                    None => Ok(()),
                    Some(host) => write!(f, " (host {host})"),
                }
            }
            Self::Readiness { address, agent } => match agent.tls {
                None => write!(f, "readiness {address}"),
                Some(_) => write!(f, "readiness {address} over TLS"),
            },
        }
    }
}
