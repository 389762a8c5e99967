//! Tables that somebody loaded by hand.

use lvsd::ipvs::client::Client;
use lvsd::ipvs::plan::Op;
use lvsd::ipvs::table::RealServer;
use lvsd::lvs::{Forwarding, Protocol, RealServerId, VirtualServerId, Weight};

use super::{QUICK, WHOLE, clean, finds, heals};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Scenario, Site, secs};

pub(crate) const SCENARIOS: &[Scenario] =
    &[scenario!(faults_of_a_table_loaded_by_hand_are_named).limited_to(secs(240))];

/// Runs ipvsadm with these arguments, one line each.
fn ipvsadm(host: &Host, lines: &[&str]) {
    for line in lines {
        host.run(&format!("ipvsadm {line}")).ok();
    }
}

/// Asks the kernel itself.
fn by_netlink(host: &Host, op: Op) {
    let refused = host.within(move || Client::open().unwrap().apply(&[op]).unwrap());
    assert!(refused.is_empty(), "{refused:?}");
}

fn faults_of_a_table_loaded_by_hand_are_named(lab: &Lab) {
    let site = Site::build(lab);
    lab.hosts().iter().for_each(clean);
    site.configure_real_servers_by_hand();
    let host = &site.lvs51;
    host.run(&format!("ip address add {VIP}/32 dev ens192"))
        .ok();
    let service = format!("-A -t {VIP}:80 -s rr");
    let add = |rip: &str| format!("-a -t {VIP}:80 -r {rip}");
    ipvsadm(
        host,
        &[&service, &add("192.168.1.53 -g"), &add("192.168.1.54 -g")],
    );
    finds(lab, host, WHOLE, &[]);

    ipvsadm(host, &[&add("10.9.8.7 -g")]);
    finds(lab, host, QUICK, &["broken real-server-elsewhere"]);
    host.run(&format!("ipvsadm -d -t {VIP}:80 -r 10.9.8.7"))
        .ok();

    // Every program of today refuses or mends it, the kernel does not.
    let id = VirtualServerId::Address {
        protocol: Protocol::Tcp,
        address: format!("{VIP}:80").parse().unwrap(),
    };
    let rip: RealServerId = "192.168.1.55:8080".parse().unwrap();
    let real_server = RealServer {
        forwarding: Forwarding::DirectRoute,
        weight: Weight::ONE,
        upper_threshold: 0,
        lower_threshold: 0,
    };
    by_netlink(host, Op::AddRealServer(id, rip, real_server));
    finds(lab, host, QUICK, &["broken port-differs"]);
    by_netlink(host, Op::RemoveRealServer(id, rip));
    finds(lab, host, QUICK, &[]);
    // keepalived says so in its log and goes on.
    let file = format!(
        "virtual_server {VIP} 80 {{\n lb_algo rr\n lb_kind DR\n protocol TCP\n\
         real_server 192.168.1.55 8080 {{\n }}\n}}\n"
    );
    host.write("/etc/keepalived/keepalived.conf", &file);
    finds(lab, host, QUICK, &["broken port-differs"]);
    host.run("rm /etc/keepalived/keepalived.conf").ok();
    ipvsadm(host, &["-C", &service]);
    finds(lab, host, QUICK, &["broken no-real-server"]);

    ipvsadm(host, &[&add("192.168.1.53 -g"), "--set 1 10 300"]);
    let command = "ipvsadm --set 900 10 300";
    heals(lab, host, QUICK, "warning timeouts-disagree", command);
    ipvsadm(host, &["--set 900 120 300"]);
    host.write(
        "/etc/modprobe.d/ip_vs.conf",
        "options ip_vs conn_tab_bits=20\n",
    );
    finds(lab, host, QUICK, &["warning connection-table-small"]);
    host.run("rm /etc/modprobe.d/ip_vs.conf").ok();
    finds(lab, host, QUICK, &[]);
    host.run(&format!("ip address del {VIP}/32 dev ens192"))
        .ok();
    let command = format!("ip addr add {VIP}/32 dev ens192");
    heals(lab, host, WHOLE, "broken vip-unheld", &command);

    nat(lab, &site);
}

/// The VIP is on another network than the real servers, which are 54 and 55.
fn nat(lab: &Lab, site: &Site) {
    let host = &site.lvs51;
    let service = format!("-A -t {VIP}:80 -s rr");
    let add = format!("-a -t {VIP}:80 -r 192.168.1.54:80 -m");
    host.set_sysctl("net.ipv4.ip_forward", 0);
    ipvsadm(host, &["-C", &service, &add]);
    let command = "sysctl -w net.ipv4.ip_forward=1";
    heals(lab, host, QUICK, "broken ip-forward-off", command);

    // Its answers go straight to the client, which does not know it.
    site.real_servers[1]
        .run(&format!("ip address del {VIP}/32 dev lo"))
        .ok();
    site.client
        .run(&format!("curl -s -m 4 -o /dev/null {}", Site::url()));
    finds(lab, host, QUICK, &["broken nat-gateway"]);
    ipvsadm(
        host,
        &["-E -t 192.168.1.200:80 -s rr -p 3600", "--set 1 120 300"],
    );
    finds(
        lab,
        host,
        QUICK,
        &["broken nat-gateway", "broken timeouts-disagree"],
    );
}
