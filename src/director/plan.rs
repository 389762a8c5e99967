//! What a new configuration would do, told before it is done.
//!
//! The pools are a value: a copy of them is given the new configuration, and
//! another one the configuration that was read last. What the second would do as
//! well goes on anyway, and is no difference.

mod alone;

use std::time::Instant;

use super::control::Planned;
use crate::config::director::RealServer;
use crate::health::Share;
use crate::ipvs::plan::{Op, apply, plan};
use crate::ipvs::table::Table;
use crate::lvs::{RealServerId, VirtualServerId};
use crate::pool::{Configured, Inputs, Load, Outcome, Pools, Standing};

pub use self::alone::{Error, refuse, settings};

/// What the copies of the pools are stepped with.
pub struct World<'a> {
    /// The time.
    pub now: Instant,
    /// The configuration that the pools run with.
    pub before: &'a Configured,
    /// The kernel's table, of virtual servers that are lvsd's.
    pub kernel: &'a Table,
    /// What the checks say.
    pub standing: &'a dyn Fn(&RealServer) -> Standing,
    /// How much of its weight a server wants.
    pub share: &'a dyn Fn(&RealServer) -> Share,
    /// What the kernel says of a real server.
    pub load: &'a dyn Fn(&VirtualServerId, &RealServerId) -> Option<Load>,
    /// Whether the kernel refuses a real server now; it is taken to have any other.
    pub refused: &'a dyn Fn(&VirtualServerId, &RealServerId) -> bool,
    /// Whether this host must not have the virtual server in its table now.
    pub held_back: &'a dyn Fn(&VirtualServerId) -> bool,
}

impl std::fmt::Debug for World<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// What is done to the kernel's table, by its time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Steps {
    /// With the new configuration.
    pub at_once: Vec<Op>,
    /// When every check that has no answer yet has passed.
    pub checked: Vec<Op>,
    /// When drains and slow starts are over.
    pub in_the_end: Vec<Op>,
}

impl Steps {
    /// What becomes of the table with this configuration.
    pub fn of(mut pools: Pools, configured: &Configured, world: &World<'_>) -> Self {
        pools.configure(world.before, configured, |id| world.kernel.get(id).cloned());
        let mut kernel = world.kernel.clone();
        let mut progress = |outcome: &mut Outcome| {
            outcome.table.retain(|id, _| !(world.held_back)(id));
            let ops = plan(&outcome.table, &kernel);
            apply(&ops, &mut kernel);
            ops
        };
        let mut step = |now, answered, counted: bool| {
            let standing = |server: &RealServer| match (world.standing)(server) {
                Standing::Unchecked if answered => Standing::Up,
                told => told,
            };
            let load = |id: &_, rip: &_| (world.load)(id, rip).filter(|_| counted);
            pools.step(&Inputs {
                now,
                configured,
                standing: &|_, _, server| standing(server),
                share: &|_, _, server| (world.share)(server),
                load: &load,
                refused: world.refused,
                awaited: &|_, _| false,
            })
        };
        let at_once = progress(&mut step(world.now, false, true));
        let mut outcome = step(world.now, true, true);
        let checked = progress(&mut outcome);
        while let Some(next) = outcome.deadline {
            outcome = step(next, true, false);
        }
        let in_the_end = progress(&mut outcome);
        Self {
            at_once,
            checked,
            in_the_end,
        }
    }

    /// Without what happens anyway; returns that.
    pub fn take_out(&mut self, anyway: &Self) -> Vec<Op> {
        let mut taken = Vec::new();
        let stages = [
            (&mut self.at_once, &anyway.at_once),
            (&mut self.checked, &anyway.checked),
            (&mut self.in_the_end, &anyway.in_the_end),
        ];
        for (ops, anyway) in stages {
            taken.extend(ops.extract_if(.., |op| anyway.contains(op)));
        }
        taken
    }
}

impl From<Steps> for Planned {
    fn from(steps: Steps) -> Self {
        let lines = |ops: Vec<Op>| ops.iter().map(ToString::to_string).collect();
        Self {
            at_once: lines(steps.at_once),
            checked: lines(steps.checked),
            in_the_end: lines(steps.in_the_end),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests;
