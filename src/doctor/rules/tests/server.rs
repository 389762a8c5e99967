//! Real servers.

use super::*;
use crate::config::realserver::RealServerConfig;
use crate::doctor::Severity;
use crate::doctor::facts::tests::{VIP, address};
use crate::doctor::facts::{Script, Setting, Settings};
use crate::doctor::firewall::iptables;
use crate::realserver::gateway::Way;
use crate::sys::address::Scope;
use crate::sys::hop::Hop;

fn agent_file(text: &str) -> Option<RealServerConfig> {
    let text = format!("vips = ['192.168.1.200']\n{text}");
    Some(RealServerConfig::parse("realserver.toml".as_ref(), &text, &[]).unwrap())
}

const ALIAS: &str = "/etc/sysconfig/network-scripts/ifcfg-lo:0";

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
    for (value, silent) in [(0, false), (1, true), (2, true), (4, false)] {
        facts.set("net.ipv4.conf.ens192.arp_ignore", value);
        assert_eq!(ids(&facts).is_empty(), silent, "{value}");
    }
}

#[test]
fn an_interface_that_answers_for_no_address_hides_the_rip_too() {
    for name in ["all", "ens192"] {
        let mut facts = real_server();
        facts.set(&format!("net.ipv4.conf.{name}.arp_ignore"), 8);
        let finding = only(&facts, "arp-silent");
        assert_eq!(
            finding.seen,
            "arp_ignore is 8 on ens192 (the larger of all and the interface): it answers nobody \
             who asks for 192.168.1.53"
        );
        assert!(finding.mend.contains("ens192.arp_ignore=0"));
    }
    let mut director = master();
    director.set("net.ipv4.conf.ens192.arp_ignore", 8);
    assert_eq!(ids(&director), ["arp-silent"]);
    let mut other = host(9);
    other.set("net.ipv4.conf.ens192.arp_ignore", 8);
    assert_eq!(ids(&other), [""; 0], "no LVS here");
    let mut file_only = real_server();
    file_only.boot.settings = file(&[("ens192.arp_ignore", 8)]);
    assert_eq!(ids(&file_only), ["sysctl-file"]);
}

/// A real server whose parameters are set on its NIC alone, with one more interface.
fn with_interface(bridge: bool, network: &str) -> Facts {
    let mut facts = real_server();
    let mut other = facts.links[1].clone();
    (other.index, other.name, other.bridge) = (3, "other".to_owned(), bridge);
    facts.links.push(other);
    facts.addresses.push(address(3, network));
    for (name, value) in [("arp_ignore", 1), ("arp_announce", 2)] {
        facts.set(&format!("net.ipv4.conf.all.{name}"), 0);
        facts.set(&format!("net.ipv4.conf.ens192.{name}"), value);
        facts.set(&format!("net.ipv4.conf.other.{name}"), 0);
    }
    facts
}

#[test]
fn an_interface_that_does_not_see_the_lan_of_the_vip_leaks_nothing() {
    let leaks = ["arp-answers", "arp-announces"];
    let severities = |facts: &Facts| {
        let found = examine(facts).findings;
        found.iter().map(|it| it.severity).collect::<Vec<_>>()
    };
    let docker = with_interface(true, "172.17.0.1/16");
    assert_eq!(ids(&docker), [""; 0], "docker0");
    let aside = with_interface(false, "10.9.9.53/24");
    assert_eq!(ids(&aside), leaks, "somebody may have plugged it in there");
    assert_eq!(severities(&aside), [Severity::Note; 2]);
    for (bridge, network) in [
        (false, "192.168.1.153/24"),
        (true, "192.168.1.153/24"),
        (false, "192.168.1.153/25"),
        (false, "2001:db8::53/64"),
    ] {
        let facts = with_interface(bridge, network);
        assert_eq!(ids(&facts), leaks, "{network}");
        assert_eq!(severities(&facts), [Severity::Broken; 2], "{network}");
    }
    let mut heard = with_interface(true, "10.9.9.53/24");
    heard.hears(51, 51, &[VIP]);
    let wire = heard.wire.as_mut().unwrap();
    wire.heard.last_mut().unwrap().interface = "other".to_owned();
    assert_eq!(severities(&heard), [Severity::Broken; 2], "a director is");
}

#[test]
fn a_vip_of_no_network_here_may_be_on_any_lan_but_that_of_a_bridge() {
    let routed = |bridge| {
        let mut facts = with_interface(bridge, "172.17.0.1/16");
        facts.addresses[2].address = "203.0.113.200/32".parse().unwrap();
        facts.wire = None;
        facts
    };
    assert_eq!(ids(&routed(false)), ["arp-answers", "arp-announces"]);
    assert_eq!(ids(&routed(true)), [""; 0]);
}

#[test]
fn a_line_of_sysctl_d_does_no_harm_on_a_bridge_of_containers() {
    let mut facts = with_interface(true, "172.17.0.1/16");
    facts.boot.settings = file(&[("all.arp_ignore", 0), ("ens192.arp_ignore", 1)]);
    assert_eq!(ids(&facts), [""; 0]);
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
    facts.wire = None;
    assert_eq!(ids(&facts), [""; 0], "nobody wants it");
    facts.realserver_config = agent_file("");
    let finding = only(&facts, "vip-missing");
    assert_eq!(finding.seen, "192.168.1.200 is not on lo");
    assert_eq!(finding.mend, "systemctl enable --now lvsd-realserver");
    facts.realserver_config = None;
    facts.boot.scripts = vec![script(None)];
    for (path, command) in [
        ("/etc/rc.local", "sh /etc/rc.local"),
        (
            "/usr/local/sbin/lvs_dr_rs.sh",
            "sh /usr/local/sbin/lvs_dr_rs.sh",
        ),
        (
            "/etc/rc.d/init.d/realserver",
            "/etc/rc.d/init.d/realserver start",
        ),
        (ALIAS, "ifup lo:0"),
        (
            "/etc/systemd/system/vip.service",
            "systemctl start vip.service",
        ),
    ] {
        path.clone_into(&mut facts.boot.scripts[0].path);
        let Finding { seen, mend, .. } = only(&facts, "vip-missing");
        assert_eq!(
            seen,
            format!("192.168.1.200 is not on lo, where {path} puts it")
        );
        assert!(mend.starts_with(&format!("{command}; or `lvsd ")), "{mend}");
    }
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
}

#[test]
fn a_real_server_where_nothing_listens_is_told() {
    let mut facts = real_server();
    let on = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    facts.listening = on(&["192.168.1.53:22", "127.0.0.1:631"]);
    let finding = only(&facts, "service-not-on-vip");
    assert_eq!(finding.severity, Severity::Warning);
    assert_eq!(
        finding.seen,
        "nothing listens on 192.168.1.200, no port of TCP or UDP"
    );
    for (udp, serves) in [
        ("0.0.0.0:53", true),
        ("[::]:53", true),
        ("192.168.1.200:9999", true),
        ("192.168.1.53:53", false),
        ("0.0.0.0:68", false),
        ("0.0.0.0:41000", false),
    ] {
        facts.receiving = on(&[udp]);
        assert_eq!(ids(&facts).is_empty(), serves, "{udp}");
    }
}

#[test]
fn a_socket_of_ipv4_is_not_on_a_vip_of_ipv6() {
    let mut facts = real_server();
    facts.addresses.push(address(1, "2001:db8::200/128"));
    facts.gateways.insert("fe80::1".parse().unwrap());
    assert_eq!(
        only(&facts, "service-not-on-vip").seen,
        "nothing listens on 2001:db8::200, no port of TCP or UDP"
    );
    facts.listening.insert("[2001:db8::53]:80".parse().unwrap());
    assert_eq!(
        only(&facts, "service-not-on-vip").severity,
        Severity::Broken
    );
    facts.listening.insert("[::]:80".parse().unwrap());
    assert_eq!(ids(&facts), [""; 0]);
}

#[test]
fn a_vip_on_a_nic_of_a_real_server_is_told_with_its_interface() {
    let mut facts = real_server();
    facts.addresses.push(address(2, "192.168.1.200/32"));
    let finding = only(&facts, "vip-on-nic");
    assert_eq!(finding.seen, "192.168.1.200 is on lo and on ens192");
    assert!(
        finding
            .mend
            .starts_with("ip addr del 192.168.1.200/32 dev ens192; ")
    );
    facts.wire.as_mut().unwrap().heard.clear();
    assert_eq!(ids(&facts), ["vip-on-nic"], "whoever the other holder is");
    facts.links[1].noarp = true;
    assert_eq!(ids(&facts), [""; 0], "a dummy answers nobody");
}

#[test]
fn a_vip_that_a_file_wants_on_lo_is_no_better_on_a_nic() {
    let mut facts = real_server();
    facts.addresses.pop();
    facts.addresses.push(address(2, "192.168.1.200/32"));
    assert_eq!(
        ids(&facts),
        ["vip-on-backup"],
        "nothing else is known of it"
    );
    facts.realserver_config = agent_file("");
    let finding = only(&facts, "vip-on-nic");
    assert_eq!(
        finding.seen,
        "192.168.1.200 is on ens192, where it should be on lo"
    );
    let mend = "ip address add 192.168.1.200/32 dev lo; ip addr del 192.168.1.200/32 dev ens192; ";
    assert!(finding.mend.starts_with(mend), "{finding:?}");
}

#[test]
fn a_vip_of_ipv6_on_a_nic_is_told_likewise() {
    let mut facts = real_server();
    facts.addresses.push(address(1, "2001:db8::200/128"));
    facts.addresses.push(address(2, "2001:db8::200/128"));
    facts.gateways.insert("fe80::1".parse().unwrap());
    facts.listening.insert("[::]:80".parse().unwrap());
    let finding = only(&facts, "vip-on-nic");
    assert_eq!(finding.seen, "2001:db8::200 is on lo and on ens192");
    assert!(finding.why.contains("neighbour discovery"));
}

#[test]
fn a_director_that_serves_too_may_have_the_vip_on_both() {
    let mut facts = real_server();
    facts.addresses.push(address(2, "192.168.1.200/32"));
    facts.wire.as_mut().unwrap().heard.clear();
    facts.hears(53, 51, &[VIP]);
    facts.answers(VIP.into(), &[]);
    assert_eq!(ids(&facts), [""; 0], "it is master");
    facts.wire = None;
    facts.boot.running.insert("keepalived".to_owned());
    assert_eq!(ids(&facts), [""; 0], "keepalived moves it");
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
    tunnel.tunnel = true;
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
    assert_eq!(
        only(&facts, "script-beside").mend,
        "sed -i '3s/^/: # /' /etc/rc.local"
    );
    facts.boot.scripts = vec![script(Some("chmod +x /etc/rc.local"))];
    assert_eq!(ids(&facts), [""; 0], "the agent is there at the next boot");
    facts.boot.enabled.clear();
    let finding = only(&facts, "script-not-run");
    assert_eq!(
        finding.mend,
        "chmod +x /etc/rc.local; or mkdir -p /etc/lvsd && echo 'vips = [\"192.168.1.200\"]' \
         >/etc/lvsd/realserver.toml; systemctl enable --now lvsd-realserver instead"
    );
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
    facts.boot.settings = lines(&[line(1, 0)]);
    let finding = only(&facts, "sysctl-file");
    assert_eq!(
        finding.seen,
        "/etc/sysctl.conf:1: net.ipv4.conf.all.arp_ignore = 0"
    );
    facts.boot.settings = lines(&[line(1, 0), line(2, 1)]);
    assert_eq!(ids(&facts), [""; 0]);
    let mut director = master();
    director.boot.settings = lines(&[line(1, 0)]);
    assert_eq!(ids(&director), [""; 0], "it has nothing to hide");
}

fn lines(lines: &[Setting]) -> Settings {
    Settings {
        lines: lines.to_vec(),
        ..Settings::default()
    }
}

/// `/etc/sysctl.d/50.conf` with these settings, one a line.
fn file(settings: &[(&str, i32)]) -> Settings {
    let numbered = (1..).zip(settings);
    let settings: Vec<_> = numbered
        .map(|(number, (key, value))| Setting {
            place: format!("/etc/sysctl.d/50.conf:{number}"),
            key: format!("net.ipv4.conf.{key}"),
            value: *value,
        })
        .collect();
    lines(&settings)
}

#[test]
fn a_pattern_of_sysctl_d_undoes_what_it_is_of() {
    let mut facts = real_server();
    facts.boot.settings = file(&[("*.arp_announce", 0)]);
    assert_eq!(
        only(&facts, "sysctl-file").seen,
        "/etc/sysctl.d/50.conf:1: net.ipv4.conf.*.arp_announce = 0"
    );
    facts.boot.settings = file(&[("all.arp_announce", 2), ("*.arp_announce", 0)]);
    assert_eq!(ids(&facts), [""; 0], "the name wins, and the larger counts");
    facts.boot.settings = file(&[("*.arp_announce", 0)]);
    let spared = "net.ipv4.conf.all.arp_announce".to_owned();
    facts.boot.settings.spared.insert(spared);
    assert_eq!(ids(&facts), [""; 0], "all is left alone");
}

#[test]
fn a_line_for_one_interface_does_harm_by_being_larger_than_right() {
    let mut facts = real_server();
    for harmless in ["lo.arp_ignore", "default.arp_ignore", "eth9.arp_ignore"] {
        facts.boot.settings = file(&[(harmless, 3)]);
        assert_eq!(ids(&facts), [""; 0], "{harmless}");
    }
    facts.boot.settings = file(&[("ens192.arp_ignore", 0)]);
    assert_eq!(ids(&facts), [""; 0]);
    facts.boot.settings = file(&[("all.arp_ignore", 1), ("ens192.arp_ignore", 3)]);
    let finding = only(&facts, "sysctl-file");
    assert_eq!(
        finding.seen,
        "/etc/sysctl.d/50.conf:2: net.ipv4.conf.ens192.arp_ignore = 3"
    );
    facts.boot.settings = file(&[("all.arp_ignore", 0), ("ens192.arp_ignore", 1)]);
    assert_eq!(ids(&facts), [""; 0], "each interface is right by itself");
}

#[test]
fn a_line_that_has_a_tunnel_filtered_strictly_is_told() {
    let mut facts = real_server();
    let mut tunnel = facts.links[0].clone();
    tunnel.name = "tunl0".to_owned();
    tunnel.tunnel = true;
    tunnel.index = 3;
    tunnel.loopback = false;
    facts.set("net.ipv4.conf.tunl0.rp_filter", 0);
    facts.boot.settings = file(&[("all.rp_filter", 1)]);
    assert_eq!(ids(&facts), [""; 0], "without a tunnel");
    facts.links.push(tunnel);
    let finding = only(&facts, "sysctl-file");
    assert!(
        finding
            .mend
            .starts_with("write net.ipv4.conf.all.rp_filter = 2 ")
    );
    facts.set("net.ipv4.conf.tunl0.rp_filter", 2);
    assert_eq!(ids(&facts), [""; 0], "the larger counts");
    facts.boot.settings = file(&[("all.rp_filter", 1), ("tunl0.rp_filter", 1)]);
    assert_eq!(
        only(&facts, "sysctl-file").seen,
        "/etc/sysctl.d/50.conf:2: net.ipv4.conf.tunl0.rp_filter = 1"
    );
}
