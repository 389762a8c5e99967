//! The agent's unit without IPv6, and at a reboot.

use super::{AGENT, AGENT_FILE, Machine};
use crate::lab::site::VIP;
use crate::lab::{Lab, eventually, secs, within};

/// The agent's unit, with a web server beside it; what keeps systemd from ending the machine
/// before the scenario has seen it, and the scenario from being ended itself.
pub(super) const REBOOT: &[(&str, &str)] = &[
    (
        "/etc/lvsd/realserver.toml",
        "vips = [\"192.168.1.200\"]\ndrain = \"20s\"\n",
    ),
    (AGENT, ""),
    (
        "nginx.service",
        "[Service]\nExecStart=sleep infinity\n[Install]\nWantedBy=multi-user.target\n",
    ),
    (
        "hold.service",
        "[Unit]\nDefaultDependencies=no\nConflicts=shutdown.target\nBefore=shutdown.target\n\
         [Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=true\nExecStop=sleep infinity\n\
         TimeoutStopSec=infinity\n[Install]\nWantedBy=multi-user.target\n",
    ),
    (
        "/etc/systemd/system/lab.service.d/survive.conf",
        "[Unit]\nDefaultDependencies=no\n",
    ),
    // Where the scenario's result is written to.
    (
        "/etc/systemd/system/mount.d/survive.conf",
        "[Unit]\nDefaultDependencies=no\n",
    ),
];

pub(super) fn a_reboot_drains_the_agent_before_the_web_server_is_stopped(lab: &Lab) {
    let site = Machine::agent(lab);
    site.is_booted();
    let is = |unit: &str, state: &str| {
        let shown = site.run(&format!("systemctl show -p ActiveState --value {unit}"));
        shown.stdout.trim() == state
    };
    let arp = || {
        ["all.arp_ignore", "all.arp_announce"]
            .map(|key| site.host.sysctl(&format!("net.ipv4.conf.{key}")))
    };
    assert_eq!(arp(), ["1", "2"]);
    eventually("the LAN finds it ready", within(secs(10)), || {
        site.ready() == 200
    });
    let client = site.host.within(|| {
        let listener = std::net::TcpListener::bind((VIP, 80)).unwrap();
        let client = std::net::TcpStream::connect((VIP, 80)).unwrap();
        (client, listener.accept().unwrap())
    });
    site.host.spawn("systemctl reboot");
    eventually("the agent drains", within(secs(10)), || {
        site.host.agent_status()["state"] == "draining"
    });
    assert_eq!(site.ready(), 503, "the LAN hears of it");
    assert!(site.host.has_address(VIP), "clients are served");
    assert!(is("nginx.service", "active"), "by the web server");
    lab.say(&site.run("lvsd status; systemctl list-jobs").stdout);
    drop(client);
    eventually("the agent has stopped", within(secs(15)), || {
        is(AGENT, "inactive")
    });
    assert_eq!(site.show("Result"), "success", "{}", site.journal());
    assert!(!site.host.has_address(VIP));
    assert_eq!(arp(), ["0", "0"]);
    eventually("the web server stops after it", within(secs(10)), || {
        is("nginx.service", "inactive")
    });
}

/// As where the kernel was started with `ipv6.disable=1`: no socket of the family.
pub(super) fn without_ipv6_it_listens_by_ipv4(site: &Machine) {
    let listening = || site.run("ss -Hltn 'sport = :9480'").ok();
    let both = listening();
    assert!(
        both.contains("*:9480") || both.contains("[::]:9480"),
        "{both}"
    );
    site.host.write("/etc/lvsd/realserver.toml", AGENT_FILE);
    site.host.write(
        "/etc/systemd/system/lvsd-realserver.service.d/ipv4.conf",
        "[Service]\nRestrictAddressFamilies=\n\
         RestrictAddressFamilies=AF_UNIX AF_INET AF_NETLINK AF_PACKET\n",
    );
    site.run(&format!(
        "systemctl daemon-reload && systemctl restart {AGENT}"
    ))
    .ok();
    let alone = listening();
    assert!(alone.contains("0.0.0.0:9480"), "{alone}");
    assert_eq!(site.ready(), 200);
    let journal = site.journal();
    assert!(journal.contains("there is no IPv6 here"), "{journal}");
}
