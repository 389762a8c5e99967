//! What a director does, as the rest of the program uses it: every value legal,
//! every default filled in.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::health::Check;
use crate::ipvs::table;
use crate::lvs::{Prefixed, RealServerId, VirtualServerId};
use crate::vrrp;

/// A director's whole configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectorConfig {
    /// How this director calls itself in status and logs.
    pub router_id: String,
    /// Where `/metrics`, `/healthz`, `/readyz` and `/v1/status` are served.
    pub http_listen: SocketAddr,
    /// What becomes of the IPVS table when lvsd stops.
    pub on_stop: OnStop,
    /// Virtual routers by name.
    pub vrrp: BTreeMap<String, VrrpInstance>,
    /// Virtual servers by identity.
    pub virtual_servers: BTreeMap<VirtualServerId, VirtualServer>,
}

/// What becomes of the virtual servers when the director stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStop {
    /// They are removed: this host no longer balances.
    Clear,
    /// They stay as they are, unchecked, until lvsd starts again.
    Keep,
}

/// A virtual router and where it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VrrpInstance {
    /// The interface that adverts use and that the addresses are put on.
    pub interface: String,
    /// The protocol's part.
    pub settings: vrrp::Settings,
    /// The addresses that come and go with mastership, as put on the interface.
    pub addresses: Vec<Prefixed>,
}

/// A virtual server and its pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualServer {
    /// What the kernel keeps of it.
    pub settings: table::Settings,
    /// The configured pool.
    pub real_servers: BTreeMap<RealServerId, RealServer>,
}

/// A real server of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealServer {
    /// What the kernel is told while the server is up.
    pub settings: table::RealServer,
    /// What decides whether it is up; none: always.
    pub check: Option<Check>,
}
