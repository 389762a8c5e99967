//! SIGHUP.

use std::net::TcpListener;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::host::{Host, Monitor, has_vip, ip, ready, state, until};

#[test]
fn sighup_adds_and_removes_vips_singly() {
    let host = Host::new();
    let mut agent = host.start_with("vips = [\"192.168.1.201\"]\n");
    let lo = || ip("-o address show dev lo");
    assert!(
        lo().contains("192.168.1.201/32 scope global lo:1"),
        "{}",
        lo()
    );
    host.configure("vips = [\"192.168.1.202\"]\n");
    agent.signal(Signal::SIGHUP);
    until("the new one is there", || lo().contains("192.168.1.202/32"));
    until("the old one is gone", || !lo().contains("192.168.1.201"));
    assert!(has_vip());
    assert_eq!(state("127.0.0.1"), "ready");
    agent.stop();
    assert!(!lo().contains("192.168.1.20"), "{}", lo());
}

#[test]
fn of_many_vips_a_reload_touches_only_those_that_come_and_go() {
    let host = Host::new();
    let file = |gone: u8, new: u8| {
        let lasts = (1..=100).filter(|last| *last != gone).chain([new]);
        let vips: Vec<_> = lasts.map(|last| format!("\"10.0.0.{last}\"")).collect();
        format!("vips = [{}]\n", vips.join(", "))
    };
    let mut agent = host.start_with(&file(0, 101));
    until("it is ready", || state("127.0.0.1") == "ready");
    let monitor = Monitor::start(&host);
    host.configure(&file(7, 102));
    let done = host.lvsd("realserver reload");
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let seen = monitor.seen();
    let mut changed: Vec<_> = seen
        .lines()
        .filter_map(|line| Some((line.contains("Deleted"), line.split("inet ").nth(1)?)))
        .filter_map(|(gone, rest)| Some((gone, rest.split('/').next()?)))
        .filter(|(_, address)| address.starts_with("10.0.0."))
        .collect();
    changed.sort_unstable();
    let expected = [
        (false, "10.0.0.102"),
        (true, "10.0.0.101"),
        (true, "10.0.0.7"),
    ];
    assert_eq!(changed, expected, "{seen}");
    assert_eq!(state("127.0.0.1"), "ready");
    agent.stop();
    assert!(!ip("-o address show dev lo").contains("10.0.0."));
}

#[test]
fn a_refused_reload_leaves_everything_as_it_is() {
    let host = Host::new();
    let mut agent = host.start_with("drain = \"10s\"\n");
    ip("link add eth0 type veth peer name eth1");
    ip("address add 192.168.1.201/24 dev eth0");
    host.configure("vips = [\"192.168.1.201\", \"192.168.1.202\"]\n");
    agent.signal(Signal::SIGHUP);
    until("it is logged", || {
        agent.log().contains("192.168.1.201 is on eth0")
    });
    assert_eq!(state("127.0.0.1"), "ready");
    assert!(!ip("-o address show dev lo").contains("192.168.1.202"));
    agent.stop();
}

#[test]
fn the_command_tells_what_came_of_the_reload() {
    let host = Host::new();
    let mut agent = host.start_with("drain = \"10s\"\n");
    host.configure("vips = [\"192.168.1.202\"]\n");
    let reload = || host.lvsd("realserver reload");
    let done = reload();
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    assert!(
        ip("-o address show dev lo").contains("192.168.1.202/32"),
        "it is done by then"
    );

    ip("link add eth0 type veth peer name eth1");
    ip("address add 192.168.1.201/24 dev eth0");
    for (file, told) in [
        (
            "vips = [\"192.168.1.201\"]\n",
            "VIP 192.168.1.201 is on eth0",
        ),
        ("vips = [\"192.168.1\"]\ndrain = 7\n", ":2: drain = 7: "),
        (
            "interface = \"dummy7\"\n",
            "another interface takes a restart",
        ),
    ] {
        host.configure(file);
        let refused = reload();
        assert_eq!(refused.status.code(), Some(78), "{refused:?}");
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(said.contains(told), "{said}");
        assert!(ip("-o address show dev lo").contains("192.168.1.202/32"));
    }
    assert_eq!(state("127.0.0.1"), "ready");
    agent.stop();
    assert_eq!(reload().status.code(), Some(1), "nobody is there to ask");
}

#[test]
fn another_place_to_listen_at_is_taken_at_once_and_a_taken_one_leaves_the_old() {
    let host = Host::new();
    let mut agent = host.start_with("drain = \"10s\"\n");
    let reload = |listen: &str| {
        host.configure(&format!("[readiness]\nlisten = \"{listen}\"\n"));
        host.lvsd("realserver reload")
    };
    let done = reload("127.0.0.1:9480");
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    assert_eq!(state("127.0.0.1"), "ready");
    assert!(ready("::1").is_none(), "there it does not listen any more");

    let other = TcpListener::bind("127.0.0.2:9480").unwrap();
    for taken in ["127.0.0.2:9480", "[::]:9480"] {
        let refused = reload(taken);
        assert_eq!(refused.status.code(), Some(78), "{refused:?}");
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(said.contains("port taken"), "{said}");
        assert_eq!(state("127.0.0.1"), "ready", "as before");
    }
    drop(other);
    let done = reload("[::]:9480");
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    assert_eq!(state("::1"), "ready");
    agent.stop();
}

#[test]
fn sighup_without_a_file_is_survived() {
    let host = Host::new();
    let mut agent = host.start();
    agent.signal(Signal::SIGHUP);
    until("it says so", || agent.log().contains("not reloaded"));
    assert_eq!(state("127.0.0.1"), "ready");
    agent.stop();
}

#[test]
fn a_reload_is_refused_what_a_start_is_and_no_vip_leaves_lo() {
    let host = Host::new();
    let tunnels = Command::new("ip")
        .args(["link", "add", "type", "ipip"])
        .status();
    if tunnels.unwrap().success() {
        eprintln!("skipped: this kernel has tunnels");
        return;
    }
    let mut agent = host.start_with("vips = [\"192.168.1.201\"]\ndrain = \"10s\"\n");
    until("it is ready", || state("127.0.0.1") == "ready");
    let what_is_there = || {
        let journal = std::fs::read_to_string(host.journal()).unwrap();
        (ip("-o address show scope global"), ip("rule show"), journal)
    };
    let before = what_is_there();
    let monitor = Monitor::start(&host);
    host.configure("vips = [\"192.168.1.202\"]\ndrain = \"10s\"\nforwarding = \"tun\"\n");
    let refused = host.lvsd("realserver reload");
    assert_eq!(refused.status.code(), Some(78), "{refused:?}");
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("modprobe ipip"), "{told}");
    assert_eq!(state("127.0.0.1"), "ready", "{}", agent.log());
    let seen = monitor.seen();
    assert!(!seen.contains("192.168.1.20"), "{seen}");
    assert_eq!(what_is_there(), before);

    // As well while it is drained: `undrain` must not be what finds out.
    let done = |arguments: &str| assert!(host.lvsd(arguments).status.success(), "{arguments}");
    done("realserver drain --wait");
    let drained = what_is_there();
    let refused = host.lvsd("realserver reload");
    assert_eq!(refused.status.code(), Some(78), "{refused:?}");
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("modprobe ipip"), "{told}");
    assert_eq!(what_is_there(), drained);
    done("realserver undrain");
    assert_eq!(state("127.0.0.1"), "ready", "{}", agent.log());
    assert_eq!(what_is_there().0, before.0);
    agent.stop();
}
