//! What the kernel lacks and what the next boot brings: under systemd, in a boot of its own.

use super::{QUICK, clean, finds};
use crate::lab::lvsd::{DIRECTOR_FILE, DirectorFile};
use crate::lab::scenario::scenario;
use crate::lab::{Lab, Scenario, eventually, secs, within};

pub(crate) const SCENARIOS: &[Scenario] =
    &[scenario!(what_a_booted_host_lacks_is_named).under_systemd(&[])];

/// What `systemctl enable keepalived` makes.
const LINK: &str = "/etc/systemd/system/multi-user.target.wants/keepalived.service";

fn what_a_booted_host_lacks_is_named(lab: &Lab) {
    let host = lab.lan().this_machine("ens192", "192.168.1.51/24");
    eventually("the boot is complete", within(secs(30)), || {
        host.run("systemctl is-system-running").stdout == "running\n"
    });
    clean(&host);
    host.write(DIRECTOR_FILE, &DirectorFile::alone().text());
    finds(lab, &host, QUICK, &["broken ipvs-missing"]);
    assert!(
        !std::path::Path::new("/proc/net/ip_vs").exists(),
        "the doctor loads nothing"
    );
    host.run("modprobe ip_vs conn_tab_bits=8 && ip address add 192.168.1.200/32 dev ens192")
        .ok();
    finds(lab, &host, QUICK, &[]);
    crowd(lab, &host);

    host.run("systemctl enable lvsd-director").ok();
    host.write(
        "/etc/keepalived/keepalived.conf",
        "vrrp_instance VI_1 {\n}\n",
    );
    host.run(&format!(
        "ln -sf /lib/systemd/system/keepalived.service {LINK}"
    ))
    .ok();
    finds(lab, &host, QUICK, &["warning keepalived-beside"]);
    host.run(&format!("rm {LINK}")).ok();
    finds(lab, &host, QUICK, &[]);

    host.run("modprobe nf_conntrack").ok();
    host.run("ip neigh replace 192.168.1.9 lladdr 02:00:00:00:00:09 dev ens192")
        .ok();
    let before = host.sysctl("net.ipv4.neigh.default.gc_thresh3");
    host.set_sysctl("net.ipv4.neigh.default.gc_thresh3", 1);
    finds(lab, &host, QUICK, &["broken neighbours-full"]);
    host.set_sysctl("net.ipv4.neigh.default.gc_thresh3", before.parse().unwrap());
    conntrack(lab, &host);
}

/// More than four connections for each of 256 buckets: one client asks from many ports.
fn crowd(lab: &Lab, host: &crate::lab::Host) {
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
    finds(lab, host, QUICK, &["warning connection-table-small"]);
    host.run("ipvsadm -C && ip neigh del 192.168.1.53 dev ens192")
        .ok();
    finds(lab, host, QUICK, &[]);
}

/// Ten connections to nobody fill a table of ten.
fn conntrack(lab: &Lab, host: &crate::lab::Host) {
    let most = "net.netfilter.nf_conntrack_max";
    let before = host.sysctl(most);
    // Without a rule that asks for it, nothing is followed.
    host.run("iptables -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT")
        .ok();
    host.set_sysctl(most, 10);
    let many = "bash -c 'for port in $(seq 7001 7020); do echo x >/dev/udp/127.0.0.1/$port; done'";
    host.run(many);
    finds(lab, host, QUICK, &["broken conntrack-full"]);
    host.set_sysctl(most, before.parse().unwrap());
    finds(lab, host, QUICK, &[]);
}
