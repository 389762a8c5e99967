//! Random pools, and what may happen to them.

use std::sync::Arc;
use std::time::Duration;

use proptest::collection::btree_map;
use proptest::option;
use proptest::prelude::*;

use crate::config::director::{RealServer, VirtualServer};
use crate::config::rules::{Conduct, OnFailure, Rules};
use crate::health::{Check, Probe, Timing};
use crate::ipvs::table;
use crate::lvs::{Forwarding, RealServerId, Scheduler, VirtualServerId, Weight};
use crate::pool::{Override, Standing};

/// Something that happens to a pool.
#[derive(Debug, Clone)]
pub(super) enum Happening {
    Health(u8, Standing),
    Connections(u8, u32),
    /// Whether it refuses that server from now on.
    Kernel(u8, bool),
    Time(u64),
    Operator(u8, Option<Override>),
    Reload(Box<VirtualServer>),
}

pub(super) fn id() -> VirtualServerId {
    "tcp 10.0.0.9:80".parse().unwrap()
}

pub(super) fn rip(last: u8) -> RealServerId {
    RealServerId::from(([10, 0, 0, last], 80))
}

pub(super) fn standing() -> impl Strategy<Value = Standing> {
    prop_oneof![
        1 => Just(Standing::Unchecked),
        4 => Just(Standing::Up),
        1 => Just(Standing::Draining),
        2 => Just(Standing::Down),
    ]
}

pub(super) fn real_server() -> impl Strategy<Value = RealServer> {
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

pub(super) fn check() -> Check {
    let second = Duration::from_secs(1);
    Check {
        probe: Probe::Tcp { address: rip(1) },
        timing: Arc::new(Timing {
            interval: second,
            timeout: second,
            retries: 0,
            retry_delay: second,
            rise: 1,
        }),
    }
}

/// Real servers 1 to 5, backup servers 11 and 12, sorry server 21 or 22.
pub(super) fn virtual_server() -> impl Strategy<Value = VirtualServer> {
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

pub(super) fn happening() -> impl Strategy<Value = Happening> {
    let server = || prop_oneof![2 => 1_u8..=5, 1 => 11_u8..=12];
    let of_any_role = prop_oneof![2 => server(), 1 => 21_u8..=22];
    let wish = prop_oneof![
        option::of(0_u64..20).prop_map(|limit| {
            let limit = limit.map(Duration::from_secs);
            Override::Drain { limit }
        }),
        (0_u32..5).prop_map(|weight| Override::Weight(Weight::try_from(weight).unwrap())),
    ];
    let added = prop_oneof![2 => server(), 1 => 21_u8..=22];
    prop_oneof![
        1 => (added, any::<bool>()).prop_map(|(last, refuses)| Happening::Kernel(last, refuses)),
        4 => (server(), standing()).prop_map(|(last, standing)| Happening::Health(last, standing)),
        1 => (server(), 0_u32..3).prop_map(|(last, count)| Happening::Connections(last, count)),
        3 => (0_u64..20_000).prop_map(Happening::Time),
        1 => (of_any_role, option::of(wish)).prop_map(|(last, wish)| Happening::Operator(last, wish)),
        1 => virtual_server().prop_map(|server| Happening::Reload(Box::new(server))),
    ]
}
