use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use proptest::collection::btree_map;
use proptest::prelude::*;

use super::*;
use crate::ipvs::arbitrary::{real_server, settings};
use crate::lvs::{
    Checksum, Family, PersistenceEngine, Protocol, Scheduler, SchedulerFlags, Tunnel, Weight,
};

proptest! {
    #[test]
    fn nothing_is_planned_between_equal_tables(table in table()) {
        prop_assert_eq!(plan(&table, &table), []);
    }

    #[test]
    fn a_plan_turns_the_actual_table_into_the_desired_one(
        desired in table(),
        actual in table(),
    ) {
        let mut result = actual.clone();
        apply(&plan(&desired, &actual), &mut result);
        prop_assert_eq!(&result, &desired);
        prop_assert_eq!(plan(&desired, &result), []);
    }

    #[test]
    fn wherever_a_plan_breaks_off_no_virtual_server_has_lost_its_last_usable_real_server(
        desired in table(),
        actual in table(),
    ) {
        let ops = plan(&desired, &actual);
        for done in 0..=ops.len() {
            let mut now = actual.clone();
            apply(&ops[..done], &mut now);
            for (id, virtual_server) in &desired {
                let had_one = actual.get(id).is_some_and(is_usable);
                if had_one && is_usable(virtual_server) {
                    prop_assert!(is_usable(&now[id]), "{} after {:?}", id, &ops[..done]);
                }
            }
        }
    }

    #[test]
    fn every_addition_comes_before_any_removal(desired in table(), actual in table()) {
        let ops = plan(&desired, &actual);
        let removals = ops.iter().position(is_removal).unwrap_or(ops.len());
        prop_assert!(ops[removals..].iter().all(is_removal), "{:?}", ops);
    }

    #[test]
    fn a_real_server_that_the_kernel_made_local_is_left_alone(
        desired in table(),
        local in any::<proptest::sample::Selector>(),
    ) {
        let mut actual = desired.clone();
        let real_servers = actual.values_mut().flat_map(|found| found.real_servers.values_mut());
        if let Some(real_server) = local.try_select(real_servers) {
            real_server.forwarding = Forwarding::Local;
        }
        prop_assert_eq!(plan(&desired, &actual), []);
    }
}

#[test]
fn a_fraction_of_a_second_of_persistence_is_not_fought_over() {
    let id = virtual_server_id(1);
    let with = |timeout| {
        let settings = Settings {
            persistence: Some(Persistence::of_clients(timeout, Family::Ipv4)),
            ..Settings::of(Scheduler::RoundRobin)
        };
        Table::from([(
            id,
            VirtualServer {
                settings,
                real_servers: Default::default(),
            },
        )])
    };
    let desired = with(Duration::from_millis(60_500));
    assert_eq!(plan(&desired, &with(Duration::from_secs(60))), []);
    assert_eq!(plan(&desired, &with(Duration::from_secs(61))).len(), 1);
}

#[test]
fn an_op_reads_like_a_log_line() {
    let id = "tcp 192.168.1.200:80".parse().unwrap();
    let rip = "192.168.1.53:80".parse().unwrap();
    let settings = Settings {
        scheduler: Scheduler::Maglev,
        scheduler_flags: SchedulerFlags([true, true, false]),
        one_packet: true,
        persistence: Some(Persistence {
            timeout: Duration::from_secs(60),
            prefix_len: 24,
            engine: Some(PersistenceEngine::Sip),
        }),
    };
    let real_server = RealServer {
        forwarding: Forwarding::Tunnel(Tunnel::Gue {
            port: NonZeroU16::MIN,
            checksum: Checksum::Remote,
        }),
        weight: Weight::ONE,
        upper_threshold: 1000,
        lower_threshold: 800,
    };
    let lines = [
        Op::AddVirtualServer(id, settings),
        Op::SetRealServer(id, rip, real_server),
        Op::RemoveRealServer(id, rip),
        Op::RemoveVirtualServer(id),
    ]
    .map(|op| op.to_string());
    assert_eq!(
        lines,
        [
            "add virtual server tcp 192.168.1.200:80: mh fallback port one-packet persistent 60s mask 24 engine sip",
            "set real server 192.168.1.53:80 of tcp 192.168.1.200:80: tun gue 1 remote weight 1 thresholds 800..1000",
            "remove real server 192.168.1.53:80 of tcp 192.168.1.200:80",
            "remove virtual server tcp 192.168.1.200:80",
        ]
    );
}

fn is_usable(virtual_server: &VirtualServer) -> bool {
    let mut real_servers = virtual_server.real_servers.values();
    real_servers.any(|real_server| real_server.weight > Weight::ZERO)
}

fn is_removal(op: &Op) -> bool {
    matches!(op, Op::RemoveRealServer(..) | Op::RemoveVirtualServer(_))
}

fn virtual_server_id(number: u16) -> VirtualServerId {
    VirtualServerId::Address {
        protocol: Protocol::Tcp,
        address: SocketAddr::from((Ipv4Addr::new(10, 0, 0, 1), number)),
    }
}

/// Few identities and few values, so that two tables have much in common.
fn table() -> impl Strategy<Value = Table> {
    let id = (1u16..6).prop_map(virtual_server_id);
    btree_map(id, virtual_server(), 0..5)
}

fn virtual_server() -> impl Strategy<Value = VirtualServer> {
    let rip = (1u16..6).prop_map(|port| SocketAddr::from((Ipv4Addr::new(10, 1, 0, 1), port)));
    (settings(Family::Ipv4), btree_map(rip, not_local(), 0..5)).prop_map(
        |(settings, real_servers)| VirtualServer {
            settings,
            real_servers: real_servers.into_iter().collect(),
        },
    )
}

/// What the kernel made local is not a difference, so it is not made undone either.
fn not_local() -> impl Strategy<Value = RealServer> {
    real_server().prop_filter("local", |found| found.forwarding != Forwarding::Local)
}
