use super::*;

#[test]
fn a_second_signal_or_the_deadline_ends_the_drain() {
    let mut host = Host::fresh();
    let start = crate::sys::clock::now();
    for second_signal in [true, false] {
        let mut agent = host.start(&config(&[VIP]));
        host.settle(&mut agent);
        let until = agent.terminate(start, at(0)).unwrap();
        assert_eq!(until, start + Duration::from_secs(10));
        host.settle(&mut agent);
        let status = agent.status();
        assert_eq!((status.state, status.ready), (State::Draining, false));
        assert_eq!(status.reasons, ["draining until 2023-11-14T22:13:30Z"]);
        agent.expire(
            until - Duration::from_millis(1),
            &Askers::default(),
            Some(1),
        );
        assert!(!agent.is_stopping());
        if second_signal {
            assert_eq!(agent.terminate(start, at(1)), None);
        } else {
            agent.expire(until, &Askers::default(), Some(1));
        }
        assert!(agent.is_stopping());
    }
}

#[test]
fn without_a_drain_the_first_signal_stops() {
    let mut config = config(&[VIP]);
    config.drain = Duration::ZERO;
    let mut agent = Host::fresh().start(&config);
    assert_eq!(agent.terminate(crate::sys::clock::now(), at(0)), None);
    assert!(agent.is_stopping());
}

#[test]
fn a_stop_removes_the_vip_before_it_lets_arp_loose() {
    let mut host = Host::fresh();
    let before = host.kernel.clone();
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    agent.stop();
    assert_eq!(
        host.settle(&mut agent),
        [
            "remove 192.168.1.200",
            "record",
            "net.ipv4.conf.all.arp_announce 2 -> 0 Restore",
            "net.ipv4.conf.all.arp_ignore 1 -> 0 Restore",
            "net.ipv4.conf.eth0.arp_announce 2 -> 0 Restore",
            "net.ipv4.conf.eth0.arp_ignore 1 -> 0 Restore",
            "net.ipv4.conf.lo.arp_announce 2 -> 0 Restore",
            "net.ipv4.conf.lo.arp_ignore 1 -> 0 Restore",
            "record",
        ]
    );
    assert_eq!(host.kernel, before);
    assert!(host.disk.is_empty());
}

#[test]
fn arp_stays_quiet_while_a_vip_cannot_be_removed() {
    let mut host = Host::fresh();
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    agent.stop();
    for _ in 0..3 {
        let actions = agent.reconcile(at(9), host.kernel.clone());
        assert_eq!(text(&actions), ["remove 192.168.1.200"]);
    }
}

#[test]
fn a_drain_ends_with_the_last_connection_once_every_director_knows_of_it() {
    let mut host = Host::fresh();
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    let (start, second) = (crate::sys::clock::now(), Duration::from_secs(1));
    let director: IpAddr = "192.168.1.51".parse().unwrap();
    let mut askers = Askers::default();
    askers.answered(director, false, start);
    agent.terminate(start, at(0));
    agent.expire(start + second, &askers, Some(0));
    assert!(!agent.is_stopping(), "the director does not know yet");
    askers.answered(director, true, start + second);
    agent.expire(start + 2 * second, &askers, Some(2));
    assert_eq!(agent.status().connections, Some(2));
    assert!(!agent.is_stopping(), "two are being served");
    agent.expire(start + 2 * second, &askers, None);
    assert!(!agent.is_stopping(), "nobody knows how many there are");
    agent.expire(start + 2 * second, &askers, Some(0));
    assert!(agent.is_stopping());
}

#[test]
fn an_operators_drain_lets_go_of_the_vips_and_undrain_takes_them_back() {
    let mut host = Host::fresh();
    let before = host.kernel.clone();
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    let start = crate::sys::clock::now();
    assert!(agent.drain(start, at(0)));
    assert!(!agent.drain(start, at(0)), "no news");
    host.settle(&mut agent);
    assert_eq!(agent.status().state, State::Draining);
    assert!(host.disk.drained);
    agent.expire(agent.deadline().unwrap(), &Askers::default(), None);
    host.settle(&mut agent);
    let status = agent.status();
    assert_eq!((status.state, status.ready), (State::Drained, false));
    assert_eq!(host.kernel, before, "nothing of it is left");
    assert!(host.disk.drained);
    assert!(agent.undrain());
    host.settle(&mut agent);
    assert_eq!(agent.status().state, State::Ready);
    assert_eq!(agent.status().vips[0].repaired, 0, "nobody took it away");
    assert!(!host.disk.drained);
}

#[test]
fn an_operators_drain_outlasts_a_crash_and_ends_with_a_stop() {
    let mut host = Host::fresh();
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    let now = crate::sys::clock::now();
    agent.drain(now, at(0));
    host.settle(&mut agent);
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    assert_eq!(
        agent.status().state,
        State::Draining,
        "clients are still here"
    );
    agent.expire(agent.deadline().unwrap(), &Askers::default(), None);
    host.settle(&mut agent);
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    assert_eq!(agent.status().state, State::Drained);
    assert!(host.kernel.addresses.is_empty(), "it is not bound again");
    assert_eq!(agent.terminate(now, at(0)), None);
    host.settle(&mut agent);
    assert!(host.disk.is_empty());
}

#[test]
fn a_stop_during_an_operators_drain_keeps_its_time() {
    let mut host = Host::fresh();
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    let start = crate::sys::clock::now();
    agent.drain(start, at(0));
    let until = agent.terminate(start + Duration::from_secs(4), at(4));
    assert_eq!(until, Some(start + Duration::from_secs(10)));
    assert!(!agent.undrain(), "a stop is not held back");
    agent.expire(until.unwrap(), &Askers::default(), None);
    assert!(agent.is_stopping());
}
