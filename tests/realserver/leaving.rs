//! How the agent leaves.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::host::{
    Host, Neighbour, arp, connection, has_vip, ip, now, ready, set_sysctl, state, until,
};

#[test]
fn sigterm_drains_and_then_leaves_the_host_as_it_was() {
    let host = Host::new();
    set_sysctl("all/arp_announce", "1");
    let mut agent = host.start_with("drain = \"500ms\"\n");
    assert_eq!(arp(), ["1", "2", "1", "2"]);
    let _client = connection();
    agent.signal(Signal::SIGTERM);
    let signalled = now();
    until("it is draining", || state("127.0.0.1") == "draining");
    let (status, body) = ready("127.0.0.1").unwrap();
    assert_eq!(status, 503);
    assert!(body.contains("draining until 20"), "{body}");
    assert!(has_vip(), "it serves what it has");
    assert!(agent.wait().success());
    assert!(now() - signalled >= Duration::from_millis(500));
    assert!(!has_vip());
    assert_eq!(arp(), ["0", "1", "0", "0"]);
    assert!(!host.journal().exists());
}

#[test]
fn a_second_signal_ends_the_drain() {
    let host = Host::new();
    let mut agent = host.start_with("drain = \"1h\"\n");
    let _client = connection();
    agent.signal(Signal::SIGTERM);
    until("it is draining", || state("127.0.0.1") == "draining");
    agent.signal(Signal::SIGINT);
    assert!(agent.wait().success());
    assert!(!has_vip());
    assert_eq!(arp(), ["0", "0", "0", "0"]);
}

#[test]
fn a_drain_lasts_as_long_as_the_last_connection_of_the_vip() {
    let host = Host::new();
    let mut agent = host.start_with("drain = \"1h\"\n");
    let client = connection();
    agent.signal(Signal::SIGTERM);
    let counted = || {
        let status = host.lvsd("status --json");
        String::from_utf8(status.stdout)
            .unwrap()
            .contains("\"connections\": 2")
    };
    until("it waits for both ends of the connection", counted);
    assert!(has_vip());
    drop(client);
    assert!(agent.wait().success(), "{}", agent.log());
    assert!(!has_vip());
    assert_eq!(arp(), ["0", "0", "0", "0"]);
}

#[test]
fn a_host_is_drained_and_taken_back_by_command() {
    let host = Host::new();
    let mut agent = host.start_with("drain = \"1h\"\n");
    let client = connection();
    let said = |arguments: &str| {
        let output = host.lvsd(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let draining = said("realserver drain");
    assert!(
        draining.starts_with("draining: draining by `lvsd realserver drain` until 20"),
        "{draining}"
    );
    assert_eq!(state("127.0.0.1"), "draining");
    assert!(has_vip(), "clients are here");
    assert_eq!(said("realserver undrain"), "ready\n");
    assert_eq!(state("127.0.0.1"), "ready");
    drop(client);
    let drained = said("realserver drain --wait");
    assert!(drained.starts_with("drained: "), "{drained}");
    assert!(!has_vip());
    assert_eq!(arp(), ["0", "0", "0", "0"]);
    assert_eq!(
        state("127.0.0.1"),
        "draining",
        "directors keep it at weight 0"
    );
    agent.kill();
    let mut agent = host.start();
    assert!(!has_vip(), "it outlasts a crash");
    assert_eq!(said("realserver undrain"), "ready\n");
    assert!(has_vip());
    agent.stop();
    let output = host.lvsd("realserver drain");
    assert_eq!(output.status.code(), Some(1), "nobody is there to ask");
}

#[test]
fn a_drained_host_answers_for_no_vip_whoever_put_it_there_and_when() {
    let host = Host::new();
    let neighbour = Neighbour::new();
    let answers = || neighbour.hears_of_the_vip();
    // Before the agent, by a file of the system.
    ip("address add 192.168.1.200/32 dev lo label lo:0");
    assert!(answers(), "ARP is asked as a neighbour would");
    let mut agent = host.start_with("drain = \"10s\"\n");
    assert!(!answers());
    let drained = host.lvsd("realserver drain --wait");
    assert!(drained.status.success(), "{drained:?}");
    assert!(!has_vip());
    assert_eq!(arp(), ["0", "0", "0", "0"]);
    assert!(!answers());
    // And meanwhile, by hand.
    for time in 1..=3 {
        ip("address add 192.168.1.200/32 dev lo label lo:0");
        until("it is taken away", || !has_vip());
        let count = format!("count={time}");
        until("it is told", || {
            let log = agent.log();
            let mut lines = log
                .lines()
                .filter(|line| line.contains("drained host by somebody"));
            lines.any(|line| line.contains(&count))
        });
    }
    let status = || {
        let output = host.lvsd("status --json").stdout;
        serde_json::from_slice::<serde_json::Value>(&output).unwrap()
    };
    until("status tells it", || status()["vips"][0]["repaired"] == 3);
    let error = status()["errors"][0].to_string();
    assert!(
        error.contains("was put on this drained host 3 times"),
        "{error}"
    );
    // With the mask forgotten it is not the agent's to take away.
    ip("address add 192.168.1.200/24 dev lo");
    until("ARP is kept quiet", || arp() == ["1", "2", "1", "2"]);
    assert!(!answers());
    until("status tells it", || {
        status()["reasons"]
            .to_string()
            .contains("VIP 192.168.1.200 is on lo as 192.168.1.200/24")
    });
    ip("address del 192.168.1.200/24 dev lo");
    until("all is as before", || arp() == ["0", "0", "0", "0"]);
    let undrained = host.lvsd("realserver undrain");
    assert!(undrained.status.success(), "{undrained:?}");
    until("it is ready", || state("127.0.0.1") == "ready");
    agent.stop();
    assert!(!has_vip());
}
