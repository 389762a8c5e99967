//! Faults of real servers, and what directors see of them.

use super::{Healthy, QUICK, clean, each_finds, finds, heals, runs_scripts};
use crate::lab::lvsd::text;
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Scenario, Site, eventually, secs, within};

const AGENT_FILE: &str = "/etc/lvsd/realserver.toml";

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(a_healthy_site_has_no_findings_and_faults_of_its_real_servers_are_named)
        .limited_to(secs(240)),
    scenario!(a_nat_real_server_whose_answers_miss_the_director_is_named).on_any_linux(),
    scenario!(nftables_that_drop_the_service_are_named).on_any_linux(),
];

fn a_healthy_site_has_no_findings_and_faults_of_its_real_servers_are_named(lab: &Lab) {
    let healthy = Healthy::start(lab);
    let Site {
        lvs51,
        lvs52,
        real_servers: [rs53, rs54, _],
        ..
    } = &healthy.site;
    each_finds(
        lab,
        &[lvs51, lvs52, rs53, rs54].map(|host| (host, [].as_slice())),
    );
    lab.say(&rs54.run("lvsd doctor --quick").ok());
    let anybody = rs54
        .run("setpriv --reuid 65534 --clear-groups lvsd doctor")
        .ok();
    lab.say(&anybody);
    assert!(
        anybody.contains("not seen: the wire: operation not permitted (run as root)"),
        "{anybody}"
    );
    assert!(
        healthy
            .agents
            .iter()
            .chain(&healthy.directors)
            .all(|it| it.is_running())
    );

    arp(lab, &healthy.site);
    the_vip(lab, &healthy.site);
    the_service(lab, &healthy.site);
    what_the_host_is_like(lab, rs54);
    files(lab, rs53, rs54);
    for host in [rs53, rs54] {
        finds(lab, host, QUICK, &[]);
    }
}

fn arp(lab: &Lab, site: &Site) {
    let (lvs51, rs54) = (&site.lvs51, &site.real_servers[1]);
    rs54.set_sysctl("net.ipv4.conf.all.arp_ignore", 0);
    let expected: [(&Host, &[&str]); 3] = [
        (rs54, &["broken arp-answers"]),
        (lvs51, &["broken vip-duplicate"]),
        (&site.lvs52, &["broken vip-duplicate"]),
    ];
    each_finds(lab, &expected);
    let command = "sysctl -w net.ipv4.conf.all.arp_ignore=1";
    heals(lab, rs54, QUICK, "broken arp-answers", command);
    // One interface outdoes what all of them have.
    rs54.set_sysctl("net.ipv4.conf.ens192.arp_ignore", 3);
    let command = "sysctl -w net.ipv4.conf.all.arp_ignore=1; \
                   sysctl -w net.ipv4.conf.ens192.arp_ignore=0";
    heals(lab, rs54, QUICK, "broken arp-answers", command);
    rs54.set_sysctl("net.ipv4.conf.all.arp_announce", 1);
    let command = "sysctl -w net.ipv4.conf.all.arp_announce=2";
    heals(lab, rs54, QUICK, "broken arp-announces", command);
}

/// The VIP is gone from `lo`: the server's own doctor says so, and the director's which server
/// leaves its clients without an answer.
fn the_vip(lab: &Lab, site: &Site) {
    let (lvs51, rs54) = (&site.lvs51, &site.real_servers[1]);
    rs54.run(&format!("ip address del {VIP}/32 dev lo")).ok();
    finds(lab, rs54, QUICK, &["broken vip-missing"]);
    let requests = format!(
        "for i in $(seq 15); do curl -s -m 2 -o /dev/null {} & done; wait",
        Site::url()
    );
    site.client.run(&requests);
    finds(lab, lvs51, QUICK, &["broken syn-recv"]);
    let command = "sh /etc/lvs_dr_rs.sh";
    heals(lab, rs54, QUICK, "broken vip-missing", command);
    rs54.run(&format!(
        "ip address del {VIP}/32 dev lo; ip address add {VIP}/24 dev lo"
    ))
    .ok();
    let command = format!("ip address add {VIP}/32 dev lo; ip address del {VIP}/24 dev lo");
    heals(lab, rs54, QUICK, "broken vip-network", &command);
    site.client.ask(45, &Site::url());
    finds(lab, lvs51, QUICK, &[]);
}

fn the_service(lab: &Lab, site: &Site) {
    let (lvs51, rs54) = (&site.lvs51, &site.real_servers[1]);
    rs54.stop_nginx();
    finds(lab, rs54, QUICK, &["warning service-not-on-vip"]);
    let narrow = "sed 's/listen 80;/listen 192.168.1.54:80;/; /::/d' /etc/nginx/lab.conf \
                  >/etc/nginx/narrow.conf";
    rs54.run(narrow).ok();
    let nginx = rs54.spawn("nginx -c /etc/nginx/narrow.conf");
    finds(lab, rs54, QUICK, &["broken service-not-on-vip"]);
    nginx.terminate();
    rs54.start_nginx();
    finds(lab, rs54, QUICK, &[]);

    lvs51
        .run("iptables -A INPUT -p tcp --dport 80 -j REJECT")
        .ok();
    let command = "iptables -I INPUT -p tcp --dport 80 -j ACCEPT";
    heals(lab, lvs51, QUICK, "broken service-blocked", command);
    lvs51.run("iptables -F INPUT").ok();

    // Checks of the RIP are answered, clients of the VIP are not.
    let drop = format!("iptables -A OUTPUT -p tcp -s {VIP} -j DROP");
    rs54.run(&drop).ok();
    finds(lab, rs54, QUICK, &["broken service-blocked"]);
    let command = format!("iptables -I OUTPUT -p tcp -s {VIP} --sport 80 -j ACCEPT");
    heals(lab, rs54, QUICK, "broken service-blocked", &command);
    rs54.run("iptables -F OUTPUT").ok();
}

fn what_the_host_is_like(lab: &Lab, rs54: &Host) {
    rs54.run("ip link set tunl0 up").ok();
    rs54.set_sysctl("net.ipv4.conf.all.rp_filter", 1);
    rs54.set_sysctl("net.ipv4.conf.tunl0.rp_filter", 0);
    let command = "sysctl -w net.ipv4.conf.tunl0.rp_filter=2";
    heals(lab, rs54, QUICK, "broken tunnel-rp-filter", command);
    rs54.run("ip tunnel add mytun mode ipip local 192.168.1.54; ip link set mytun up")
        .ok();
    rs54.set_sysctl("net.ipv4.conf.mytun.rp_filter", 1);
    let command = "sysctl -w net.ipv4.conf.mytun.rp_filter=2";
    heals(lab, rs54, QUICK, "broken tunnel-rp-filter", command);
    rs54.run("ip link del mytun; ip route del default").ok();
    finds(lab, rs54, QUICK, &["warning no-default-route"]);
    rs54.run("ip route add default via 192.168.1.1").ok();
}

fn files(lab: &Lab, rs53: &Host, rs54: &Host) {
    rs54.run("chmod -x /etc/rc.local").ok();
    heals(
        lab,
        rs54,
        QUICK,
        "warning script-not-run",
        "chmod +x /etc/rc.local",
    );
    for (file, line) in [
        ("sysctl.conf", "net.ipv4.conf.all.arp_ignore = 0"),
        ("sysctl.d/50.conf", "net.ipv4.conf.*.arp_announce = 0"),
        ("sysctl.d/50.conf", "net/ipv4/conf/ens192/arp_ignore = 3"),
        (
            "sysctl.d/50.conf",
            "net.ipv4.conf.all.rp_filter = 1\nnet.ipv4.conf.tunl0.rp_filter = 0",
        ),
    ] {
        rs54.write(&format!("/etc/{file}"), &format!("{line}\n"));
        finds(lab, rs54, QUICK, &["warning sysctl-file"]);
        rs54.run(&format!("rm /etc/{file}")).ok();
        finds(lab, rs54, QUICK, &[]);
    }

    eventually("the agent of 53 is ready", within(secs(5)), || {
        rs53.agent_status()["ready"] == true
    });
    let script = rs54.read("/etc/lvs_dr_rs.sh");
    rs53.write("/etc/lvs_dr_rs.sh", &script);
    rs53.write("/etc/rc.local", &rs54.read("/etc/rc.local"));
    rs53.run("chmod +x /etc/rc.local").ok();
    obey(lab, rs53);
    rs53.write("/etc/rc.local", &script);
    obey(lab, rs53);
    rs53.run("rm -f /etc/rc.local /etc/lvs_dr_rs.sh").ok();

    // The others that the guides of old have people write.
    rs53.write("/etc/init.d/realserver", &script);
    rs53.run(
        "mkdir -p /etc/rc3.d && ln -s ../init.d/realserver /etc/rc3.d/S90realserver && \
         chmod +x /etc/init.d/realserver",
    )
    .ok();
    obey(lab, rs53);
    let alias = "/etc/sysconfig/network-scripts/ifcfg-lo:0";
    let text = format!("DEVICE=lo:0\nIPADDR={VIP}\nNETMASK=255.255.255.255\nONBOOT=yes\n");
    rs53.write(alias, &text);
    obey(lab, rs53);
}

/// A script beside the agent is gone after what the finding says.
fn obey(lab: &Lab, host: &Host) {
    let findings = finds(lab, host, QUICK, &["warning script-beside"]);
    host.run(&text(&findings[0]["mend"])).ok();
    finds(lab, host, QUICK, &[]);
}

fn a_nat_real_server_whose_answers_miss_the_director_is_named(lab: &Lab) {
    let lan = lab.lan();
    let (director, rs53) = (
        lan.host("lvs51", "192.168.1.51/24"),
        lan.host("rs53", "192.168.1.53/24"),
    );
    clean(&rs53);
    rs53.write(
        AGENT_FILE,
        "forwarding = 'nat'\ngateways = ['192.168.1.51']\n",
    );
    rs53.run("ip route replace default via 192.168.1.51").ok();
    finds(lab, &rs53, QUICK, &[]);
    finds(lab, &director, QUICK, &[]);

    rs53.run("ip route replace default via 192.168.1.1").ok();
    let command = "ip route replace default via 192.168.1.51";
    heals(lab, &rs53, QUICK, "broken nat-default-route", command);
    rs53.run("ip route replace default via 192.168.1.1").ok();
    // The better of two counts.
    rs53.run("ip route replace default via 192.168.1.51 metric 100")
        .ok();
    finds(lab, &rs53, QUICK, &["broken nat-default-route"]);
    rs53.run("ip route del default via 192.168.1.1").ok();
    finds(lab, &rs53, QUICK, &[]);
    rs53.run("ip route del default").ok();
    finds(lab, &rs53, QUICK, &["broken nat-default-route"]);
}

/// The same as iptables on a director, by nftables and on a real server.
fn nftables_that_drop_the_service_are_named(lab: &Lab) {
    let rs53 = lab.lan().host("rs53", "192.168.1.53/24");
    clean(&rs53);
    let rules = "nft add table inet filter && \
                 nft add chain inet filter input '{ type filter hook input priority 0; policy drop; }'";
    if !rs53.run(rules).status.success() {
        lab.say("this kernel has no nftables");
        return;
    }
    rs53.run("nft add rule inet filter input tcp dport { 22, 80 } accept")
        .ok();
    rs53.write(
        AGENT_FILE,
        &format!(
            "vips = ['{VIP}']\n[[service]]\nname = 'web'\ncheck = {{ type = 'tcp', port = 80 }}\n"
        ),
    );
    runs_scripts(&rs53);
    rs53.run("rm /etc/rc.local").ok();
    let web = rs53.spawn("busybox httpd -f -p 80");
    finds(lab, &rs53, QUICK, &[]);
    rs53.run("nft insert rule inet filter input tcp dport 80 counter reject with tcp reset")
        .ok();
    let command = "nft insert rule inet filter input tcp dport 80 accept";
    heals(lab, &rs53, QUICK, "broken service-blocked", command);
    rs53.run("nft flush chain inet filter input").ok();
    heals(lab, &rs53, QUICK, "broken service-blocked", command);
    rs53.run(&format!(
        "nft add chain inet filter output '{{ type filter hook output priority 0; }}' && \
         nft add rule inet filter output ip saddr {VIP} drop"
    ))
    .ok();
    let command = format!("nft insert rule inet filter output ip saddr {VIP} tcp sport 80 accept");
    heals(lab, &rs53, QUICK, "broken service-blocked", &command);
    assert!(web.is_running());
}
