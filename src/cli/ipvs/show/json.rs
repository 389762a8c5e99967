//! What `--json` prints. Programs read it: keys may be added, none may change.

use std::net::SocketAddr;

use serde::Serialize;

use crate::ipvs::kernel::{
    Counters, Info, KernelRealServer, KernelTable, KernelVirtualServer, Rates,
};
use crate::ipvs::table::Persistence;
use crate::lvs::VirtualServerId;

/// `lvsd ipvs list --json`.
#[derive(Debug, Serialize)]
pub(super) struct Listed {
    version: String,
    connection_table_size: u32,
    virtual_servers: Vec<VirtualServer>,
}

impl Listed {
    pub(super) fn of(info: &Info, found: &KernelTable) -> Self {
        Self {
            version: info.version.to_string(),
            connection_table_size: info.connection_table_size,
            virtual_servers: found.virtual_servers.iter().map(virtual_server).collect(),
        }
    }
}

#[derive(Debug, Serialize)]
struct VirtualServer {
    id: VirtualServerId,
    scheduler: String,
    scheduler_flags: Vec<&'static str>,
    one_packet: bool,
    persistence: Option<Persisting>,
    real_servers: Vec<RealServer>,
}

#[derive(Debug, Serialize)]
struct Persisting {
    seconds: u64,
    prefix_len: u8,
    engine: Option<String>,
}

#[derive(Debug, Serialize)]
struct RealServer {
    address: SocketAddr,
    forwarding: String,
    weight: u32,
    upper_threshold: u32,
    lower_threshold: u32,
    active_connections: u32,
    inactive_connections: u32,
    persistent_connections: u32,
}

fn virtual_server((id, found): (&VirtualServerId, &KernelVirtualServer)) -> VirtualServer {
    let settings = &found.settings;
    let persisting = |persistence: Persistence| Persisting {
        seconds: persistence.timeout.as_secs(),
        prefix_len: persistence.prefix_len,
        engine: persistence.engine.map(|engine| engine.to_string()),
    };
    VirtualServer {
        id: *id,
        scheduler: settings.scheduler.to_string(),
        scheduler_flags: settings.scheduler_flags.set(settings.scheduler).collect(),
        one_packet: settings.one_packet,
        persistence: settings.persistence.map(persisting),
        real_servers: found.real_servers.iter().map(real_server).collect(),
    }
}

fn real_server((address, found): (&SocketAddr, &KernelRealServer)) -> RealServer {
    let real_server = &found.real_server;
    RealServer {
        address: *address,
        forwarding: real_server.forwarding.to_string(),
        weight: real_server.weight.get(),
        upper_threshold: real_server.upper_threshold,
        lower_threshold: real_server.lower_threshold,
        active_connections: found.active_connections,
        inactive_connections: found.inactive_connections,
        persistent_connections: found.persistent_connections,
    }
}

/// `lvsd ipvs stats --json` and `rate --json`.
#[derive(Debug, Serialize)]
pub(super) struct Measured<N> {
    virtual_servers: Vec<MeasuredVirtualServer<N>>,
}

#[derive(Debug, Serialize)]
struct MeasuredVirtualServer<N> {
    id: VirtualServerId,
    #[serde(flatten)]
    numbers: N,
    real_servers: Vec<MeasuredRealServer<N>>,
}

#[derive(Debug, Serialize)]
struct MeasuredRealServer<N> {
    address: SocketAddr,
    #[serde(flatten)]
    numbers: N,
}

impl Measured<Counters> {
    pub(super) fn stats(found: &KernelTable) -> Self {
        Self::of(found, |found| found.counters, |found| found.counters)
    }
}

impl Measured<Rates> {
    pub(super) fn rates(found: &KernelTable) -> Self {
        Self::of(found, |found| found.rates, |found| found.rates)
    }
}

impl<N> Measured<N> {
    fn of(
        found: &KernelTable,
        sum: fn(&KernelVirtualServer) -> N,
        part: fn(&KernelRealServer) -> N,
    ) -> Self {
        let virtual_server = |(id, found): (&VirtualServerId, &KernelVirtualServer)| {
            let real_servers = found.real_servers.iter().map(|(address, found)| {
                let (address, numbers) = (*address, part(found));
                MeasuredRealServer { address, numbers }
            });
            MeasuredVirtualServer {
                id: *id,
                numbers: sum(found),
                real_servers: real_servers.collect(),
            }
        };
        Self {
            virtual_servers: found.virtual_servers.iter().map(virtual_server).collect(),
        }
    }
}
