//! What the LAN hears.

use std::net::{IpAddr, TcpStream};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::host::{
    Host, Neighbour, VIP, get, ip, ready, set_sysctl, state, sysctl, until, until_within,
};

#[test]
fn the_lan_gets_no_arp_for_the_vip_yet_what_a_director_forwards_is_answered_from_it() {
    let host = Host::new();
    let client = Neighbour::new();
    let mut agent = host.start();
    client.run(|| {
        assert!(
            get("192.168.1.53", "/ready").is_ok(),
            "the RIP is there for all"
        );
        assert!(
            get(VIP, "/ready").is_err(),
            "nobody answers ARP for the VIP"
        );
        let neighbours = ip("neighbour show to 192.168.1.200");
        assert!(!neighbours.contains("lladdr"), "{neighbours}");
    });
    // What a director does: the VIP's packets to the real server's MAC.
    let link = ip("-o link show dev eth0");
    let mac = link
        .split("link/ether ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .to_owned();
    client.run(|| {
        ip(&format!(
            "neighbour replace 192.168.1.200 lladdr {mac} dev eth0 nud permanent"
        ));
        assert_eq!(get(VIP, "/ready").unwrap().0, 200);
    });
    agent.stop();
}

#[test]
fn an_answer_that_leaves_makes_it_not_ready_and_names_the_interface() {
    let host = Host::new();
    let client = Neighbour::new();
    let mut agent = host.start();
    let ask = || client.run(|| get(VIP, "/ready").is_ok());
    let heard = || {
        let status = host.lvsd("status --json").stdout;
        let status: serde_json::Value = serde_json::from_slice(&status).unwrap();
        let arp = &status["arp"][0];
        (arp["asked"].as_u64(), arp["leaked"].as_u64())
    };
    assert!(!ask());
    until(
        "the silence was heard",
        || matches!(heard(), (Some(asked), Some(0)) if asked > 0),
    );
    assert_eq!(state("127.0.0.1"), "ready");
    // While the agent cannot look, somebody breaks it and the LAN asks.
    agent.signal(Signal::SIGSTOP);
    for interface in ["all", "eth0"] {
        set_sysctl(&format!("{interface}/arp_ignore"), "0");
    }
    let neighbours = client.run(|| {
        let _ = TcpStream::connect_timeout(&(VIP.parse::<IpAddr>().unwrap(), 9).into(), SOON);
        ip("neighbour show to 192.168.1.200")
    });
    assert!(
        neighbours.contains("lladdr"),
        "this is what a leak is: {neighbours}"
    );
    agent.signal(Signal::SIGCONT);
    let reason = "eth0 answered ARP for 192.168.1.200";
    until("it is not ready", || {
        ready("127.0.0.1").is_some_and(|(status, body)| status == 503 && body.contains(reason))
    });
    assert_eq!(sysctl("eth0/arp_ignore"), "1", "and it is mended");
    assert!(
        agent
            .log()
            .contains("this host has told the LAN that it has the VIP")
    );
    // Only a question that stays without an answer proves that it is.
    client.run(|| ip("neighbour flush dev eth0"));
    until_within(Duration::from_secs(20), "silence is proved", || {
        ask();
        state("127.0.0.1") == "ready"
    });
    let told = || {
        let status = host.lvsd("status").stdout;
        String::from_utf8_lossy(&status).contains("answered ARP for 192.168.1.200 within the last")
    };
    assert!(told(), "neighbours may believe it still");
    agent.stop();
}

#[test]
fn a_vip_of_ipv6_is_never_advertised_and_whoever_does_it_is_heard() {
    const VIP6: &str = "2001:db8::200";
    let host = Host::new();
    let client = Neighbour::new();
    ip("address add 2001:db8::53/64 dev eth0 nodad");
    client.run(|| ip("address add 2001:db8::10/64 dev eth0 nodad"));
    let mut agent = host.start_with(&format!("vips = [\"{VIP6}\"]\n"));
    let asks = || {
        client.run(|| {
            let vip = VIP6.parse::<IpAddr>().unwrap();
            let _ = TcpStream::connect_timeout(&(vip, 9).into(), SOON);
            ip("neighbour show to 2001:db8::200").contains("lladdr")
        })
    };
    let counts = || {
        let status = host.lvsd("status --json").stdout;
        let status: serde_json::Value = serde_json::from_slice(&status).unwrap();
        let arp = status["arp"].as_array().unwrap().clone();
        let of_vip = arp.iter().find(|it| it["vip"] == VIP6);
        of_vip.map(|it| {
            (
                it["asked"].as_u64().unwrap(),
                it["leaked"].as_u64().unwrap(),
            )
        })
    };
    assert!(!asks(), "the VIP on lo is nobody's neighbour");
    until(
        "the silence was heard",
        || matches!(counts(), Some((asked, 0)) if asked > 0),
    );
    assert_eq!(state("127.0.0.1"), "ready");

    // Somebody makes this host answer for others.
    for name in ["all/forwarding", "eth0/proxy_ndp"] {
        std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}"), "1").unwrap();
    }
    ip("-6 neighbour add proxy 2001:db8::200 dev eth0");
    let reason = "eth0 sent a neighbour advertisement for 2001:db8::200";
    until("it is not ready", || {
        asks();
        ready("127.0.0.1").is_some_and(|(status, body)| status == 503 && body.contains(reason))
    });
    agent.stop();
}

/// How long a connection may take that is not to be.
const SOON: Duration = Duration::from_millis(500);
