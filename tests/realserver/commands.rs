//! The agent's work without an agent: `--one-shot` and `--undo`.

use crate::host::{Host, arp, has_vip, ip, ready, set_sysctl, state};

#[test]
fn one_shot_does_what_the_scripts_do_and_undo_takes_it_back() {
    let host = Host::new();
    set_sysctl("all/arp_announce", "1");
    let done = host.lvsd("realserver --vip 192.168.1.200 --one-shot");
    assert!(done.status.success(), "{done:?}");
    assert!(has_vip());
    assert!(ip("-o address show dev lo").contains("lo:0"));
    assert_eq!(arp(), ["1", "2", "1", "2"]);
    assert!(ready("127.0.0.1").is_none(), "nobody stays");
    let again = host.lvsd("realserver --vip 192.168.1.200 --one-shot");
    assert!(again.status.success(), "{again:?}");
    let undone = host.lvsd("realserver --undo");
    assert!(undone.status.success(), "{undone:?}");
    assert!(!has_vip());
    assert_eq!(arp(), ["0", "1", "0", "0"]);
    assert!(!host.journal().exists());
    let nothing = host.lvsd("realserver --undo");
    assert!(nothing.status.success(), "{nothing:?}");
}

#[test]
fn undo_finds_the_vip_of_a_killed_agent_on_whatever_interface_it_is() {
    let host = Host::new();
    ip("link add vips type veth peer name other");
    ip("link set vips arp off up");
    let mut agent = host.start_with("interface = \"vips\"\n");
    let is_there = || ip("-o address show dev vips").contains("192.168.1.200/32");
    assert!(is_there());
    agent.kill();
    // Without the file, which may be another by now.
    let undone = host.lvsd("realserver --undo");
    assert!(undone.status.success(), "{undone:?}");
    assert!(!is_there());
    assert_eq!(arp(), ["0", "0", "0", "0"]);
    assert!(!host.journal().exists());
}

#[test]
fn an_agent_takes_over_from_one_shot_and_neither_works_beside_an_agent() {
    let host = Host::new();
    let done = host.lvsd("realserver --vip 192.168.1.200 --one-shot");
    assert!(done.status.success(), "{done:?}");
    let mut agent = host.start();
    for arguments in [
        "realserver --vip 192.168.1.200 --one-shot",
        "realserver --undo",
    ] {
        let refused = host.lvsd(arguments);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        let error = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            error.contains("another lvsd realserver is running"),
            "{error}"
        );
    }
    assert_eq!(state("127.0.0.1"), "ready");
    agent.stop();
    assert!(!has_vip(), "what one-shot made is lvsd's to remove");
    assert_eq!(arp(), ["0", "0", "0", "0"]);
}

#[test]
fn what_makes_no_sense_together_is_refused() {
    let host = Host::new();
    for arguments in [
        "realserver",
        "realserver --one-shot",
        "realserver --undo --vip 192.168.1.200",
        "realserver --undo --one-shot",
        "realserver --vip 192.168.1.200 drain",
    ] {
        let output = host.lvsd(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments}: {output:?}");
    }
    let output = host.lvsd("realserver --vip 224.0.0.1 --one-shot");
    assert_eq!(output.status.code(), Some(78), "{output:?}");
}
