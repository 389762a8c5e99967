//! The rules of the pools: configuration, health and the operator's wishes in,
//! the wanted IPVS table out.
//!
//! [`Pools`] is a value. Its driver tells it of a new configuration
//! ([`Pools::configure`]), and calls [`Pools::step`] when health changed, when
//! the kernel's connection counts are new, and at the deadline that the last
//! step named.
//!
//! A real server in the table is in one of these states:
//! ```text
//!            check passes                    asked to leave
//!  out ───────────────────────▶ serving ──────────────────────▶ draining
//!   ▲   slow start: a tenth …      │  ▲                            │ no connection
//!   │                              ▼  │ quorum                     │ left, or time over
//!   ├──── check fails ────────  at rest (weight 0, stays)           ▼
//!   └───────────────────────────────────────────────────────── drained, out
//! ```
//! Asked to leave: by the operator, by the server itself (readiness), by a
//! reload that no longer lists it, or because the pool it stood in for is back.
//! At rest: failed under `on_failure = "quiesce"`, or alive in a pool without
//! quorum while a substitute serves.
//!
//! # The weight of a server that serves
//! In this order: the operator's, else the one of the file; of that the share
//! that the server itself wants ([`Share`]); of that what slow start has reached.
//! A share of none is weight 0: nothing new, and what it has goes on. The quorum
//! counts the weight before the share, because a pool whose servers are all busy
//! is no smaller for it; a server that wants nothing counts nothing.
//!
//! # Who serves
//! The pool, as long as it has its quorum. Without it the backup pool if any of
//! it is usable, else the sorry server, else what is alive of the pool: a quorum
//! without a substitute is only told of. While the first checks are under way
//! the quorum is undecided, and nothing that serves is taken out.
//!
//! What the configuration no longer has is held (it stays and counts as it is)
//! until what replaces it is judged, and on while none of that is usable: a
//! backup or sorry server does as well as one of the pool. A held server that
//! fails is out, and the operator may let it go.
//!
//! # What the kernel refuses
//! A server that the kernel refuses to have counts as not usable, whatever its
//! check says. It stays in the wanted table as long as it could be of use, at
//! weight 0 where it does not take part, because only there it is tried again.
//! Nobody knows beforehand: so whoever would make way for servers of which the
//! kernel has none yet (those that a reload removed, a substitute, a pool without
//! quorum) serves on until it has one.

mod assessed;
mod event;
mod member;
mod one;
mod overrides;
mod quorum;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use self::event::Event;
pub use self::member::{Because, Drain, Role};
pub use self::overrides::{Override, Overrides};
pub use self::quorum::Quorum;
pub use self::view::{MemberView, PoolView};

use self::one::Pool;
use crate::config::director::{RealServer, VirtualServer};
use crate::health::checks::Origin;
use crate::health::{Check, Share};
use crate::ipvs::table::{self, Table};
use crate::lvs::{RealServerId, VirtualServerId, Weight};

/// What is known of a real server's fitness for traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Nobody has an answer from it yet.
    Unchecked,
    /// It answers, or nothing is asked of it.
    Up,
    /// It serves what it has and wants nothing new.
    Draining,
    /// It does not answer.
    Down,
}

/// The configured virtual servers.
pub type Configured = BTreeMap<VirtualServerId, VirtualServer>;

/// What the kernel tells of a real server in its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Its weight there.
    pub weight: Weight,
    /// Its established connections.
    pub active: u32,
    /// When they were counted.
    pub counted_at: Instant,
}

/// What a step is decided upon.
pub struct Inputs<'a> {
    /// The time.
    pub now: Instant,
    /// The configuration that was given to [`Pools::configure`] last.
    pub configured: &'a Configured,
    /// What the checks say.
    pub standing: &'a dyn Fn(&VirtualServerId, &RealServerId, &RealServer) -> Standing,
    /// How much of its weight the server wants.
    pub share: &'a dyn Fn(&VirtualServerId, &RealServerId, &RealServer) -> Share,
    /// What the kernel says; none: it has no such entry.
    pub load: &'a dyn Fn(&VirtualServerId, &RealServerId) -> Option<Load>,
    /// Whether the kernel refuses to have it.
    pub refused: &'a dyn Fn(&VirtualServerId, &RealServerId) -> bool,
    /// Whether the kernel, asked to have it, has not been seen to: it may still refuse.
    pub awaited: &'a dyn Fn(&VirtualServerId, &RealServerId) -> bool,
}

impl std::fmt::Debug for Inputs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inputs")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// What a step came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The table that the kernel should hold.
    pub table: Table,
    /// When to step again if nothing happens before; later than this step.
    pub deadline: Option<Instant>,
    /// Whether something waits for the kernel, such as a drain for the end of
    /// connections: step at each new report.
    pub awaits_report: bool,
    /// Whether servers are gone for good, and their checks no longer wanted.
    pub fewer_checks: bool,
    /// What happened, in order.
    pub events: Vec<Event>,
}

/// Every pool with what it is in the middle of.
#[derive(Debug, Default, Clone)]
pub struct Pools {
    pools: BTreeMap<VirtualServerId, Pool>,
    overrides: Overrides,
    /// A configuration has been given: servers that come later are new, not
    /// only unknown.
    running: bool,
}

/// Which servers of a virtual server take the traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Serving {
    /// Its own pool.
    #[default]
    Pool,
    /// The backup pool.
    Backup,
    /// The sorry server.
    Sorry,
}

impl Serving {
    /// The word for logs and status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pool => "pool",
            Self::Backup => "backup",
            Self::Sorry => "sorry",
        }
    }
}

impl Pools {
    /// Without pools; the overrides are those that an earlier run kept.
    pub fn new(overrides: Overrides) -> Self {
        Self {
            overrides,
            ..Self::default()
        }
    }

    /// Makes these the pools. What is configured as before keeps its state; what
    /// is not any more begins to leave. Of a virtual server seen for the first
    /// time, what the `kernel` has is taken over as it is, because taking it out
    /// would cut the connections that it carries.
    ///
    /// Overrides of servers that are configured otherwise than when they were
    /// made end here.
    pub fn configure(
        &mut self,
        before: &Configured,
        after: &Configured,
        kernel: impl Fn(&VirtualServerId) -> Option<table::VirtualServer>,
    ) {
        for (id, server) in after {
            let pool = self
                .pools
                .entry(*id)
                .or_insert_with(|| Pool::new(kernel(id).as_ref()));
            pool.configure(before.get(id), server, self.running);
        }
        for (id, pool) in &mut self.pools {
            if !after.contains_key(id)
                && let Some(server) = before.get(id)
            {
                pool.remove(server);
            }
        }
        self.overrides.retain_configured(after);
        // Those that an earlier run let go are to go still.
        for ((id, rip), limit) in self.overrides.let_go() {
            let pool = self.pools.get_mut(id);
            if let Some(member) = pool.and_then(|pool| pool.members.get_mut(rip)) {
                member.let_go(limit);
            }
        }
        self.running = true;
    }

    /// Every check that is wanted, and whether its server serves already.
    pub fn checks(&self, configured: &Configured) -> Vec<(Arc<Check>, Origin)> {
        let pools = self.pools.iter();
        pools
            .flat_map(|(id, pool)| pool.checks(configured.get(id)))
            .collect()
    }

    /// Decides what the table should be now.
    pub fn step(&mut self, inputs: &Inputs<'_>) -> Outcome {
        let mut outcome = Outcome::default();
        self.pools.retain(|id, pool| {
            let configured = inputs.configured.get(id);
            pool.step(id, configured, &self.overrides, inputs, &mut outcome);
            let wanted = pool.wanted(configured);
            let stays = wanted.is_some();
            outcome.table.extend(wanted.map(|wanted| (*id, wanted)));
            stays
        });
        self.overrides.retain_let_go(|(id, rip)| {
            let pool = self.pools.get(id);
            pool.is_some_and(|pool| pool.members.contains_key(rip))
        });
        outcome
    }

    /// What the operator changed at run time.
    pub fn overrides(&self) -> &Overrides {
        &self.overrides
    }

    /// The same, to change more.
    pub fn overrides_mut(&mut self) -> &mut Overrides {
        &mut self.overrides
    }

    /// Those that the configuration no longer has and that are still in the table.
    pub fn leaving(&self, id: &VirtualServerId) -> Vec<RealServerId> {
        let members = self
            .pools
            .get(id)
            .into_iter()
            .flat_map(|pool| &pool.members);
        let leaving =
            members.filter(|(_, member)| member.left().is_some() && member.entry().is_some());
        leaving.map(|(rip, _)| *rip).collect()
    }

    /// Lets such a server go, also if nothing can take its place yet, and remembers it
    /// with the overrides. `limit`: how long its connections may take, if not as it was
    /// configured.
    pub fn let_go(&mut self, id: &VirtualServerId, rip: &RealServerId, limit: Option<Duration>) {
        let pool = self.pools.get_mut(id);
        let member = pool.and_then(|pool| pool.members.get_mut(rip));
        if let Some(member) = member.filter(|member| member.left().is_some()) {
            member.let_go(limit);
            self.overrides.remember_let_go((*id, *rip), limit);
        }
    }

    /// Every pool, for people to read.
    pub fn views<'a>(&'a self, configured: &'a Configured) -> impl Iterator<Item = PoolView<'a>> {
        let ids = self.pools.keys();
        ids.filter_map(|id| self.view(id, configured.get(id)))
    }

    /// The pool of a virtual server.
    pub fn view<'a>(
        &'a self,
        id: &VirtualServerId,
        configured: Option<&'a VirtualServer>,
    ) -> Option<PoolView<'a>> {
        let pool = self.pools.get(id)?;
        PoolView::new(*id, pool, configured, &self.overrides)
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
