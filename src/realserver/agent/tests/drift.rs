use super::*;

#[test]
fn a_vip_without_its_route_is_added_anew_and_not_again_and_again_where_that_does_not_help() {
    let mut host = Host::fresh();
    let config = config(&[VIP]);
    let mut agent = host.start(&config);
    host.settle(&mut agent);
    let vip = VIP.parse().unwrap();
    for count in 1..=2 {
        host.kernel.unrouted.insert(vip);
        let done = host.settle(&mut agent);
        assert_eq!(
            done,
            [format!("renew {VIP}/32 Repair {{ count: {count} }}")]
        );
        assert!(agent.status().ready);
    }
    // Where that does not help, clients are not cut off by trying again and again.
    host.kernel.unrouted.insert(vip);
    for (second, tries) in [(1, 1), (1, 0), (5, 0), (6, 1), (7, 0)] {
        let actions = agent.reconcile(at(second), host.kernel.clone());
        assert_eq!(actions.len(), tries, "second {second}");
        for action in actions {
            agent.done(action, at(second));
        }
    }
    let status = agent.status();
    assert!(!status.ready);
    assert!(
        status.reasons[0].contains("has no route in the table local"),
        "{status:?}"
    );
}

#[test]
fn what_somebody_takes_away_is_put_back_and_counted() {
    let mut host = Host::fresh();
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    for count in 1..=3 {
        host.set(ARP_IGNORE, 0);
        host.kernel.addresses.clear();
        assert_eq!(
            host.settle(&mut agent),
            [
                format!("{ARP_IGNORE} 0 -> 1 Repair {{ count: {count} }}"),
                format!("add 192.168.1.200/32 as lo:0 Repair {{ count: {count} }}"),
            ]
        );
    }
    let status = agent.status();
    assert_eq!(status.vips[0].repaired, 3);
    assert_eq!(status.state, State::Ready);
}

#[test]
fn a_vip_that_is_taken_away_again_before_the_next_look_counts_twice() {
    let mut host = Host::fresh();
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    for count in 1..=2 {
        host.kernel.addresses.clear();
        let actions = agent.reconcile(at(2), host.kernel.clone());
        host.perform(&mut agent, actions);
        assert_eq!(agent.status().vips[0].repaired, count);
    }
}

#[test]
fn a_failing_repair_counts_once_and_its_reason_is_told() {
    let mut host = Host::fresh();
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    host.set(ARP_IGNORE, 0);
    for nth in 0..3 {
        let actions = agent.reconcile(at(9), host.kernel.clone());
        let news = agent.failed(&actions[0], "read-only file system");
        assert_eq!(news, nth == 0);
    }
    let status = agent.status();
    assert_eq!(
        status.reasons,
        ["net.ipv4.conf.all.arp_ignore is 0, must be 1: read-only file system"]
    );
    let sysctl = status.sysctls.iter().find(|s| s.key == ARP_IGNORE);
    assert_eq!(sysctl.unwrap().repaired, 1);
}

#[test]
fn a_sysctl_that_only_later_needs_a_write_gets_the_value_of_the_first_start_back() {
    let mut host = Host::fresh();
    host.set(ARP_IGNORE, 2);
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    assert_eq!(host.get(ARP_IGNORE), 2, "strong enough is left alone");
    host.set(ARP_IGNORE, 0);
    host.settle(&mut agent);
    assert_eq!(host.get(ARP_IGNORE), 1);
    agent.stop();
    host.settle(&mut agent);
    assert_eq!(host.get(ARP_IGNORE), 2);
}

#[test]
fn the_third_time_within_a_minute_is_an_error_that_names_who() {
    let mut host = Host::fresh();
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    for time in 1..=3 {
        assert_eq!(agent.status().errors, [""; 0], "before time {time}");
        host.kernel.addresses.clear();
        let actions = agent.reconcile(at(10 * time), host.kernel.clone());
        let contested = agent.blame(&actions[0], "systemd-network (pid 214)");
        assert_eq!(contested, time == 3);
        host.perform(&mut agent, actions);
        agent.reconcile(at(10 * time), host.kernel.clone());
    }
    let status = agent.status();
    assert_eq!(status.state, State::Ready, "it is repaired, after all");
    assert_eq!(
        status.errors,
        [
            "VIP 192.168.1.200 was taken away 3 times, the last three within a minute, by \
             systemd-network (pid 214): see docs/realserver.md for how to make it stop"
        ]
    );
    let taken_by = status.vips[0].taken_by.as_deref();
    assert_eq!(taken_by, Some("systemd-network (pid 214)"));
    agent.reconcile(at(120), host.kernel.clone());
    assert_eq!(
        agent.status().errors,
        [""; 0],
        "a minute later it is history"
    );
}

#[test]
fn an_interface_that_is_renamed_takes_its_first_values_along() {
    let mut host = Host::fresh();
    host.set("net.ipv4.conf.eth0.arp_ignore", 3);
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    host.rename("eth0", "wan");
    let done = host.settle(&mut agent);
    assert_eq!(done, ["record"], "what the kernel holds is right");
    // Whoever starts after a crash knows it by that name only.
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    agent.stop();
    host.settle(&mut agent);
    assert_eq!(host.get("net.ipv4.conf.wan.arp_ignore"), 3);
    assert_eq!(host.get("net.ipv4.conf.wan.arp_announce"), 0);
    assert_eq!(host.disk, Journal::default());
}

#[test]
fn a_rename_while_no_agent_runs_is_followed_by_the_index() {
    for stopped in [false, true] {
        let mut host = Host::fresh();
        host.set("net.ipv4.conf.eth0.arp_ignore", 3);
        let mut agent = host.start(&config(&[VIP]));
        host.settle(&mut agent);
        host.rename("eth0", "wan");
        let mut agent = host.start(&config(&[VIP]));
        if !stopped {
            host.settle(&mut agent);
        }
        agent.stop();
        host.settle(&mut agent);
        assert_eq!(host.get("net.ipv4.conf.wan.arp_ignore"), 3);
        assert_eq!(host.disk.links.get("eth0"), None);
        assert!(host.disk.is_empty());
    }
}

#[test]
fn an_interface_made_anew_under_the_old_name_has_first_values_of_its_own() {
    let mut host = Host::fresh();
    host.set("net.ipv4.conf.eth0.arp_ignore", 3);
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    let mut links = host.kernel.links.iter_mut();
    links.find(|link| link.name == "eth0").unwrap().index = 77;
    host.set("net.ipv4.conf.eth0.arp_ignore", 0);
    host.set("net.ipv4.conf.eth0.arp_announce", 1);
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    agent.stop();
    host.settle(&mut agent);
    assert_eq!(host.get("net.ipv4.conf.eth0.arp_ignore"), 0);
    assert_eq!(host.get("net.ipv4.conf.eth0.arp_announce"), 1);
}

#[test]
fn a_journal_without_indexes_goes_by_names() {
    let mut host = Host::fresh();
    host.set("net.ipv4.conf.eth0.arp_ignore", 3);
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    host.disk.links.clear();
    let mut links = host.kernel.links.iter_mut();
    links.find(|link| link.name == "eth0").unwrap().index = 77;
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    agent.stop();
    host.settle(&mut agent);
    assert_eq!(host.get("net.ipv4.conf.eth0.arp_ignore"), 3);
}

#[test]
fn a_rename_that_could_not_be_recorded_is_recorded_later() {
    let mut host = Host::fresh();
    host.set("net.ipv4.conf.eth0.arp_ignore", 3);
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    host.rename("eth0", "wan");
    // The disk is full.
    agent.reconcile(at(1), host.kernel.clone());
    host.settle(&mut agent);
    agent.stop();
    host.settle(&mut agent);
    assert_eq!(host.get("net.ipv4.conf.wan.arp_ignore"), 3);
}

#[test]
fn a_vip_that_was_just_added_may_get_its_route_a_moment_later() {
    let mut host = Host::fresh();
    let vip = "2001:db8::200";
    let mut agent = host.start(&config(&[vip]));
    host.perform_some(&mut agent, 2);
    host.kernel.unrouted.insert(vip.parse().unwrap());
    assert_eq!(agent.reconcile(at(1), host.kernel.clone()), []);
    assert!(agent.status().ready, "{:?}", agent.status().reasons);
    // It did not get it.
    agent.reconcile(at(2), host.kernel.clone());
    assert!(!agent.status().ready);
    host.kernel.unrouted.clear();
    host.settle(&mut agent);
    // From now on its loss is one.
    host.kernel.unrouted.insert(vip.parse().unwrap());
    assert_eq!(agent.reconcile(at(2), host.kernel.clone()).len(), 1);
}

#[test]
fn where_the_disk_is_full_what_it_knows_is_put_back_all_the_same() {
    let mut host = Host::fresh();
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    // Somebody breaks it, and plugs an interface in of which nothing is on disk.
    host.kernel.links.push(Link::working(3, "eth1"));
    host.set("net.ipv4.conf.eth1.arp_ignore", 0);
    host.set(ARP_IGNORE, 0);
    host.kernel.addresses.clear();
    let mut done = vec![];
    for _ in 0..3 {
        let actions = agent.reconcile(at(1), host.kernel.clone());
        assert!(matches!(actions[0], Action::Record(_)), "{actions:?}");
        let news = agent.failed(&actions[0], "no space left on device");
        assert_eq!(news, done.is_empty(), "told once");
        let rest = actions.into_iter().skip(1);
        let rest: Vec<_> = rest.filter(|it| agent.is_undoable(it)).collect();
        done.extend(text(&rest));
        host.perform(&mut agent, rest);
    }
    assert_eq!(done, [format!("{ARP_IGNORE} 0 -> 1 Repair {{ count: 1 }}")]);
    let errors = agent.status().errors;
    assert!(
        errors[0].starts_with("no space left on device: nothing new"),
        "{errors:?}"
    );
    // A stop gives all back but the record.
    agent.stop();
    for _ in 0..3 {
        let actions = agent.reconcile(at(2), host.kernel.clone());
        let undoes = |it: &Action| agent.is_undoable(it) && !matches!(it, Action::Record(_));
        let rest: Vec<_> = actions.into_iter().filter(undoes).collect();
        host.perform(&mut agent, rest);
    }
    for (_, key) in WANTED {
        assert_eq!(host.get(key), 0, "{key}");
    }
}
