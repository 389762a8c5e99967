//! Servers that the kernel refuses to have.

use super::world::{World, file, rip};
use super::*;

/// Both of the pool serve, and the kernel will not have the third.
fn refusing(lines: &str) -> World {
    let mut world = World::up(&format!("{TWO}\n{lines}"));
    world.refuses.insert(rip(3));
    world.tables.clear();
    world
}

/// Whether somebody took new connections all the time.
fn served_throughout(world: &World) -> bool {
    let mut tables = world.tables.iter();
    tables.all(|table| table.iter().any(|(_, weight)| *weight > 0))
}

fn new(lines: &str) -> String {
    format!("real_servers = ['10.0.0.3']\n{lines}")
}

#[test]
fn what_it_replaces_serves_on() {
    for conduct in ["drain = '0s'", "check = { type = 'none' }"] {
        let mut world = refusing(conduct);
        world.reload(file(&new(conduct)));
        assert_eq!(world.table(), [(1, 1), (2, 1)], "{conduct}");
        let held = "VS has no usable server among those of the configuration: 2 that the \
                    configuration replaced serve on until one of the new servers is usable; \
                    `lvsd server drain` lets them go";
        assert_eq!(world.told(), [held]);
        world.wait(60 * SECOND);
        assert_eq!(world.table(), [(1, 1), (2, 1)], "{conduct}");
        assert!(served_throughout(&world), "{:?}", world.tables);
    }
}

#[test]
fn what_it_replaces_serves_on_although_the_file_had_it_at_weight_0() {
    let zero = "drain = '0s'\n[[virtual_server.real_server]]\naddress = '10.0.0.1'\nweight = 0";
    let mut by_operator = World::up(zero);
    by_operator.operator(1, Some(Override::Weight(Weight::ONE)));
    let mut unjudged = World::up("real_servers = ['10.0.0.1']");
    unjudged.otherwise = Standing::Unchecked;
    unjudged.reload(file(zero));
    for (case, mut world) in [("by the operator", by_operator), ("unjudged", unjudged)] {
        assert_eq!(world.table(), [(1, 1)], "{case}");
        world.tables.clear();
        world.refuses.insert(rip(3));
        world.standings.insert(rip(3), Standing::Up);
        world.reload(file(&new("drain = '0s'")));
        world.wait(60 * SECOND);
        assert_eq!(world.table(), [(1, 1)], "{case}");
        world.refuses.clear();
        world.step();
        assert_eq!(world.table(), [(3, 1)], "{case}");
        assert!(served_throughout(&world), "{case}: {:?}", world.tables);
    }
}

#[test]
fn it_takes_over_once_the_kernel_has_it() {
    let mut world = refusing("");
    world.reload(file(&new("")));
    world.refuses.clear();
    world.step();
    assert_eq!(world.table(), [(1, 0), (2, 0), (3, 1)]);
    assert!(served_throughout(&world), "{:?}", world.tables);
}

#[test]
fn the_sorry_server_serves_and_the_quorum_is_lost() {
    let mut world = refusing("drain = '0s'");
    world.reload(file(&new("drain = '0s'\nsorry_server = '10.0.0.7'")));
    assert_eq!(world.table(), [(7, 1)]);
    let told = [
        "VS has no quorum: weight 0 of 1",
        "VS is served by: sorry, no longer by: pool",
    ];
    assert_eq!(world.told()[..2], told);
    assert!(served_throughout(&world), "{:?}", world.tables);
    let count = world.events.len();
    world.wait(60 * SECOND);
    assert_eq!(world.events.len(), count, "told once: {:?}", world.told());
    world.refuses.clear();
    world.step();
    assert_eq!(world.table(), [(3, 1)], "it was tried all the time");
    assert!(served_throughout(&world), "{:?}", world.tables);
}

#[test]
fn a_sorry_server_that_is_refused_too_leaves_who_serves_where_he_is() {
    let mut world = refusing("");
    world.refuses.insert(rip(7));
    world.reload(file(&new("sorry_server = '10.0.0.7'")));
    world.wait(60 * SECOND);
    assert_eq!(world.table(), [(1, 1), (2, 1)]);
    assert!(served_throughout(&world), "{:?}", world.tables);
    world.refuses.remove(&rip(7));
    world.step();
    assert_eq!(world.table(), [(1, 0), (2, 0), (7, 1)]);
    assert!(served_throughout(&world), "{:?}", world.tables);
}

#[test]
fn a_backup_server_that_is_refused_is_asked_for_while_the_sorry_server_serves() {
    let backup = "[[virtual_server.backup_server]]\naddress = '10.0.0.3'";
    let mut world = refusing("");
    world.reload(file(&format!("{TWO}\nsorry_server = '10.0.0.7'\n{backup}")));
    world.is(1, Standing::Down);
    world.is(2, Standing::Down);
    assert_eq!(world.table(), [(7, 1)]);
    world.refuses.clear();
    world.step();
    assert_eq!(world.table(), [(3, 1), (7, 0)]);
}

#[test]
fn what_is_alive_serves_for_a_backup_server_at_weight_0_and_a_refused_sorry_server() {
    let lines = |quorum: u8, of_1: u8, of_5: u8, more: &str| {
        format!(
            "drain = '0s'\nquorum = {quorum}\n{more}\n\
             [[virtual_server.real_server]]\naddress = '10.0.0.1'\nweight = {of_1}\n\
             [[virtual_server.real_server]]\naddress = '10.0.0.2'\n\
             [[virtual_server.backup_server]]\naddress = '10.0.0.5'\nweight = {of_5}"
        )
    };
    let mut world = World::up(&lines(1, 0, 1, ""));
    world.is(2, Standing::Down);
    assert_eq!(world.table(), [(1, 0), (5, 1)]);
    world.refuses.insert(rip(7));
    world.reload(file(&lines(2, 1, 0, "sorry_server = '10.0.0.7'")));
    assert_eq!(world.table(), [(1, 1)]);
}

#[test]
fn the_sorry_server_stays_until_the_kernel_has_who_recovered() {
    let mut world = refusing("");
    world.reload(file(
        "real_servers = ['10.0.0.3']\nsorry_server = '10.0.0.7'",
    ));
    world.is(3, Standing::Down);
    world.tables.clear();
    world.is(3, Standing::Up);
    assert_eq!(world.table(), [(1, 0), (2, 0), (7, 1)]);
    assert!(served_throughout(&world), "{:?}", world.tables);
}

#[test]
fn one_that_comes_back_grows_although_the_file_says_so_only_since_it_was_refused() {
    let server = "[[virtual_server.real_server]]\naddress = '10.0.0.1'\nweight = 50";
    let mut world = World::up(server);
    world.refuses.insert(rip(1));
    world.is(1, Standing::Down);
    world.is(1, Standing::Up);
    assert_eq!(world.table(), []);
    world.reload(file(&format!("slow_start = '9s'\n{server}")));
    world.refuses.clear();
    world.step();
    assert_eq!(world.table(), [(1, 5)]);
}

#[test]
fn one_that_leaves_is_out_at_once() {
    let mut world = refusing("");
    world.reload(file("real_servers = ['10.0.0.1', '10.0.0.2', '10.0.0.3']"));
    let id = *world.configured.keys().next().unwrap();
    assert_eq!(world.pools.leaving(&id), []);
    world.reload(file(TWO));
    assert_eq!(world.pools.leaving(&id), [], "there is nothing to drain");
    let mut world = refusing("");
    world.refuses.extend([rip(1), rip(2)]);
    world.kernel.get_mut(&id).unwrap().real_servers = Default::default();
    world.step();
    world.reload(Configured::new());
    assert!(world.kernel.is_empty(), "{:?}", world.kernel);
}
