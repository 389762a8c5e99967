use super::*;

#[test]
fn a_fresh_host_gets_arp_ignore_1_and_arp_announce_2_on_all_and_lo() {
    let found = values([
        ("all", "arp_ignore", 0),
        ("all", "arp_announce", 0),
        ("lo", "arp_ignore", 0),
        ("lo", "arp_announce", 0),
    ]);
    assert_eq!(
        plan_of(&found, &[]),
        [
            "net.ipv4.conf.all.arp_announce: 0 -> 2",
            "net.ipv4.conf.all.arp_ignore: 0 -> 1",
            "net.ipv4.conf.lo.arp_announce: 0 -> 2",
            "net.ipv4.conf.lo.arp_ignore: 0 -> 1",
        ]
    );
}

#[test]
fn a_value_that_is_strong_enough_is_left_alone() {
    let found = values([("all", "arp_ignore", 2), ("all", "arp_announce", 2)]);
    assert!(plan_of(&found, &[]).is_empty());
}

#[test]
fn a_value_that_is_larger_and_weaker_is_replaced() {
    for (value, name, to) in [
        (8, "arp_ignore", 1),
        (3, "arp_ignore", 1),
        (1, "arp_announce", 2),
        (3, "arp_announce", 2),
        (-1, "arp_ignore", 1),
    ] {
        let found = values([("all", name, value)]);
        assert_eq!(
            plan_of(&found, &[]),
            [format!("net.ipv4.conf.all.{name}: {value} -> {to}")]
        );
    }
}

#[test]
fn what_is_no_longer_wanted_gets_the_value_from_before_the_first_start() {
    let found = values([("all", "arp_ignore", 1), ("lo", "arp_ignore", 2)]);
    let originals = BTreeMap::from([
        original("all", "arp_ignore", 0, true),
        original("lo", "arp_ignore", 2, false),
    ]);
    let writes = plan(&found, &Wanted::new(), &originals);
    assert_eq!(text(&writes), ["net.ipv4.conf.all.arp_ignore: 1 -> 0"]);
}

#[test]
fn what_was_not_changed_is_not_put_back_even_if_somebody_else_changed_it() {
    let found = values([("all", "arp_ignore", 1)]);
    let originals = BTreeMap::from([original("all", "arp_ignore", 2, false)]);
    assert!(plan(&found, &Wanted::new(), &originals).is_empty());
}

#[test]
fn a_parameter_that_this_kernel_does_not_have_is_not_written() {
    assert!(
        plan(
            &BTreeMap::new(),
            &wanted(&["eth0"], &["tunl0"]),
            &BTreeMap::new()
        )
        .is_empty()
    );
}

#[test]
fn a_tunnel_is_made_loose_even_where_all_is_strict() {
    let found = values([("all", "rp_filter", 1), ("tunl0", "rp_filter", 0)]);
    let writes = plan(&found, &wanted(&["eth0"], &["tunl0"]), &BTreeMap::new());
    assert_eq!(text(&writes), ["net.ipv4.conf.tunl0.rp_filter: 0 -> 2"]);
    assert!(
        plan_of(&found, &[]).is_empty(),
        "nothing of the sort for dr"
    );
}

#[test]
fn applying_a_plan_leaves_nothing_to_plan() {
    let all = wanted(&["eth0"], &["tunl0"]);
    for value in -1..10 {
        for restoring in [false, true] {
            let mut found: BTreeMap<Key, i32> =
                all.keys().map(|key| (key.clone(), value)).collect();
            let original = Original {
                value: 7,
                changed: true,
            };
            let originals = all.keys().map(|key| (key.clone(), original)).collect();
            let wanted = match restoring {
                true => Wanted::new(),
                false => wanted(&["eth0"], &["tunl0"]),
            };
            for write in plan(&found, &wanted, &originals) {
                found.insert(write.key, write.to);
            }
            assert_eq!(plan(&found, &wanted, &originals), []);
        }
    }
}

#[test]
fn every_interface_that_speaks_arp_is_quiet_by_itself_and_answers_for_the_rip() {
    let found = values([
        ("eth0", "arp_ignore", 0),
        ("eth0", "arp_announce", 2),
        ("eth1", "arp_ignore", 8),
        ("eth1", "arp_announce", 0),
        ("eth2", "arp_ignore", 3),
    ]);
    let writes = plan(
        &found,
        &wanted(&["eth0", "eth1", "eth2"], &[]),
        &BTreeMap::new(),
    );
    assert_eq!(
        text(&writes),
        [
            "net.ipv4.conf.eth0.arp_ignore: 0 -> 1",
            "net.ipv4.conf.eth1.arp_announce: 0 -> 2",
            "net.ipv4.conf.eth1.arp_ignore: 8 -> 1",
            "net.ipv4.conf.eth2.arp_ignore: 3 -> 1",
        ]
    );
}

#[test]
fn the_kernel_takes_the_larger_or_either_or_both() {
    for (combine, results) in [
        (Combine::Max, [0, 2, 1, 2]),
        (Combine::Or, [0, 1, 1, 1]),
        (Combine::And, [0, 0, 0, 1]),
    ] {
        let pairs = [(0, 0), (0, 2), (1, 0), (1, 2)];
        assert_eq!(pairs.map(|(all, own)| combine.apply(all, own)), results);
    }
}

fn plan_of(found: &BTreeMap<Key, i32>, originals: &[(Key, Original)]) -> Vec<String> {
    let originals = originals.iter().cloned().collect();
    text(&plan(found, &wanted(&[], &[]), &originals))
}

fn text(writes: &[Write]) -> Vec<String> {
    writes
        .iter()
        .map(|write| format!("{}: {} -> {}", write.key, write.from, write.to))
        .collect()
}

fn values<const N: usize>(values: [(&str, &str, i32); N]) -> BTreeMap<Key, i32> {
    values
        .into_iter()
        .map(|(interface, name, value)| (Key::ipv4_conf(interface, name), value))
        .collect()
}

fn original(interface: &str, name: &str, value: i32, changed: bool) -> (Key, Original) {
    (Key::ipv4_conf(interface, name), Original { value, changed })
}
