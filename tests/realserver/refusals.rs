//! What is refused, in one clear line, with nothing touched.

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use crate::host::{Agent, Host, Neighbour, arp, has_vip, ip, ready, state, until};

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
        log.contains("cannot listen on [::]:9480: port taken"),
        "{log}"
    );
    assert!(!has_vip());
    assert_eq!(arp(), ["0", "0", "0", "0"]);
}

#[test]
fn a_start_that_cannot_be_completed_is_undone() {
    let host = Host::new();
    // The last parameter but one cannot be written.
    let mut command = Command::new("unshare");
    let script = "f=/proc/sys/net/ipv4/conf/lo/arp_announce && mount --bind $f $f && \
                  mount -o remount,bind,ro $f && exec \"$0\" realserver --vip 192.168.1.200";
    command.args(["--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_lvsd")]);
    command.env("LVSD_RUNTIME_DIR", host.dir.path().join("run"));
    let mut agent = Agent::spawn(&host, &mut command);
    assert_eq!(agent.wait().code(), Some(1));
    let log = agent.log();
    assert!(
        log.contains("cannot set net.ipv4.conf.lo.arp_announce"),
        "{log}"
    );
    assert!(log.contains("sysctl restored"), "it was begun: {log}");
    assert!(!has_vip());
    assert_eq!(arp(), ["0", "0", "0", "0"]);
    assert!(!host.journal().exists());
}

#[test]
fn where_ipv6_is_off_it_is_told_before_anything_is_touched_and_by_a_running_agent() {
    let off = |name: &str, value: &str| {
        fs::write(
            format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"),
            value,
        )
        .unwrap();
    };
    let host = Host::new();
    let config = "vips = [\"2001:db8::200\"]\n";
    for (name, told) in [
        (
            "lo",
            "IPv6 is off on lo (net.ipv6.conf.lo.disable_ipv6 = 1)",
        ),
        (
            "all",
            "IPv6 is off on every interface (net.ipv6.conf.all.disable_ipv6 = 1)",
        ),
    ] {
        off(name, "1");
        let log = refused(&host, config);
        assert!(log.contains(told), "{log}");
        assert!(log.contains("VIP 2001:db8::200 cannot be on lo"), "{log}");
        assert_eq!(log.lines().count(), 1, "{log}");
        off(name, "0");
    }
    let mut agent = host.start_with(config);
    until("it is ready", || state("127.0.0.1") == "ready");
    off("lo", "1");
    let reason = "VIP 2001:db8::200 is not on lo: cannot add address 2001:db8::200: IPv6 is off \
                  on lo (net.ipv6.conf.lo.disable_ipv6 = 1): sysctl -w \
                  net.ipv6.conf.lo.disable_ipv6=0";
    until("the cause is told", || {
        ready("127.0.0.1").is_some_and(|(status, body)| status == 503 && body.contains(reason))
    });
    off("lo", "0");
    until("it is ready again", || state("127.0.0.1") == "ready");
    agent.stop();
}

#[test]
fn a_gateway_that_is_no_director_is_refused() {
    let host = Host::new();
    let _lan = Neighbour::new();
    for (gateway, what) in [
        ("192.168.1.53", "this host's own address"),
        ("192.168.1.255", "the broadcast address in 192.168.1.53/24"),
    ] {
        let file = format!("forwarding = \"nat\"\ngateways = [\"{gateway}\"]\n");
        host.configure(&file);
        let mut command = Command::new(env!("CARGO_BIN_EXE_lvsd"));
        let file = host.dir.path().join("realserver.toml");
        command.args(["realserver", "--config"]).arg(file);
        command.env("LVSD_RUNTIME_DIR", host.dir.path().join("run"));
        let mut agent = Agent::spawn(&host, &mut command);
        assert_eq!(agent.wait().code(), Some(1));
        let said = agent.log();
        assert!(
            said.contains(&format!("gateway {gateway} is {what}")),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
    }
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

/// Runs it to its end, which must be exit 1 with nothing touched; returns what it said.
fn refused(host: &Host, config: &str) -> String {
    refused_with(1, host, config)
}

/// The same with another code.
fn refused_with(code: i32, host: &Host, config: &str) -> String {
    let before = arp();
    let mut agent = host.spawn(config);
    assert_eq!(agent.wait().code(), Some(code), "{}", agent.log());
    assert!(!has_vip());
    assert_eq!(arp(), before);
    assert!(!host.journal().exists());
    agent.log()
}

#[test]
fn an_address_that_no_host_of_the_lan_may_have_is_refused() {
    let host = Host::new();
    ip("link add eth0 type veth peer name eth1");
    ip("address add 192.168.1.53/24 dev eth0");
    ip("address add 2001:db8::53/64 dev eth0 nodad");
    for (vip, what) in [
        (
            "192.168.1.0",
            "the network's own address in 192.168.1.53/24",
        ),
        (
            "2001:db8::",
            "the address of every router (subnet-router anycast) in 2001:db8::53/64",
        ),
        ("192.168.1.255", "the broadcast address in 192.168.1.53/24"),
        ("192.168.1.53", "VIP 192.168.1.53 is on eth0"),
    ] {
        let log = refused(&host, &format!("vips = [\"{vip}\"]\n"));
        assert!(log.contains(what), "{log}");
        assert_eq!(log.lines().count(), 1, "{log}");
    }
}

#[test]
fn the_default_gateway_is_refused_as_a_vip() {
    let host = Host::new();
    let _lan = Neighbour::new();
    ip("address add 2001:db8::53/64 dev eth0 nodad");
    ip("address add 192.168.2.53/24 dev eth0");
    ip("route add default via 192.168.1.200");
    ip("-6 route add default via 2001:db8::1");
    ip("route add default table 100 nexthop via 192.168.1.10 nexthop via 192.168.2.1");
    for gateway in ["192.168.1.200", "2001:db8::1", "192.168.2.1"] {
        let log = refused(&host, &format!("vips = [\"{gateway}\"]\n"));
        let told = format!("VIP {gateway} is this host's default gateway");
        assert!(log.contains(&told), "{log}");
    }
    // A gateway of one network is not the way to everybody.
    ip("route replace default via 192.168.1.1");
    ip("route add 10.0.0.0/8 via 192.168.1.200");
    let mut agent = host.start();
    agent.stop();
}

#[test]
fn a_tunnel_that_this_kernel_cannot_make_is_told_before_anything_is_touched() {
    let host = Host::new();
    if Command::new("ip")
        .args(["link", "add", "type", "ipip"])
        .status()
        .unwrap()
        .success()
    {
        eprintln!("skipped: this kernel has tunnels");
        return;
    }
    let log = refused(&host, "forwarding = \"tun\"\n");
    assert!(log.contains("modprobe ipip"), "{log}");
    assert!(!log.contains("sysctl"), "nothing was set: {log}");
    assert_eq!(log.lines().count(), 1, "{log}");
}

#[test]
fn an_interface_that_is_not_there_or_speaks_arp_is_refused() {
    let host = Host::new();
    let log = refused(&host, "interface = \"dummy7\"\n");
    assert!(log.contains("there is no interface dummy7"), "{log}");
    ip("link add eth0 type veth peer name eth1");
    let log = refused(&host, "interface = \"eth0\"\n");
    assert!(log.contains("eth0 speaks ARP"), "{log}");
}

#[test]
fn without_the_right_to_change_addresses_nothing_is_begun() {
    let host = Host::new();
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-net_admin", "--inh-caps", "-net_admin"]);
    command.arg(env!("CARGO_BIN_EXE_lvsd"));
    command.args(["realserver", "--vip", "192.168.1.200"]);
    command.env("LVSD_RUNTIME_DIR", host.dir.path().join("run"));
    let mut agent = Agent::spawn(&host, &mut command);
    assert_eq!(agent.wait().code(), Some(1));
    assert!(
        agent.log().contains("lacks CAP_NET_ADMIN"),
        "{}",
        agent.log()
    );
    assert!(!has_vip());
}

#[test]
fn any_other_user_is_told_in_one_line() {
    let host = Host::new();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    command.arg(env!("CARGO_BIN_EXE_lvsd"));
    command.args(["realserver", "--vip", "192.168.1.200"]);
    command.env("LVSD_RUNTIME_DIR", host.dir.path().join("run"));
    let mut agent = Agent::spawn(&host, &mut command);
    assert_eq!(agent.wait().code(), Some(1));
    let log = agent.log();
    assert!(log.contains("lacks CAP_NET_ADMIN; run it as root"), "{log}");
    assert_eq!(log.lines().count(), 1, "{log}");
}

#[test]
fn a_certificate_that_cannot_be_used_is_named() {
    let host = Host::new();
    let (pem, key) = (host.dir.path().join("a.pem"), host.dir.path().join("a.key"));
    let config = format!(
        "[readiness]\ncertificate = \"{}\"\nkey = \"{}\"\n",
        pem.display(),
        key.display()
    );
    let log = refused_with(78, &host, &config);
    assert!(log.contains("cannot read the certificate in"), "{log}");
    fs::write(&pem, "nothing\n").unwrap();
    let log = refused_with(78, &host, &config);
    assert!(log.contains("there is none in it"), "{log}");
}

#[test]
fn a_weight_script_that_others_may_change_is_refused_and_no_hindrance_to_an_undo() {
    use std::os::unix::fs::PermissionsExt;

    let host = Host::new();
    let script = host.dir.path().join("weight");
    fs::write(&script, "#!/bin/sh\necho 50\n").unwrap();
    let mode = |mode| fs::set_permissions(&script, fs::Permissions::from_mode(mode)).unwrap();
    let weight = format!(
        "[readiness.weight]\nsource = \"script\"\ncommand = [\"{}\"]\n",
        script.display()
    );
    let config = format!("vips = [\"192.168.1.200\"]\ndrain = \"0s\"\n{weight}");
    mode(0o757);
    let mut agent = host.spawn(&config);
    assert_eq!(agent.wait().code(), Some(78), "{}", agent.log());
    let told = format!("others than root may change {}", script.display());
    assert!(agent.log().contains(&told), "{}", agent.log());
    assert!(!has_vip());

    mode(0o755);
    let mut agent = host.start_with(&config);
    // It does not run when the agent is killed.
    until("the script has answered", || {
        ready("127.0.0.1").is_some_and(|(_, body)| body.contains("\"weight\":50"))
    });
    mode(0o644);
    let refused = host.lvsd("realserver reload");
    assert_eq!(refused.status.code(), Some(78), "{refused:?}");
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("is not executable for who runs it"), "{told}");
    agent.kill();
    fs::remove_file(&script).unwrap();
    let file = host.config_file();
    let undone = host.lvsd(&format!("realserver --undo --config {}", file.display()));
    assert!(undone.status.success(), "{undone:?}");
    assert!(!has_vip());
    let elsewhere = format!("config check --elsewhere {}", file.display());
    assert!(host.lvsd(&elsewhere).status.success());
    let here = host.lvsd(&format!("config check {}", file.display()));
    assert_eq!(here.status.code(), Some(78), "{here:?}");
}
