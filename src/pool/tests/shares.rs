//! Servers that say how much of their weight they want.

use super::*;
use crate::health::Share;

const WEIGHTS: &str = "[[virtual_server.real_server]]\naddress = '10.0.0.1'\nweight = 10\n\
                       [[virtual_server.real_server]]\naddress = '10.0.0.2'\nweight = 10";

fn wants(world: &mut World, last: u8, percent: u8) {
    world
        .shares
        .insert(rip(last), Share::percent(percent).unwrap());
    world.step();
}

#[test]
fn a_server_gets_the_share_of_its_weight_that_it_wants() {
    let mut world = World::up(WEIGHTS);
    wants(&mut world, 1, 40);
    assert_eq!(world.table(), [(1, 4), (2, 10)]);
    wants(&mut world, 1, 1);
    assert_eq!(world.table(), [(1, 1), (2, 10)], "it is ready all the same");
    wants(&mut world, 1, 100);
    assert_eq!(world.table(), [(1, 10), (2, 10)]);
}

#[test]
fn a_server_that_wants_nothing_new_keeps_its_connections_for_as_long_as_they_take() {
    let mut world = World::up(WEIGHTS);
    wants(&mut world, 1, 0);
    world.wait(120 * SECOND);
    assert_eq!(world.table(), [(1, 0), (2, 10)], "it does not drain");
    assert_eq!(world.told(), [""; 0]);
    wants(&mut world, 1, 50);
    assert_eq!(world.table(), [(1, 5), (2, 10)]);
}

#[test]
fn the_share_is_of_the_operators_weight_and_slow_start_grows_to_it() {
    let mut world = World::up(&format!("slow_start = '9s'\n{WEIGHTS}"));
    world.operator(1, Some(Override::Weight(Weight::try_from(200).unwrap())));
    wants(&mut world, 1, 50);
    assert_eq!(world.table(), [(1, 100), (2, 10)]);
    world.is(1, Standing::Down);
    world.is(1, Standing::Up);
    let mut seen = vec![world.table()[0].1];
    for _ in 0..9 {
        world.wait(SECOND);
        seen.push(world.table()[0].1);
    }
    assert_eq!(seen, [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
    world.operator(1, Some(Override::Weight(Weight::ZERO)));
    assert_eq!(world.table(), [(1, 0), (2, 10)]);
}

#[test]
fn a_busy_pool_keeps_its_quorum_and_one_that_wants_nothing_loses_it() {
    let mut world = World::up(&format!(
        "quorum = 20\nsorry_server = '10.0.0.7'\n{WEIGHTS}"
    ));
    wants(&mut world, 1, 10);
    wants(&mut world, 2, 10);
    assert_eq!(world.table(), [(1, 1), (2, 1)]);
    wants(&mut world, 2, 0);
    assert_eq!(world.table(), [(1, 0), (2, 0), (7, 1)]);
    assert_eq!(world.told()[0], "VS has no quorum: weight 10 of 20");
}

#[test]
fn after_a_restart_the_share_that_the_kernel_holds_is_no_loss_of_quorum() {
    let lines = format!("quorum = 20\nsorry_server = '10.0.0.7'\n{WEIGHTS}");
    let mut world = World::up(&lines);
    wants(&mut world, 1, 10);
    wants(&mut world, 2, 10);
    // A new lvsd, which has the kernel's table and no answers.
    world.pools = Pools::default();
    world.otherwise = Standing::Unchecked;
    world.shares.clear();
    let configured = std::mem::take(&mut world.configured);
    world.events.clear();
    world.reload(configured);
    assert_eq!(
        world.table(),
        [(1, 1), (2, 1)],
        "as it was, until they answer"
    );
    assert!(!world.told().iter().any(|told| told.contains("no quorum")));
}
