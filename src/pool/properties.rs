//! What holds for every pool, whatever happens to it.

mod given;

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use self::given::{Happening, happening, id, rip, virtual_server};
use super::*;
use crate::ipvs::{plan, table};

struct World {
    pools: Pools,
    configured: Configured,
    standings: BTreeMap<RealServerId, Standing>,
    connections: BTreeMap<RealServerId, u32>,
    kernel: Table,
    /// Whom the kernel will not add.
    refuses: BTreeSet<RealServerId>,
    /// Of those, whom it was asked for last.
    refused: BTreeSet<RealServerId>,
    now: Instant,
    deadline: Option<Instant>,
    /// Who has been in the table.
    known: BTreeSet<RealServerId>,
    /// Whom the operator let go after the configuration lost them.
    let_go: BTreeSet<RealServerId>,
    /// What happened last may have changed limits and rules.
    changed: bool,
}

/// What the pools were in the middle of before a step.
struct Before {
    /// Since when who drains does.
    draining: BTreeMap<RealServerId, Instant>,
    /// How long each may drain at least.
    limits: BTreeMap<RealServerId, Duration>,
    quorum: Quorum,
}

impl World {
    fn new(server: VirtualServer) -> Self {
        let configured = Configured::from([(id(), server)]);
        let mut pools = Pools::default();
        pools.configure(&Configured::new(), &configured, |_| None);
        Self {
            pools,
            configured,
            standings: BTreeMap::new(),
            connections: BTreeMap::new(),
            kernel: Table::new(),
            refuses: BTreeSet::new(),
            refused: BTreeSet::new(),
            now: crate::sys::clock::now(),
            deadline: None,
            known: BTreeSet::new(),
            let_go: BTreeSet::new(),
            changed: false,
        }
    }

    fn standing(&self, rip: &RealServerId, server: &RealServer) -> Standing {
        if server.check.is_none() {
            return Standing::Up;
        }
        let known = self.standings.get(rip).copied();
        known.unwrap_or(Standing::Unchecked)
    }

    fn happens(&mut self, happening: Happening) -> Result<(), TestCaseError> {
        self.changed = matches!(happening, Happening::Operator(..) | Happening::Reload(_));
        match happening {
            Happening::Health(last, standing) => {
                self.standings.insert(rip(last), standing);
            }
            Happening::Kernel(last, true) => drop(self.refuses.insert(rip(last))),
            Happening::Kernel(last, false) => drop(self.refuses.remove(&rip(last))),
            Happening::Connections(last, count) => {
                self.connections.insert(rip(last), count);
            }
            Happening::Time(millis) => {
                let end = self.now + Duration::from_millis(millis);
                while let Some(deadline) = self.deadline.filter(|deadline| *deadline <= end) {
                    self.now = deadline;
                    self.step()?;
                }
                self.now = end;
            }
            Happening::Operator(last, wish) => {
                let overrides = self.pools.overrides_mut();
                overrides.set(&self.configured, id(), rip(last), wish);
                if let Some(Override::Drain { limit }) = wish
                    && self.pools.leaving(&id()).contains(&rip(last))
                {
                    self.pools.let_go(&id(), &rip(last), limit);
                    self.let_go.insert(rip(last));
                }
            }
            Happening::Reload(server) => {
                // A check that is new has not spoken yet.
                let known = &self.configured[&id()];
                let new = server
                    .servers()
                    .filter(|(rip, _)| known.server(rip).is_none());
                for (rip, _) in new {
                    self.standings.remove(rip);
                }
                self.let_go.retain(|rip| server.server(rip).is_none());
                let after = Configured::from([(id(), *server)]);
                let kernel = |id: &_| self.kernel.get(id).cloned();
                self.pools.configure(&self.configured, &after, kernel);
                self.configured = after;
            }
        }
        self.step()
    }

    /// Steps until the kernel's reports change nothing more.
    fn step(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..9 {
            let (kernel, refused) = (self.kernel.clone(), self.refused.clone());
            self.step_once()?;
            if (&self.kernel, &self.refused) == (&kernel, &refused) {
                self.weights_are_as_wished()?;
                return self.who_serves_is_right();
            }
        }
        Err(TestCaseError::fail("it comes to no end"))
    }

    fn step_once(&mut self) -> Result<(), TestCaseError> {
        let before = self.before();
        let mut pools = std::mem::take(&mut self.pools);
        let outcome = pools.step(&Inputs {
            now: self.now,
            configured: &self.configured,
            standing: &|_, rip, server| self.standing(rip, server),
            share: &|_, _, _| Share::FULL,
            load: &|id, rip| {
                let entry = self.kernel.get(id)?.real_servers.get(rip)?;
                Some(Load {
                    weight: entry.weight,
                    active: self.connections.get(rip).copied().unwrap_or(0),
                    counted_at: self.now,
                })
            },
            refused: &|_, rip| self.refused.contains(rip),
            awaited: &|id, rip| {
                let server = self.kernel.get(id);
                server.is_none_or(|server| !server.real_servers.contains_key(rip))
            },
        });
        self.pools = pools;
        if let Some(deadline) = outcome.deadline {
            prop_assert!(deadline > self.now, "a deadline of the past");
        }
        self.deadline = outcome.deadline;
        let kernel = self.no_prefix_is_empty(&outcome.table)?;
        self.who_leaves_had_its_time(&before, &outcome)?;
        self.who_returns_grows(&outcome.table)?;
        self.quorum_has_hysteresis(&before)?;
        self.time_is_looked_at(&outcome)?;
        let refused = outcome.table[&id()].real_servers.keys();
        let refused = refused.filter(|rip| !kernel[&id()].real_servers.contains_key(rip));
        self.refused = refused.copied().collect();
        self.kernel = kernel;
        let entries: Vec<_> = self.entries().copied().collect();
        self.known.extend(entries);
        Ok(())
    }

    fn view(&self) -> PoolView<'_> {
        let configured = &self.configured[&id()];
        self.pools.view(&id(), Some(configured)).unwrap()
    }

    fn before(&self) -> Before {
        let view = self.view();
        let draining = view.members.iter();
        let draining = draining.filter_map(|member| Some((member.address, member.drain?.since)));
        let limits = view.members.iter().map(|member| {
            let drain = member.server.conduct.drain;
            let limit = match member.overridden {
                Some(Override::Drain { limit: Some(limit) }) => drain.min(*limit),
                _ => drain,
            };
            (member.address, limit)
        });
        Before {
            draining: draining.collect(),
            limits: limits.collect(),
            quorum: view.quorum,
        }
    }

    /// Only what is down goes at once; what drains goes when it has no connections, or
    /// when its time is over.
    fn who_leaves_had_its_time(
        &self,
        before: &Before,
        outcome: &Outcome,
    ) -> Result<(), TestCaseError> {
        let drained = outcome.events.iter().filter_map(|event| match event {
            Event::Drained {
                real_server,
                connections,
                ..
            } => Some((*real_server, *connections)),
            _ => None,
        });
        let drained: BTreeMap<_, _> = drained.collect();
        for rip in self
            .entries()
            .filter(|rip| !outcome.table[&id()].real_servers.contains_key(rip))
        {
            let is_down = self.standings.get(rip) == Some(&Standing::Down);
            prop_assert!(is_down || drained.contains_key(rip), "{} vanished", rip);
        }
        for (rip, connections) in drained {
            let since = before.draining.get(&rip).copied();
            let since = since.unwrap_or(self.now);
            let is_over = since + before.limits[&rip] <= self.now;
            let is_empty = connections == 0 && since + member::SETTLE <= self.now;
            prop_assert!(is_over || is_empty, "{} had {}", rip, connections);
        }
        Ok(())
    }

    /// What has been out of the table comes back with a tenth of its weight.
    fn who_returns_grows(&self, wanted: &Table) -> Result<(), TestCaseError> {
        let configured = &self.configured[&id()];
        for (rip, entry) in &wanted[&id()].real_servers {
            let Some(server) = configured.server(rip) else {
                continue;
            };
            let is_new = !self.entries().any(|other| other == rip);
            if is_new && self.known.contains(rip) && server.conduct.slow_start.is_some() {
                let full = match self.pools.overrides().get(&id(), rip) {
                    Some(Override::Weight(weight)) => *weight,
                    _ => server.settings.weight,
                };
                let tenth = (full.get() / 10).max(1);
                prop_assert!(entry.weight.get() <= tenth, "{} begins with {}", rip, entry);
            }
        }
        Ok(())
    }

    fn quorum_has_hysteresis(&self, before: &Before) -> Result<(), TestCaseError> {
        if self.changed {
            return Ok(());
        }
        let rules = &self.configured[&id()].rules;
        let (quorum, hysteresis) = (u64::from(rules.quorum), u64::from(rules.hysteresis));
        let view = self.view();
        match (before.quorum, view.quorum) {
            (Quorum::Up, Quorum::Down) => {
                prop_assert!(view.weight == 0 || view.weight < quorum - hysteresis);
            }
            (Quorum::Down, Quorum::Up) => prop_assert!(view.weight >= quorum + hysteresis),
            _ => {}
        }
        Ok(())
    }

    /// Whatever takes time is looked at again before its time is over.
    fn time_is_looked_at(&self, outcome: &Outcome) -> Result<(), TestCaseError> {
        for member in self.view().members {
            if let Some(drain) = member.drain {
                let looked_at = outcome.deadline.is_some_and(|it| it <= drain.until);
                prop_assert!(
                    looked_at && outcome.awaits_report,
                    "{} drains",
                    member.address
                );
            }
            if member.state == "slow start" {
                prop_assert!(outcome.deadline.is_some(), "{} grows", member.address);
            }
        }
        Ok(())
    }

    /// Who is in the table.
    fn entries(&self) -> impl Iterator<Item = &RealServerId> {
        let servers = self.kernel.values();
        servers.flat_map(|server| server.real_servers.keys())
    }

    /// Returns what the kernel makes of the wanted table.
    fn no_prefix_is_empty(&self, wanted: &Table) -> Result<Table, TestCaseError> {
        let had = self.kernel.get(&id()).is_some_and(|it| self.has_usable(it));
        let keeps = had && (self.has_candidate() || self.is_bridged());
        let ops = plan::plan(wanted, &self.kernel);
        let mut now = self.kernel.clone();
        for op in &ops {
            let refused =
                matches!(op, plan::Op::AddRealServer(_, rip, _) if self.refuses.contains(rip));
            if !refused {
                plan::apply(&[*op], &mut now);
            }
            prop_assert!(
                !keeps || is_usable(&now[&id()]),
                "empty after {} of {:?}",
                op,
                ops
            );
        }
        Ok(now)
    }

    /// Whether somebody takes new connections who can go on until another one does:
    /// whoever comes for one that fails may be refused. So may be who comes for one that
    /// is to take nothing any more, by a drain or because file or operator give it
    /// weight 0: that is done at once, and not when somebody else is there.
    fn has_usable(&self, server: &table::VirtualServer) -> bool {
        let configured = &self.configured[&id()];
        let is_to = |rip| match configured.server(rip) {
            Some(server) => self.wished(rip, server) > Weight::ZERO || server.check.is_none(),
            None => !self.let_go.contains(rip),
        };
        let can_stay = |rip| match self.standings.get(rip) {
            None | Some(Standing::Up | Standing::Unchecked) => is_to(rip),
            Some(Standing::Draining | Standing::Down) => false,
        };
        let mut entries = server.real_servers.iter();
        entries.any(|(rip, entry)| {
            entry.weight > Weight::ZERO && (self.refuses.is_empty() || can_stay(rip))
        })
    }

    /// The weight that operator and file want it to have.
    fn wished(&self, rip: &RealServerId, server: &RealServer) -> Weight {
        match self.pools.overrides().get(&id(), rip) {
            Some(Override::Drain { .. }) => Weight::ZERO,
            Some(Override::Weight(weight)) => *weight,
            None => server.settings.weight,
        }
    }

    fn is_drained(&self, rip: &RealServerId) -> bool {
        let wish = self.pools.overrides().get(&id(), rip);
        matches!(wish, Some(Override::Drain { .. }))
    }

    /// Whether somebody serves that the configuration no longer has, while it has
    /// somebody who is to serve, whether he can or not.
    fn is_bridged(&self) -> bool {
        let configured = &self.configured[&id()];
        let serving = self.kernel.get(&id()).into_iter();
        let serving = serving.flat_map(|server| &server.real_servers);
        let mut leaving = serving.filter(|(rip, entry)| {
            let is_fit = match self.standings.get(rip) {
                // The sorry server is not checked.
                None | Some(Standing::Up | Standing::Unchecked) => true,
                Some(Standing::Draining | Standing::Down) => false,
            };
            let is_removed = configured.server(rip).is_none() && !self.let_go.contains(*rip);
            is_fit && entry.weight > Weight::ZERO && is_removed
        });
        let mut awaited = configured
            .servers()
            .filter(|(rip, server)| self.wished(rip, server) > Weight::ZERO);
        leaving.next().is_some() && awaited.next().is_some()
    }

    /// Whether anybody could serve: somebody who is up, wanted, and not held
    /// back by an operator.
    fn has_candidate(&self) -> bool {
        self.configured[&id()].servers().any(|(rip, server)| {
            let is_up = self.standing(rip, server) == Standing::Up;
            self.wished(rip, server) > Weight::ZERO && is_up && !self.is_refused(rip)
        })
    }

    /// Whether the kernel has it not and will not have it.
    fn is_refused(&self, rip: &RealServerId) -> bool {
        self.refuses.contains(rip) && !self.entries().any(|entry| entry == rip)
    }

    fn weights_are_as_wished(&self) -> Result<(), TestCaseError> {
        let configured = &self.configured[&id()];
        for (rip, entry) in &self.kernel[&id()].real_servers {
            let Some(server) = configured.server(rip) else {
                continue;
            };
            let overridden = self.pools.overrides().get(&id(), rip);
            let standing = self.standing(rip, server);
            if matches!(overridden, Some(Override::Drain { .. })) || standing == Standing::Draining
            {
                prop_assert_eq!(entry.weight, Weight::ZERO, "{} drains", rip);
            }
            let most = match overridden {
                Some(Override::Weight(weight)) => *weight,
                _ => server.settings.weight,
            };
            if standing == Standing::Up {
                prop_assert!(entry.weight <= most, "{} weighs {}", rip, entry.weight);
            }
            if standing == Standing::Down {
                prop_assert_eq!(entry.weight, Weight::ZERO, "{} is down", rip);
            }
        }
        Ok(())
    }

    fn who_serves_is_right(&self) -> Result<(), TestCaseError> {
        let configured = &self.configured[&id()];
        let view = self.pools.view(&id(), Some(configured)).unwrap();
        let takes = |role| {
            let mut members = view.members.iter().filter(|member| member.role == role);
            members.any(|member| {
                member
                    .entry
                    .is_some_and(|entry| entry.weight > Weight::ZERO)
            })
        };
        match (view.quorum, view.serving) {
            (Quorum::Undecided, _) => {}
            (Quorum::Up, serving) => {
                prop_assert_eq!(serving, Serving::Pool);
                prop_assert!(takes(Role::Real) && !takes(Role::Backup) && !takes(Role::Sorry));
            }
            (Quorum::Down, Serving::Backup) => {
                prop_assert!(takes(Role::Backup) && !takes(Role::Real) && !takes(Role::Sorry));
            }
            (Quorum::Down, Serving::Sorry) => {
                prop_assert!(takes(Role::Sorry) && !takes(Role::Real) && !takes(Role::Backup));
            }
            (Quorum::Down, Serving::Pool) => {
                let sorry = configured.rules.sorry_server.as_ref();
                let nothing = Some(&Override::Weight(Weight::ZERO));
                prop_assert!(sorry.is_none_or(|(rip, _)| self.is_drained(rip)
                    || self.is_refused(rip)
                    || self.pools.overrides().get(&id(), rip) == nothing));
                prop_assert!(!takes(Role::Backup) && !takes(Role::Sorry));
            }
        }
        Ok(())
    }
}

fn is_usable(server: &table::VirtualServer) -> bool {
    let mut entries = server.real_servers.values();
    entries.any(|entry| entry.weight > Weight::ZERO)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_happens_the_pool_keeps_its_rules(
        server in virtual_server(),
        happenings in vec(happening(), 1..40),
    ) {
        let mut world = World::new(server);
        world.step()?;
        for happening in happenings {
            world.happens(happening)?;
        }
    }
}
