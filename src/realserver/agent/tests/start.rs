use super::*;

#[test]
fn a_first_start_records_then_quiets_arp_then_adds_the_vip() {
    let mut host = Host::fresh();
    let mut agent = host.start(&config(&[VIP]));
    assert_eq!(
        host.settle(&mut agent),
        [
            "record",
            "net.ipv4.conf.all.arp_announce 0 -> 2 Start",
            "net.ipv4.conf.all.arp_ignore 0 -> 1 Start",
            "net.ipv4.conf.eth0.arp_announce 0 -> 2 Start",
            "net.ipv4.conf.eth0.arp_ignore 0 -> 1 Start",
            "net.ipv4.conf.lo.arp_announce 0 -> 2 Start",
            "net.ipv4.conf.lo.arp_ignore 0 -> 1 Start",
            "add 192.168.1.200/32 as lo:0 Start",
        ]
    );
    assert_eq!(agent.status().state, State::Ready);
    assert_eq!(host.settle(&mut agent), [""; 0], "nothing is left to do");
}

#[test]
fn no_vip_is_added_while_arp_cannot_be_quieted() {
    let host = Host::fresh();
    let mut agent = host.start(&config(&[VIP]));
    for _ in 0..3 {
        let actions = agent.reconcile(at(1), host.kernel.clone());
        let adds = |action: &Action| matches!(action, Action::AddVip { .. });
        assert!(!actions.iter().any(adds), "{actions:?}");
        agent.failed(&actions[1], "read-only file system");
    }
    assert_eq!(agent.status().state, State::NotReady);
}

#[test]
fn a_vip_that_was_there_before_the_first_start_stays_unless_lvsd_had_to_add_it_again() {
    for taken_away in [false, true] {
        let mut host = quieted();
        host.add_by_hand(VIP);
        let mut agent = host.start(&config(&[VIP]));
        host.settle(&mut agent);
        assert!(agent.status().vips[0].stays);
        if taken_away {
            host.kernel.addresses.clear();
            host.settle(&mut agent);
        }
        agent.stop();
        host.settle(&mut agent);
        assert_eq!(host.kernel.addresses.is_empty(), taken_away);
    }
}

#[test]
fn a_reload_adds_and_removes_vips_singly() {
    let mut host = Host::fresh();
    let mut agent = host.start(&config(&[VIP, "192.168.1.201"]));
    host.settle(&mut agent);
    agent.configure(&config(&["192.168.1.201", "192.168.1.202"]));
    assert_eq!(
        host.settle(&mut agent),
        [
            "record",
            "remove 192.168.1.200",
            "record",
            "add 192.168.1.202/32 as lo:2 Start",
        ]
    );
    assert_eq!(agent.status().state, State::Ready);
}

#[test]
fn ipv6_alone_needs_no_arp_sysctl() {
    let mut host = Host::fresh();
    let mut agent = host.start(&config(&["2001:db8::200"]));
    assert_eq!(
        host.settle(&mut agent),
        ["record", "add 2001:db8::200/128 as - Start"]
    );
}

#[test]
fn an_interface_that_is_plugged_in_later_is_quieted_too_and_forgotten_when_it_goes() {
    let mut host = Host::fresh();
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    let plugged = Link {
        index: 3,
        name: "eth1.100".into(),
        ..host.kernel.links[1].clone()
    };
    host.kernel.links.push(plugged);
    let keys = ["arp_announce", "arp_ignore"].map(|name| Key::ipv4_conf("eth1.100", name));
    for key in &keys {
        assert!(
            agent.keys(&host.kernel.links).contains(key),
            "{key} is looked at"
        );
        host.kernel.sysctls.insert(key.clone(), 0);
    }
    assert_eq!(
        host.settle(&mut agent),
        [
            "record",
            "net.ipv4.conf.eth1/100.arp_announce 0 -> 2 Start",
            "net.ipv4.conf.eth1/100.arp_ignore 0 -> 1 Start",
        ]
    );
    assert!(host.disk.sysctls.contains_key(&keys[0]));
    host.kernel.links.pop();
    for key in &keys {
        host.kernel.sysctls.remove(key);
    }
    assert_eq!(host.settle(&mut agent), ["record"]);
    assert!(!host.disk.sysctls.contains_key(&keys[0]));
    assert_eq!(agent.status().state, State::Ready);
}

#[test]
fn vips_may_be_on_an_interface_of_their_own() {
    let mut host = Host::fresh();
    host.kernel.links.push(Link {
        index: 3,
        name: "dummy0".into(),
        noarp: true,
        ..host.kernel.links[1].clone()
    });
    let mut config = config(&[VIP]);
    config.interface = "dummy0".into();
    let mut agent = host.start(&config);
    let done = host.settle(&mut agent);
    assert_eq!(
        done.last().unwrap(),
        "add 192.168.1.200/32 as dummy0:0 Start"
    );
    assert_eq!(host.kernel.addresses[0].link, 3);
    assert_eq!(agent.status().state, State::Ready);
}

/// The values that the scripts set, so that nothing is answered without lvsd either.
fn quieted() -> Host {
    let mut host = Host::fresh();
    for (value, key) in WANTED {
        host.set(key, value);
    }
    host
}

#[test]
fn a_vip_that_was_there_before_goes_where_arp_would_be_answered_for_it() {
    for (vip, quiet, left) in [
        (VIP, false, false),
        (VIP, true, true),
        ("2001:db8::200", false, true),
    ] {
        let mut host = if quiet { quieted() } else { Host::fresh() };
        host.add_by_hand(vip);
        for leave in [Agent::stop as fn(&mut Agent), |it| {
            it.configure(&config(&[]));
        }] {
            let mut host = Host {
                kernel: host.kernel.clone(),
                disk: Journal::default(),
            };
            let mut agent = host.start(&config(&[vip]));
            host.settle(&mut agent);
            assert_eq!(agent.status().vips[0].stays, left);
            leave(&mut agent);
            host.settle(&mut agent);
            assert_eq!(!host.kernel.addresses.is_empty(), left, "{vip} {quiet}");
            assert_eq!(host.get(ARP_IGNORE), i32::from(quiet));
        }
    }
}

#[test]
fn a_first_start_that_fails_leaves_even_a_vip_that_is_answered_for() {
    let mut host = Host::fresh();
    host.add_by_hand(VIP);
    let before = host.kernel.clone();
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    agent.undo_start();
    host.settle(&mut agent);
    assert_eq!(host.kernel, before);
}
