mod killed;
mod refused;
mod replaced;
mod shares;
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use self::world::{World, file, rip};
use super::member::SETTLE;
use super::*;
use crate::config::director::DirectorConfig;
use crate::ipvs::{plan, table};

const TWO: &str = "real_servers = ['10.0.0.1', '10.0.0.2']";

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn no_server_takes_traffic_before_its_first_success() {
    let mut world = World::new(TWO);
    assert_eq!(world.table(), []);
    assert_eq!(world.kernel.len(), 1, "the virtual server is there");
    world.is(1, Standing::Up);
    assert_eq!(world.table(), [(1, 1)]);
}

#[test]
fn a_server_that_fails_is_out_or_at_weight_0_as_configured() {
    let mut world = World::up(TWO);
    world.is(1, Standing::Down);
    assert_eq!(world.table(), [(2, 1)]);
    let mut world = World::up(&format!("on_failure = 'quiesce'\n{TWO}"));
    world.is(1, Standing::Down);
    assert_eq!(world.table(), [(1, 0), (2, 1)]);
    world.is(1, Standing::Up);
    assert_eq!(world.table(), [(1, 1), (2, 1)]);
}

#[test]
fn what_the_kernel_has_already_stays_as_it_is_until_the_first_verdict() {
    let mut found = World::up(TWO).kernel;
    let server = found.values_mut().next().unwrap();
    for (weight, entry) in [7, 0].into_iter().zip(server.real_servers.values_mut()) {
        entry.weight = Weight::try_from(weight).unwrap();
    }
    let mut world = World::new("real_servers = ['10.0.0.1', '10.0.0.2']");
    world.pools = Pools::default();
    world.kernel = found;
    world.reload(file(TWO));
    assert_eq!(world.table(), [(1, 7), (2, 0)]);
    world.is(1, Standing::Down);
    world.is(2, Standing::Down);
    assert_eq!(world.table(), []);
}

#[test]
fn a_changed_check_holds_its_server_until_the_new_check_has_spoken() {
    let mut world = World::up(TWO);
    world.otherwise = Standing::Unchecked;
    world.reload(file(&format!("{TWO}\ncheck = {{ port = 81 }}")));
    assert_eq!(world.table(), [(1, 1), (2, 1)]);
}

#[test]
fn a_drained_server_leaves_when_its_connections_have_ended() {
    let mut world = World::up(TWO);
    world.connections.insert(rip(1), 2);
    world.operator(1, Some(Override::Drain { limit: None }));
    assert_eq!(world.table(), [(1, 0), (2, 1)]);
    world.wait(10 * SECOND);
    assert_eq!(world.table(), [(1, 0), (2, 1)]);
    world.connections.clear();
    world.step();
    assert_eq!(world.table(), [(2, 1)]);
    world.operator(1, None);
    assert_eq!(world.table(), [(1, 1), (2, 1)]);
}

#[test]
fn a_drained_server_leaves_when_its_time_is_over() {
    let mut world = World::up(&format!("drain = '5s'\n{TWO}"));
    world.connections.insert(rip(1), 2);
    world.is(1, Standing::Draining);
    world.wait(Duration::from_millis(4_999));
    assert_eq!(world.table(), [(1, 0), (2, 1)]);
    world.wait(Duration::from_millis(1));
    assert_eq!(world.table(), [(2, 1)]);
    assert_eq!(
        world.told(),
        [
            "10.0.0.1:80 of VS drains for at most 5s, because the server asks to drain",
            "10.0.0.1:80 of VS is drained and out, 2 connections were cut; it was drained \
             because the server asks to drain",
        ]
    );
}

#[test]
fn a_drain_waits_for_connections_that_were_being_set_up_when_it_began() {
    let mut world = World::up(TWO);
    world.operator(1, Some(Override::Drain { limit: None }));
    world.step();
    assert_eq!(world.table(), [(1, 0), (2, 1)], "none is counted yet");
    world.wait(SETTLE);
    assert_eq!(world.table(), [(2, 1)]);
}

#[test]
fn a_drain_does_not_end_by_a_count_from_before_it_began() {
    let mut world = World::up(TWO);
    world.counted_at = Some(world.now);
    world.operator(1, Some(Override::Drain { limit: None }));
    world.step();
    world.wait(3 * SETTLE);
    assert_eq!(
        world.table(),
        [(1, 0), (2, 1)],
        "a large table is not read each second"
    );
    world.counted_at = Some(world.now);
    world.step();
    assert_eq!(world.table(), [(2, 1)]);
}

#[test]
fn a_drain_without_time_is_a_removal() {
    let mut world = World::up(&format!("drain = '0s'\n{TWO}"));
    world.connections.insert(rip(1), 2);
    world.is(1, Standing::Draining);
    assert_eq!(world.table(), [(2, 1)]);
}

#[test]
fn a_server_that_a_reload_replaces_serves_until_the_new_one_is_up_and_drains_then() {
    let mut world = World::up("real_servers = ['10.0.0.1']");
    world.connections.insert(rip(1), 1);
    world.standings.insert(rip(2), Standing::Unchecked);
    world.reload(file("real_servers = ['10.0.0.2']"));
    assert_eq!(world.table(), [(1, 1)], "the new one is not checked yet");
    world.is(2, Standing::Up);
    assert_eq!(world.table(), [(1, 0), (2, 1)]);
    world.connections.clear();
    world.wait(SETTLE);
    assert_eq!(world.table(), [(2, 1)]);
}

#[test]
fn a_removed_virtual_server_drains_too() {
    let mut world = World::up(TWO);
    world.connections.insert(rip(2), 1);
    world.reload(Configured::new());
    assert_eq!(world.table(), [(1, 0), (2, 0)]);
    world.wait(SETTLE);
    assert_eq!(world.table(), [(2, 0)]);
    world.wait(30 * SECOND);
    assert_eq!(world.kernel, Table::new());
}

#[test]
fn a_removed_server_that_dies_while_it_drains_is_out() {
    let mut world = World::up(TWO);
    world.connections.insert(rip(2), 1);
    world.reload(file("real_servers = ['10.0.0.1']"));
    assert_eq!(world.table(), [(1, 1), (2, 0)]);
    assert_eq!(world.pools.checks(&world.configured).len(), 2);
    world.is(2, Standing::Down);
    assert_eq!(world.table(), [(1, 1)]);
    assert_eq!(world.pools.checks(&world.configured).len(), 1);
}

#[test]
fn the_sorry_server_is_in_before_the_last_real_server_is_out_and_goes_likewise() {
    let mut world = World::up("real_servers = ['10.0.0.1']\nsorry_server = '10.0.0.7'");
    assert_eq!(world.table(), [(1, 1)]);
    let text = |ops: Vec<plan::Op>| -> Vec<_> { ops.iter().map(ToString::to_string).collect() };
    world.standings.insert(rip(1), Standing::Down);
    assert_eq!(
        text(world.step()),
        [
            "add real server 10.0.0.7:80 of tcp 10.0.0.9:80: dr weight 1",
            "remove real server 10.0.0.1:80 of tcp 10.0.0.9:80",
        ]
    );
    world.standings.insert(rip(1), Standing::Up);
    assert_eq!(
        text(world.step()),
        [
            "add real server 10.0.0.1:80 of tcp 10.0.0.9:80: dr weight 1",
            "set real server 10.0.0.7:80 of tcp 10.0.0.9:80: dr weight 0",
        ]
    );
    world.wait(SETTLE);
    assert_eq!(world.table(), [(1, 1)]);
}

#[test]
fn without_quorum_a_substitute_takes_all_and_what_is_alive_keeps_what_it_has() {
    let mut world = World::up(&format!("quorum = 2\nsorry_server = '10.0.0.7'\n{TWO}"));
    world.is(1, Standing::Down);
    assert_eq!(world.table(), [(2, 0), (7, 1)]);
    assert_eq!(
        world.told(),
        [
            "VS has no quorum: weight 1 of 2",
            "VS is served by: sorry, no longer by: pool"
        ]
    );
    let mut world = World::up(&format!("quorum = 2\n{TWO}"));
    world.is(1, Standing::Down);
    assert_eq!(world.table(), [(2, 1)], "there is nobody else");
}

#[test]
fn the_backup_pool_comes_before_the_sorry_server() {
    let mut world = World::up(
        "real_servers = ['10.0.0.1']\nsorry_server = '10.0.0.7'\n\
         [[virtual_server.backup_server]]\naddress = '10.0.0.5'\nweight = 3",
    );
    assert_eq!(world.table(), [(1, 1)]);
    world.is(1, Standing::Down);
    assert_eq!(world.table(), [(5, 3)]);
    world.is(5, Standing::Down);
    assert_eq!(world.table(), [(7, 1)]);
    world.is(5, Standing::Up);
    assert_eq!(world.table(), [(5, 3), (7, 0)]);
    world.is(1, Standing::Up);
    assert_eq!(world.table(), [(1, 1), (5, 0), (7, 0)]);
    world.wait(SETTLE);
    assert_eq!(world.table(), [(1, 1)]);
}

#[test]
fn a_substitute_that_a_reload_removes_serves_until_what_comes_is_judged() {
    let down = |substitute: &str| {
        let mut world = World::up(&format!("real_servers = ['10.0.0.1']\n{substitute}"));
        world.is(1, Standing::Down);
        world.otherwise = Standing::Unchecked;
        world
    };
    let backup = |last: u8| {
        format!("[[virtual_server.backup_server]]\naddress = '10.0.0.{last}'\nweight = {last}")
    };
    let with = |lines: &str| file(&format!("real_servers = ['10.0.0.1']\n{lines}"));

    let mut world = down(&backup(5));
    assert_eq!(world.table(), [(5, 5)]);
    world.standings.insert(rip(5), Standing::Up);
    world.reload(with(&backup(6)));
    assert_eq!(world.table(), [(5, 5)], "the other is not checked yet");
    world.is(6, Standing::Up);
    assert_eq!(world.table(), [(5, 0), (6, 6)]);

    let mut world = down("sorry_server = '10.0.0.7'");
    world.reload(with(&backup(6)));
    assert_eq!(world.table(), [(7, 1)], "nor is this one");
    world.is(6, Standing::Up);
    assert_eq!(world.table(), [(6, 6), (7, 0)]);

    let mut world = down("sorry_server = '10.0.0.7'");
    world.reload(file("real_servers = ['10.0.0.1', '10.0.0.2']"));
    assert_eq!(world.table(), [(7, 1)], "nor is a server of the pool");
    world.is(2, Standing::Up);
    assert_eq!(world.table(), [(2, 1), (7, 0)]);

    let mut world = down("sorry_server = '10.0.0.7'");
    world.reload(file("real_servers = ['10.0.0.1', '10.0.0.2']"));
    world.is(2, Standing::Down);
    assert_eq!(world.table(), [(7, 1)], "nobody else can serve");
    world.is(2, Standing::Up);
    assert_eq!(world.table(), [(2, 1), (7, 0)]);

    let mut world = down("sorry_server = '10.0.0.7'");
    world.reload(with("sorry_server = '10.0.0.8'"));
    assert_eq!(world.table(), [(7, 0), (8, 1)], "it is not checked at all");
}

#[test]
fn a_sorry_server_that_the_operator_drains_is_no_substitute() {
    let mut world = World::up(&format!("quorum = 2\nsorry_server = '10.0.0.7'\n{TWO}"));
    world.is(1, Standing::Down);
    assert_eq!(world.table(), [(2, 0), (7, 1)]);
    world.operator(7, Some(Override::Drain { limit: None }));
    assert_eq!(world.table(), [(2, 1), (7, 0)], "what is alive serves");
}

#[test]
fn a_start_leaves_the_sorry_server_alone_until_the_first_checks_have_decided() {
    let lines = "real_servers = ['10.0.0.1']\nsorry_server = '10.0.0.7'";
    let mut world = World::new(lines);
    assert_eq!(world.table(), [], "the first check may pass");
    world.is(1, Standing::Down);
    assert_eq!(world.table(), [(7, 1)]);
    let mut restarted = World::new(lines);
    restarted.pools = Pools::default();
    restarted.kernel = world.kernel;
    restarted.reload(file(lines));
    assert_eq!(restarted.table(), [(7, 1)], "it serves on");
}

#[test]
fn after_a_recovery_the_weight_grows_in_steps_from_a_tenth() {
    let mut world = World::up(
        "slow_start = '9s'\n[[virtual_server.real_server]]\naddress = '10.0.0.1'\nweight = 50",
    );
    assert_eq!(world.table(), [(1, 50)], "not at the first start");
    world.is(1, Standing::Down);
    world.is(1, Standing::Up);
    let mut seen = vec![world.table()[0].1];
    for _ in 0..10 {
        world.wait(SECOND);
        seen.push(world.table()[0].1);
    }
    assert_eq!(seen, [5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 50]);
    assert_eq!(world.deadline, None);
}

#[test]
fn an_override_holds_across_reloads_until_the_file_changes_that_server() {
    let with = |weight: u32, interval: &str| {
        format!(
            "check = {{ interval = '{interval}' }}\n\
             [[virtual_server.real_server]]\naddress = '10.0.0.1'\nweight = {weight}"
        )
    };
    let mut world = World::up(&with(3, "2s"));
    world.operator(1, Some(Override::Weight(Weight::try_from(9).unwrap())));
    assert_eq!(world.table(), [(1, 9)]);
    world.reload(file(&with(3, "2s")));
    assert_eq!(world.table(), [(1, 9)]);
    let saved = serde_json::to_string(world.pools.overrides()).unwrap();
    let loaded: Overrides = serde_json::from_str(&saved).unwrap();
    assert_eq!(&loaded, world.pools.overrides(), "{saved}");
    world.reload(file(&with(4, "2s")));
    assert_eq!(world.table(), [(1, 4)]);
    assert_eq!(world.pools.overrides(), &Overrides::default());
}

#[test]
fn whatever_the_file_changes_of_a_server_ends_its_override() {
    let role =
        "real_servers = ['10.0.0.2']\n[[virtual_server.backup_server]]\naddress = '10.0.0.1'";
    for changed in [
        "check = { interval = '5s' }",
        "check = { type = 'none' }",
        "drain = '9s'",
        "on_failure = 'quiesce'",
        "forwarding = 'nat'",
    ] {
        let mut world = World::up(TWO);
        world.operator(1, Some(Override::Weight(Weight::try_from(9).unwrap())));
        world.reload(file(&format!("{TWO}\nquorum = 2")));
        assert_ne!(world.pools.overrides(), &Overrides::default(), "quorum");
        world.reload(file(&format!("{TWO}\n{changed}")));
        assert_eq!(world.pools.overrides(), &Overrides::default(), "{changed}");
    }
    let mut world = World::up(TWO);
    world.operator(1, Some(Override::Drain { limit: None }));
    world.reload(file(role));
    assert_eq!(world.pools.overrides(), &Overrides::default(), "its role");
}

#[test]
fn an_unchanged_reload_disturbs_neither_a_drain_nor_a_slow_start() {
    let lines = "slow_start = '9s'\n\
         [[virtual_server.real_server]]\naddress = '10.0.0.1'\nweight = 50\n\
         [[virtual_server.real_server]]\naddress = '10.0.0.2'\nweight = 50";
    let mut world = World::up(lines);
    world.connections.insert(rip(2), 1);
    world.is(1, Standing::Down);
    world.is(1, Standing::Up);
    world.operator(2, Some(Override::Drain { limit: None }));
    world.wait(3 * SECOND);
    let (before, deadline) = (world.table(), world.deadline);
    world.reload(file(lines));
    assert_eq!((world.table(), world.deadline), (before, deadline));
    world.wait(27 * SECOND);
    assert_eq!(
        world.table(),
        [(1, 50)],
        "30 s after it began, not after the reload"
    );
    assert!(world.now - world.start < 31 * SECOND);
}
