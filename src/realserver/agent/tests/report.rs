use super::*;

#[test]
fn readiness_names_everything_that_is_wrong() {
    let mut host = Host::fresh();
    host.kernel.links[0].up = false;
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    agent.hear(vec![
        service("nginx", Health::Down, Some("connection refused")),
        service("app", Health::Unknown, None),
        service("fine", Health::Up, None),
    ]);
    host.kernel.addresses[0].link = 2;
    host.set("net.ipv4.conf.eth0.arp_ignore", 3);
    agent.hear_said(Said {
        leaks: vec!["eth0 answered ARP for 192.168.1.200".into()],
        believed: vec!["eth1 answered".into()],
        counts: vec![],
    });
    agent.hear_weight(Some(Ok(40)));
    agent.reconcile(at(2), host.kernel.clone());
    let status = agent.status();
    assert_eq!(status.state, State::NotReady);
    assert_eq!(
        status.reasons,
        [
            "lo is down, so no VIP can be reached: ip link set lo up",
            "VIP 192.168.1.200 is not on lo",
            "VIP 192.168.1.200 is on eth0: this host answers ARP for it there, so clients would \
             bypass the directors; if it is this host's own address, name the one that \
             clients connect to, and else remove it there (ip address del 192.168.1.200/32 dev eth0)",
            "net.ipv4.conf.eth0.arp_ignore is 3, must be 1",
            "eth0 answered ARP for 192.168.1.200",
            "service nginx: connection refused",
            "service app: no verdict yet",
        ]
    );
}

#[test]
fn a_parameter_is_told_with_what_the_kernel_makes_of_it_and_all() {
    let mut host = Host::fresh();
    host.set("net.ipv4.conf.eth0.arp_ignore", 2);
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    let status = agent.status();
    let of = |key: &str| status.sysctls.iter().find(|s| s.key == key).unwrap();
    let nic = of("net.ipv4.conf.eth0.arp_ignore");
    assert_eq!((nic.value, nic.effective, nic.ok), (Some(2), Some(2), true));
    let lo = of("net.ipv4.conf.lo.arp_announce");
    assert_eq!((lo.original, lo.effective), (Some(0), Some(2)));
}

#[test]
fn the_weight_is_in_the_answer_and_its_failure_is_an_error_but_no_reason() {
    let mut host = Host::fresh();
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    agent.hear_weight(Some(Ok(40)));
    let answer = serde_json::to_string(&Answer::from(agent.status())).unwrap();
    let start = r#"{"ready":true,"state":"ready","reasons":[],"weight":40,"#;
    assert!(answer.starts_with(start), "{answer}");
    agent.hear_weight(Some(Err("cannot read the weight".into())));
    let status = agent.status();
    assert_eq!((status.ready, status.weight), (true, None));
    assert_eq!(status.errors, ["cannot read the weight"]);
}
