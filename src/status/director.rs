//! A director's snapshot.

mod peers;
mod servers;
mod vrrp;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::text::elapsed;
use crate::lvs::VirtualServerId;
pub use peers::{PeerAddress, Peers};
pub use vrrp::{
    Holding, Mismatch, Overrun, Peer, Rejected, Rival, Tracker, VipConflict, VirtualRouter,
    VrrpInterface,
};

/// Everything a director knows about itself and its site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Director {
    /// Always `director`.
    pub role: String,
    /// The configured name of this director.
    pub router_id: String,
    /// Version of lvsd.
    pub version: String,
    /// Process id.
    pub pid: u32,
    /// When this snapshot was taken.
    pub now: Timestamp,
    /// When the process started.
    pub started: Timestamp,
    /// The running configuration.
    pub config: Config,
    /// Virtual routers by name.
    pub vrrp: Vec<VirtualRouter>,
    /// The interfaces that virtual routers run on.
    pub vrrp_interfaces: Vec<VrrpInterface>,
    /// What VRRP and the virtual addresses run with; none: as everything else.
    #[serde(default)]
    pub realtime_priority: Option<u8>,
    /// The parts of the director that were ever stuck.
    #[serde(default)]
    pub parts: Vec<Part>,
    /// Packets to virtual addresses that were dropped because accept mode is off,
    /// since the filter was made; none: nothing is dropped.
    #[serde(default)]
    pub not_accepted: Option<Dropped>,
    /// The connection to the kernel's table.
    pub ipvs: Ipvs,
    /// Virtual servers in the order of the table.
    pub virtual_servers: Vec<VirtualServer>,
}

/// A part of the director that stands still although it should not, or did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// `core`, `checks`, `table` or `vips`.
    pub name: String,
    /// That it does, and since when; none: it moves again.
    pub stuck: Option<String>,
    /// How often it was stuck.
    pub times: u64,
}

/// Packets that were dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// How many.
    pub packets: u64,
    /// How many bytes they had.
    pub bytes: u64,
}

/// Where the running configuration came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// The file.
    pub path: String,
    /// When it was accepted.
    pub loaded: Timestamp,
    /// Why the newest attempt to reload was refused, while the older
    /// configuration runs on.
    pub refused: Option<String>,
}

/// The connection to the kernel's table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipvs {
    /// Version of IPVS in this kernel, e.g. `1.2.1`. None while there is no
    /// connection.
    pub version: Option<String>,
    /// Buckets of the connection table.
    pub connection_table_size: u32,
    /// Operations that were sent to the kernel since the start.
    pub operations: u64,
    /// Entries put right after somebody else had changed them.
    pub repaired: u64,
    /// Why the newest attempt to read or change the table failed.
    pub error: Option<String>,
    /// The operations that the kernel refuses, with its reason.
    pub refused: Vec<String>,
    /// How often the whole table is looked at, and what is refused tried again.
    #[serde(default)]
    pub looks_each_ms: u64,
    /// What is hidden from it; none: this host serves nothing that another director
    /// balances, or nothing can be hidden, which is among the problems.
    #[serde(default)]
    pub peers: Option<Peers>,
    /// How long connections are remembered; none before the first look.
    pub timeouts: Option<Timeouts>,
    /// The connection sync daemons that run, other people's included.
    pub sync: Vec<SyncDaemon>,
    /// The sysctls that lvsd holds, by name.
    pub sysctls: BTreeMap<String, String>,
    /// What is not as the configuration wants it, with the way out.
    pub problems: Vec<String>,
    /// Sysctls, timeouts and sync daemons put right after somebody else had
    /// changed them.
    pub settings_repaired: u64,
}

/// How long a connection is remembered after its last packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// Of an established TCP connection.
    pub tcp_s: u64,
    /// Of a TCP connection after its FIN.
    pub tcp_fin_s: u64,
    /// Of UDP.
    pub udp_s: u64,
}

/// A connection sync daemon of the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncDaemon {
    /// `master` or `backup`.
    pub role: String,
    /// The interface that its messages go through.
    pub interface: String,
    /// A backup takes only messages with its own.
    pub id: u8,
    /// Multicast group and port.
    pub group: SocketAddr,
    /// How many routers a message may pass.
    pub ttl: u8,
    /// Most bytes of UDP payload.
    pub max_len: Option<u16>,
}

/// A virtual server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualServer {
    /// Its identity, e.g. `tcp 192.168.1.200:80`.
    pub id: VirtualServerId,
    /// Scheduler.
    pub scheduler: String,
    /// The scheduler's flags, by its names for them.
    pub scheduler_flags: Vec<String>,
    /// Whether each UDP datagram is scheduled by itself.
    pub one_packet: bool,
    /// Persistence timeout in seconds.
    pub persistence_s: Option<u64>,
    /// The leading bits by which clients are told apart for persistence.
    pub persistence_prefix: Option<u8>,
    /// What else tells them apart.
    pub persistence_engine: Option<String>,
    /// Whether the kernel has it.
    pub in_kernel: bool,
    /// Why the kernel refuses to have it as it should be.
    #[serde(default)]
    pub refused: Option<String>,
    /// Whether the configuration has it no more, and it only drains.
    pub removed: bool,
    /// Whether its pool is strong enough.
    pub quorum: Quorum,
    /// Which servers take its traffic: `pool`, `backup` or `sorry`.
    pub served_by: String,
    /// Whether it is kept out of the kernel because this host is one of its real
    /// servers and does not hold the VIP.
    pub held_back: bool,
    /// What the kernel counted.
    pub traffic: Traffic,
    /// The pool.
    pub real_servers: Vec<RealServer>,
}

/// Whether a pool is strong enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quorum {
    /// `up`, `down`, or `undecided` while the first checks are under way.
    pub state: String,
    /// The weight of usable servers.
    pub weight: u64,
    /// The weight that it takes.
    pub required: u32,
    /// How much more to gain it, how much less to lose it.
    pub hysteresis: u32,
}

/// A drain that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draining {
    /// Why.
    pub because: String,
    /// Seconds until it is over whatever connections are left.
    pub left_s: u64,
}

/// A real server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealServer {
    /// RIP and port.
    pub address: SocketAddr,
    /// What it is there for: `real`, `backup` or `sorry`.
    pub role: String,
    /// Whether the configuration has it no more, and it only drains.
    pub removed: bool,
    /// What it does: `serving`, `slow start`, `held` (as it was found, until its
    /// first check), `at rest` (weight 0, stays), `draining`, `drained`, `out`, or
    /// `refused`: the kernel does not take what would make it one of these.
    pub state: String,
    /// Why it does not.
    #[serde(default)]
    pub refused: Option<String>,
    /// The drain that is under way.
    pub draining: Option<Draining>,
    /// What the operator changed, until the file changes this server: `drained`
    /// or `weight N`.
    pub overridden: Option<String>,
    /// Forwarding method, with the kind of its tunnel.
    pub forwarding: String,
    /// No new connections above this many; 0: no limit.
    pub upper_threshold: u32,
    /// New connections again below this many; 0: three quarters of the upper.
    pub lower_threshold: u32,
    /// The weight in the file.
    pub configured_weight: u32,
    /// How much of that it wants itself, in percent; none: its check does not tell.
    #[serde(default)]
    pub share_percent: Option<u8>,
    /// The weight in the kernel; none: it is not in the table.
    pub weight: Option<u32>,
    /// `up`, `down`, `draining` or `unchecked`.
    pub health: String,
    /// When that began.
    pub since: Timestamp,
    /// The reason of the last change.
    pub reason: String,
    /// What is asked of it, e.g. `tcp 192.168.1.53:80`; none: nothing.
    pub check: Option<String>,
    /// How long the newest attempt took.
    pub check_took_us: Option<u64>,
    /// Connections in the table that are established.
    pub active: u32,
    /// Connections in the table in any other state.
    pub inactive: u32,
    /// What the kernel counted.
    pub traffic: Traffic,
}

/// Counters since the entry was made, and rates over the last seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients; 0 where they do not come back through the director.
    pub packets_out: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
    /// Connections per second.
    pub connections_per_s: u64,
    /// Packets from clients per second.
    pub packets_in_per_s: u64,
    /// Packets to clients per second.
    pub packets_out_per_s: u64,
    /// Bytes from clients per second.
    pub bytes_in_per_s: u64,
    /// Bytes to clients per second.
    pub bytes_out_per_s: u64,
}

/// The snapshot for people.
impl fmt::Display for Director {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            router_id,
            version,
            pid,
            ..
        } = self;
        let up = elapsed(self.started, self.now);
        writeln!(
            f,
            "lvsd {version}, director {router_id}, pid {pid}, up {up}"
        )?;
        if let Some(priority) = self.realtime_priority {
            writeln!(f, "VRRP runs with real-time priority {priority}")?;
        }
        let read = elapsed(self.config.loaded, self.now);
        writeln!(f, "configuration {}, read {read} ago", self.config.path)?;
        if let Some(refused) = &self.config.refused {
            writeln!(
                f,
                "THE NEWEST FILE IS REFUSED, the older one runs on:\n{refused}"
            )?;
        }
        for stuck in self.parts.iter().filter_map(|part| part.stuck.as_ref()) {
            writeln!(f, "STUCK: {stuck}; this host is not master meanwhile")?;
        }
        if !self.vrrp.is_empty() {
            write!(f, "\n{}{}", self.vrrp_table(), self.vrrp_troubles())?;
            if let Some(Dropped { packets, bytes }) = self.not_accepted {
                writeln!(
                    f,
                    "accept = false: {packets} packets ({bytes} bytes) to virtual addresses dropped"
                )?;
            }
            write!(f, "{}", self.tracker_table())?;
        }
        if !self.virtual_servers.is_empty() {
            write!(f, "\n{}\n{}", self.ipvs, self.server_table())?;
        }
        Ok(())
    }
}

/// One line.
impl fmt::Display for SyncDaemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            role,
            interface,
            id,
            group,
            ..
        } = self;
        write!(
            f,
            "connection sync {role} on {interface}, id {id}, group {group}"
        )
    }
}

impl Ipvs {
    /// `tried again each 1s`, or however long a look at the table is worth.
    fn again(&self) -> String {
        const TENTH_MS: u64 = 100;
        let each = self.looks_each_ms.div_ceil(TENTH_MS) * TENTH_MS;
        format!("tried again each {:?}", Duration::from_millis(each))
    }
}

/// One line, one for each sync daemon, and one for each thing that is wrong.
impl fmt::Display for Ipvs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            operations,
            repaired,
            connection_table_size,
            ..
        } = self;
        match &self.version {
            Some(version) => writeln!(
                f,
                "IPVS {version}, connection table {connection_table_size}, \
                 {operations} operations, {repaired} repairs"
            )?,
            None => writeln!(f, "IPVS: not connected")?,
        }
        for daemon in &self.sync {
            writeln!(f, "{daemon}")?;
        }
        if let Some(peers) = &self.peers {
            writeln!(f, "{peers}")?;
        }
        if let Some(error) = &self.error {
            writeln!(f, "IPVS: {error}")?;
        }
        for refused in &self.refused {
            writeln!(f, "IPVS: {refused}, {}", self.again())?;
        }
        for problem in &self.problems {
            writeln!(f, "IPVS: {problem}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests;
