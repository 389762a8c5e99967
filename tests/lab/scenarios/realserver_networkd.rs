//! The agent beside systemd-networkd.

use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Scenario, eventually, secs, within};

/// The unit as Debian ships it, without what a kernel in user mode cannot give.
const NETWORKD: (&str, &str) = (
    "systemd-networkd.service",
    "[Unit]\nDescription=Network Configuration\nDefaultDependencies=no\n\
     After=systemd-udevd.service devices.service\n\
     [Service]\nType=notify\nExecStart=!!/lib/systemd/systemd-networkd\nUser=systemd-network\n\
     AmbientCapabilities=CAP_NET_ADMIN CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_RAW\n\
     RuntimeDirectory=systemd/netif\nRuntimeDirectoryPreserve=yes\nRestart=on-failure\n\
     [Install]\nWantedBy=multi-user.target\n",
);

/// An interface for VIPs, and the marks that udev would leave, which the lab does not run:
/// networkd touches nothing that has none.
const DEVICES: (&str, &str) = (
    "devices.service",
    "[Unit]\nDescription=Devices\nDefaultDependencies=no\n\
     Before=systemd-networkd.service lvsd-realserver.service\n\
     [Service]\nType=oneshot\nRemainAfterExit=yes\n\
     ExecStart=/bin/sh -c 'modprobe dummy numdummies=0; ip link add dummy0 type dummy; \
     ip link set dummy0 up; mkdir -p /run/udev/data; touch /run/udev/control; \
     for index in $$(cat /sys/class/net/*/ifindex); do echo I:1 >/run/udev/data/n$$index; done'\n\
     [Install]\nWantedBy=multi-user.target\n",
);

/// It manages lo, as some sites have it, and says that foreign addresses may go.
const LO: (&str, &str) = (
    "/etc/systemd/network/10-lo.network",
    "[Match]\nName=lo\n[Network]\nAddress=127.0.0.53/8\nKeepConfiguration=no\n",
);

const DUMMY: (&str, &str) = (
    "/etc/systemd/network/10-dummy0.network",
    "[Match]\nName=dummy0\n[Network]\nAddress=127.0.0.53/8\n",
);

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(restarts_of_networkd_do_not_keep_the_vip_from_lo).under_systemd(&[
        ("/etc/lvsd/realserver.toml", "vips = [\"192.168.1.200\"]\n"),
        ("lvsd-realserver.service", ""),
        DEVICES,
        NETWORKD,
        LO,
    ]),
    scenario!(a_vip_that_networkd_takes_from_another_interface_is_back_at_once).under_systemd(&[
        (
            "/etc/lvsd/realserver.toml",
            "vips = [\"192.168.1.200\"]\ninterface = \"dummy0\"\n",
        ),
        ("lvsd-realserver.service", ""),
        DEVICES,
        NETWORKD,
        DUMMY,
    ]),
];

/// It takes nothing from lo but what it has set itself.
fn restarts_of_networkd_do_not_keep_the_vip_from_lo(lab: &Lab) {
    let host = booted(lab);
    let taken = restarts(lab, &host, "lo");
    assert_eq!(taken, 0);
    assert_eq!(host.agent_status()["ready"], true);
}

fn a_vip_that_networkd_takes_from_another_interface_is_back_at_once(lab: &Lab) {
    let host = booted(lab);
    let taken = restarts(lab, &host, "dummy0");
    assert!(taken >= 3, "it was taken away {taken} times");
    let status = host.agent_status();
    assert_eq!(status["ready"], true, "{status:#}");
    let by = status["vips"][0]["taken_by"].to_string();
    assert!(by.contains("systemd-network"), "{by}");
    // What docs/realserver.md says makes networkd leave it alone. The first restart only reads it.
    host.run(
        "printf '[Match]\\nName=dummy0\\n[Network]\\nAddress=127.0.0.53/8\\nKeepConfiguration=yes\\n' \
         >/etc/systemd/network/05-lvsd.network",
    )
    .ok();
    assert!(restarts(lab, &host, "dummy0") <= 1);
    assert_eq!(restarts(lab, &host, "dummy0"), 0);
    lab.say("with KeepConfiguration=yes it never leaves");
}

fn booted(lab: &Lab) -> Host {
    let host = lab.lan().this_machine("ens192", "192.168.1.53/24");
    eventually("both run", within(secs(60)), || {
        let units = "systemd-networkd lvsd-realserver";
        host.run(&format!("systemctl is-active {units}")).stdout == "active\nactive\n"
    });
    host
}

/// Restarts networkd three times; the VIP is there after each. Returns how often it was gone,
/// and never for long.
fn restarts(lab: &Lab, host: &Host, interface: &str) -> usize {
    let monitor = host.spawn(&format!("ip -o -ts monitor address dev {interface}"));
    let marked = |mark: &str| {
        eventually("the monitor has caught up", within(secs(10)), || {
            host.run(&format!(
                "ip address add {mark}/32 dev {interface} && ip address del {mark}/32 dev {interface}"
            ))
            .ok();
            monitor.log().contains(mark)
        });
    };
    marked("127.9.9.9");
    for restart in 1..=3_u8 {
        restart_networkd(host, interface);
        // It removes first, and sets its own address last.
        eventually("networkd has done its own", within(secs(20)), || {
            host.has_address("127.0.0.53")
        });
        // Whatever it did, it did before it is told to add this one.
        marked(&format!("127.9.9.{restart}"));
        eventually("the VIP is there", within(secs(2)), || {
            host.has_address(VIP)
        });
    }
    monitor.kill9();
    let (gone, back) = changes(&monitor.log());
    lab.say(&format!(
        "networkd took the VIP from {interface} {} times",
        gone.len()
    ));
    assert_eq!(gone.len(), back.len(), "{}", monitor.log());
    for (gone, back) in gone.iter().zip(&back) {
        let took = back - gone;
        lab.say(&format!("gone for {took} µs"));
        // A kernel in user mode, on a shared machine: 100 ms is what a real one must keep.
        assert!(took < 1_000_000, "{took} µs: {}", monitor.log());
    }
    gone.len()
}

/// systemd would refuse to start anything so often in so short a time.
fn restart_networkd(host: &Host, interface: &str) {
    host.run(&format!(
        "systemctl reset-failed systemd-networkd; systemctl stop systemd-networkd && \
         {{ ip address del 127.0.0.53/8 dev {interface} || true; }} && \
         systemctl start systemd-networkd"
    ))
    .ok();
}

/// When the VIP was taken away and when it was put back, in microseconds of the day.
fn changes(log: &str) -> (Vec<u64>, Vec<u64>) {
    let (mut gone, mut back) = (Vec::new(), Vec::new());
    for line in log.lines().filter(|line| line.contains(VIP)) {
        let list = if line.contains("Deleted") {
            &mut gone
        } else {
            &mut back
        };
        list.extend(time_of(line));
    }
    (gone, back)
}

/// `[2026-11-21T05:01:02.345678] Deleted 1: lo …`
fn time_of(line: &str) -> Option<u64> {
    // Of a report that was split there are two stamps: the later one.
    let clock = line
        .rsplit('[')
        .find_map(|stamp| stamp.split(['T', ']']).nth(1))?;
    let mut parts = clock.split([':', '.']);
    let mut next = || parts.next()?.parse::<u64>().ok();
    let (hours, minutes, seconds) = (next()?, next()?, next()?);
    Some(((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + next()?)
}
