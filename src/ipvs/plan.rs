//! The difference between two tables, as ops in an order that is safe at every
//! step.
//!
//! What the kernel changes on the way in is not a difference: a plan that saw
//! one there would be made again at each reconciliation, for ever.

use std::fmt;
use std::time::Duration;

use crate::lvs::{Forwarding, RealServerId, VirtualServerId};

use super::table::{Persistence, RealServer, Settings, Table, VirtualServer};

/// One change to the kernel's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Adds a virtual server without real servers.
    AddVirtualServer(VirtualServerId, Settings),
    /// Edits a virtual server; its real servers and connections stay. Where the
    /// scheduler changes, the kernel is without one for an RCU grace period (some
    /// milliseconds), and refuses new connections meanwhile.
    SetVirtualServer(VirtualServerId, Settings),
    /// Adds a real server.
    AddRealServer(VirtualServerId, RealServerId, RealServer),
    /// Edits a real server; its connections stay.
    SetRealServer(VirtualServerId, RealServerId, RealServer),
    /// Removes a real server.
    RemoveRealServer(VirtualServerId, RealServerId),
    /// Removes a virtual server with all its real servers.
    RemoveVirtualServer(VirtualServerId),
}

impl Op {
    /// The virtual server it changes.
    pub fn virtual_server(&self) -> &VirtualServerId {
        match self {
            Self::AddVirtualServer(id, _)
            | Self::SetVirtualServer(id, _)
            | Self::AddRealServer(id, ..)
            | Self::SetRealServer(id, ..)
            | Self::RemoveRealServer(id, _)
            | Self::RemoveVirtualServer(id) => id,
        }
    }
}

/// `add real server 192.168.1.53:80 of tcp 192.168.1.200:80: dr weight 1`
impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddVirtualServer(id, settings) => {
                write!(f, "add virtual server {id}: {settings}")
            }
            Self::SetVirtualServer(id, settings) => {
                write!(f, "set virtual server {id}: {settings}")
            }
            Self::AddRealServer(id, rip, real_server) => {
                write!(f, "add real server {rip} of {id}: {real_server}")
            }
            Self::SetRealServer(id, rip, real_server) => {
                write!(f, "set real server {rip} of {id}: {real_server}")
            }
            Self::RemoveRealServer(id, rip) => write!(f, "remove real server {rip} of {id}"),
            Self::RemoveVirtualServer(id) => write!(f, "remove virtual server {id}"),
        }
    }
}

/// The ops that turn `actual` into `desired`: none when they are equal.
///
/// Every addition comes before any removal, and every raised weight before any
/// lowered one. So wherever the plan breaks off, a virtual server that had a
/// usable real server (weight above 0) and is to have one still has one.
///
/// `actual` holds only virtual servers that are lvsd's own: what is in it and
/// not in `desired` is removed.
pub fn plan(desired: &Table, actual: &Table) -> Vec<Op> {
    let mut ops = Vec::new();
    for (id, want) in desired {
        match actual.get(id) {
            None => {
                ops.push((
                    Step::AddVirtualServers,
                    Op::AddVirtualServer(*id, want.settings),
                ));
                plan_real_servers(&mut ops, id, want, None);
            }
            Some(have) => {
                if !has_settings(&have.settings, &want.settings) {
                    ops.push((
                        Step::SetVirtualServers,
                        Op::SetVirtualServer(*id, want.settings),
                    ));
                }
                plan_real_servers(&mut ops, id, want, Some(have));
            }
        }
    }
    let unwanted = actual.keys().filter(|id| !desired.contains_key(id));
    ops.extend(unwanted.map(|id| (Step::RemoveVirtualServers, Op::RemoveVirtualServer(*id))));
    // A stable sort: within a step the order of the tables stays.
    ops.sort_by_key(|(step, _)| *step);
    ops.into_iter().map(|(_, op)| op).collect()
}

/// Performs ops on a table as the kernel would.
///
/// It is the kernel's model in tests and dry runs. What does not fit (a real
/// server of a virtual server that is not there) changes nothing, as the kernel
/// refuses it.
pub fn apply(ops: &[Op], table: &mut Table) {
    for op in ops {
        match op {
            Op::AddVirtualServer(id, settings) => {
                table.entry(*id).or_insert_with(|| VirtualServer {
                    settings: *settings,
                    real_servers: Default::default(),
                });
            }
            Op::SetVirtualServer(id, settings) => {
                if let Some(virtual_server) = table.get_mut(id) {
                    virtual_server.settings = *settings;
                }
            }
            Op::AddRealServer(id, rip, real_server) => {
                if let Some(virtual_server) = table.get_mut(id) {
                    let real_servers = &mut virtual_server.real_servers;
                    if !real_servers.contains_key(rip) {
                        real_servers.insert(*rip, *real_server);
                    }
                }
            }
            Op::SetRealServer(id, rip, real_server) => {
                let real_servers = table.get_mut(id).map(|found| &mut found.real_servers);
                if let Some(found) = real_servers.and_then(|found| found.get_mut(rip)) {
                    *found = *real_server;
                }
            }
            Op::RemoveRealServer(id, rip) => {
                if let Some(virtual_server) = table.get_mut(id) {
                    virtual_server.real_servers.remove(rip);
                }
            }
            Op::RemoveVirtualServer(id) => {
                table.remove(id);
            }
        }
    }
}

/// The order of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    AddVirtualServers,
    SetVirtualServers,
    AddRealServers,
    RaiseWeights,
    LowerWeights,
    RemoveRealServers,
    RemoveVirtualServers,
}

fn plan_real_servers(
    ops: &mut Vec<(Step, Op)>,
    id: &VirtualServerId,
    want: &VirtualServer,
    have: Option<&VirtualServer>,
) {
    for (rip, wanted) in &want.real_servers {
        match have.and_then(|have| have.real_servers.get(rip)) {
            None => ops.push((Step::AddRealServers, Op::AddRealServer(*id, *rip, *wanted))),
            Some(current) if !has_real_server(current, wanted) => {
                let step = if wanted.weight < current.weight {
                    Step::LowerWeights
                } else {
                    Step::RaiseWeights
                };
                ops.push((step, Op::SetRealServer(*id, *rip, *wanted)));
            }
            Some(_) => {}
        }
    }
    let current = have.iter().flat_map(|have| have.real_servers.keys());
    let unwanted = current.filter(|rip| !want.real_servers.contains_key(rip));
    ops.extend(unwanted.map(|rip| (Step::RemoveRealServers, Op::RemoveRealServer(*id, *rip))));
}

/// Whether setting `want` would leave what the kernel has as it is. The kernel counts
/// whole seconds.
fn has_settings(have: &Settings, want: &Settings) -> bool {
    let as_kept = |settings: &Settings| Settings {
        persistence: settings.persistence.map(|found| Persistence {
            timeout: Duration::from_secs(found.timeout.as_secs()),
            ..found
        }),
        ..*settings
    };
    as_kept(want) == as_kept(have)
}

/// Whether setting `want` would leave what the kernel has as it is. The kernel may make
/// [`Forwarding::Local`] of any method when the RIP is an address of the
/// director itself.
fn has_real_server(have: &RealServer, want: &RealServer) -> bool {
    let forwarding = match have.forwarding {
        Forwarding::Local => Forwarding::Local,
        _ => want.forwarding,
    };
    *have
        == RealServer {
            forwarding,
            ..*want
        }
}

#[cfg(test)]
mod tests;
