//! The schedulers that remember: by source, by destination, and by both with the load.

use std::collections::{BTreeMap, BTreeSet};

use super::{RIPS, SERVER, SOURCES, build, file, saved, saved_with, shares, with_scheduler};
use crate::lab::scenario::scenario;
use crate::lab::{Balanced, Held, Host, Lab, Scenario, Site, eventually, secs, within};

pub(super) const REMEMBERS: Scenario = scenario!(each_scheduler_remembers_as_the_guides_say);

fn each_scheduler_remembers_as_the_guides_say(lab: &Lab) {
    let site = build(lab);
    let client = &site.client;
    let director = Balanced::start(
        &site.lvs51,
        &with_scheduler("scheduler = 'sh'", [1, 1, 1]),
        &saved_with("sh", [1, 1, 1]),
    );
    source_hashing_sticks(lab, client, &director);
    maglev_is_consistent(lab, client, &director);
    let destinations = many_destinations(&site);
    destination_hashing_sticks(lab, client, &director, &destinations);
    locality_sticks_until_overload(lab, client, &director, &destinations);
}

/// Which real server answers each source, always the same.
fn by_source(client: &Host) -> BTreeMap<String, String> {
    let answer = |last| {
        let source = format!("192.168.1.{last}");
        let bodies: BTreeSet<_> = (0..2).map(|_| client.get_from(&source, SERVER)).collect();
        assert_eq!(bodies.len(), 1, "{source} is answered by {bodies:?}");
        (source, bodies.into_iter().next().unwrap())
    };
    SOURCES.map(answer).collect()
}

fn source_hashing_sticks(lab: &Lab, client: &Host, director: &Balanced) {
    let map = by_source(client);
    let used: BTreeSet<_> = map.values().collect();
    lab.say(&format!(
        "sh: {} sources stick to {} servers",
        map.len(),
        used.len()
    ));
    assert_eq!(used.len(), 3, "{map:?}");
    // 53 gets nothing new: its sources are refused, or go on with the flag.
    let (source, _) = map.iter().find(|(_, body)| *body == "I am 53").unwrap();
    let drained = [0, 1, 1];
    director.becomes(
        &with_scheduler("scheduler = 'sh'", drained),
        &saved_with("sh", drained),
    );
    client
        .hold_from(source, SERVER)
        .expect_err("its server has weight 0");
    director.becomes(
        &with_scheduler("scheduler = 'sh'\nscheduler_flags = ['fallback']", drained),
        &saved_with("sh -b sh-fallback", drained),
    );
    assert_ne!(client.get_from(source, SERVER), "I am 53");
    director.becomes(
        &with_scheduler("scheduler = 'sh'\nscheduler_flags = ['port']", [1, 1, 1]),
        &saved_with("sh -b sh-port", [1, 1, 1]),
    );
    let held = client.hold(30, source, SERVER);
    lab.say(&format!(
        "sh with ports: one source is spread {:?}",
        shares(&held)
    ));
    assert!(
        shares(&held).iter().all(|share| *share > 0),
        "{:?}",
        shares(&held)
    );
}

fn maglev_is_consistent(lab: &Lab, client: &Host, director: &Balanced) {
    director.becomes(
        &with_scheduler("scheduler = 'mh'", [1, 1, 1]),
        &saved_with("mh", [1, 1, 1]),
    );
    let before = by_source(client);
    let without = [None, Some(1), Some(1)];
    director.becomes(
        &file(&format!("address = '{SERVER}'\nscheduler = 'mh'"), without),
        &saved(&format!("-t {SERVER}"), "mh", 80, without),
    );
    let after = by_source(client);
    let stayed = before.values().filter(|body| *body != "I am 53").count();
    let moved = before
        .iter()
        .filter(|(source, body)| *body != "I am 53" && after[*source] != **body)
        .count();
    lab.say(&format!(
        "mh: 53 is removed; of {stayed} sources of the others {moved} move"
    ));
    assert!(stayed < before.len() && stayed > 0, "{before:?}");
    assert!(
        moved * 5 <= stayed,
        "{moved} of {stayed}: {before:?} {after:?}"
    );
    let (source, _) = before.iter().find(|(_, body)| *body == "I am 53").unwrap();
    maglev_flags_tell_ports_and_go_on_from_an_overloaded_server(lab, client, director, source);
}

/// `source` is one whose server is 53.
fn maglev_flags_tell_ports_and_go_on_from_an_overloaded_server(
    lab: &Lab,
    client: &Host,
    director: &Balanced,
    source: &str,
) {
    let weights = [1, 1, 1];
    let limited = |flags: &str| {
        let file = with_scheduler(&format!("scheduler = 'mh'\n{flags}"), weights);
        let first = format!("address = '{}'\n", RIPS[0]);
        file.replace(&first, &format!("{first}upper_threshold = 1\n"))
    };
    director.becomes(&limited(""), &saved_with("mh", weights));
    let held = client.hold(1, source, SERVER);
    assert_eq!(
        shares(&held),
        [1, 0, 0],
        "the first is within its threshold"
    );
    client
        .hold_from(source, SERVER)
        .expect_err("its server is overloaded");
    director.becomes(
        &limited("scheduler_flags = ['fallback']"),
        &saved_with("mh -b mh-fallback", weights),
    );
    assert_ne!(client.get_from(source, SERVER), "I am 53");
    director.becomes(
        &with_scheduler("scheduler = 'mh'\nscheduler_flags = ['port']", weights),
        &saved_with("mh -b mh-port", weights),
    );
    let spread = client.hold(30, source, SERVER);
    let shares = shares(&spread);
    lab.say(&format!("mh with ports: one source is spread {shares:?}"));
    assert!(shares.iter().all(|share| *share > 0), "{shares:?}");
}

/// What the guides' cache clusters have: packets to whatever destination come to the director,
/// which marks them; director and real servers take them as their own.
fn many_destinations(site: &Site) -> Vec<String> {
    let director = &site.lvs51;
    director
        .run("iptables -t mangle -A PREROUTING -d 192.168.2.0/24 -j MARK --set-mark 7")
        .ok();
    for host in site.real_servers.iter().chain([director]) {
        host.run("ip route add local 192.168.2.0/24 dev lo").ok();
    }
    site.client
        .run("ip route add 192.168.2.0/24 via 192.168.1.51")
        .ok();
    (1..25).map(|last| format!("192.168.2.{last}:80")).collect()
}

fn marked(director: &Balanced, scheduler: &str, weight: u32) {
    let weights = [Some(weight); 3];
    director.becomes(
        &file(&format!("fwmark = 7\nscheduler = '{scheduler}'"), weights),
        &saved("-f 7", scheduler, 0, weights),
    );
}

fn destination_hashing_sticks(
    lab: &Lab,
    client: &Host,
    director: &Balanced,
    destinations: &[String],
) {
    marked(director, "dh", 1);
    let mut used = BTreeSet::new();
    for destination in destinations {
        let sources = ["192.168.1.101", "192.168.1.102", "192.168.1.103"];
        let bodies: BTreeSet<_> = sources
            .map(|source| client.get_from(source, destination))
            .into();
        assert_eq!(bodies.len(), 1, "{destination} is at {bodies:?}");
        used.extend(bodies);
    }
    lab.say(&format!(
        "dh: {} destinations stick to {used:?}",
        destinations.len()
    ));
    assert_eq!(used.len(), 3);
}

/// Both keep a destination at its server until that has more connections than its weight and
/// another is half empty. Then `lblc` moves the destination, `lblcr` adds a server to its set and
/// takes the one with the fewest connections.
fn locality_sticks_until_overload(
    lab: &Lab,
    client: &Host,
    director: &Balanced,
    destinations: &[String],
) {
    for (scheduler, destination, stays) in [("lblc", 0, true), ("lblcr", 1, false)] {
        let destination = &destinations[destination];
        marked(director, scheduler, 4);
        let held = client.hold(5, "192.168.1.101", destination);
        let first = held[0].body.clone();
        assert!(
            held.iter().all(|held| held.body == first),
            "{scheduler}: {:?}",
            shares(&held)
        );
        let next = client.hold(1, "192.168.1.102", destination);
        assert_ne!(
            next[0].body, first,
            "{scheduler}: the overloaded one gets no more"
        );
        drop(held);
        eventually("the first connections have ended", within(secs(5)), || {
            RIPS.iter()
                .map(|rip| director.active(&format!("{rip}:0")))
                .sum::<u32>()
                == 1
        });
        let later = client.get_from("192.168.1.103", destination);
        lab.say(&format!(
            "{scheduler}: 5 at {first:?}, the 6th at {:?}, later {later:?}",
            next[0].body
        ));
        assert_eq!(later == next[0].body, stays, "{scheduler}: {later}");
        hang_up_marked(director, next);
    }
    marked(director, "lblc", 100);
    let held: Vec<_> = destinations[2..14]
        .iter()
        .flat_map(|destination| client.hold(1, "192.168.1.101", destination))
        .collect();
    lab.say(&format!("lblc: new destinations go {:?}", shares(&held)));
    assert_eq!(
        shares(&held),
        [4, 4, 4],
        "to the one with the fewest connections"
    );
}

fn hang_up_marked(director: &Balanced, held: Vec<Held>) {
    drop(held);
    eventually("no connection is active", within(secs(5)), || {
        RIPS.iter()
            .all(|rip| director.active(&format!("{rip}:0")) == 0)
    });
}
