//! Taking over from the scripts: each kind of what the guides leave, done as they say, told by
//! `--adopt`, taken out by the very commands that it tells, and the VIP on `lo` all the while.

use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Program, Scenario, eventually, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(an_alias_of_lo_is_taken_over_and_a_routers_address_is_not).on_any_linux(),
    scenario!(ifcfg_lo_0_is_taken_over_whatever_onboot_says).on_any_linux(),
    scenario!(lines_of_rc_local_and_the_script_they_run_are_taken_over).on_any_linux(),
    scenario!(lines_of_sysctl_conf_and_sysctl_d_are_taken_over).on_any_linux(),
    scenario!(stanzas_of_interfaces_are_taken_over).on_any_linux(),
    scenario!(an_init_script_that_systemd_runs_is_taken_over).under_systemd(&[]),
];

const ALIAS: &str = "/etc/sysconfig/network-scripts/ifcfg-lo:0";
const RC_LOCAL: &str = "/etc/rc.local";
const SCRIPT: &str = "/etc/lvs_dr_rs.sh";
const INIT: &str = "/etc/init.d/realserver";

/// Programs of net-tools, which not every machine has.
const TOOLS: &str = "PATH=/etc/bin:$PATH\n";

/// `ifconfig lo:0 VIP` by hand, and nothing in a file. 10.0.0.7 is there for OSPF.
fn an_alias_of_lo_is_taken_over_and_a_routers_address_is_not(lab: &Lab) {
    let host = real_server(lab);
    let by_hand = format!("{TOOLS}ifconfig lo:0 {VIP} netmask 255.255.255.255 up");
    host.run(&by_hand).ok();
    host.run("ip address add 10.0.0.7/32 dev lo").ok();
    let told = taken_over(lab, &host, "");
    assert!(told.contains("left alone: \"10.0.0.7\""), "{told}");
    assert!(
        told.contains("nothing of the old scripts is left"),
        "{told}"
    );
    assert!(host.has_address("10.0.0.7"), "it was never lvsd's");
}

fn ifcfg_lo_0_is_taken_over_whatever_onboot_says(lab: &Lab) {
    let host = real_server(lab);
    for onboot in ["", "ONBOOT=yes\n", "ONBOOT=no\n"] {
        let text =
            format!("DEVICE=lo:0\nIPADDR={VIP}\nNETMASK=255.255.255.255\n{onboot}NAME=loopback\n");
        host.write(ALIAS, &text);
        // What `ifup lo:0` does.
        host.run(&format!("ip address add {VIP}/32 dev lo label lo:0"))
            .ok();
        let told = taken_over(lab, &host, "");
        assert!(told.contains(&format!("{ALIAS}: IPADDR={VIP}")), "{told}");
        host.run(&format!("test ! -e {ALIAS}")).ok();
    }
}

fn lines_of_rc_local_and_the_script_they_run_are_taken_over(lab: &Lab) {
    let host = real_server(lab);
    let script = format!(
        "#/bin/bash\n{TOOLS}vip={VIP}\n\
         ifconfig lo:0 $vip broadcast $vip netmask 255.255.255.255 up\n\
         route add -host $vip lo:0\n\
         echo \"1\" >/proc/sys/net/ipv4/conf/lo/arp_ignore\n\
         echo \"2\" >/proc/sys/net/ipv4/conf/lo/arp_announce\n\
         echo \"1\" >/proc/sys/net/ipv4/conf/all/arp_ignore\n\
         echo \"2\" >/proc/sys/net/ipv4/conf/all/arp_announce\n"
    );
    let address = format!("ip addr add {VIP}/32 dev lo");
    for line in [
        format!("sh {SCRIPT}"),
        "cd /etc && bash ./lvs_dr_rs.sh >/dev/null 2>&1 &\nwait".to_owned(),
        address.clone(),
        format!("if [ -d /etc ]; then\n  {address}\nfi"),
        format!(
            "{TOOLS}ifconfig lo:0 {VIP} netmask 255.255.255.255 up\nroute add -host {VIP} dev lo:0"
        ),
    ] {
        host.write(SCRIPT, &script);
        let text = format!("#!/bin/sh\ntouch /run/rc\n{line}\nsysctl -p >/dev/null\nexit 0\n");
        host.write(RC_LOCAL, &text);
        host.write("/etc/sysctl.conf", "");
        host.run(&format!("chmod +x {RC_LOCAL} && {RC_LOCAL}")).ok();
        let told = taken_over(lab, &host, "");
        assert!(
            told.contains(&format!("{RC_LOCAL}:3")) || line.contains('\n'),
            "{told}"
        );
        assert!(told.contains("sysctl -p >/dev/null\n"), "{told}");
        // What is left of it is a script that works, and puts no VIP anywhere.
        host.run("rm -f /run/rc").ok();
        host.run(&format!("{RC_LOCAL} && test -e /run/rc")).ok();
        assert!(!host.has_address(VIP), "{}", host.read(RC_LOCAL));
        host.run(&format!("rm -f {SCRIPT}")).ok();
    }
}

fn lines_of_sysctl_conf_and_sysctl_d_are_taken_over(lab: &Lab) {
    let host = real_server(lab);
    host.write(
        "/etc/sysctl.conf",
        "net.ipv4.ip_forward = 0\nnet.ipv4.conf.lo.arp_ignore = 1\n\
         net.ipv4.conf.lo.arp_announce = 2\nnet/ipv4/conf/all/arp_ignore=1\n\
         -net.ipv4.conf.all.arp_announce = 2\n",
    );
    host.write(
        "/etc/sysctl.d/50-lvs.conf",
        "net.ipv4.conf.*.arp_ignore = 1\n",
    );
    host.run("ln -s ../sysctl.conf /etc/sysctl.d/99-sysctl.conf")
        .ok();
    host.run(&format!("sysctl -p && ip address add {VIP}/32 dev lo"))
        .ok();
    let told = taken_over(lab, &host, &format!("--vip {VIP}"));
    for line in 2..=5 {
        let place = format!("/etc/sysctl.conf:{line}: ");
        assert_eq!(told.matches(&place).count(), 1, "{told}");
    }
    assert!(
        told.contains("/etc/sysctl.d/50-lvs.conf:1: net.ipv4.conf.*.arp_ignore = 1"),
        "{told}"
    );
    assert!(!told.contains("99-sysctl.conf"), "{told}");
    host.run("grep -x 'net.ipv4.ip_forward = 0' /etc/sysctl.conf && test -L /etc/sysctl.d/99-sysctl.conf")
        .ok();
}

fn stanzas_of_interfaces_are_taken_over(lab: &Lab) {
    let host = real_server(lab);
    let text = format!(
        "auto lo\niface lo inet loopback\n\nauto lo:0\niface lo:0 inet static\n\
         \taddress {VIP}\n\tnetmask 255.255.255.255\n"
    );
    host.write("/etc/network/interfaces", &text);
    host.run(&format!("ip address add {VIP}/32 dev lo label lo:0"))
        .ok();
    let told = taken_over(lab, &host, "");
    assert!(
        told.contains("/etc/network/interfaces:5-7: iface lo:0 inet static"),
        "{told}"
    );
    let left = host.read("/etc/network/interfaces");
    assert!(
        left.starts_with("auto lo\niface lo inet loopback\n\n# auto lo:0\n"),
        "{left}"
    );
}

/// As a boot runs it: systemd makes a unit of the init script, and has it run.
fn an_init_script_that_systemd_runs_is_taken_over(lab: &Lab) {
    let host = lab.lan().this_machine("ens192", "192.168.1.53/24");
    prepare(&host);
    eventually("the boot is complete", within(secs(30)), || {
        host.run("systemctl is-system-running").stdout == "running\n"
    });
    let script = format!(
        "#!/bin/sh\n# chkconfig: 2345 90 10\n{TOOLS}SNS_VIP={VIP}\n\
         case \"$1\" in\nstart)\n\
         \tifconfig lo:0 $SNS_VIP netmask 255.255.255.255 broadcast $SNS_VIP\n\
         \troute add -host $SNS_VIP dev lo:0\n\
         \techo \"1\" >/proc/sys/net/ipv4/conf/all/arp_ignore\n\
         \techo \"2\" >/proc/sys/net/ipv4/conf/all/arp_announce\n\
         \tsysctl -p >/dev/null 2>&1\n\techo \"RealServer Start OK\"\n\t;;\n\
         stop)\n\tifconfig lo:0 down\n\
         \techo \"0\" >/proc/sys/net/ipv4/conf/all/arp_ignore\n\
         \techo \"0\" >/proc/sys/net/ipv4/conf/all/arp_announce\n\t;;\n\
         *)\n\techo \"Usage: $0 {{start|stop}}\"\n\texit 1\nesac\nexit 0\n"
    );
    host.write(INIT, &script);
    host.run(&format!(
        "chmod 755 {INIT} && mkdir -p /etc/rc3.d /etc/rc5.d && \
         ln -s ../init.d/realserver /etc/rc3.d/S90realserver && \
         ln -s ../init.d/realserver /etc/rc5.d/S90realserver && \
         systemctl daemon-reload && systemctl start realserver"
    ))
    .ok();
    lab.say(
        &host
            .run("systemctl show -p FragmentPath,ActiveState realserver")
            .ok(),
    );
    let monitor = watched(&host);
    let told = host.run("lvsd realserver --adopt --one-shot").ok();
    lab.say(&told);
    assert!(
        told.contains(&format!("{INIT}: puts {VIP} on lo, sets ARP parameters")),
        "{told}"
    );
    host.write(
        "/etc/lvsd/realserver.toml",
        &format!("vips = [\"{VIP}\"]\n"),
    );
    remove(lab, &host, &told);
    host.run("systemctl daemon-reload && systemctl enable --now lvsd-realserver")
        .ok();
    eventually("the agent is ready", within(secs(10)), || {
        host.agent_status()["ready"] == true
    });
    assert!(host.has_address(VIP));
    not_seen(lab, &host, &monitor);
    host.run(&format!(
        "test ! -e {INIT} && test ! -e /etc/rc3.d/S90realserver"
    ))
    .ok();
    says_nothing_of_scripts(&host);
}

fn real_server(lab: &Lab) -> Host {
    let host = lab.lan().host_with_nic("rs53", "ens192", "192.168.1.53/24");
    prepare(&host);
    host
}

/// Nothing of this machine's own, and the tools of the guides.
fn prepare(host: &Host) {
    host.run(
        "rm -rf /etc/rc.local /etc/sysctl.conf /etc/sysctl.d/* /etc/network/interfaces* && \
         mkdir -p /etc/bin && for tool in ifconfig route; do \
         ln -sf $(command -v busybox) /etc/bin/$tool; done",
    )
    .ok();
}

/// Adopts, does what is told, runs an agent, and proves that the VIP stayed. Returns what was
/// told; at the end the VIP is gone, since it was lvsd's.
fn taken_over(lab: &Lab, host: &Host, name: &str) -> String {
    assert!(host.has_address(VIP), "the steps of the guide put it there");
    let monitor = watched(host);
    let told = host
        .run(&format!("lvsd realserver {name} --adopt --one-shot"))
        .ok();
    lab.say(&told);
    assert!(
        told.starts_with(&format!("on lo, and lvsd's from now on: \"{VIP}\"\n")),
        "{told}"
    );
    remove(lab, host, &told);
    let again = host
        .run(&format!("lvsd realserver --vip {VIP} --adopt --one-shot"))
        .ok();
    assert!(
        again.contains("nothing of the old scripts is left"),
        "{again}"
    );
    let agent = host.agent();
    eventually("the agent is ready", within(secs(10)), || {
        host.agent_status()["ready"] == true
    });
    assert!(host.has_address(VIP));
    says_nothing_of_scripts(host);
    not_seen(lab, host, &monitor);
    agent.signal(nix::sys::signal::Signal::SIGTERM);
    agent.expect_exit(0);
    assert!(!host.has_address(VIP), "lvsd's to take away");
    told
}

/// Runs the commands that were told, each by itself, as somebody copies them.
fn remove(lab: &Lab, host: &Host, told: &str) {
    let lines = told.lines().map(str::trim);
    for command in lines.filter_map(|line| line.strip_prefix("remove: ")) {
        lab.say(&format!("# {command}"));
        host.run(command).ok();
    }
}

/// The doctor sees with the same eyes.
fn says_nothing_of_scripts(host: &Host) {
    let report = host.run("lvsd doctor --quick --json").stdout;
    for finding in [
        "script-beside",
        "script-not-run",
        "sysctl-file",
        "vip-missing",
    ] {
        assert!(!report.contains(finding), "{report}");
    }
}

/// What happens to addresses from now on.
fn watched(host: &Host) -> Program {
    let monitor = host.spawn("ip -o monitor address");
    marked(host, &monitor, "127.1.1.1");
    monitor
}

fn marked(host: &Host, monitor: &Program, marker: &str) {
    eventually("the monitor has caught up", within(secs(5)), || {
        host.run(&format!("ip address replace {marker}/32 dev lo scope host"))
            .ok();
        monitor.log().contains(marker)
    });
}

/// Nothing happened to the VIP until now.
fn not_seen(lab: &Lab, host: &Host, monitor: &Program) {
    marked(host, monitor, "127.1.1.2");
    let seen = monitor.log();
    assert!(!seen.contains(VIP), "{seen}");
    lab.say("ip monitor: nothing happened to the VIP");
    monitor.signal(nix::sys::signal::Signal::SIGKILL);
    host.run("ip address del 127.1.1.1/32 dev lo; ip address del 127.1.1.2/32 dev lo")
        .ok();
}
