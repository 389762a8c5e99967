//! What a reload replaces, while what it puts there cannot serve.

use super::world::{World, file, rip};
use super::*;

const NEW: &str = "real_servers = ['10.0.0.3']";

/// Both of the pool serve; the one that a reload puts in their place is down.
fn replaced(lines: &str) -> World {
    let mut world = World::up(TWO);
    world.standings.insert(rip(3), Standing::Unchecked);
    world.reload(file(&format!("{NEW}\n{lines}")));
    assert_eq!(world.table(), [(1, 1), (2, 1)]);
    world.is(3, Standing::Down);
    world
}

#[test]
fn it_serves_on_until_a_new_server_is_usable() {
    let mut world = replaced("");
    assert_eq!(world.table(), [(1, 1), (2, 1)]);
    assert_eq!(world.pools.checks(&world.configured).len(), 3);
    let held = "VS has no usable server among those of the configuration: 2 that the configuration \
                replaced serve on until one of the new servers is usable; `lvsd server drain` \
                lets them go";
    assert_eq!(world.told(), [held]);
    world.wait(60 * SECOND);
    assert_eq!(world.table(), [(1, 1), (2, 1)]);
    assert_eq!(world.told(), [held], "told once");
    world.is(3, Standing::Up);
    assert_eq!(world.table(), [(1, 0), (2, 0), (3, 1)]);
    world.wait(SETTLE);
    assert_eq!(world.table(), [(3, 1)]);
}

#[test]
fn a_successor_that_wants_nothing_new_is_not_usable() {
    let mut world = World::up(TWO);
    world.standings.insert(rip(3), Standing::Draining);
    world.reload(file(NEW));
    assert_eq!(world.table(), [(1, 1), (2, 1)]);
    world.shares.insert(rip(3), Share::NONE);
    world.is(3, Standing::Up);
    assert_eq!(world.table(), [(1, 1), (2, 1), (3, 0)]);
}

#[test]
fn one_that_fails_is_out_and_the_last_one_too() {
    let mut world = replaced("");
    world.is(1, Standing::Down);
    assert_eq!(world.table(), [(2, 1)]);
    world.is(2, Standing::Down);
    assert_eq!(world.table(), []);
}

#[test]
fn a_usable_substitute_takes_over_instead() {
    let world = replaced("sorry_server = '10.0.0.7'");
    assert_eq!(world.table(), [(1, 0), (2, 0), (7, 1)]);
    let backup = "[[virtual_server.backup_server]]\naddress = '10.0.0.5'";
    let mut world = World::up(TWO);
    world.standings.insert(rip(3), Standing::Down);
    world.standings.insert(rip(5), Standing::Down);
    world.reload(file(&format!("{NEW}\n{backup}")));
    assert_eq!(world.table(), [(1, 1), (2, 1)], "this one is down too");
    world.is(5, Standing::Up);
    assert_eq!(world.table(), [(1, 0), (2, 0), (5, 1)]);
}

#[test]
fn the_operator_lets_it_go() {
    let mut world = replaced("");
    world.connections.insert(rip(2), 1);
    let id = *world.configured.keys().next().unwrap();
    assert_eq!(world.pools.leaving(&id), [rip(1), rip(2)]);
    world.pools.let_go(&id, &rip(2), Some(5 * SECOND));
    world.step();
    assert_eq!(world.table(), [(1, 1), (2, 0)]);
    world.wait(5 * SECOND);
    assert_eq!(world.table(), [(1, 1)]);
}

#[test]
fn a_director_that_is_killed_before_the_kernel_knows_lets_it_go_after_its_restart() {
    let mut world = replaced("");
    let id = *world.configured.keys().next().unwrap();
    world.connections.insert(rip(2), 1);
    world.pools.let_go(&id, &rip(2), Some(5 * SECOND));
    world.is_killed_and_starts_again();
    assert_eq!(world.table(), [(1, 1), (2, 0)], "the other one is held");
    world.wait(5 * SECOND);
    assert_eq!(world.table(), [(1, 1)]);
    let left = world.pools.overrides();
    assert_eq!(left, &Overrides::default(), "it is done");
}

#[test]
fn one_that_is_let_go_and_configured_again_is_as_configured() {
    let mut world = replaced("");
    let id = *world.configured.keys().next().unwrap();
    world.pools.let_go(&id, &rip(2), None);
    world.step();
    assert_eq!(world.table(), [(1, 1), (2, 0)]);
    world.reload(file("real_servers = ['10.0.0.2', '10.0.0.3']"));
    assert_eq!(world.pools.overrides(), &Overrides::default());
    assert_eq!(world.table(), [(1, 0), (2, 1)]);
}

#[test]
fn another_reload_brings_it_back_or_what_can_serve() {
    let mut world = replaced("");
    world.reload(file(NEW));
    assert_eq!(world.table(), [(1, 1), (2, 1)], "the same file again");
    world.reload(file(TWO));
    assert_eq!(world.table(), [(1, 1), (2, 1)]);
    assert!(world.pools.checks(&world.configured).len() == 2);
    let mut world = replaced("");
    world.reload(file("real_servers = ['10.0.0.3', '10.0.0.4']"));
    assert_eq!(world.table(), [(1, 0), (2, 0), (4, 1)]);
}

#[test]
fn nothing_is_held_where_nobody_is_to_serve() {
    let mut world = World::up(TWO);
    let new = "[[virtual_server.real_server]]\naddress = '10.0.0.3'\nweight = 0";
    world.reload(file(new));
    assert_eq!(world.table(), [(1, 0), (2, 0), (3, 0)]);
}
