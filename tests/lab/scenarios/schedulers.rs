//! How each scheduler chooses, as the guides describe it, seen by clients. One director goes
//! from one to the next by reloads, which edit the virtual server in place.

mod sticky;

use crate::lab::scenario::scenario;
use crate::lab::{Balanced, Held, Host, Lab, Scenario, Site, eventually, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(each_scheduler_counts_as_the_guides_say),
    sticky::REMEMBERS,
];

const RIPS: [&str; 3] = ["192.168.1.53", "192.168.1.54", "192.168.1.55"];
const SERVER: &str = "192.168.1.200:80";

/// Clients of 192.168.1.101 to 130.
const SOURCES: std::ops::Range<u8> = 101..131;

/// A site with one director that holds the VIP, and a client with many addresses.
fn build(lab: &Lab) -> Site {
    let site = Site::with_one_director(lab);
    let add = |last| format!("ip addr add 192.168.1.{last}/24 dev ens192\n");
    site.client.run(&SOURCES.map(add).collect::<String>()).ok();
    site
}

/// A virtual server whose three real servers have these weights; without a weight, none.
fn file(keys: &str, weights: [Option<u32>; 3]) -> String {
    let pool = RIPS.iter().zip(weights).filter_map(|(rip, weight)| {
        let weight = weight?;
        Some(format!(
            "[[virtual_server.real_server]]\naddress = '{rip}'\nweight = {weight}\n"
        ))
    });
    format!(
        "[[virtual_server]]\n{keys}\ncheck = {{ type = 'none', port = 80 }}\n{}",
        pool.collect::<String>()
    )
}

fn with_scheduler(scheduler: &str, weights: [u32; 3]) -> String {
    let keys = format!("address = '{SERVER}'\n{scheduler}");
    file(&keys, weights.map(Some))
}

/// The same as `ipvsadm -Sn` writes it; `service` is what comes after `-s`.
fn saved(virtual_server: &str, service: &str, port: u16, weights: [Option<u32>; 3]) -> String {
    let pool = RIPS.iter().zip(weights).filter_map(|(rip, weight)| {
        let weight = weight?;
        Some(format!(
            "-a {virtual_server} -r {rip}:{port} -g -w {weight}\n"
        ))
    });
    format!(
        "-A {virtual_server} -s {service}\n{}",
        pool.collect::<String>()
    )
}

fn saved_with(service: &str, weights: [u32; 3]) -> String {
    saved(&format!("-t {SERVER}"), service, 80, weights.map(Some))
}

/// How many of these went to each real server.
fn shares(answers: &[Held]) -> [usize; 3] {
    ["I am 53", "I am 54", "I am 55"].map(|body| answers.iter().filter(|a| a.body == body).count())
}

fn each_scheduler_counts_as_the_guides_say(lab: &Lab) {
    let site = build(lab);
    let director = Balanced::start(
        &site.lvs51,
        &with_scheduler("scheduler = 'rr'", [1, 2, 3]),
        &saved_with("rr", [1, 2, 3]),
    );
    // Each scheduler: weights, how many connections to hold, who gets them.
    for (scheduler, weights, times, expected, why) in [
        (
            "rr",
            [1, 2, 3],
            12,
            [4, 4, 4],
            "in turn, whatever the weights",
        ),
        ("wrr", [1, 2, 3], 12, [2, 4, 6], "in turn, by weight"),
        (
            "sed",
            [1, 2, 3],
            6,
            [1, 2, 3],
            "(connections + 1) / weight, as in the guide's example",
        ),
        (
            "sed",
            [1, 1, 10],
            5,
            [0, 0, 5],
            "rather wait at the fast one than use an idle slow one",
        ),
        (
            "nq",
            [1, 1, 10],
            5,
            [1, 1, 3],
            "never wait while one is idle",
        ),
        ("fo", [1, 3, 2], 4, [0, 4, 0], "all to the highest weight"),
        (
            "ovf",
            [1, 2, 3],
            9,
            [2, 3, 4],
            "the highest weight until it has more than its weight",
        ),
    ] {
        let name = format!("scheduler = '{scheduler}'");
        director.becomes(
            &with_scheduler(&name, weights),
            &saved_with(scheduler, weights),
        );
        let held = site.client.hold(times, "192.168.1.10", SERVER);
        lab.say(&format!(
            "{scheduler} {weights:?}: {:?}: {why}",
            shares(&held)
        ));
        assert_eq!(shares(&held), expected, "{scheduler} {weights:?}: {why}");
        hang_up(&director, held);
    }
    fewest_connections_first(lab, &site.client, &director);
    failover_goes_on_to_the_next(lab, &site.client, &director);
    a_scheduler_that_the_kernel_lacks_is_named(lab, &site, &director);
}

/// Closes connections and waits until the director has seen that.
fn hang_up(director: &Balanced, held: Vec<Held>) {
    drop(held);
    eventually("no connection is active", within(secs(5)), || {
        RIPS.iter()
            .all(|rip| director.active(&format!("{rip}:80")) == 0)
    });
}

fn fewest_connections_first(lab: &Lab, client: &Host, director: &Balanced) {
    director.becomes(
        &with_scheduler("scheduler = 'lc'", [1, 0, 0]),
        &saved_with("lc", [1, 0, 0]),
    );
    let mut held = client.hold(6, "192.168.1.10", SERVER);
    assert_eq!(shares(&held), [6, 0, 0], "weight 0 gets nothing");
    director.becomes(
        &with_scheduler("scheduler = 'lc'", [5, 1, 1]),
        &saved_with("lc", [5, 1, 1]),
    );
    let more = client.hold(10, "192.168.1.10", SERVER);
    lab.say(&format!("lc, 6 0 0 being held: {:?}", shares(&more)));
    assert_eq!(
        shares(&more),
        [0, 5, 5],
        "fewest connections, whatever the weights"
    );
    held.extend(more);
    director.becomes(
        &with_scheduler("scheduler = 'wlc'", [3, 1, 2]),
        &saved_with("wlc", [3, 1, 2]),
    );
    // 6, 5, 5 by 3, 1, 2: the next are 55's to 10 and 53's to 15.
    let more = client.hold(14, "192.168.1.10", SERVER);
    lab.say(&format!("wlc 3 1 2, 6 5 5 being held: {:?}", shares(&more)));
    assert_eq!(shares(&more), [9, 0, 5], "fewest connections by weight");
    held.extend(more);
    hang_up(director, held);
}

fn failover_goes_on_to_the_next(lab: &Lab, client: &Host, director: &Balanced) {
    let weights = [Some(1), None, Some(2)];
    director.becomes(
        &file(&format!("address = '{SERVER}'\nscheduler = 'fo'"), weights),
        &saved(&format!("-t {SERVER}"), "fo", 80, weights),
    );
    let held = client.hold(3, "192.168.1.10", SERVER);
    lab.say(&format!("fo without 54: {:?}", shares(&held)));
    assert_eq!(shares(&held), [0, 0, 3], "the next highest weight");
}

/// No kernel of the lab has `twos`; where one does, it balances.
fn a_scheduler_that_the_kernel_lacks_is_named(lab: &Lab, site: &Site, running: &Balanced) {
    let twos = with_scheduler("scheduler = 'twos'", [1, 1, 1]);
    if site.lvs51.run("modprobe ip_vs_twos").status.success() {
        running.becomes(&twos, &saved_with("twos", [1, 1, 1]));
        let held = site.client.hold(12, "192.168.1.10", SERVER);
        assert_eq!(shares(&held).iter().sum::<usize>(), 12);
        return;
    }
    let named = "scheduler \"twos\" of tcp 192.168.1.200:80 is not available in this kernel \
                 (module ip_vs_twos)";
    let told = running.refuses(&twos);
    lab.say(&told);
    assert!(told.contains(named), "{told}");
    let another = &site.lvs52;
    another.write("/etc/lvsd/director.toml", &twos);
    let told = another.run("lvsd director").fails_with(78);
    assert!(told.contains(named), "{told}");
    let line = twos.lines().position(|line| line.contains("twos")).unwrap() + 1;
    let place = format!("/etc/lvsd/director.toml:{line}: ");
    assert!(told.contains(&place), "{told}");
    for host in [another, &site.lvs51] {
        host.write("/etc/lvsd/next.toml", &twos);
        let plan = host.run("lvsd plan --config /etc/lvsd/next.toml");
        let told = plan.fails_with(78);
        assert!(told.contains(named), "{told}");
    }
    assert_eq!(another.ipvsadm(), "", "nothing is changed");
}
