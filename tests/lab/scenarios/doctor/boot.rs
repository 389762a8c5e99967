//! What the kernel lacks and what the next boot brings: under systemd, in a boot of its own.

use super::{QUICK, clean, finds, heals};
use crate::lab::lvsd::{DIRECTOR_FILE, DirectorFile, text};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Scenario, eventually, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(what_a_booted_host_lacks_is_named).under_systemd(&[]),
    scenario!(a_connection_table_that_is_too_small_or_full_is_named).under_systemd(&[]),
];

/// What `systemctl enable keepalived` makes.
const LINK: &str = "/etc/systemd/system/multi-user.target.wants/keepalived.service";

/// The machine under systemd, with a director's file and nothing else of LVS.
fn booted(lab: &Lab) -> Host {
    let host = lab.lan().this_machine("ens192", "192.168.1.51/24");
    eventually("the boot is complete", within(secs(30)), || {
        host.run("systemctl is-system-running").stdout == "running\n"
    });
    clean(&host);
    host.write(DIRECTOR_FILE, &DirectorFile::alone().text());
    host.run(&format!("ip address add {VIP}/32 dev ens192"))
        .ok();
    host
}

fn what_a_booted_host_lacks_is_named(lab: &Lab) {
    let host = booted(lab);
    finds(lab, &host, QUICK, &["broken ipvs-missing"]);
    assert!(
        !std::path::Path::new("/proc/net/ip_vs").exists(),
        "the doctor loads nothing"
    );
    heals(lab, &host, QUICK, "broken ipvs-missing", "modprobe ip_vs");

    host.run("systemctl enable lvsd-director").ok();
    host.write(
        "/etc/keepalived/keepalived.conf",
        "vrrp_instance VI_1 {\n}\n",
    );
    host.run(&format!(
        "ln -sf /lib/systemd/system/keepalived.service {LINK}"
    ))
    .ok();
    let command = "systemctl disable --now keepalived";
    heals(lab, &host, QUICK, "warning keepalived-beside", command);

    host.run("ip neigh replace 192.168.1.9 lladdr 02:00:00:00:00:09 dev ens192")
        .ok();
    let before = host.sysctl("net.ipv4.neigh.default.gc_thresh3");
    host.set_sysctl("net.ipv4.neigh.default.gc_thresh3", 1);
    let command = "sysctl -w net.ipv4.neigh.default.gc_thresh1=1024 \
                   net.ipv4.neigh.default.gc_thresh2=2048 net.ipv4.neigh.default.gc_thresh3=4096";
    heals(lab, &host, QUICK, "broken neighbours-full", command);
    host.set_sysctl("net.ipv4.neigh.default.gc_thresh3", before.parse().unwrap());
}

/// The table of IPVS has few buckets for what is in it, or other ones than were asked for; the
/// tables that have an end are conntrack's and that of the neighbours.
fn a_connection_table_that_is_too_small_or_full_is_named(lab: &Lab) {
    let host = booted(lab);
    host.run("modprobe ip_vs conn_tab_bits=8").ok();
    finds(lab, &host, QUICK, &[]);
    crowd(lab, &host);
    let options = "/etc/modprobe.d/ip_vs.conf";
    host.write(options, "options ip_vs conn_tab_bits=20\n");
    let findings = finds(lab, &host, QUICK, &["warning connection-table-small"]);
    let seen = text(&findings[0]["seen"]);
    assert!(
        seen.contains("the connection table has 256 buckets"),
        "{seen}"
    );
    // Nothing of the module is in use.
    host.run("modprobe -r ip_vs_rr ip_vs && modprobe ip_vs")
        .ok();
    finds(lab, &host, QUICK, &[]);
    host.run("modprobe nf_conntrack").ok();
    conntrack(lab, &host);
}

/// More than four connections for each of 256 buckets: one client asks from many ports.
fn crowd(lab: &Lab, host: &Host) {
    host.run(
        "ip neigh replace 192.168.1.53 lladdr 02:00:00:00:00:53 dev ens192 && \
         ipvsadm -A -u 192.168.1.200:53 -s rr && ipvsadm -a -u 192.168.1.200:53 -r 192.168.1.53 -g",
    )
    .ok();
    let ask = |count: u32| {
        host.run(&format!(
            "bash -c 'for n in $(seq {count}); do echo x >/dev/udp/192.168.1.200/53; done'"
        ));
        let counts = host.run("ipvsadm -Ln --sort").ok();
        lab.say(counts.lines().last().unwrap_or_default());
    };
    ask(900);
    finds(lab, host, QUICK, &[]);
    ask(400);
    let findings = finds(lab, host, QUICK, &["warning connection-table-small"]);
    let mend = text(&findings[0]["mend"]);
    assert!(
        mend.starts_with("echo 'options ip_vs conn_tab_bits=11' >"),
        "{mend}"
    );
    host.run("ipvsadm -C && ip neigh del 192.168.1.53 dev ens192")
        .ok();
    finds(lab, host, QUICK, &[]);
}

/// Ten connections to nobody fill a table of ten.
fn conntrack(lab: &Lab, host: &Host) {
    let most = "net.netfilter.nf_conntrack_max";
    let before = host.sysctl(most);
    // Without a rule that asks for it, nothing is followed.
    host.run("iptables -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT")
        .ok();
    host.set_sysctl(most, 10);
    let many = "bash -c 'for port in $(seq 7001 7020); do echo x >/dev/udp/127.0.0.1/$port; done'";
    host.run(many);
    let command = "sysctl -w net.netfilter.nf_conntrack_max=40";
    heals(lab, host, QUICK, "broken conntrack-full", command);
    host.set_sysctl(most, before.parse().unwrap());
}
