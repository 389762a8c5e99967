//! `lvsd doctor`: each fault is planted, found by its name and nothing else, and taken back.

mod balancing;
mod boot;
mod filters;
mod real_servers;
mod stalls;
mod vips;
mod vrrp;

pub(crate) use balancing::SCENARIOS as BALANCING;
pub(crate) use boot::SCENARIOS as BOOT;
pub(crate) use filters::SCENARIOS as FILTERS;
pub(crate) use real_servers::SCENARIOS as REAL_SERVERS;
pub(crate) use stalls::SCENARIOS as STALLS;
pub(crate) use vips::SCENARIOS as VIPS;
pub(crate) use vrrp::SCENARIOS as VRRP;

use std::thread;

use serde_json::Value;

use crate::lab::lvsd::{DirectorFile, text};
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Program, Site, eventually, secs, within};

/// How often the doctor may look until it agrees: a busy lab elects and drops now and then.
const LOOKS: usize = 5;

/// What the doctor finds within a moment, without the wire.
const QUICK: &str = "--quick";
/// With the wire.
const WHOLE: &str = "";

/// The doctor of a host finds exactly this, as `broken arp-answers`, and exits accordingly.
/// Returns the findings.
#[track_caller]
fn finds(lab: &Lab, host: &Host, options: &str, expected: &[&str]) -> Vec<Value> {
    let mut last = String::new();
    for _ in 0..LOOKS {
        let output = host.run(&format!("lvsd doctor --json {options}"));
        last = output.to_string();
        let Ok(report) = serde_json::from_str::<Value>(&output.stdout) else {
            continue;
        };
        let findings = report["findings"].as_array().cloned().unwrap_or_default();
        let seen: Vec<_> = findings
            .iter()
            .map(|finding| format!("{} {}", text(&finding["severity"]), text(&finding["id"])))
            .collect();
        if seen != expected || report["unseen"] != Value::Array(vec![]) {
            continue;
        }
        let broken = expected.iter().any(|it| it.starts_with("broken "));
        assert_eq!(output.status.code(), Some(i32::from(broken)), "{last}");
        for finding in &findings {
            lab.say(&format!(
                "{}: {}: {}\n    {}",
                host.name(),
                text(&finding["id"]),
                text(&finding["seen"]),
                text(&finding["mend"])
            ));
        }
        return findings;
    }
    panic!("expected {expected:?}: {last}");
}

/// The doctor finds this alone, names a command, and finds nothing once that is done.
#[track_caller]
fn heals(lab: &Lab, host: &Host, options: &str, expected: &str, command: &str) {
    let findings = finds(lab, host, options, &[expected]);
    let mend = text(&findings[0]["mend"]);
    assert!(mend.contains(command), "{mend}");
    host.run(command).ok();
    finds(lab, host, options, &[]);
}

/// Several hosts' doctors, at one time, with the wire: each finds exactly this.
#[track_caller]
fn each_finds(lab: &Lab, expected: &[(&Host, &[&str])]) {
    thread::scope(|scope| {
        for (host, expected) in expected {
            scope.spawn(|| drop(finds(lab, host, WHOLE, expected)));
        }
    });
}

/// Takes away what the machine's own files have to say of LVS, and gives the host a way to other
/// networks, as sites have.
fn clean(host: &Host) {
    host.run(
        "rm -rf /etc/keepalived/* /etc/systemd/system/*.wants/keepalived.service \
         /etc/rc?.d/*keepalived /etc/rc.local /etc/sysctl.conf /etc/sysctl.d/* \
         /etc/modprobe.d/ip_vs* && ip route add default via 192.168.1.1",
    )
    .ok();
}

/// Does what the administrators' scripts do, rightly: the VIP on `lo`, ARP silent, and again at
/// the next boot.
fn runs_scripts(host: &Host) {
    let script = format!(
        "#!/bin/sh\nvip={VIP}\nip address replace $vip/32 dev lo label lo:0\n\
         for nic in lo all; do\n\
         echo 1 >/proc/sys/net/ipv4/conf/$nic/arp_ignore\n\
         echo 2 >/proc/sys/net/ipv4/conf/$nic/arp_announce\ndone\n"
    );
    host.write("/etc/lvs_dr_rs.sh", &script);
    host.write("/etc/rc.local", "#!/bin/sh\nsh /etc/lvs_dr_rs.sh\n");
    host.run("chmod +x /etc/rc.local && /etc/rc.local").ok();
}

/// A director's file with adverts that a busy machine delivers in time.
fn file(priority: u8) -> DirectorFile {
    DirectorFile::quick(priority).vrrp_key("advert_interval", "'1s'")
}

/// The site with two directors, two agents, and the scripts on 192.168.1.54; all is well.
struct Healthy {
    site: Site,
    directors: [Program; 2],
    agents: [Program; 2],
}

impl Healthy {
    fn start(lab: &Lab) -> Self {
        let site = Site::build(lab);
        lab.hosts().iter().for_each(clean);
        let [rs53, rs54, rs55] = &site.real_servers;
        runs_scripts(rs54);
        let agents = [rs53.agent(), rs55.agent()];
        let directors = [
            site.lvs51.director(&file(100)),
            site.lvs52.director(&file(50)),
        ];
        let healthy = Self {
            site,
            directors,
            agents,
        };
        healthy.settles();
        healthy
    }

    /// 51 is master, and both balance onto all three.
    fn settles(&self) {
        let Site { lvs51, lvs52, .. } = &self.site;
        let balances = |host: &Host| {
            [53, 54, 55]
                .iter()
                .all(|last| host.balances_onto(&format!("192.168.1.{last}:80")))
        };
        eventually("51 is master, and both balance", within(secs(20)), || {
            lvs51.vrrp_state() == "master"
                && lvs52.vrrp_state() == "backup"
                && lvs51.holds(VIP)
                && balances(lvs51)
                && balances(lvs52)
        });
    }
}
