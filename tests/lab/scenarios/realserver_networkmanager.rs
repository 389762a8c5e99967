//! The agent beside NetworkManager.

use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Program, Scenario, eventually, secs, within};

/// The bus of the system, without what a small boot lacks.
const BUS: (&str, &str) = (
    "dbus.service",
    "[Unit]\nDescription=D-Bus\nDefaultDependencies=no\nAfter=sysinit.target\n\
     [Service]\nExecStart=/usr/bin/dbus-daemon --system --nofork --nopidfile\n\
     RuntimeDirectory=dbus\n\
     [Install]\nWantedBy=multi-user.target\n",
);

/// With /sys read only, as in a container, it waits for no udev, which the lab does not run.
const NETWORK_MANAGER: (&str, &str) = (
    "NetworkManager.service",
    "[Unit]\nDescription=Network Manager\nAfter=dbus.service\nRequires=dbus.service\n\
     [Service]\nExecStart=/usr/sbin/NetworkManager --no-daemon\nReadOnlyPaths=/sys\n\
     [Install]\nWantedBy=multi-user.target\n",
);

const ITS_FILE: (&str, &str) = (
    "/etc/NetworkManager/NetworkManager.conf",
    "[main]\nplugins=keyfile\nauth-polkit=false\ndns=none\nno-auto-default=*\n",
);

pub(crate) const SCENARIOS: &[Scenario] =
    &[
        scenario!(whatever_networkmanager_does_to_lo_the_vip_is_back_at_once).under_systemd(&[
            ("/etc/lvsd/realserver.toml", "vips = [\"192.168.1.200\"]\n"),
            ("lvsd-realserver.service", ""),
            BUS,
            NETWORK_MANAGER,
            ITS_FILE,
        ]),
    ];

/// What an administrator does with NetworkManager, least first.
const DEEDS: [&str; 6] = [
    "nmcli connection reload",
    "nmcli general reload",
    "nmcli device reapply lo",
    "nmcli device reapply ens192",
    "systemctl reset-failed NetworkManager; systemctl restart NetworkManager",
    "nmcli connection add type loopback con-name loop ifname lo ipv4.method manual \
     ipv4.addresses 127.0.0.1/8,127.0.0.53/8 && nmcli connection up loop",
];

fn whatever_networkmanager_does_to_lo_the_vip_is_back_at_once(lab: &Lab) {
    let host = lab.lan().this_machine("ens192", "192.168.1.53/24");
    eventually("both run", within(secs(60)), || {
        let units = "NetworkManager lvsd-realserver";
        host.run(&format!("systemctl is-active {units}")).stdout == "active\nactive\n"
    });
    knows_its_devices(lab, &host);
    let mut lost = 0;
    for deed in DEEDS {
        lost += does(lab, &host, deed);
    }
    lab.say(&format!("the VIP was taken away {lost} times"));
    assert!(lost > 0, "a connection of lo's own takes the VIP away");
    stays_with_the_readmes_file(lab, &host);
}

fn knows_its_devices(lab: &Lab, host: &Host) {
    eventually("it has looked at its devices", within(secs(60)), || {
        host.run("nmcli --terse --fields DEVICE,STATE device")
            .stdout
            .contains("ens192:connected")
    });
    lab.say(&host.run("nmcli --version; nmcli device").stdout);
}

/// Has it done, sees everything right again, and returns how often the VIP was gone.
fn does(lab: &Lab, host: &Host, deed: &str) -> usize {
    let monitor = host.spawn("ip -o -ts monitor address dev lo");
    marked(host, &monitor, "127.9.9.8");
    let done = host.run(deed);
    let said = format!("{}{}", done.stdout, done.stderr);
    lab.say(&format!("{deed}: {}", said.trim()));
    knows_its_devices_again(host);
    is_right(host);
    marked(host, &monitor, "127.9.9.7");
    let log = monitor.log();
    monitor.kill9();
    let of_vip = log.lines().filter(|line| line.contains(VIP));
    let gone: Vec<_> = of_vip.filter(|line| line.contains("Deleted")).collect();
    if !gone.is_empty() {
        lab.say(&log);
    }
    gone.len()
}

fn knows_its_devices_again(host: &Host) {
    eventually("it answers", within(secs(60)), || {
        host.run("nmcli --terse --fields DEVICE,STATE device")
            .stdout
            .contains("ens192:connected")
    });
}

fn is_right(host: &Host) {
    eventually("VIP and parameters are right", within(secs(2)), || {
        host.has_address(VIP)
            && ["all", "lo", "ens192"].iter().all(|name| {
                host.sysctl(&format!("net.ipv4.conf.{name}.arp_ignore")) == "1"
                    && host.sysctl(&format!("net.ipv4.conf.{name}.arp_announce")) == "2"
            })
    });
    eventually("the agent is ready", within(secs(5)), || {
        host.agent_status()["ready"] == true
    });
}

/// What docs/realserver.md says makes it leave `lo` alone.
fn stays_with_the_readmes_file(lab: &Lab, host: &Host) {
    host.write(
        "/etc/NetworkManager/conf.d/90-lvsd.conf",
        "[keyfile]\nunmanaged-devices=interface-name:lo\n",
    );
    does(lab, host, DEEDS[4]);
    assert_eq!(does(lab, host, "nmcli device"), 0);
    for deed in [DEEDS[2], DEEDS[4], "nmcli connection up loop"] {
        assert_eq!(does(lab, host, deed), 0, "{deed}");
    }
    lab.say("unmanaged, it leaves lo alone");
}

/// Waits until the monitor has told everything so far.
fn marked(host: &Host, monitor: &Program, mark: &str) {
    eventually("the monitor has caught up", within(secs(10)), || {
        host.run(&format!(
            "ip address add {mark}/32 dev lo && ip address del {mark}/32 dev lo"
        ))
        .ok();
        monitor.log().contains(mark)
    });
}
