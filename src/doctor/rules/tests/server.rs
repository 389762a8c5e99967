//! Real servers.

use super::*;
use crate::config::realserver::RealServerConfig;
use crate::doctor::facts::tests::{VIP, address};
use crate::doctor::facts::{Script, Setting};
use crate::doctor::firewall::iptables;
use crate::realserver::gateway::Way;
use crate::sys::address::Scope;
use crate::sys::hop::Hop;

fn agent_file(text: &str) -> Option<RealServerConfig> {
    let text = format!("vips = ['192.168.1.200']\n{text}");
    Some(RealServerConfig::parse("realserver.toml".as_ref(), &text, &[]).unwrap())
}

fn script(missing: Option<&str>) -> Script {
    Script {
        path: "/etc/rc.local".to_owned(),
        vips: [VIP.into()].into(),
        runs_at_boot: missing.is_none(),
        missing: missing.map(str::to_owned),
        by_hand: false,
        removal: "sed -i '3s/^/: # /' /etc/rc.local".to_owned(),
    }
}

#[test]
fn the_interface_that_answers_and_the_address_that_leaks_are_named() {
    let mut facts = real_server();
    facts.set("net.ipv4.conf.all.arp_ignore", 0);
    let finding = only(&facts, "arp-answers");
    assert_eq!(
        finding.seen,
        "arp_ignore is 0 on ens192 (the larger of all and the interface): it leaks 192.168.1.200"
    );
    facts.set("net.ipv4.conf.ens192.arp_ignore", 1);
    assert_eq!(ids(&facts), [""; 0], "the larger counts");
    facts.set("net.ipv4.conf.ens192.arp_ignore", 3);
    assert_eq!(
        ids(&facts),
        ["arp-answers"],
        "3 hides addresses of scope host"
    );
    assert!(
        only(&facts, "arp-answers")
            .mend
            .contains("ens192.arp_ignore=0")
    );
    facts.addresses.last_mut().unwrap().scope = Scope::Host;
    assert_eq!(ids(&facts), [""; 0]);
    for (value, silent) in [(0, false), (1, true), (2, true), (4, false), (8, true)] {
        facts.set("net.ipv4.conf.ens192.arp_ignore", value);
        assert_eq!(ids(&facts).is_empty(), silent, "{value}");
    }
}

#[test]
fn only_arp_announce_2_keeps_the_vip_out_of_requests() {
    for (all, own, silent) in [
        (2, 0, true),
        (0, 2, true),
        (1, 0, false),
        (0, 0, false),
        (2, 3, false),
    ] {
        let mut facts = real_server();
        facts.set("net.ipv4.conf.all.arp_announce", all);
        facts.set("net.ipv4.conf.ens192.arp_announce", own);
        let expected: &[&str] = if silent { &[] } else { &["arp-announces"] };
        assert_eq!(ids(&facts), expected, "{all} {own}");
    }
}

#[test]
fn interfaces_that_hear_no_arp_leak_nothing() {
    let mut facts = real_server();
    facts.set("net.ipv4.conf.all.arp_ignore", 0);
    facts.links[1].up = false;
    assert_eq!(ids(&facts), [""; 0]);
}

#[test]
fn a_vip_that_a_file_or_a_script_wants_is_missed() {
    let mut facts = real_server();
    facts.addresses.pop();
    assert_eq!(ids(&facts), [""; 0], "nobody wants it");
    facts.realserver_config = agent_file("");
    let finding = only(&facts, "vip-missing");
    assert_eq!(finding.seen, "192.168.1.200 is not on lo");
    assert_eq!(finding.mend, "systemctl enable --now lvsd-realserver");
    facts.realserver_config = None;
    facts.boot.scripts = vec![script(None)];
    assert!(
        only(&facts, "vip-missing")
            .mend
            .starts_with("run /etc/rc.local again")
    );
}

#[test]
fn a_vip_with_the_prefix_of_a_network_is_told() {
    let mut facts = real_server();
    facts.addresses.pop();
    facts.addresses.push(address(1, "192.168.1.200/24"));
    assert_eq!(
        only(&facts, "vip-network").seen,
        "192.168.1.200/24 is on lo"
    );
}

#[test]
fn a_service_on_the_rip_alone_is_not_on_the_vip() {
    let mut facts = real_server();
    let on = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    facts.listening = on(&["192.168.1.53:80", "192.168.1.53:22", "0.0.0.0:9480"]);
    let finding = only(&facts, "service-not-on-vip");
    assert_eq!(
        finding.seen,
        "nothing listens on 192.168.1.200 port 80: the service has 192.168.1.53:80"
    );
    for fine in ["192.168.1.200:80", "0.0.0.0:80", "[::]:80"] {
        facts.listening = on(&["192.168.1.53:80", fine]);
        assert_eq!(ids(&facts), [""; 0], "{fine}");
    }
    facts.listening = on(&["192.168.1.53:22", "127.0.0.1:631"]);
    assert_eq!(
        ids(&facts),
        [""; 0],
        "no service at all is another's matter"
    );
}

#[test]
fn a_service_of_the_agents_file_must_listen_on_the_vip() {
    let mut facts = real_server();
    let service =
        "[[service]]\nname = 'nginx'\ncheck = { type = 'tcp', address = '127.0.0.1:8080' }\n";
    facts.realserver_config = agent_file(service);
    assert_eq!(only(&facts, "service-not-on-vip").mend, "start the service");
    facts.realserver_config = agent_file(&service.replace("check", "internal = true\ncheck"));
    assert_eq!(ids(&facts), [""; 0], "no client connects to it");
    facts.realserver_config = agent_file(service);
    facts.listening.insert("0.0.0.0:8080".parse().unwrap());
    assert_eq!(ids(&facts), [""; 0]);
    let rules =
        "*filter\n:INPUT ACCEPT [0:0]\n[9:540] -A INPUT -p tcp --dport 8080 -j REJECT\nCOMMIT\n";
    facts.firewall = iptables::parse(rules);
    assert_eq!(
        only(&facts, "service-blocked").seen,
        "TCP to 192.168.1.200 port 8080 is dropped by \
         `iptables -A INPUT -p tcp --dport 8080 -j REJECT`"
    );
}

#[test]
fn a_tunnel_is_filtered_strictly_if_either_value_says_so() {
    let mut facts = real_server();
    let mut tunnel = facts.links[0].clone();
    tunnel.name = "tunl0".to_owned();
    tunnel.index = 3;
    tunnel.loopback = false;
    facts.links.push(tunnel);
    for (all, own, strict) in [
        (0, 0, false),
        (1, 0, true),
        (0, 1, true),
        (1, 2, false),
        (2, 1, false),
    ] {
        facts.set("net.ipv4.conf.all.rp_filter", all);
        facts.set("net.ipv4.conf.tunl0.rp_filter", own);
        let expected: &[&str] = if strict { &["tunnel-rp-filter"] } else { &[] };
        assert_eq!(ids(&facts), expected, "{all} {own}");
    }
    facts.set("net.ipv4.conf.all.rp_filter", 1);
    facts.set("net.ipv4.conf.tunl0.rp_filter", 0);
    facts.links[2].up = false;
    assert_eq!(ids(&facts), [""; 0], "no packet comes out of it");
}

#[test]
fn a_real_server_without_a_default_route_is_told() {
    let mut facts = real_server();
    facts.gateways.clear();
    assert_eq!(ids(&facts), ["no-default-route"]);
}

#[test]
fn a_nat_real_server_whose_answers_miss_the_director_is_told() {
    let mut facts = host(53);
    let text = "forwarding = 'nat'\ngateways = ['192.168.1.51']\n";
    let file = RealServerConfig::parse("realserver.toml".as_ref(), text, &[]).unwrap();
    facts.realserver_config = Some(file);
    let way = |gateway: Option<&str>| Way {
        to: "23.0.0.1".parse().unwrap(),
        from: None,
        hop: Ok(gateway.map(|gateway| Hop {
            gateway: Some(gateway.parse().unwrap()),
            link: Some(2),
            local: false,
            source: None,
        })),
    };
    facts.answer_ways = vec![way(None)];
    assert_eq!(ids(&facts), ["nat-default-route"], "no route at all");
    facts.answer_ways = vec![way(Some("192.168.1.51"))];
    assert_eq!(ids(&facts), [""; 0]);
    facts.answer_ways = vec![way(Some("192.168.1.1"))];
    let finding = only(&facts, "nat-default-route");
    assert!(finding.seen.contains("is by 192.168.1.1,"), "{finding:?}");
    let mend = "ip route replace default via 192.168.1.51;";
    assert!(finding.mend.starts_with(mend), "{finding:?}");
}

#[test]
fn scripts_of_old_are_told_beside_the_agent_or_where_nothing_runs_them() {
    let mut facts = real_server();
    facts.boot.scripts = vec![script(None)];
    assert_eq!(
        ids(&facts),
        [""; 0],
        "a real server with the scripts done rightly"
    );
    facts
        .boot
        .enabled
        .insert("lvsd-realserver.service".to_owned());
    assert_eq!(ids(&facts), ["script-beside"]);
    facts.boot.scripts = vec![script(Some("chmod +x /etc/rc.local"))];
    assert_eq!(ids(&facts), [""; 0], "the agent is there at the next boot");
    facts.boot.enabled.clear();
    let finding = only(&facts, "script-not-run");
    assert!(finding.mend.starts_with("chmod +x /etc/rc.local; or "));
    facts.boot.scripts.push(script(None));
    assert_eq!(ids(&facts), [""; 0], "another one does it");
}

#[test]
fn a_line_that_undoes_the_arp_parameters_is_told_unless_a_later_one_mends_it() {
    let line = |number: u8, value| Setting {
        place: format!("/etc/sysctl.conf:{number}"),
        key: "net.ipv4.conf.all.arp_ignore".to_owned(),
        value,
    };
    let mut facts = real_server();
    facts.boot.settings = vec![line(1, 0)];
    let finding = only(&facts, "sysctl-file");
    assert_eq!(
        finding.seen,
        "/etc/sysctl.conf:1: net.ipv4.conf.all.arp_ignore = 0"
    );
    facts.boot.settings.push(line(2, 1));
    assert_eq!(ids(&facts), [""; 0]);
    let mut director = master();
    director.boot.settings = vec![line(1, 0)];
    assert_eq!(ids(&director), [""; 0], "it has nothing to hide");
}
