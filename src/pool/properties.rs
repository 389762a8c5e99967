//! What holds for every pool, whatever happens to it.

use std::time::Duration;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::config::rules::{Conduct, OnFailure, Rules};
use crate::health::{Check, Probe, Timing};
use crate::ipvs::{plan, table};
use crate::lvs::{Forwarding, Scheduler};

/// Something that happens to a pool.
#[derive(Debug, Clone)]
enum Happening {
    Health(u8, Standing),
    Connections(u8, u32),
    Time(u64),
    Operator(u8, Option<Override>),
    Reload(Box<VirtualServer>),
}

fn id() -> VirtualServerId {
    "tcp 10.0.0.9:80".parse().unwrap()
}

fn rip(last: u8) -> RealServerId {
    RealServerId::from(([10, 0, 0, last], 80))
}

fn standing() -> impl Strategy<Value = Standing> {
    prop_oneof![
        1 => Just(Standing::Unchecked),
        4 => Just(Standing::Up),
        1 => Just(Standing::Draining),
        2 => Just(Standing::Down),
    ]
}

fn real_server() -> impl Strategy<Value = RealServer> {
    let weight = prop_oneof![0_u32..4, Just(100_u32)];
    let conduct = (any::<bool>(), option::of(1_u64..60), 0_u64..40);
    (weight, conduct).prop_map(|(weight, (quiesce, slow_start, drain))| RealServer {
        settings: table::RealServer {
            forwarding: Forwarding::DirectRoute,
            weight: Weight::try_from(weight).unwrap(),
            upper_threshold: 0,
            lower_threshold: 0,
        },
        check: Some(check().into()),
        conduct: Conduct {
            on_failure: if quiesce {
                OnFailure::Quiesce
            } else {
                OnFailure::Remove
            },
            slow_start: slow_start.map(Duration::from_secs),
            drain: Duration::from_secs(drain),
        },
    })
}

fn check() -> Check {
    let second = Duration::from_secs(1);
    Check {
        probe: Probe::Tcp { address: rip(1) },
        timing: Timing {
            interval: second,
            timeout: second,
            retries: 0,
            retry_delay: second,
            rise: 1,
        },
    }
}

/// Real servers 1 to 5, backup servers 11 and 12, sorry server 21 or 22.
fn virtual_server() -> impl Strategy<Value = VirtualServer> {
    let real = btree_map((1_u8..=5).prop_map(rip), real_server(), 0..5);
    let backup = btree_map((11_u8..=12).prop_map(rip), real_server(), 0..2);
    let sorry = option::of(((21_u8..=22).prop_map(rip), real_server()));
    let quorum = (1_u32..6).prop_flat_map(|quorum| (Just(quorum), 0..quorum));
    (real, backup, sorry, quorum).prop_map(|(real_servers, backup, sorry, quorum)| {
        let sorry = sorry.map(|(rip, server)| {
            let settings = table::RealServer {
                weight: Weight::ONE,
                ..server.settings
            };
            let server = RealServer {
                settings,
                check: None,
                ..server
            };
            (rip, server)
        });
        VirtualServer {
            settings: table::Settings {
                scheduler: Scheduler::WeightedRoundRobin,
                scheduler_flags: Default::default(),
                one_packet: false,
                persistence: None,
            },
            real_servers: real_servers.into_iter().collect(),
            rules: Rules {
                quorum: quorum.0,
                hysteresis: quorum.1,
                sorry_server: sorry,
                backup_servers: backup.into_iter().collect(),
                ..Rules::default()
            },
        }
    })
}

fn happening() -> impl Strategy<Value = Happening> {
    let server = || prop_oneof![2 => 1_u8..=5, 1 => 11_u8..=12];
    let any = prop_oneof![2 => server(), 1 => 21_u8..=22];
    let wish = prop_oneof![
        option::of(0_u64..20).prop_map(|limit| {
            let limit = limit.map(Duration::from_secs);
            Override::Drain { limit }
        }),
        (0_u32..5).prop_map(|weight| Override::Weight(Weight::try_from(weight).unwrap())),
    ];
    prop_oneof![
        4 => (server(), standing()).prop_map(|(last, standing)| Happening::Health(last, standing)),
        1 => (server(), 0_u32..3).prop_map(|(last, count)| Happening::Connections(last, count)),
        3 => (0_u64..20_000).prop_map(Happening::Time),
        1 => (any, option::of(wish)).prop_map(|(last, wish)| Happening::Operator(last, wish)),
        1 => virtual_server().prop_map(|server| Happening::Reload(Box::new(server))),
    ]
}

struct World {
    pools: Pools,
    configured: Configured,
    standings: BTreeMap<RealServerId, Standing>,
    connections: BTreeMap<RealServerId, u32>,
    kernel: Table,
    now: Instant,
    deadline: Option<Instant>,
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
            now: crate::sys::clock::now(),
            deadline: None,
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
        match happening {
            Happening::Health(last, standing) => {
                self.standings.insert(rip(last), standing);
            }
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
            }
            Happening::Reload(server) => {
                // A check that is new has not spoken yet.
                let known = &self.configured[&id()];
                let new = server
                    .servers()
                    .filter(|(rip, _)| one::find(known, rip).is_none());
                for (rip, _) in new {
                    self.standings.remove(rip);
                }
                let after = Configured::from([(id(), *server)]);
                let kernel = |id: &_| self.kernel.get(id).cloned();
                self.pools.configure(&self.configured, &after, kernel);
                self.configured = after;
            }
        }
        self.step()
    }

    fn step(&mut self) -> Result<(), TestCaseError> {
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
        });
        self.pools = pools;
        if let Some(deadline) = outcome.deadline {
            prop_assert!(deadline > self.now, "a deadline of the past");
        }
        self.deadline = outcome.deadline;
        self.no_prefix_is_empty(&outcome.table)?;
        self.kernel = outcome.table;
        self.weights_are_as_wished()?;
        self.who_serves_is_right()
    }

    fn no_prefix_is_empty(&self, wanted: &Table) -> Result<(), TestCaseError> {
        let had = self.kernel.get(&id()).is_some_and(is_usable);
        if !had || !(self.has_candidate() || self.is_bridged()) {
            return Ok(());
        }
        let ops = plan::plan(wanted, &self.kernel);
        let mut now = self.kernel.clone();
        prop_assert!(is_usable(&wanted[&id()]), "nobody is left: {:?}", ops);
        for op in &ops {
            plan::apply(&[*op], &mut now);
            prop_assert!(is_usable(&now[&id()]), "empty after {} of {:?}", op, ops);
        }
        Ok(())
    }

    fn is_drained(&self, rip: &RealServerId) -> bool {
        let wish = self.pools.overrides().get(&id(), rip);
        matches!(wish, Some(Override::Drain { .. }))
    }

    /// Whether somebody serves that the configuration no longer has, while
    /// nobody knows yet of somebody else whether he can.
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
            is_fit && entry.weight > Weight::ZERO && one::find(configured, rip).is_none()
        });
        let mut awaited = configured.servers().filter(|(rip, server)| {
            let weight = match self.pools.overrides().get(&id(), rip) {
                Some(Override::Weight(weight)) => *weight,
                _ => server.settings.weight,
            };
            self.standing(rip, server) == Standing::Unchecked
                && weight > Weight::ZERO
                && !self.is_drained(rip)
        });
        leaving.next().is_some() && awaited.next().is_some()
    }

    /// Whether anybody could serve: somebody who is up, wanted, and not held
    /// back by an operator.
    fn has_candidate(&self) -> bool {
        self.configured[&id()].servers().any(|(rip, server)| {
            let weight = match self.pools.overrides().get(&id(), rip) {
                Some(Override::Drain { .. }) => Weight::ZERO,
                Some(Override::Weight(weight)) => *weight,
                None => server.settings.weight,
            };
            weight > Weight::ZERO && self.standing(rip, server) == Standing::Up
        })
    }

    fn weights_are_as_wished(&self) -> Result<(), TestCaseError> {
        let configured = &self.configured[&id()];
        for (rip, entry) in &self.kernel[&id()].real_servers {
            let Some(server) = one::find(configured, rip) else {
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
