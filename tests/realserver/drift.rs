//! What others take away or change is put back.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::host::{Host, arp, connection, has_vip, ip, now, set_sysctl, state, sysctl, until};

#[test]
fn a_vip_that_is_taken_away_is_back_at_once() {
    let host = Host::new();
    let mut agent = host.start();
    for _ in 0..3 {
        ip("address del 192.168.1.200/32 dev lo");
        let gone = now();
        until("the VIP is back", has_vip);
        let took = now() - gone;
        assert!(took < Duration::from_millis(500), "took {took:?}");
    }
    assert!(ip("-o address show dev lo").contains("lo:0"));
    until("it is logged", || agent.log().contains("count=3"));
    assert_eq!(state("127.0.0.1"), "ready");
    agent.stop();
}

#[test]
fn a_host_that_takes_nothing_for_its_vip_any_more_takes_it_again() {
    let host = Host::new();
    let mut agent = host.start_with("vips = [\"2001:db8::200\"]\n");
    // In a namespace without any other route.
    let takes = |vip: &str| {
        let found = Command::new("ip").args(["route", "get", vip]).output();
        String::from_utf8_lossy(&found.unwrap().stdout).starts_with("local ")
    };
    for vip in [crate::host::VIP, "2001:db8::200"] {
        for time in 1..=2 {
            // The address stays on lo: only the kernel's way to it goes.
            ip(&format!("route del table local local {vip}"));
            until("it takes the VIP again", || takes(vip));
            let told = format!("count={time}");
            until("it is logged", || {
                let log = agent.log();
                let mut lines = log
                    .lines()
                    .filter(|line| line.contains("route in the table local"));
                lines.any(|line| line.contains(vip) && line.contains(&told))
            });
        }
    }
    assert!(ip("-o address show dev lo").contains("lo:0"));
    assert_eq!(state("127.0.0.1"), "ready");
    agent.stop();
    assert!(!has_vip());
    assert!(!takes(crate::host::VIP), "nothing of it is left");
}

#[test]
fn a_vip_whose_route_is_in_another_table_is_left_alone() {
    let host = Host::new();
    // As in a VRF, which this kernel may not have.
    ip("address add 192.168.1.200/32 dev lo label lo:7");
    ip("route del table local local 192.168.1.200");
    ip("route add table 100 local 192.168.1.200 dev lo");
    let mut agent = host.start();
    assert_eq!(state("127.0.0.1"), "ready");
    let log = agent.log();
    assert!(!log.contains("table local"), "{log}");
    agent.stop();
}

#[test]
fn a_vip_that_was_there_before_lvsd_stays_when_its_route_was_put_back() {
    let host = Host::new();
    ip("address add 192.168.1.200/32 dev lo label lo:7");
    let mut agent = host.start();
    ip("route del table local local 192.168.1.200");
    until("it is put back", || {
        ip("route show table local").contains("local 192.168.1.200")
    });
    assert!(ip("-o address show dev lo").contains("lo:7"));
    agent.stop();
    assert!(has_vip(), "what lvsd did not create it does not remove");
}

#[test]
fn a_sysctl_that_is_changed_is_put_back_and_logged_with_both_values() {
    let host = Host::new();
    let mut agent = host.start();
    for name in crate::host::SYSCTLS {
        let wanted = sysctl(name);
        set_sysctl(name, "0");
        // The kernel tells nobody of writes, and yet it is not the next look of each
        // second that finds it.
        let written = now();
        until("it is put back", || sysctl(name) == wanted);
        let took = now() - written;
        assert!(took < Duration::from_millis(500), "took {took:?}");
    }
    let key = "net.ipv4.conf.lo.arp_announce";
    until("the last one is logged", || {
        agent.log().contains(key) && agent.log().contains("put back")
    });
    set_sysctl("all/arp_ignore", "2");
    ip("address del 192.168.1.200/32 dev lo");
    until("the VIP is back", has_vip);
    assert_eq!(
        sysctl("all/arp_ignore"),
        "2",
        "2 does as well and is left alone"
    );
    agent.stop();
    assert_eq!(arp(), ["0", "0", "0", "0"]);
}

#[test]
fn drift_is_repaired_while_draining() {
    let host = Host::new();
    let mut agent = host.start_with("drain = \"1h\"\n");
    let _client = connection();
    agent.signal(Signal::SIGTERM);
    until("it is draining", || state("127.0.0.1") == "draining");
    ip("address del 192.168.1.200/32 dev lo");
    until("the VIP is back", has_vip);
    agent.signal(Signal::SIGTERM);
    agent.wait();
}

#[test]
fn the_third_loss_within_a_minute_is_an_error_in_status_that_names_the_process() {
    let host = Host::new();
    let mut agent = host.start();
    // A process that stays to be seen, as a network manager does.
    let script = "while read line; do echo address del 192.168.1.200/32 dev lo; done | ip -batch -";
    let mut culprit = Command::new("sh")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let status = || {
        let output = host.lvsd("status --json").stdout;
        serde_json::from_slice::<serde_json::Value>(&output).unwrap()
    };
    for time in 1..=3 {
        assert_eq!(status()["errors"], serde_json::json!([]));
        let order = culprit.stdin.as_mut().unwrap();
        order.write_all(b"now\n").unwrap();
        order.flush().unwrap();
        until("it is put back", || status()["vips"][0]["repaired"] == time);
    }
    let status = status();
    let error = status["errors"][0].as_str().unwrap();
    assert!(
        error.contains("the last three within a minute, by ip (pid "),
        "{error}"
    );
    assert_eq!(status["ready"], true);
    let log = agent.log();
    assert!(log.contains("by=\"ip (pid "), "{log}");
    assert!(log.contains("the third time within a minute"), "{log}");
    drop(culprit.stdin.take());
    culprit.wait().unwrap();
    agent.stop();
}

#[test]
fn an_interface_that_is_plugged_in_is_quieted_at_once() {
    let host = Host::new();
    let mut agent = host.start();
    ip("link add eth0.100 type veth peer name peer");
    until("it is quiet", || {
        sysctl("eth0.100/arp_ignore") == "1" && sysctl("eth0.100/arp_announce") == "2"
    });
    assert_eq!(state("127.0.0.1"), "ready");
    agent.stop();
    assert_eq!(sysctl("eth0.100/arp_ignore"), "0");
    assert_eq!(sysctl("eth0.100/arp_announce"), "0");
}

#[test]
fn an_interface_that_is_renamed_while_no_agent_runs_gets_its_first_values_back() {
    let host = Host::new();
    ip("link add eth0 type veth peer name peer");
    set_sysctl("eth0/arp_ignore", "3");
    let mut agent = host.start();
    assert_eq!(sysctl("eth0/arp_ignore"), "1");
    agent.kill();
    ip("link set eth0 name ens192");
    let mut agent = host.start();
    agent.stop();
    assert_eq!(sysctl("ens192/arp_ignore"), "3");
    assert!(!host.journal().exists());
    // As well without an agent in between.
    let mut agent = host.start();
    agent.kill();
    ip("link set ens192 name wan");
    assert!(host.lvsd("realserver --undo").status.success());
    assert_eq!(sysctl("wan/arp_ignore"), "3");
    assert!(!host.journal().exists());
}

#[test]
fn an_interface_that_is_renamed_gets_its_first_values_back() {
    let host = Host::new();
    ip("link add eth0 type veth peer name peer");
    set_sysctl("eth0/arp_ignore", "3");
    let mut agent = host.start();
    ip("link set eth0 name wan");
    until("the journal has the new name", || {
        let journal = std::fs::read_to_string(host.journal()).unwrap();
        journal.contains("conf.wan.arp_ignore") && !journal.contains("conf.eth0.")
    });
    agent.kill();
    let mut agent = host.start();
    assert_eq!(sysctl("wan/arp_ignore"), "1");
    agent.stop();
    assert_eq!(sysctl("wan/arp_ignore"), "3");
    assert_eq!(sysctl("wan/arp_announce"), "0");
}

#[test]
fn vips_of_ipv6_that_the_kernel_is_still_giving_their_routes_are_nobodys_loss() {
    let host = Host::new();
    for _ in 0..10 {
        let vips = "\"2001:db8::200\", \"2001:db8::201\", \"2001:db8::202\"";
        let mut agent = host.start_with(&format!("vips = [{vips}]\ndrain = \"0s\"\n"));
        until("it is ready", || state("127.0.0.1") == "ready");
        agent.stop();
        let log = agent.log();
        assert!(!log.contains("table local"), "{log}");
    }
}
