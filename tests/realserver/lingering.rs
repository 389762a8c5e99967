//! VIPs that somebody else has on this host in a way that lvsd must not end, when it lets
//! go of them.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::host::{Agent, Host, Neighbour, arp, has_vip, ip, ready, set_sysctl, state, until};

const QUIET: [&str; 4] = ["1", "2", "1", "2"];
const LOUD: [&str; 4] = ["0", "0", "0", "0"];
const WIDE: &str = "192.168.1.200/24";

/// What a stop, or `--undo`, says of it.
fn assert_told(said: &str) {
    for part in [
        "VIP 192.168.1.200 is on lo as 192.168.1.200/24",
        "ARP stays quiet",
        "ip address del 192.168.1.200/24 dev lo",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

/// A host that could be asked.
fn with_nic() -> Host {
    let host = Host::new();
    ip("link add eth0 type veth peer name peer0");
    host
}

/// Without a VIP of the command line, which no reload takes away.
fn start(host: &Host) -> Agent {
    host.configure("vips = [\"192.168.1.200\"]\ndrain = \"0s\"\n");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lvsd"));
    command
        .args(["realserver", "--config"])
        .arg(host.config_file());
    command.env("LVSD_RUNTIME_DIR", host.dir.path().join("run"));
    let agent = Agent::spawn(host, &mut command);
    until("it is ready", || state("127.0.0.1") == "ready");
    agent
}

/// The same from who is gone then.
fn assert_told_at_the_end(said: &str) {
    assert_told(said);
    assert!(
        said.contains("`lvsd realserver --undo` tries again"),
        "{said}"
    );
}

fn terminate(agent: &mut Agent) -> Option<i32> {
    agent.signal(Signal::SIGTERM);
    agent.wait().code()
}

#[test]
fn a_vip_with_the_mask_of_a_network_is_never_left_where_arp_is_answered_for_it() {
    for way in ["stop", "undo", "drain and stop", "reload and stop"] {
        let host = with_nic();
        let mut agent = start(&host);
        // `ifconfig lo:0 192.168.1.200 up`
        ip(&format!("address add {WIDE} dev lo label lo:0"));
        until("it is heard of", || state("127.0.0.1") == "not-ready");
        let said = |arguments: &str| {
            let output = host.lvsd(arguments);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            (output.status.code(), said)
        };
        match way {
            "undo" => {
                agent.kill();
                let (code, told) = said("realserver --undo");
                assert_eq!(code, Some(1), "{told}");
                assert_told_at_the_end(&told);
            }
            "drain and stop" => {
                assert_eq!(said("realserver drain --wait").0, Some(0));
                assert!(!has_vip());
                assert_eq!(arp(), QUIET, "{way}");
            }
            "reload and stop" => {
                host.configure("vips = [\"2001:db8::200\"]\ndrain = \"0s\"\n");
                assert_eq!(said("realserver reload"), (Some(0), String::new()));
                assert!(!has_vip());
                assert_eq!(arp(), QUIET, "{way}");
                let status = String::from_utf8(host.lvsd("status").stdout).unwrap();
                assert_told(&status);
            }
            _ => {}
        }
        if way != "undo" {
            assert_eq!(terminate(&mut agent), Some(1), "{way}: {}", agent.log());
            assert_told_at_the_end(&agent.log());
        }
        assert!(!has_vip(), "{way}: what is lvsd's goes");
        assert!(ip("-o address show dev lo").contains(WIDE), "{way}");
        assert_eq!(arp(), QUIET, "{way}");
        assert_eq!(said("realserver --undo").0, Some(1), "{way}: still there");
        assert_eq!(arp(), QUIET, "{way}");
        ip(&format!("address del {WIDE} dev lo"));
        assert_eq!(said("realserver --undo").0, Some(0), "{way}");
        assert_eq!(arp(), LOUD, "{way}");
        assert!(!host.journal().exists(), "{way}");
    }
}

#[test]
fn a_vip_that_is_quiet_without_lvsd_is_left_as_it_is_whatever_its_mask() {
    let host = with_nic();
    for (name, value) in [("all/arp_ignore", "1"), ("all/arp_announce", "2")] {
        set_sysctl(name, value);
    }
    let mut agent = host.start_with("drain = \"0s\"\n");
    ip(&format!("address add {WIDE} dev lo label lo:0"));
    until("it is heard of", || state("127.0.0.1") == "not-ready");
    assert_eq!(terminate(&mut agent), Some(0), "{}", agent.log());
    assert_eq!(arp(), ["1", "2", "0", "0"]);
    assert!(!host.journal().exists());
}

#[test]
fn a_vip_on_another_interface_that_is_silent_keeps_arp_quiet_until_it_is_gone() {
    let host = Host::new();
    let neighbour = Neighbour::new();
    ip("link add vips type veth peer name other");
    ip("link set vips arp off up");
    let mut agent = host.start_with("drain = \"0s\"\n");
    ip("address add 192.168.1.200/32 dev vips");
    until("it is heard of", || state("127.0.0.1") == "not-ready");
    assert_eq!(terminate(&mut agent), Some(1), "{}", agent.log());
    let log = agent.log();
    assert!(log.contains("VIP 192.168.1.200 is on vips"), "{log}");
    assert!(!neighbour.hears_of_the_vip());
    assert_eq!(arp(), QUIET);
    ip("address del 192.168.1.200/32 dev vips");
    let undone = host.lvsd("realserver --undo");
    assert!(undone.status.success(), "{undone:?}");
    assert_eq!(arp(), LOUD);
}

#[test]
fn a_vip_that_somebody_puts_on_a_nic_of_a_drained_host_is_an_error() {
    let host = Host::new();
    let neighbour = Neighbour::new();
    let mut agent = host.start_with("drain = \"0s\"\n");
    let drained = host.lvsd("realserver drain --wait");
    assert!(drained.status.success(), "{drained:?}");
    assert_eq!(arp(), LOUD);
    ip("address add 192.168.1.200/24 dev eth0");
    let status = || {
        let output = host.lvsd("status --json").stdout;
        serde_json::from_slice::<serde_json::Value>(&output).unwrap()
    };
    let told = "VIP 192.168.1.200 is on eth0 although this host is drained";
    until("it is an error", || {
        status()["errors"].to_string().contains(told)
    });
    assert!(
        status()["errors"]
            .to_string()
            .contains("ip address del 192.168.1.200/24 dev eth0")
    );
    until("it is logged", || agent.log().contains(told));
    // Only that NIC answers: it is not the agent's to take the address away.
    until("ARP is quiet", || arp() == QUIET);
    assert!(neighbour.hears_of_the_vip());
    assert_eq!(ready("127.0.0.1").unwrap().0, 503);
    ip("address del 192.168.1.200/24 dev eth0");
    until("all is as before", || arp() == LOUD);
    until("the error is over", || {
        status()["errors"] == serde_json::json!([])
    });
    assert_eq!(agent.log().matches(told).count(), 1, "{}", agent.log());

    // Whoever has it there at the stop wants it to be answered for.
    ip("address add 192.168.1.200/24 dev eth0");
    until("it is an error", || {
        status()["errors"].to_string().contains(told)
    });
    assert_eq!(terminate(&mut agent), Some(0), "{}", agent.log());
    assert_eq!(arp(), LOUD);
}
