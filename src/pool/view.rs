//! Pools as people see them.

use super::member::{Member, Phase};
use super::one::Pool;
use super::{Drain, Override, Overrides, Quorum, Role, Serving};
use crate::config::director::{RealServer, VirtualServer};
use crate::config::rules::Rules;
use crate::ipvs::table;
use crate::lvs::{RealServerId, VirtualServerId};

/// A pool.
#[derive(Debug)]
pub struct PoolView<'a> {
    /// Whose pool.
    pub id: VirtualServerId,
    /// What the virtual server is.
    pub settings: table::Settings,
    /// Its rules; none: the configuration has it no more.
    pub rules: Option<&'a Rules>,
    /// Whether it has its quorum.
    pub quorum: Quorum,
    /// The weight that is usable.
    pub weight: u64,
    /// Who serves.
    pub serving: Serving,
    /// Every server, also those that leave: real servers, the backup pool, the
    /// sorry server.
    pub members: Vec<MemberView<'a>>,
}

/// A server of a pool.
#[derive(Debug)]
pub struct MemberView<'a> {
    /// RIP and port.
    pub address: RealServerId,
    /// What it is there for.
    pub role: Role,
    /// What it is, or was before the configuration lost it.
    pub server: &'a RealServer,
    /// Whether the configuration has it no more.
    pub removed: bool,
    /// What it does: `out`, `held`, `serving`, `slow start`, `at rest`,
    /// `draining` or `drained`.
    pub state: &'static str,
    /// What the table should have of it.
    pub entry: Option<table::RealServer>,
    /// The drain that is under way.
    pub drain: Option<Drain>,
    /// What the operator changed.
    pub overridden: Option<&'a Override>,
}

impl<'a> PoolView<'a> {
    pub(super) fn new(
        id: VirtualServerId,
        pool: &'a Pool,
        configured: Option<&'a VirtualServer>,
        overrides: &'a Overrides,
    ) -> Option<Self> {
        let members = pool.members.iter().filter_map(|(rip, member)| {
            let server = member.left().or_else(|| configured?.server(rip))?;
            Some(MemberView {
                address: *rip,
                role: member.role,
                server,
                removed: member.left().is_some(),
                state: state(member),
                entry: member.entry(),
                drain: member.drain(),
                overridden: overrides.get(&id, rip),
            })
        });
        let mut members: Vec<_> = members.collect();
        members.sort_by_key(|member| member.role);
        Some(Self {
            id,
            settings: configured.map(|server| server.settings).or(pool.removed)?,
            rules: configured.map(|server| &server.rules),
            quorum: pool.quorum,
            weight: pool.weight,
            serving: pool.serving,
            members,
        })
    }
}

fn state(member: &Member) -> &'static str {
    match member.phase() {
        Phase::Out => "out",
        Phase::Held => "held",
        Phase::Serving if member.is_growing() => "slow start",
        Phase::Serving => "serving",
        Phase::AtRest => "at rest",
        Phase::Draining => "draining",
        Phase::Drained => "drained",
    }
}
