//! What a real server with several interfaces tells its LANs of its VIPs: nothing, as a capture
//! of all that it sends shows.

use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Program, Scenario, eventually, secs, within};

pub(crate) const SCENARIOS: &[Scenario] =
    &[scenario!(no_interface_of_several_tells_its_lan_of_a_vip).on_any_linux()];

const VIP6: &str = "2001:db8::200";

/// What `sysctl` makes a host announce that has new addresses, or new links.
const TALKATIVE: &str = "sysctl -qw net.ipv4.conf.all.arp_notify=1 \
     net.ipv6.conf.default.ndisc_notify=1 net.ipv6.conf.all.ndisc_notify=1";

/// The interfaces, each with the number of its LAN.
const NICS: [(&str, u8); 3] = [("ens192", 1), ("ens224", 2), ("ens256", 3)];

/// The MAC address that the lab gives the real server's interface on a LAN.
fn mac(lan: u8) -> String {
    format!("02:00:c0:a8:{lan:02x}:35")
}

/// A router on a LAN of its own, which takes the VIPs for neighbours, with the real server.
fn neighbour(lab: &Lab, host: Option<&Host>, (nic, n): (&str, u8)) -> (Host, Host) {
    let (lan, address) = (lab.lan(), format!("192.168.{n}.53/24"));
    let host = match host {
        None => lan.host_with_nic("rs53", nic, &address),
        Some(host) => {
            lan.connect(host, nic, &address);
            host.clone()
        }
    };
    host.run(&format!("ip addr add 2001:db8:{n}::53/64 dev {nic} nodad"))
        .ok();
    let router = lan.host(&format!("router{n}"), &format!("192.168.{n}.1/24"));
    router
        .run(&format!(
            "ip addr add 2001:db8:{n}::1/64 dev eth0 nodad &&
             ip route add {VIP} dev eth0 && ip route add {VIP6} dev eth0"
        ))
        .ok();
    (host, router)
}

/// Captures ARP and ICMPv6: what comes in, or what leaves, on an interface or `any`.
fn capture(host: &Host, direction: &str, nic: &str) -> Program {
    let capture = host.spawn(&format!(
        "tcpdump -Z root --immediate-mode -lnei {nic} -Q {direction} arp or icmp6"
    ));
    eventually("the capture runs", within(secs(10)), || {
        capture.log().contains("listening on")
    });
    capture
}

/// Asks for both VIPs as routers do: everybody, and then the real server alone, as who had
/// believed it once.
fn ask(router: &Host, n: u8) {
    router
        .run(&format!(
            "ip neighbour flush dev eth0
             arping -i eth0 -c 2 -W 0.2 {VIP}
             ping -6 -c 1 -W 1 {VIP6}
             ip neighbour replace {VIP} lladdr {mac} dev eth0 nud probe
             ip neighbour replace {VIP6} lladdr {mac} dev eth0 nud probe
             ping -c 1 -W 1 {VIP} ; ping -6 -c 1 -W 1 {VIP6} ; true",
            mac = mac(n)
        ))
        .ok();
}

/// Waits until each kind of question has come in by a capture.
fn was_asked(capture: &Program, n: u8) {
    let to_it = format!("> {}", mac(n));
    let asked = |for_whom: &str, alone: bool| {
        let log = capture.log();
        let mut lines = log.lines();
        lines.any(|line| line.contains(for_whom) && line.contains(&to_it) == alone)
    };
    for question in [format!("who-has {VIP} "), format!("who has {VIP6}")] {
        for alone in [false, true] {
            let what = format!("{question} was asked on LAN {n}, of it alone: {alone}");
            eventually(&what, within(secs(10)), || asked(&question, alone));
        }
    }
}

/// The lines that tell of a VIP, or ask whether somebody else has it.
fn told(capture: &Program) -> Vec<String> {
    let telling = [
        format!("Reply {VIP} "),
        format!("tell {VIP},"),
        format!("who-has {VIP} "),
        format!("tgt is {VIP6}"),
        format!("who has {VIP6}"),
        // A question that names it as the one who asks makes others learn it.
        format!("{VIP6} > ff02:"),
        format!("{VIP6} > 2001:db8:"),
    ];
    let is_telling = |line: &&str| {
        let neighbours = line.contains("neighbor") || line.contains("ARP");
        neighbours && telling.iter().any(|what| line.contains(what))
    };
    let log = capture.log();
    log.lines().filter(is_telling).map(str::to_owned).collect()
}

fn no_interface_of_several_tells_its_lan_of_a_vip(lab: &Lab) {
    let (host, first) = neighbour(lab, None, NICS[0]);
    let (_, second) = neighbour(lab, Some(&host), NICS[1]);
    host.run(TALKATIVE).ok();
    let sent = capture(&host, "out", "any");
    let mut routers = vec![(1, first.clone(), capture(&first, "out", "eth0"))];
    routers.push((2, second.clone(), capture(&second, "out", "eth0")));

    host.write(
        "/etc/lvsd/realserver.toml",
        &format!("vips = ['{VIP}', '{VIP6}']\ndrain = '0s'\n"),
    );
    let agent = host.spawn("lvsd realserver");
    let is_ready = || {
        eventually("the agent is ready", within(secs(10)), || {
            host.agent_status()["ready"] == true
        })
    };
    is_ready();
    for (n, router, asked) in &routers {
        ask(router, *n);
        was_asked(asked, *n);
    }
    // A third one while it runs, a cable that is pulled, and the VIPs taken off and put on again.
    let (_, third) = neighbour(lab, Some(&host), NICS[2]);
    routers.push((3, third.clone(), capture(&third, "out", "eth0")));
    is_ready();
    host.run("ip link set ens224 down && ip link set ens224 up && ip addr add 2001:db8:2::53/64 dev ens224 nodad")
        .ok();
    host.run("lvsd realserver drain --wait && lvsd realserver undrain")
        .ok();
    is_ready();
    for (n, router, asked) in &routers {
        ask(router, *n);
        was_asked(asked, *n);
    }
    // That it is heard when a host speaks, of its own addresses and by each interface.
    for (n, router, _) in &routers {
        let own = format!("2001:db8:{n}::53");
        router
            .run(&format!(
                "ip neighbour flush dev eth0
                 ping -6 -c 1 -W 2 {own} && ping -c 1 -W 2 192.168.{n}.53"
            ))
            .ok();
        eventually("its own address is told", within(secs(5)), || {
            let log = sent.log();
            log.contains(&format!("tgt is {own}")) && log.contains(&format!("Reply 192.168.{n}.53"))
        });
    }
    assert_eq!(told(&sent), [""; 0]);
    let counts = host.agent_status()["arp"].clone();
    lab.say(&format!("three LANs asked, and nobody told: {counts}"));

    whoever_tells_is_caught(&host, &routers, &sent);
    lab.say(&host.run("lvsd status").ok());
    agent.signal(nix::sys::signal::Signal::SIGTERM);
    agent.expect_exit(0);
}

/// Makes one interface a proxy of the VIP: the capture has it, and the agent names it.
fn whoever_tells_is_caught(host: &Host, routers: &[(u8, Host, Program)], sent: &Program) {
    host.run(&format!(
        "sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv6.conf.ens256.proxy_ndp=1 &&
         ip -6 neighbour add proxy {VIP6} dev ens256"
    ))
    .ok();
    eventually("it tells of the VIP", within(secs(20)), || {
        for (n, router, _) in routers {
            ask(router, *n);
        }
        !told(sent).is_empty()
    });
    let lines = told(sent);
    let by = format!("{} ", mac(3));
    assert!(
        lines
            .iter()
            .all(|line| line.contains("ens256") || line.contains(&by)),
        "{lines:?}"
    );
    let reason = format!("ens256 sent a neighbour advertisement for {VIP6}");
    eventually("the agent names the interface", within(secs(10)), || {
        let reasons = host.agent_status()["reasons"].to_string();
        reasons.contains(&reason) && !reasons.contains("ens224")
    });
}
