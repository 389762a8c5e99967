//! The agent beside systemd-networkd.

use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Scenario, eventually, secs, within};

/// The unit as Debian ships it, without what a kernel in user mode cannot give. With /sys read
/// only, as in a container, networkd waits for no udev, which the lab does not run.
const NETWORKD: (&str, &str) = (
    "systemd-networkd.service",
    "[Unit]\nDescription=Network Configuration\nDefaultDependencies=no\n\
     After=systemd-udevd.service\n\
     [Service]\nType=notify\nExecStart=!!/lib/systemd/systemd-networkd\nUser=systemd-network\n\
     AmbientCapabilities=CAP_NET_ADMIN CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_RAW\n\
     RuntimeDirectory=systemd/netif\nRuntimeDirectoryPreserve=yes\nRestart=on-failure\n\
     ReadOnlyPaths=/sys\n\
     [Install]\nWantedBy=multi-user.target\n",
);

/// It manages lo, as some sites have it.
const LO: (&str, &str) = (
    "/etc/systemd/network/10-lo.network",
    "[Match]\nName=lo\n[Network]\nAddress=127.0.0.53/8\n",
);

pub(crate) const SCENARIOS: &[Scenario] =
    &[
        scenario!(restarts_of_networkd_do_not_keep_the_vip_from_lo).under_systemd(&[
            ("/etc/lvsd/realserver.toml", "vips = [\"192.168.1.200\"]\n"),
            ("lvsd-realserver.service", ""),
            NETWORKD,
            LO,
        ]),
    ];

fn restarts_of_networkd_do_not_keep_the_vip_from_lo(lab: &Lab) {
    let host = lab.lan().this_machine("ens192", "192.168.1.53/24");
    eventually("both run", within(secs(60)), || {
        let units = "systemd-networkd lvsd-realserver";
        host.run(&format!("systemctl is-active {units}")).stdout == "active\nactive\n"
    });
    let monitor = host.spawn("ip -o -ts monitor address dev lo");
    eventually("the monitor sees changes", within(secs(10)), || {
        host.run("ip address add 127.9.9.9/32 dev lo && ip address del 127.9.9.9/32 dev lo")
            .ok();
        monitor.log().contains("127.9.9.9")
    });
    for restart in 1..=3_u8 {
        restart_networkd(&host);
        eventually("networkd has set its own address", within(secs(20)), || {
            host.has_address("127.0.0.53")
        });
        // Whatever it did to lo, it did before it is told to add this one.
        let mark = format!("127.9.9.{restart}");
        eventually("the monitor has caught up", within(secs(10)), || {
            host.run(&format!(
                "ip address add {mark}/32 dev lo && ip address del {mark}/32 dev lo"
            ))
            .ok();
            monitor.log().contains(&mark)
        });
        eventually("the VIP is there", within(secs(2)), || {
            host.has_address(VIP)
        });
    }
    let (gone, back) = changes(&monitor.log());
    lab.say(&format!("networkd took the VIP away {} times", gone.len()));
    assert_eq!(gone.len(), back.len(), "{}", monitor.log());
    for (gone, back) in gone.iter().zip(&back) {
        let took = back - gone;
        lab.say(&format!("gone for {took} µs"));
        // A kernel in user mode, on a shared machine: 100 ms is what a real one must keep.
        assert!(took < 1_000_000, "{took} µs: {}", monitor.log());
    }
    let status = host.agent_status();
    assert_eq!(status["ready"], true, "{status:#}");
    stays_with_the_readmes_file(lab, &host);
}

/// systemd would refuse to start anything so often in so short a time.
fn restart_networkd(host: &Host) {
    host.run("systemctl reset-failed systemd-networkd; systemctl restart systemd-networkd")
        .ok();
}

/// What docs/realserver.md says makes networkd leave it alone.
fn stays_with_the_readmes_file(lab: &Lab, host: &Host) {
    host.run(
        "printf '[Match]\\nName=lo\\n[Network]\\nKeepConfiguration=yes\\n' \
         >/etc/systemd/network/05-lvsd-lo.network",
    )
    .ok();
    // The first restart only reads it.
    restart_networkd(host);
    eventually("the VIP is there", within(secs(10)), || {
        host.has_address(VIP)
    });
    let monitor = host.spawn("ip -o -ts monitor address dev lo");
    let marked = |mark: &str| {
        eventually("the monitor sees changes", within(secs(10)), || {
            host.run(&format!(
                "ip address add {mark}/32 dev lo && ip address del {mark}/32 dev lo"
            ))
            .ok();
            monitor.log().contains(mark)
        });
    };
    marked("127.9.9.8");
    restart_networkd(host);
    eventually("networkd has looked at lo", within(secs(20)), || {
        host.run("networkctl --no-pager list lo")
            .stdout
            .contains("configured")
            || host.run("systemctl is-active systemd-networkd").stdout == "active\n"
    });
    marked("127.9.9.7");
    let log = monitor.log();
    assert!(!log.contains(VIP), "the VIP left lo:\n{log}");
    lab.say("with KeepConfiguration=yes the VIP never leaves lo");
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
    let clock = line.split(['T', ']']).nth(1)?;
    let mut parts = clock.split([':', '.']);
    let mut next = || parts.next()?.parse::<u64>().ok();
    let (hours, minutes, seconds) = (next()?, next()?, next()?);
    Some(((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + next()?)
}
