//! Killed at any moment.

use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::host::{Agent, Host, Monitor, VIP, arp, has_vip, ip, set_sysctl, state, sysctl, until};

#[test]
fn killed_at_more_than_a_hundred_moments_it_still_restores_the_first_values_when_it_stops() {
    let host = Host::new();
    set_sysctl("all/arp_announce", "1");
    set_sysctl("lo/arp_ignore", "2");
    ip("link add eth0 type veth peer name eth1");
    set_sysctl("eth0/arp_ignore", "3");
    let config = "drain = \"20ms\"\n";
    for moment in 0..120 {
        let nth = moment / 4;
        let mut agent = match moment % 4 {
            // A start takes some 8 ms.
            0 => {
                let agent = host.spawn(config);
                thread::sleep(Duration::from_micros(400) * nth);
                agent
            }
            // From the signal on, through the drain of 20 ms and the stop; and, in smaller
            // steps, where the drain ends and everything is given back.
            kind @ (1 | 2) => {
                let agent = host.start_with(config);
                agent.signal(Signal::SIGTERM);
                thread::sleep(match kind {
                    1 => Duration::from_micros(1500) * nth,
                    _ => Duration::from_millis(19) + Duration::from_micros(150) * nth,
                });
                agent
            }
            // Killed while it undoes what the last one left.
            _ => {
                let mut undo = Command::new(env!("CARGO_BIN_EXE_lvsd"));
                undo.args(["realserver", "--undo"]);
                undo.env("LVSD_RUNTIME_DIR", host.dir.path().join("run"));
                let agent = Agent::spawn(&host, &mut undo);
                thread::sleep(Duration::from_micros(300) * nth);
                agent
            }
        };
        agent.kill();
        let quiet = sysctl("all/arp_ignore") == "1" && sysctl("all/arp_announce") == "2";
        assert!(
            quiet || !has_vip(),
            "the VIP is on lo while ARP is not quiet"
        );
    }
    let mut agent = host.start();
    assert_eq!(arp(), ["1", "2", "2", "2"]);
    assert_eq!(state("127.0.0.1"), "ready");
    agent.stop();
    assert!(!has_vip());
    assert_eq!(arp(), ["0", "1", "2", "0"]);
    assert_eq!(sysctl("eth0/arp_ignore"), "3");
    assert!(!host.journal().exists());
}

#[test]
fn after_a_crash_it_adopts_the_vip_which_never_leaves_lo() {
    let host = Host::new();
    let mut agent = host.start();
    let monitor = Monitor::start(&host);
    agent.kill();
    assert!(has_vip());
    let mut agent = host.start();
    let seen = monitor.seen();
    assert!(!seen.contains(VIP), "{seen}");
    agent.stop();
    assert!(!has_vip(), "adopted, yet its own");
}

#[test]
fn a_vip_that_was_there_before_the_first_start_stays() {
    let host = Host::new();
    ip("address add 192.168.1.200/32 dev lo label lo:7");
    let mut agent = host.start();
    agent.kill();
    let mut agent = host.start();
    until("the log says so", || {
        agent.log().contains("left there at the stop")
    });
    assert!(
        ip("-o address show dev lo").contains("lo:7"),
        "an existing label is kept"
    );
    agent.stop();
    assert!(has_vip());
}

#[test]
fn on_a_full_disk_a_stop_gives_everything_back_all_the_same() {
    let host = Host::new();
    ip("link add eth0 type veth peer name eth1");
    let run = host.dir.path().join("run");
    let mut command = Command::new("unshare");
    let script = "mkdir $LVSD_RUNTIME_DIR && mount -t tmpfs -o size=64k none $LVSD_RUNTIME_DIR && \
                  exec \"$0\" realserver --vip 192.168.1.200";
    command.args(["--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_lvsd")]);
    command.env("LVSD_RUNTIME_DIR", &run);
    let mut agent = Agent::spawn(&host, &mut command);
    until("it is ready", || {
        agent.assert_running();
        state("127.0.0.1") == "ready"
    });
    let there = format!("/proc/{}/root{}/fill", agent.pid(), run.display());
    std::fs::write(there, vec![0; 1 << 20]).unwrap_err();
    // What it has to note of another interface it cannot.
    ip("link add eth2 type veth peer name eth3");
    until("it is told", || agent.log().contains("no space left"));
    assert_eq!(sysctl("eth2/arp_ignore"), "0", "no stop could put it back");
    set_sysctl("all/arp_ignore", "0");
    until("what is noted is put back", || {
        sysctl("all/arp_ignore") == "1"
    });
    agent.signal(Signal::SIGTERM);
    let code = agent.wait().code();
    let log = agent.log();
    assert_eq!(code, Some(0), "an empty record takes no room: {log}");
    let warnings = log.matches("cannot put this host right").count();
    assert!(warnings <= 2, "once while it runs, once at the stop: {log}");
    assert!(!has_vip());
    assert_eq!(arp(), ["0", "0", "0", "0"]);
    assert_eq!(sysctl("eth0/arp_ignore"), "0");
}
