use std::path::Path;

use super::*;
use crate::config::director::DirectorConfig;
use crate::sys::clock;

fn file(lines: &str) -> Configured {
    let text = format!("[[virtual_server]]\naddress = '10.0.0.9:80'\nscheduler = 'wrr'\n{lines}");
    let config = DirectorConfig::parse(Path::new("d.toml"), &text);
    config
        .unwrap_or_else(|error| panic!("{error}"))
        .virtual_servers
}

/// A director that runs with a file: its pools, and the kernel that follows them.
struct Running {
    pools: Pools,
    configured: Configured,
    kernel: Table,
    standing: fn(&RealServer) -> Standing,
}

/// By the port of its check.
fn standing(server: &RealServer) -> Standing {
    let check = server.check.as_ref().map(|check| format!("{check:?}"));
    match check {
        None => Standing::Up,
        Some(check) if check.contains(":9001") => Standing::Up,
        Some(check) if check.contains(":9002") => Standing::Down,
        Some(_) => Standing::Unchecked,
    }
}

fn down(_: &RealServer) -> Standing {
    Standing::Down
}

impl Running {
    fn new(lines: &str) -> Self {
        let mut running = Self {
            pools: Pools::default(),
            configured: Configured::new(),
            kernel: Table::new(),
            standing,
        };
        let after = file(lines);
        let pools = &mut running.pools;
        pools.configure(&Configured::new(), &after, |_| None);
        running.configured = after;
        running.step();
        running
    }

    fn step(&mut self) {
        let standing = self.standing;
        let outcome = self.pools.step(&Inputs {
            now: clock::now(),
            configured: &self.configured,
            standing: &|_, _, server| standing(server),
            share: &|_, _, _| Share::FULL,
            load: &|_, _| None,
            refused: &|_, _| false,
            awaited: &|_, _| false,
        });
        self.kernel = outcome.table;
    }

    /// What a reload of that file would do, by its time.
    fn foresee(&self, lines: &str) -> [Vec<String>; 3] {
        let standing = self.standing;
        let world = World {
            now: clock::now(),
            before: &self.configured,
            kernel: &self.kernel,
            standing: &standing,
            share: &|_| Share::FULL,
            load: &|_, _| None,
            refused: &|_, _| false,
            held_back: &|_| false,
        };
        let mut steps = Steps::of(self.pools.clone(), &file(lines), &world);
        let anyway = Steps::of(self.pools.clone(), &self.configured, &world);
        steps.take_out(&anyway);
        let planned = Planned::from(steps);
        [planned.at_once, planned.checked, planned.in_the_end]
    }
}

const NOTHING: [Vec<String>; 3] = [Vec::new(), Vec::new(), Vec::new()];

const ONE: &str = "real_servers = ['10.0.0.1']\ncheck = { type = 'tcp', port = 9001 }\n";

#[test]
fn a_new_server_comes_when_its_check_has_answered_and_what_it_replaces_stays_so_long() {
    let running = Running::new(ONE);
    let next = "[[virtual_server.real_server]]\naddress = '10.0.0.2:80'\n\
                check = { type = 'tcp', port = 9003 }\n";
    let [at_once, checked, in_the_end] = running.foresee(next);
    assert_eq!(at_once, [""; 0]);
    assert_eq!(
        checked,
        [
            "add real server 10.0.0.2:80 of tcp 10.0.0.9:80: dr weight 1",
            "set real server 10.0.0.1:80 of tcp 10.0.0.9:80: dr weight 0",
        ]
    );
    assert_eq!(
        in_the_end,
        ["remove real server 10.0.0.1:80 of tcp 10.0.0.9:80"]
    );
}

#[test]
fn a_server_whose_check_is_not_answered_yet_is_no_difference() {
    let unchecked = ONE.replace("9001", "9003");
    let running = Running::new(&unchecked);
    assert_eq!(running.foresee(&unchecked), NOTHING);
}

#[test]
fn hysteresis_counts_from_where_the_pool_is() {
    let pool = "quorum = 2\nhysteresis = 1\n\
                [[virtual_server.real_server]]\naddress = '10.0.0.1:80'\nweight = 2\n\
                check = { type = 'tcp', port = 9001 }\n\
                [[virtual_server.real_server]]\naddress = '10.0.0.2:80'\nweight = 2\n\
                check = { type = 'tcp', port = 9002 }\n\
                [[virtual_server.backup_server]]\naddress = '10.0.0.5:80'\ncheck = { type = 'none' }\n";
    let mut running = Running::new(pool);
    running.standing = |server| match server.check {
        Some(_) => down(server),
        None => Standing::Up,
    };
    running.step();
    let backup = running.kernel.clone();
    running.standing = standing;
    running.step();
    assert_eq!(running.kernel, backup, "the backup pool serves on");
    assert_eq!(running.foresee(pool), NOTHING);
    let [at_once, ..] = running.foresee(&pool.replace("hysteresis = 1\n", ""));
    assert_eq!(
        at_once[0],
        "add real server 10.0.0.1:80 of tcp 10.0.0.9:80: dr weight 2"
    );
}

#[test]
fn a_slow_start_that_is_under_way_is_no_difference_and_another_goal_is() {
    let slow = "slow_start = '1m'\n\
                [[virtual_server.real_server]]\naddress = '10.0.0.1:80'\nweight = 100\n\
                check = { type = 'tcp', port = 9001 }\n";
    let mut running = Running::new(slow);
    running.standing = down;
    running.step();
    running.standing = standing;
    running.step();
    assert_eq!(running.foresee(slow), NOTHING);
    let [_, _, in_the_end] = running.foresee(&slow.replace("100", "50"));
    assert_eq!(
        in_the_end,
        ["set real server 10.0.0.1:80 of tcp 10.0.0.9:80: dr weight 50"]
    );
}

#[test]
fn a_drain_that_is_under_way_is_no_difference_and_is_told() {
    let two = ONE.replace("['10.0.0.1']", "['10.0.0.1', '10.0.0.2']");
    let mut running = Running::new(&two);
    let after = file(ONE);
    running
        .pools
        .configure(&running.configured, &after, |_| None);
    running.configured = after;
    running.step();
    assert_eq!(running.foresee(ONE), NOTHING);
    let [at_once, ..] = running.foresee(&two);
    assert_eq!(
        at_once,
        ["set real server 10.0.0.2:80 of tcp 10.0.0.9:80: dr weight 1"]
    );
}
