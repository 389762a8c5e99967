//! What the real-server agent does, as the rest of the program uses it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::health::Check;
use crate::lvs::Forwarding;

/// An agent's whole configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealServerConfig {
    /// The addresses bound to `lo`, each as a host address, in configuration
    /// order, none twice; at least one.
    pub vips: Vec<IpAddr>,
    /// How the directors forward to this host.
    pub forwarding: Forwarding,
    /// How long the agent is not ready, yet serving, before it stops.
    pub drain: Duration,
    /// The endpoint that the directors check.
    pub readiness: Readiness,
    /// What must answer here for this host to be ready.
    pub services: Vec<Service>,
}

/// The readiness endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Who may ask; none: anyone who reaches it.
    pub allow: Option<Vec<IpAddr>>,
}

/// A local service that the directors send clients to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// How it is called in `/ready`, status and logs.
    pub name: String,
    /// What it must answer to.
    pub check: Check,
}
