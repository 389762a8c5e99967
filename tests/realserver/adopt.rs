//! Taking over from the scripts that were there before.

use std::process::Command;

use crate::host::{Agent, Host, Monitor, VIP, arp, has_vip, ip, set_sysctl, state, until};

/// What `lvs_dr_rs.sh` does.
fn run_the_script() {
    ip("address add 192.168.1.200/32 broadcast 192.168.1.200 dev lo label lo:0");
    for (name, value) in [
        ("lo/arp_ignore", "1"),
        ("lo/arp_announce", "2"),
        ("all/arp_ignore", "1"),
        ("all/arp_announce", "2"),
    ] {
        set_sysctl(name, value);
    }
}

#[test]
fn the_scripts_vip_becomes_lvsds_and_never_leaves_lo() {
    let host = Host::new();
    run_the_script();
    let monitor = Monitor::start(&host);
    let mut command = Command::new(env!("CARGO_BIN_EXE_lvsd"));
    command
        .args(["realserver", "--adopt"])
        .env("LVSD_RUNTIME_DIR", host.dir.path().join("run"));
    let mut agent = Agent::spawn(&host, &mut command);
    until("it is ready", || {
        agent.assert_running();
        state("127.0.0.1") == "ready"
    });
    let log = agent.log();
    assert!(
        log.contains("on lo, and lvsd's from now on: \"192.168.1.200\""),
        "{log}"
    );
    assert!(log.contains("vips = [\"192.168.1.200\"]"), "{log}");
    assert_eq!(arp(), ["1", "2", "1", "2"]);
    let seen = monitor.seen();
    assert!(!seen.contains(VIP), "{seen}");
    agent.stop();
    assert!(!has_vip(), "adopted: lvsd's to remove");
    assert_eq!(
        arp(),
        ["0", "0", "0", "0"],
        "as the script's own stop leaves it"
    );
}

#[test]
fn where_a_vip_is_named_other_addresses_on_lo_are_left_alone() {
    let host = Host::new();
    run_the_script();
    ip("address add 10.0.0.7/32 dev lo");
    let output = host.lvsd("realserver --vip 192.168.1.200 --adopt --one-shot");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    assert!(
        told.contains("on lo, and lvsd's from now on: \"192.168.1.200\"\n"),
        "{told}"
    );
    assert!(told.contains("left alone: \"10.0.0.7\""), "{told}");
    let undone = host.lvsd("realserver --undo");
    assert!(undone.status.success(), "{undone:?}");
    assert!(!has_vip(), "adopted: lvsd's to remove");
    let shown = Command::new("ip")
        .args(["address", "show", "lo"])
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("10.0.0.7/32"), "{shown}");
}

#[test]
fn without_a_name_an_address_that_is_no_alias_stays_whose_it_was() {
    let host = Host::new();
    run_the_script();
    ip("address add 10.0.0.7/32 dev lo");
    let output = host.lvsd("realserver --adopt --one-shot");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    assert!(
        told.contains("on lo, and lvsd's from now on: \"192.168.1.200\"\n"),
        "{told}"
    );
    assert!(told.contains("left alone: \"10.0.0.7\""), "{told}");
    let undone = host.lvsd("realserver --undo");
    assert!(undone.status.success(), "{undone:?}");
    assert!(!has_vip(), "adopted: lvsd's to remove");
    assert!(ip("address show dev lo").contains("10.0.0.7/32"));

    let alone = host.lvsd("realserver --adopt --one-shot");
    assert_eq!(alone.status.code(), Some(1), "{alone:?}");
    let told = String::from_utf8_lossy(&alone.stderr).into_owned();
    assert!(
        told.contains("of \"10.0.0.7\" nothing says that it is one"),
        "{told}"
    );
}

#[test]
fn where_it_cannot_start_nothing_is_lvsds_and_nothing_else_is_told() {
    let host = Host::new();
    run_the_script();
    let before = ip("-o address show");
    let taken = std::net::TcpListener::bind("0.0.0.0:9480").unwrap();
    let output = host.lvsd("realserver --adopt");
    drop(taken);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        told.contains("cannot listen on [::]:9480: port taken"),
        "{told}"
    );
    assert!(!host.journal().exists(), "nothing half done");

    // Another VIP that cannot be: it is on an interface that speaks ARP.
    ip("link add eth0 type veth peer name peer0");
    ip("address add 192.168.1.201/24 dev eth0");
    let refused =
        host.lvsd("realserver --vip 192.168.1.200 --vip 192.168.1.201 --adopt --one-shot");
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert_eq!(String::from_utf8_lossy(&refused.stdout), "");
    assert!(
        !host.journal().exists(),
        "the script's VIP is still the script's"
    );
    ip("link del eth0");
    assert_eq!(ip("-o address show"), before);
    let undone = host.lvsd("realserver --undo");
    assert!(undone.status.success(), "{undone:?}");
    assert!(has_vip());
    assert_eq!(arp(), ["1", "2", "1", "2"]);
}

#[test]
fn a_host_without_a_vip_has_nothing_to_adopt() {
    let host = Host::new();
    let output = host.lvsd("realserver --adopt --one-shot");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(!has_vip());
    assert_eq!(arp(), ["0", "0", "0", "0"]);
}

#[test]
fn a_vip_whose_mask_was_forgotten_is_named_and_what_is_told_makes_it_adoptable() {
    let host = Host::new();
    ip("address add 192.168.1.200/24 dev lo label lo:0");
    let mends = "ip address add 192.168.1.200/32 dev lo";
    let named = host.lvsd("realserver --vip 192.168.1.200 --adopt --one-shot");
    let told = String::from_utf8_lossy(&named.stderr).into_owned();
    assert!(told.contains(mends), "it stays on lo: {told}");
    let output = host.lvsd("realserver --adopt --one-shot");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        told.contains("192.168.1.200/24 has the mask of a network"),
        "{told}"
    );
    let mend = format!("{mends} label lo:0; ip address del 192.168.1.200/24 dev lo");
    assert!(told.contains(&mend), "{told}");
    for command in mend.split("; ") {
        ip(command.trim_start_matches("ip "));
    }
    let output = host.lvsd("realserver --adopt --one-shot");
    assert!(output.status.success(), "{output:?}");
}
