//! A director that is killed and starts again: the kernel has its table, a file the overrides.

use super::world::{World, file, rip};
use super::*;

#[test]
fn what_the_operator_changed_goes_on() {
    let mut world = World::up(TWO);
    world.connections.insert(rip(1), 1);
    let limit = Some(5 * SECOND);
    world.operator(1, Some(Override::Drain { limit }));
    world.operator(2, Some(Override::Weight(Weight::try_from(9).unwrap())));
    assert_eq!(world.table(), [(1, 0), (2, 9)]);
    world.otherwise = Standing::Unchecked;
    world.tables.clear();
    world.is_killed_and_starts_again();
    assert_eq!(world.table(), [(1, 0), (2, 9)]);
    world.otherwise = Standing::Up;
    world.wait(4 * SECOND);
    assert_eq!(world.table(), [(1, 0), (2, 9)], "its connection goes on");
    world.wait(SECOND);
    assert_eq!(world.table(), [(2, 9)]);
    assert_eq!(world.tables, [[(2, 9)]], "nothing else on the way");
    world.operator(1, None);
    assert_eq!(world.table(), [(1, 1), (2, 9)]);
}

#[test]
fn what_the_file_changed_meanwhile_is_over() {
    let mut world = World::up(TWO);
    world.operator(1, Some(Override::Weight(Weight::try_from(5).unwrap())));
    world.operator(2, Some(Override::Weight(Weight::try_from(9).unwrap())));
    let other = "[[virtual_server.real_server]]\naddress = '10.0.0.1'\nweight = 3\n\
                 [[virtual_server.real_server]]\naddress = '10.0.0.2'";
    world.is_killed_and_starts_again_with(file(other));
    assert_eq!(world.table(), [(1, 3), (2, 9)]);
}

#[test]
fn what_a_reload_replaced_serves_on_until_a_new_server_is_usable() {
    let mut world = World::up(TWO);
    world.standings.insert(rip(3), Standing::Down);
    world.reload(file("real_servers = ['10.0.0.3']"));
    assert_eq!(world.table(), [(1, 1), (2, 1)]);
    world.standings.insert(rip(3), Standing::Unchecked);
    world.is_killed_and_starts_again();
    assert_eq!(world.table(), [(1, 1), (2, 1)]);
    world.is(3, Standing::Down);
    world.wait(60 * SECOND);
    assert_eq!(world.table(), [(1, 1), (2, 1)]);
    world.is(3, Standing::Up);
    assert_eq!(world.table(), [(1, 0), (2, 0), (3, 1)]);
}
