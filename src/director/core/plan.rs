//! What a reload would do, asked beforehand.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Core;
use super::balance::{is_refused, load, share, standing};
use crate::config::changes;
use crate::config::director::DirectorConfig;
use crate::director::api::Answer;
use crate::director::balancer::Balancer;
use crate::director::control::{PlanWish, Planned, Refused};
use crate::director::plan::{Steps, World};
use crate::director::reconcile::Report;
use crate::ipvs::plan::Op;
use crate::ipvs::table::Table;
use crate::status::director as status;
use crate::sys::clock;

impl Core {
    /// Changes nothing.
    pub(super) fn foresee(&self, wish: &PlanWish) -> Answer<Planned> {
        let config = DirectorConfig::parse_here(&wish.file, &wish.text);
        let config = config.map_err(|error| Refused::config(error.to_string()))?;
        self.examine(&config, &wish.file)?;
        self.preflight(&config, &wish.file, &wish.text)?;
        self.pulses.core_works();
        let report = self.balancer.as_ref().map(Balancer::report);
        let report = report.map_or_else(Arc::default, |report| Arc::clone(&report.borrow()));
        let newest = self.newest_config();
        let kernel = self.own_part(&report, &config);
        let mut steps = self.steps(&config, &report, &kernel);
        self.pulses.core_works();
        let anyway = self.steps(newest, &report, &kernel);
        self.pulses.core_works();
        let taken = steps.take_out(&anyway);
        Ok(Planned {
            going_on: drains(&taken, &self.snapshot()),
            refused: refused(&report, &config),
            changes: changes::between(newest, &config),
            ..Planned::from(steps)
        })
    }

    fn steps(&self, config: &DirectorConfig, report: &Report, kernel: &Table) -> Steps {
        let verdicts = self.checks.verdicts();
        let held_back = self.held_back_of(config);
        let world = World {
            now: clock::now(),
            before: &self.config.virtual_servers,
            kernel,
            standing: &|server| standing(&verdicts, server),
            share: &|server| share(&verdicts, server),
            load: &|id, rip| load(report, id, rip),
            refused: &|id, rip| is_refused(report, id, rip),
            held_back: &|id| held_back.contains(id),
        };
        Steps::of(self.pools.clone(), &config.virtual_servers, &world)
    }

    /// Of the kernel's table, what is lvsd's or would be.
    fn own_part(&self, report: &Report, config: &DirectorConfig) -> Table {
        let wanted = self.wanted.iter().flat_map(|table| table.keys());
        let running = self.config.virtual_servers.keys();
        let own: BTreeSet<_> = wanted
            .chain(running)
            .chain(config.virtual_servers.keys())
            .collect();
        let mut table = report.kernel.table();
        table.retain(|id, _| own.contains(id));
        table
    }
}

/// What the kernel refuses now, of what this configuration has too, a line each.
fn refused(report: &Report, config: &DirectorConfig) -> Vec<String> {
    let told = report.refused.iter().filter(|((id, rip), _)| {
        let server = config.virtual_servers.get(id);
        server.is_some_and(|server| {
            rip.is_none_or(|rip| server.servers().any(|(own, _)| *own == rip))
        })
    });
    told.map(|(_, told)| told.sentence.clone()).collect()
}

/// The drains that these ops end, a line each.
fn drains(ends: &[Op], status: &status::Director) -> Vec<String> {
    let servers = status.virtual_servers.iter();
    let draining = servers.flat_map(|server| {
        let found = server.real_servers.iter();
        found.filter_map(|found| Some((server.id, found.address, found.draining.as_ref()?)))
    });
    let going_on = draining.filter(|(id, rip, _)| {
        ends.contains(&Op::RemoveRealServer(*id, *rip))
            || ends.contains(&Op::RemoveVirtualServer(*id))
    });
    going_on
        .map(|(id, rip, drain)| {
            format!("{rip} of {id}: {}, {} s left", drain.because, drain.left_s)
        })
        .collect()
}
