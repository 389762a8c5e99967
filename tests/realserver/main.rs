//! `lvsd realserver` as an administrator meets it: the binary, signals, HTTP,
//! `ip address` and sysctls, each test on a host of its own.

mod host;

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use host::{
    Agent, Host, Neighbour, VIP, arp, get, has_vip, ip, now, ready, set_sysctl, state, sysctl,
    until,
};

#[test]
fn with_nothing_but_a_vip_it_binds_it_quiets_arp_and_is_ready() {
    let host = Host::new();
    let mut agent = host.start();
    let lo = ip("-o address show dev lo");
    assert!(
        lo.contains("inet 192.168.1.200/32 scope global lo:0"),
        "{lo}"
    );
    assert_eq!(arp(), ["1", "2", "1", "2"]);
    let (status, body) = ready("127.0.0.1").unwrap();
    assert_eq!(status, 200, "{body}");
    assert!(
        body.starts_with(r#"{"ready":true,"state":"ready","reasons":[]"#),
        "{body}"
    );
    assert_eq!(get("127.0.0.1", "/healthz").unwrap().0, 200);
    assert_eq!(get("127.0.0.1", "/v1/status").unwrap().0, 404);
    agent.stop();
}

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
fn a_sysctl_that_is_changed_is_put_back_and_logged_with_both_values() {
    let host = Host::new();
    let mut agent = host.start();
    for name in host::SYSCTLS {
        let wanted = sysctl(name);
        set_sysctl(name, "0");
        until("it is put back", || sysctl(name) == wanted);
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
fn sigterm_drains_and_then_leaves_the_host_as_it_was() {
    let host = Host::new();
    set_sysctl("all/arp_announce", "1");
    let mut agent = host.start_with("drain = \"500ms\"\n");
    assert_eq!(arp(), ["1", "2", "1", "2"]);
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
    agent.signal(Signal::SIGTERM);
    until("it is draining", || state("127.0.0.1") == "draining");
    agent.signal(Signal::SIGINT);
    assert!(agent.wait().success());
    assert!(!has_vip());
    assert_eq!(arp(), ["0", "0", "0", "0"]);
}

#[test]
fn drift_is_repaired_while_draining() {
    let host = Host::new();
    let mut agent = host.start_with("drain = \"1h\"\n");
    agent.signal(Signal::SIGTERM);
    until("it is draining", || state("127.0.0.1") == "draining");
    ip("address del 192.168.1.200/32 dev lo");
    until("the VIP is back", has_vip);
    agent.signal(Signal::SIGTERM);
    agent.wait();
}

#[test]
fn killed_at_any_moment_it_still_restores_the_first_values_when_it_stops() {
    let host = Host::new();
    set_sysctl("all/arp_announce", "1");
    set_sysctl("lo/arp_ignore", "2");
    let config = "drain = \"20ms\"\n";
    for moment in 0..20 {
        // A start takes some 2 ms and so does a stop, after its drain of 20 ms.
        let step = Duration::from_micros(200) * moment;
        let mut agent = if moment % 2 == 0 {
            let agent = host.spawn(config);
            thread::sleep(step);
            agent
        } else {
            let agent = host.start_with(config);
            agent.signal(Signal::SIGTERM);
            thread::sleep(Duration::from_millis(19) + step);
            agent
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
    assert!(!host.journal().exists());
}

#[test]
fn after_a_crash_it_adopts_the_vip_which_never_leaves_lo() {
    let host = Host::new();
    let mut agent = host.start();
    let log = host.dir.path().join("monitor");
    let mut monitor = Command::new("ip")
        .args(["-o", "monitor", "address"])
        .stdout(fs::File::create(&log).unwrap())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let heard = |marker: &str| {
        until("the monitor has caught up", || {
            ip(&format!("address replace {marker}/32 dev lo"));
            fs::read_to_string(&log).unwrap().contains(marker)
        });
    };
    heard("10.0.0.1");
    agent.kill();
    assert!(has_vip());
    let mut agent = host.start();
    heard("10.0.0.2");
    let seen = fs::read_to_string(&log).unwrap();
    assert!(!seen.contains(VIP), "{seen}");
    monitor.kill().unwrap();
    monitor.wait().unwrap();
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
fn a_vip_on_another_interface_is_refused_and_nothing_is_touched() {
    let host = Host::new();
    ip("link add eth0 type veth peer name eth1");
    ip("address add 192.168.1.200/24 dev eth0");
    let mut agent = host.spawn("");
    assert_eq!(agent.wait().code(), Some(1));
    let log = agent.log();
    assert!(log.contains("VIP 192.168.1.200 is on eth0"), "{log}");
    assert!(
        log.contains("ip address del 192.168.1.200/24 dev eth0"),
        "{log}"
    );
    assert!(!has_vip());
    assert_eq!(arp(), ["0", "0", "0", "0"]);
    assert!(!host.journal().exists());
}

#[test]
fn a_vip_with_a_network_on_lo_is_refused() {
    let host = Host::new();
    ip("address add 192.168.1.200/24 dev lo");
    let mut agent = host.spawn("");
    assert_eq!(agent.wait().code(), Some(1));
    assert!(
        agent.log().contains("as 192.168.1.200/24"),
        "{}",
        agent.log()
    );
    assert_eq!(arp(), ["0", "0", "0", "0"]);
}

#[test]
fn a_taken_port_is_one_clear_line_and_nothing_is_touched() {
    let host = Host::new();
    let _other = TcpListener::bind("0.0.0.0:9480").unwrap();
    let mut agent = host.spawn("");
    assert_eq!(agent.wait().code(), Some(1));
    let log = agent.log();
    assert!(
        log.contains("cannot listen on 0.0.0.0:9480: port taken"),
        "{log}"
    );
    assert!(!has_vip());
    assert_eq!(arp(), ["0", "0", "0", "0"]);
}

#[test]
fn a_start_that_cannot_be_completed_is_undone() {
    let host = Host::new();
    fs::write("/proc/sys/net/ipv6/conf/lo/disable_ipv6", "1").unwrap();
    let mut agent = host.spawn("vips = [\"2001:db8::200\"]\n");
    assert_eq!(agent.wait().code(), Some(1));
    assert!(agent.log().contains("2001:db8::200/128"), "{}", agent.log());
    assert!(!has_vip());
    assert_eq!(arp(), ["0", "0", "0", "0"]);
    assert!(!host.journal().exists());
}

#[test]
fn a_second_agent_is_refused_and_the_first_is_not_disturbed() {
    let host = Host::new();
    let mut first = host.start();
    let mut second = Command::new(env!("CARGO_BIN_EXE_lvsd"));
    second.args(["realserver", "--vip", "192.168.1.201"]);
    second.env("LVSD_RUNTIME_DIR", host.dir.path().join("run"));
    let output = second.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(state("127.0.0.1"), "ready");
    assert!(!ip("-o address show dev lo").contains("192.168.1.201"));
    first.stop();
}

#[test]
fn read_only_sysctls_are_refused_and_nothing_is_touched() {
    let host = Host::new();
    let mut command = Command::new("unshare");
    let script = "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && \
                  exec \"$0\" realserver --vip 192.168.1.200";
    command.args(["--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_lvsd")]);
    command.env("LVSD_RUNTIME_DIR", host.dir.path().join("run"));
    let mut agent = Agent::spawn(&host, &mut command);
    assert_eq!(agent.wait().code(), Some(1));
    assert!(
        agent.log().contains("/proc/sys/net is read-only"),
        "{}",
        agent.log()
    );
    assert!(!has_vip());
}

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
fn only_the_directors_in_allow_may_ask() {
    let host = Host::new();
    let director = Neighbour::new();
    let allow = "[readiness]\nlisten = \"0.0.0.0:9480\"\nallow = [\"192.168.1.10\"]\n";
    let mut agent = host.spawn(allow);
    until("it answers", || ready("127.0.0.1").is_some());
    assert_eq!(ready("127.0.0.1").unwrap().0, 403);
    assert_eq!(get("127.0.0.1", "/healthz").unwrap().0, 403);
    assert_eq!(director.run(|| ready("192.168.1.53").unwrap().0), 200);
    agent.signal(Signal::SIGTERM);
    agent.signal(Signal::SIGINT);
    assert!(agent.wait().success());
}

#[test]
fn a_service_that_does_not_answer_makes_it_not_ready_by_name() {
    let host = Host::new();
    let config = "[[service]]\nname = \"nginx\"\n\
                  check = { type = \"tcp\", address = \"127.0.0.1:80\", interval = \"100ms\" }\n";
    let mut agent = host.start_with(config);
    until("it is down", || {
        ready("127.0.0.1")
            .unwrap()
            .1
            .contains("service nginx: connection refused")
    });
    assert_eq!(ready("127.0.0.1").unwrap().0, 503);
    let nginx = TcpListener::bind("127.0.0.1:80").unwrap();
    until("it is up", || state("127.0.0.1") == "ready");
    drop(nginx);
    until("it is down again", || state("127.0.0.1") == "not-ready");
    agent.stop();
}

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
fn sighup_without_a_file_is_survived() {
    let host = Host::new();
    let mut agent = host.start();
    agent.signal(Signal::SIGHUP);
    until("it says so", || agent.log().contains("not reloaded"));
    assert_eq!(state("127.0.0.1"), "ready");
    agent.stop();
}

#[test]
fn systemd_hears_ready_when_it_serves_then_watchdog_then_stopping() {
    let host = Host::new();
    let path = host.dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let hear = |wanted: &str| {
        let mut buffer = [0; 4096];
        loop {
            let length = socket.recv(&mut buffer).unwrap();
            let text = String::from_utf8_lossy(&buffer[..length]);
            if text.lines().any(|line| line.starts_with(wanted)) {
                return text.into_owned();
            }
        }
    };
    let mut command = host.command("");
    command
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "200000");
    let mut agent = Agent::spawn(&host, &mut command);
    hear("READY=1");
    assert!(has_vip());
    assert_eq!(state("127.0.0.1"), "ready");
    hear("WATCHDOG=1");
    hear("WATCHDOG=1");
    agent.signal(Signal::SIGTERM);
    let stopping = hear("STOPPING=1");
    assert!(stopping.contains("STATUS=draining"), "{stopping}");
    agent.signal(Signal::SIGTERM);
    assert!(agent.wait().success());
}
