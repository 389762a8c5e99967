use std::net::Ipv4Addr;

use super::*;
use crate::config::realserver::{Mss, Tunnel};
use crate::lvs::Prefixed;
use crate::realserver::gateway::Way;
use crate::sys::hop::Hop;
use crate::sys::host_route::{MAIN, Route};

fn tunnelled(tunnel: Tunnel, local: Option<&str>) -> RealServerConfig {
    RealServerConfig {
        method: Method::Tunnel {
            tunnel,
            local: local.map(|ip| ip.parse().unwrap()),
            mss: Mss::Fitting,
        },
        ..config(&[VIP])
    }
}

fn routed() -> Host {
    let mut host = Host::fresh();
    host.kernel
        .routing
        .routes
        .insert(default_route("192.168.1.1"));
    host
}

fn default_route(gateway: &str) -> Route {
    Route {
        table: MAIN,
        to: Prefixed {
            address: Ipv4Addr::UNSPECIFIED.into(),
            prefix_len: 0,
        },
        gateway: Some(gateway.parse().unwrap()),
        interface: 2,
        source: None,
        metric: 0,
        onlink: false,
        advmss: None,
    }
}

#[test]
fn a_tunnel_is_made_opened_loosened_and_given_its_routes_and_all_of_it_goes_again() {
    let mut host = routed();
    let before = host.kernel.clone();
    let gue = Tunnel::Gue {
        port: 6080.try_into().unwrap(),
    };
    let mut agent = host.start(&tunnelled(gue, None));
    let done = host.settle(&mut agent);
    for expected in [
        "make tunl0",
        "open 6080",
        "set tunl0 up: true",
        "net.ipv4.conf.tunl0.rp_filter 0 -> 2 Start",
        "add 192.168.1.200/32 as lo:0 Start",
        "route to 0.0.0.0/0",
        "rule from 192.168.1.200",
    ] {
        assert!(
            done.iter().any(|step| step == expected),
            "{expected}: {done:#?}"
        );
    }
    let status = agent.status();
    assert_eq!(
        (status.state, status.forwarding.as_str()),
        (State::Ready, "tun gue 6080")
    );
    assert!(
        status.notes[2].contains("1420 bytes a segment"),
        "{:?}",
        status.notes
    );
    agent.stop();
    host.settle(&mut agent);
    assert!(host.disk.is_empty(), "{:?}", host.disk);
    assert_eq!(host.kernel.routing, before.routing);
    assert_eq!(host.kernel.gue_ports, before.gue_ports);
    let left = host.kernel.links.iter().find(|link| link.name == "tunl0");
    assert!(left.is_some_and(|link| !link.up), "its module's own, down");
}

#[test]
fn a_device_of_lvsds_own_is_deleted_and_another_kind_of_tunnel_takes_its_place() {
    let mut host = routed();
    let mut agent = host.start(&tunnelled(Tunnel::Ipip, Some("2001:db8::53")));
    host.settle(&mut agent);
    let names = |host: &Host| -> Vec<String> {
        host.kernel
            .links
            .iter()
            .map(|link| link.name.clone())
            .collect()
    };
    assert_eq!(names(&host), ["lo", "eth0", "lvsd-ip6"]);
    let sums = tunnelled(Tunnel::Gre { checksum: true }, Some("192.168.1.53"));
    agent.configure(&sums);
    host.settle(&mut agent);
    assert_eq!(names(&host), ["lo", "eth0", "lvsd-gre"]);
    assert_eq!(agent.status().state, State::Ready);
    agent.configure(&config(&[VIP]));
    host.settle(&mut agent);
    assert_eq!(names(&host), ["lo", "eth0"]);
    assert_eq!(host.kernel.routing, routed().kernel.routing);
}

#[test]
fn a_port_that_changes_is_closed_before_the_other_one_is_opened() {
    let gue = |port: u16| Tunnel::Gue {
        port: port.try_into().unwrap(),
    };
    let mut host = routed();
    let mut agent = host.start(&tunnelled(gue(6080), None));
    host.settle(&mut agent);
    agent.configure(&tunnelled(gue(6081), None));
    let done = host.settle(&mut agent);
    assert_eq!(
        done.iter().filter(|step| step.contains("608")).count(),
        2,
        "{done:?}"
    );
    assert_eq!(host.kernel.gue_ports, [6081]);
    assert_eq!(host.disk.gue_port, Some(6081));
}

#[test]
fn a_server_without_its_tunnel_is_not_ready() {
    let mut host = routed();
    let mut agent = host.start(&tunnelled(Tunnel::Ipip, None));
    host.settle(&mut agent);
    host.kernel.links.retain(|link| link.name != "tunl0");
    host.kernel
        .sysctls
        .retain(|key, _| !key.to_string().contains("tunl0"));
    agent.reconcile(at(2), host.kernel.clone());
    let reasons = agent.status().reasons;
    assert_eq!(
        reasons,
        [
            "net.ipv4.conf.tunl0.rp_filter cannot be read, must be 2",
            "there is no tunl0 to unpack what directors send: modprobe ipip",
        ]
    );
}

#[test]
fn behind_nat_nothing_is_changed_and_the_default_route_decides() {
    let nat = RealServerConfig {
        method: Method::Nat {
            gateways: vec!["192.168.1.254".parse().unwrap()],
        },
        ..config(&[])
    };
    let way = |gateway: &str| Way {
        to: "23.0.0.1".parse().unwrap(),
        from: None,
        hop: Ok(Some(Hop {
            gateway: Some(gateway.parse().unwrap()),
            link: Some(2),
            local: false,
            source: None,
        })),
    };
    let mut host = routed();
    host.kernel.ways = vec![way("192.168.1.1")];
    let mut agent = host.start(&nat);
    assert_eq!(host.settle(&mut agent), [""; 0]);
    let status = agent.status();
    assert_eq!(status.state, State::NotReady);
    assert!(
        status.reasons[0].contains("is by 192.168.1.1,"),
        "{:?}",
        status.reasons
    );
    host.kernel.ways = vec![way("192.168.1.254")];
    host.settle(&mut agent);
    assert_eq!(agent.status().state, State::Ready);
    let answer = || serde_json::to_string(&Answer::from(agent.status())).unwrap();
    assert!(!answer().contains("warnings"), "{}", answer());

    let network = "10.0.0.0/8".parse().unwrap();
    host.kernel.beyond.ways = vec![(network, way("192.168.1.1"))];
    host.settle(&mut agent);
    let status = agent.status();
    assert_eq!(status.state, State::Ready, "clients may be elsewhere");
    let told = "answers to 10.0.0.0/8 leave by 192.168.1.1, which is no director:";
    assert!(status.warnings[0].starts_with(told), "{status:?}");
    let answer = serde_json::to_string(&Answer::from(status)).unwrap();
    assert!(answer.contains(told), "{answer}");
}
