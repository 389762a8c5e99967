//! Random values of everything that the kernel keeps, for tests: few of each kind,
//! so that two tables have much in common.

use std::num::NonZeroU16;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;

use super::table::{Persistence, RealServer, Settings};
use crate::lvs::{
    Checksum, Family, Forwarding, PersistenceEngine, Scheduler, SchedulerFlags, Tunnel, Weight,
};

/// What a virtual server of that family may have.
pub(super) fn settings(family: Family) -> impl Strategy<Value = Settings> {
    let flags = any::<[bool; 3]>().prop_map(SchedulerFlags);
    let schedulers = [Scheduler::Maglev, Scheduler::reported("homegrown")];
    let scheduler = prop_oneof![select(&Scheduler::ALL[..]), select(schedulers.to_vec())];
    let persistence = prop::option::of(persistence(family));
    (scheduler, flags, any::<bool>(), persistence).prop_map(
        |(scheduler, scheduler_flags, one_packet, persistence)| Settings {
            scheduler,
            scheduler_flags,
            one_packet,
            persistence,
        },
    )
}

fn persistence(family: Family) -> impl Strategy<Value = Persistence> {
    let engines = [PersistenceEngine::Sip, PersistenceEngine::reported("other")];
    let timeout = prop_oneof![1..3u32, Just(u32::MAX)];
    let prefix_len = prop_oneof![Just(24), 1..=family.host_prefix_len()];
    (
        timeout,
        prefix_len,
        prop::option::of(select(engines.to_vec())),
    )
        .prop_map(|(seconds, prefix_len, engine)| Persistence {
            timeout: Duration::from_secs(seconds.into()),
            prefix_len,
            engine,
        })
}

/// What a real server may have.
pub(super) fn real_server() -> impl Strategy<Value = RealServer> {
    let limit = || prop_oneof![Just(0), 1..3u32, any::<u32>()];
    let weight = prop_oneof![0..3u32, any::<u32>()];
    (forwarding(), weight, limit(), limit()).prop_map(
        |(forwarding, weight, upper_threshold, lower_threshold)| RealServer {
            forwarding,
            weight: Weight::reported(weight),
            upper_threshold,
            lower_threshold,
        },
    )
}

fn forwarding() -> impl Strategy<Value = Forwarding> {
    let checksum = select(vec![Checksum::None, Checksum::Plain, Checksum::Remote]);
    let gue =
        (any::<NonZeroU16>(), checksum).prop_map(|(port, checksum)| Tunnel::Gue { port, checksum });
    let gre = any::<bool>().prop_map(|checksum| Tunnel::Gre { checksum });
    let tunnel = prop_oneof![Just(Tunnel::Ipip), gue, gre, Just(Tunnel::Other(200))];
    let plain = [Forwarding::DirectRoute, Forwarding::Nat, Forwarding::Local];
    prop_oneof![select(plain.to_vec()), tunnel.prop_map(Forwarding::Tunnel)]
}
