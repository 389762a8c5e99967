//! Faults between directors.

use super::{QUICK, WHOLE, clean, each_finds, file, finds, heals};
use crate::lab::lvsd::{DirectorFile, Pair, text};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Scenario, eventually, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(faults_between_directors_are_named_on_each_of_them)
        .on_any_linux()
        .limited_to(secs(240)),
    scenario!(adverts_are_heard_on_both_sides_of_the_packet_filter)
        .on_any_linux()
        .limited_to(secs(240)),
    scenario!(what_the_files_of_two_masters_differ_in_is_told).on_any_linux(),
    scenario!(who_has_a_vip_of_ipv6_is_asked).on_any_linux(),
    scenario!(directors_in_their_own_pool_loop_unless_lvsd_runs_them).limited_to(secs(240)),
];

/// Adverts each second, and no virtual servers.
fn vrrp(priority: u8) -> DirectorFile {
    DirectorFile::vrrp_only(priority).vrrp_key("advert_interval", "'1s'")
}

fn faults_between_directors_are_named_on_each_of_them(lab: &Lab) {
    let pair = Pair::build(lab);
    let Pair { lvs51, lvs52, .. } = &pair;
    [lvs51, lvs52].into_iter().for_each(clean);
    let first = lvs51.director(&vrrp(100));
    let second = lvs52.director(&vrrp(50));
    pair.become_states("master", "backup");
    each_finds(lab, &[lvs51, lvs52].map(|host| (host, [].as_slice())));

    iptables(lab, &pair);
    nftables(lab, lvs52);

    // A script of old puts the VIP on the backup, too.
    lvs52
        .run(&format!("ip address add {VIP}/32 dev ens192"))
        .ok();
    finds(lab, lvs51, WHOLE, &["broken vip-duplicate"]);
    let command = format!("ip addr del {VIP}/32 dev ens192");
    heals(lab, lvs52, WHOLE, "broken vip-on-backup", &command);
    each_finds(lab, &[lvs51, lvs52].map(|host| (host, [].as_slice())));

    // Another site begins to use the number, in vain: its priority is lower.
    let stranger = pair.client.director(
        &vrrp(10)
            .vrrp_key("virtual_addresses", "['192.168.1.99']")
            .vrrp_key("version", "2"),
    );
    eventually(
        "the stranger is master of its own",
        within(secs(10)),
        || pair.client.vrrp_state() == "master",
    );
    let expected: &[&str] = &["broken vrid-foreign"];
    each_finds(lab, &[lvs51, lvs52].map(|host| (host, expected)));
    stranger.terminate();
    finds(lab, lvs51, WHOLE, &[]);

    keepalived(lab, lvs52);

    first.kill9();
    second.kill9();
    lvs51
        .run(&format!("ip address del {VIP}/32 dev ens192"))
        .ok();
    finds(lab, lvs51, WHOLE, &["broken vip-unheld"]);
    lvs51.write(
        "/etc/lvsd/director.toml",
        &vrrp(100).vrrp_key("priority", "300").text(),
    );
    finds(lab, lvs51, QUICK, &["broken config-refused"]);
    lvs51
        .run("lvsd doctor --quick --config /etc/lvsd/director.toml")
        .fails_with(78);
    lvs51.run("lvsd doctor --quack").fails_with(2);
}

/// Adverts that come in: the guide's rule lets them pass, but comes after the one that
/// refuses whatever is left. Then those that go out, where most would not look.
fn iptables(lab: &Lab, pair: &Pair) {
    let Pair { lvs51, lvs52, .. } = pair;
    for rule in [
        "-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT",
        "-A INPUT -p icmp -j ACCEPT",
        "-A INPUT -i lo -j ACCEPT",
        "-A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT",
        "-A INPUT -j REJECT --reject-with icmp-host-prohibited",
        "-A INPUT -p 112 -j ACCEPT",
        "-I INPUT -p tcp --dport 80 -j ACCEPT",
    ] {
        lvs52.run(&format!("iptables {rule}")).ok();
    }
    pair.become_states("master", "master");
    let expected: [(&Host, &[&str]); 2] = [
        (lvs52, &["broken vrrp-blocked"]),
        (lvs51, &["broken two-masters"]),
    ];
    each_finds(lab, &expected);
    let findings = finds(lab, lvs52, QUICK, &["broken vrrp-blocked"]);
    let seen = text(&findings[0]["seen"]);
    let rule = "`iptables -A INPUT -j REJECT --reject-with icmp-host-prohibited`, ";
    assert!(
        seen.contains(rule) && seen.ends_with(" packets so far"),
        "{seen}"
    );
    let command = "iptables -I INPUT -i ens192 -p 112 -j ACCEPT";
    heals(lab, lvs52, QUICK, "broken vrrp-blocked", command);
    pair.become_states("master", "backup");
    lvs52.run("iptables -F INPUT").ok();

    lvs51
        .run("iptables -t mangle -A POSTROUTING -d 224.0.0.0/8 -j DROP")
        .ok();
    pair.become_states("master", "master");
    let expected: [(&Host, &[&str]); 2] = [
        (lvs51, &["broken vrrp-blocked"]),
        (lvs52, &["broken vip-duplicate"]),
    ];
    each_finds(lab, &expected);
    let command = "iptables -t mangle -I POSTROUTING -o ens192 -p 112 -j ACCEPT";
    heals(lab, lvs51, QUICK, "broken vrrp-blocked", command);
    pair.become_states("master", "backup");
    lvs51.run("iptables -t mangle -F POSTROUTING").ok();
}

/// The same by nftables, where the kernel has them.
fn nftables(lab: &Lab, host: &Host) {
    let rules = "nft add table inet filter && \
                 nft add chain inet filter input '{ type filter hook input priority 0; }'";
    if !host.run(rules).status.success() {
        lab.say("this kernel has no nftables");
        return;
    }
    // Dropped after they were counted, and so soon undone that no election comes of it.
    host.run("nft add rule inet filter input ip protocol vrrp counter drop")
        .ok();
    let command = "nft insert rule inet filter input iifname ens192 ip protocol 112 accept";
    heals(lab, host, QUICK, "broken vrrp-blocked", command);
    host.run("nft delete table inet filter").ok();
    finds(lab, host, QUICK, &[]);
}

/// Rules that the doctor cannot read: what they do is heard.
fn adverts_are_heard_on_both_sides_of_the_packet_filter(lab: &Lab) {
    let pair = Pair::build(lab);
    let Pair { lvs51, lvs52, .. } = &pair;
    [lvs51, lvs52].into_iter().for_each(clean);
    let _directors = [(lvs51, 100), (lvs52, 50)].map(|(host, it)| host.director(&vrrp(it)));
    pair.become_states("master", "backup");

    let rule = "INPUT -d 224.0.0.0/8 -m ttl --ttl-eq 255 -j DROP";
    lvs52.run(&format!("iptables -A {rule}")).ok();
    pair.become_states("master", "master");
    let expected: [(&Host, &[&str]); 2] = [
        (lvs52, &["broken vrrp-blocked"]),
        (lvs51, &["broken two-masters"]),
    ];
    each_finds(lab, &expected);
    let findings = finds(lab, lvs52, WHOLE, &["broken vrrp-blocked"]);
    let seen = text(&findings[0]["seen"]);
    let told = format!("let none of them through: `iptables -A {rule}` met ");
    assert!(seen.contains(&told), "{seen}");
    let command = "iptables -I INPUT -i ens192 -p 112 -j ACCEPT";
    heals(lab, lvs52, WHOLE, "broken vrrp-blocked", command);
    pair.become_states("master", "backup");
    lvs52.run("iptables -F INPUT").ok();

    before_every_rule(lab, &pair);
    verdict_maps(lab, &pair);
}

/// No rule of iptables or nftables has a say.
fn before_every_rule(lab: &Lab, pair: &Pair) {
    let drop = "tc qdisc add dev ens192 ingress && \
                tc filter add dev ens192 parent ffff: protocol ip u32 \
                match ip protocol 112 0xff action drop";
    if !pair.lvs52.run(drop).status.success() {
        lab.say("this kernel has no such tc");
        pair.lvs52.run("tc qdisc del dev ens192 ingress");
        return;
    }
    pair.become_states("master", "master");
    let findings = finds(lab, &pair.lvs52, WHOLE, &["broken vrrp-blocked"]);
    let mend = text(&findings[0]["mend"]);
    assert!(mend.contains("tc filter show dev ens192 ingress"), "{mend}");
    pair.lvs52.run("tc qdisc del dev ens192 ingress").ok();
    pair.become_states("master", "backup");
}

/// What passes is no finding, on neither side.
fn verdict_maps(lab: &Lab, pair: &Pair) {
    let Pair { lvs51, lvs52, .. } = pair;
    let rules = "nft add table inet filter && \
        nft add chain inet filter lan && \
        nft add rule inet filter lan ip protocol vmap '{ 112 : accept, tcp : accept }' && \
        nft add chain inet filter input '{ type filter hook input priority 0; policy drop; }' && \
        nft add rule inet filter input iif vmap '{ lo : accept, ens192 : goto lan }'";
    for host in [lvs51, lvs52] {
        if !host.run(rules).status.success() {
            lab.say("this kernel has no nftables");
            host.run("nft delete table inet filter");
            return;
        }
    }
    pair.become_states("master", "backup");
    each_finds(lab, &[lvs51, lvs52].map(|host| (host, [].as_slice())));
}

/// A keepalived that does nothing yet: the next edit of its file would.
fn keepalived(lab: &Lab, host: &Host) {
    host.write(
        "/etc/keepalived/keepalived.conf",
        "global_defs {\n router_id LVS_DEVEL\n}\n",
    );
    let keepalived = host.spawn("keepalived --dont-fork --log-console --vrrp");
    finds(lab, host, QUICK, &["broken keepalived-beside"]);
    keepalived.terminate();
    finds(lab, host, QUICK, &[]);
}

/// Who has a VIP of IPv6 is asked by neighbour discovery.
fn who_has_a_vip_of_ipv6_is_asked(lab: &Lab) {
    const VIP6: &str = "2001:db8::200";
    let lan = lab.lan();
    let hosts = [51, 52, 53].map(|last| {
        let name = format!("host{last}");
        let host = lan.host_with_nic(&name, "ens192", &format!("192.168.1.{last}/24"));
        clean(&host);
        host.run(&format!(
            "ip addr add 2001:db8::{last}/64 dev ens192 nodad && \
             ip -6 route add default via 2001:db8::1"
        ))
        .ok();
        host
    });
    let [lvs51, lvs52, rs53] = &hosts;
    rs53.write("/etc/lvsd/realserver.toml", &format!("vips = ['{VIP6}']\n"));
    rs53.nginx("I am 53\n");
    let agent = rs53.spawn("lvsd realserver --config /etc/lvsd/realserver.toml");
    let on = |host: &Host, what: &str| {
        host.run(&format!("ip addr {what} {VIP6}/128 dev ens192 nodad"))
            .ok();
    };
    finds(lab, rs53, WHOLE, &["broken vip-unheld"]);
    on(lvs51, "add");
    finds(lab, rs53, WHOLE, &[]);
    on(lvs52, "add");
    finds(lab, rs53, WHOLE, &["broken vip-duplicate"]);
    on(lvs51, "del");
    finds(lab, rs53, WHOLE, &[]);
    assert!(agent.is_running());
}

/// Two masters hear each other, and refuse each other's adverts for what their files differ in.
fn what_the_files_of_two_masters_differ_in_is_told(lab: &Lab) {
    let pair = Pair::build(lab);
    let Pair { lvs51, lvs52, .. } = &pair;
    [lvs51, lvs52].into_iter().for_each(clean);
    let seed = |priority: u8| DirectorFile {
        server: String::new(),
        ..DirectorFile::seed(priority)
    };
    let _first = lvs51.director(&seed(100));
    let second = lvs52.director(&seed(50));
    pair.become_states("master", "backup");
    each_finds(lab, &[lvs51, lvs52].map(|host| (host, [].as_slice())));
    for (key, value, difference) in [
        (
            "auth_pass",
            "'1112'",
            "; their passwords (auth_pass) differ",
        ),
        (
            "virtual_router_id",
            "52",
            "; their virtual_router_id is 51 and 52",
        ),
    ] {
        lvs52.reload(&second, &seed(50).vrrp_key(key, value).text());
        pair.become_states("master", "master");
        for host in [lvs51, lvs52] {
            let findings = finds(lab, host, WHOLE, &["broken two-masters"]);
            let seen = text(&findings[0]["seen"]);
            assert!(seen.ends_with(difference), "{seen}");
        }
        lvs52.reload(&second, &seed(50).text());
        pair.become_states("master", "backup");
    }
    each_finds(lab, &[lvs51, lvs52].map(|host| (host, [].as_slice())));
}

/// Two hosts are director and real server. As lvsd runs them all is well; with a table that
/// somebody loads by hand the backup balances what the master sends it.
fn directors_in_their_own_pool_loop_unless_lvsd_runs_them(lab: &Lab) {
    let lan = lab.lan();
    let hosts = [51, 52].map(|last| {
        let host = lan.host_with_nic(
            &format!("lvs{last}"),
            "ens192",
            &format!("192.168.1.{last}/24"),
        );
        host.nginx(&format!("I am {last}\n"));
        clean(&host);
        host
    });
    let [lvs51, lvs52] = &hosts;
    let pool = "['192.168.1.51:80', '192.168.1.52:80']";
    let _agents = hosts.each_ref().map(|host| host.agent());
    let first = lvs51.director(&file(100).pool(pool));
    let second = lvs52.director(&file(50).pool(pool));
    eventually("51 balances and 52 does not", within(secs(20)), || {
        lvs51.balances_onto("192.168.1.52:80")
            && lvs52.vrrp_state() == "backup"
            && lvs52.ipvsadm().is_empty()
    });
    each_finds(lab, &[lvs51, lvs52].map(|host| (host, [].as_slice())));

    second.terminate();
    lvs52.run("rm /etc/lvsd/director.toml").ok();
    lvs52
        .run(&format!(
            "ipvsadm -A -t {VIP}:80 -s rr && ipvsadm -a -t {VIP}:80 -r 192.168.1.51 -g && \
             ipvsadm -a -t {VIP}:80 -r 192.168.1.52 -g"
        ))
        .ok();
    finds(lab, lvs52, WHOLE, &["broken director-in-pool"]);
    lvs52.run("ipvsadm -C").ok();
    finds(lab, lvs52, WHOLE, &[]);
    assert!(first.is_running());
}
