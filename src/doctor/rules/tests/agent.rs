//! Agents: drained, killed; and addresses on `lo` that are no VIPs.

use super::*;
use crate::config::realserver::RealServerConfig;
use crate::doctor::Severity;
use crate::doctor::facts::tests::address;
use crate::doctor::firewall::iptables;
use crate::status::realserver::State;
use crate::status::realserver::tests::status;
use crate::sys::link::Link;

fn with_file(mut facts: Facts) -> Facts {
    let text = "vips = ['192.168.1.200']\n";
    let file = RealServerConfig::parse("realserver.toml".as_ref(), text, &[]).unwrap();
    facts.realserver_config = Some(file);
    facts
}

#[test]
fn a_lonely_host_address_on_lo_is_a_router_id_and_no_vip() {
    let mut router = host(9);
    router.addresses.push(address(1, "10.255.0.1/32"));
    assert_eq!(ids(&router), [""; 0]);
    assert_eq!(router.roles(), []);
    let mut director = master();
    director.addresses.push(address(1, "10.255.0.1/32"));
    director.set("net.ipv4.conf.all.arp_ignore", 1);
    assert_eq!(ids(&director), [""; 0]);
    assert_eq!(director.roles(), [crate::doctor::finding::Role::Director]);
}

#[test]
fn anything_that_says_so_makes_it_a_vip() {
    let leaks = |facts: &Facts| ids(facts).contains(&"arp-answers");
    let mut lonely = host(53);
    lonely.addresses.push(address(1, "10.255.0.1/32"));
    assert!(!leaks(&lonely));
    let mut alias = lonely.clone();
    alias.addresses.last_mut().unwrap().label = Some("lo:0".to_owned());
    assert!(leaks(&alias));
    alias.addresses.last_mut().unwrap().label = Some("lo".to_owned());
    assert!(!leaks(&alias), "the label that every address has");
    let mut quiet = lonely.clone();
    quiet.set("net.ipv4.conf.ens192.arp_announce", 2);
    assert!(leaks(&quiet));
    let mut heard = lonely.clone();
    heard.wire = Some(crate::doctor::facts::Wire::default());
    heard.hears(51, 51, &[[10, 255, 0, 1]]);
    assert!(leaks(&heard));
    let mut of_lan = host(53);
    of_lan.addresses.push(address(1, "192.168.1.200/32"));
    assert!(leaks(&of_lan));
    let mut wanted = with_file(lonely);
    wanted.addresses.last_mut().unwrap().address = "10.255.0.1/32".parse().unwrap();
    let text = "vips = ['10.255.0.1']\n";
    let file = RealServerConfig::parse("realserver.toml".as_ref(), text, &[]).unwrap();
    wanted.realserver_config = Some(file);
    assert!(leaks(&wanted));
}

#[test]
fn a_drained_host_is_told_and_has_no_fault() {
    let mut facts = with_file(host(53));
    assert_eq!(ids(&facts), ["vip-missing"]);
    let mut agent = status();
    agent.vips.truncate(1);
    agent.state = State::Drained;
    facts.agent = Some(agent);
    let finding = only(&facts, "drained");
    assert_eq!(finding.severity, Severity::Note);
    assert!(!examine(&facts).is_broken());
    assert!(finding.mend.starts_with("`lvsd realserver undrain`"));
    facts.agent.as_mut().unwrap().state = State::NotReady;
    assert_eq!(ids(&facts), ["vip-missing"]);
    facts.agent = None;
    facts.drained = true;
    let finding = only(&facts, "drained");
    assert!(finding.mend.starts_with("`systemctl start"), "{finding:?}");
}

#[test]
fn an_agent_that_was_to_run_and_does_not_is_told() {
    let mut facts = with_file(real_server());
    facts.agent_down = true;
    assert_eq!(ids(&facts), [""; 0], "a file alone, as for --one-shot");
    facts.agent_died = true;
    assert!(only(&facts, "agent-not-running").seen.ends_with("killed"));
    facts.agent_died = false;
    facts
        .boot
        .enabled
        .insert("lvsd-realserver.service".to_owned());
    let finding = only(&facts, "agent-not-running");
    assert!(finding.seen.ends_with("does not run now"));
    assert_eq!(finding.severity, Severity::Warning);
    facts.agent_down = false;
    assert_eq!(ids(&facts), [""; 0], "it may not be asked");
    facts.agent_down = true;
    facts.addresses.pop();
    assert_eq!(ids(&facts), ["vip-missing"], "which has the same mend");
}

/// A real server whose VIP is on an interface of that kind, beside `lo`.
fn on(name: &str, kind: impl Fn(&mut Link)) -> Facts {
    let mut facts = real_server();
    let mut link = Link {
        noarp: true,
        ..Link::working(3, name)
    };
    kind(&mut link);
    facts.links.push(link);
    facts.addresses.last_mut().unwrap().link = 3;
    facts.set(&format!("net.ipv4.conf.{name}.rp_filter"), 0);
    facts
}

#[test]
fn a_vip_on_a_dummy_or_a_tunnel_is_one_on_lo() {
    for mut facts in [
        on("vips", |link| link.dummy = true),
        on("mytun", |link| link.tunnel = true),
    ] {
        assert_eq!(ids(&facts), [""; 0]);
        assert_eq!(facts.roles(), [crate::doctor::finding::Role::RealServer]);
        facts.set("net.ipv4.conf.all.arp_ignore", 0);
        only(&facts, "arp-answers");
        facts.set("net.ipv4.conf.all.arp_ignore", 1);
        facts.gateways.clear();
        let seen = only(&facts, "no-default-route").seen;
        assert!(!seen.contains(" lo,"), "{seen}");
    }
    let mut other = on("veth1", |_| ());
    other.set("net.ipv4.conf.all.arp_ignore", 0);
    assert_eq!(other.roles(), []);
}

#[test]
fn a_tunnel_is_one_by_its_kind() {
    let mut facts = on("mytun", |link| link.tunnel = true);
    facts.set("net.ipv4.conf.mytun.rp_filter", 1);
    only(&facts, "tunnel-rp-filter");
    facts.addresses.last_mut().unwrap().link = 1;
    only(&facts, "tunnel-rp-filter");
    facts.addresses.push(address(3, "10.9.9.1/30"));
    assert_eq!(ids(&facts), [""; 0], "a way to another site");
}

#[test]
fn addresses_of_tunnels_and_dummies_that_no_lan_knows_are_no_vips() {
    let mut facts = host(9);
    let tunnel = Link {
        noarp: true,
        tunnel: true,
        ..Link::working(3, "gre1")
    };
    facts.links.push(tunnel);
    facts.addresses.push(address(3, "10.9.9.1/30"));
    facts.addresses.push(address(3, "10.255.0.1/32"));
    assert_eq!(ids(&facts), [""; 0]);
    assert_eq!(facts.roles(), []);
}

#[test]
fn a_vip_that_a_master_tells_of_is_missed_where_somebody_made_a_real_server() {
    let mut facts = real_server();
    facts.addresses.pop();
    let finding = only(&facts, "vip-missing");
    assert_eq!(finding.severity, Severity::Warning);
    assert_eq!(
        finding.seen,
        "a director tells of 192.168.1.200, which is not on lo, and arp_ignore and arp_announce \
         are set as on a real server"
    );
    let mut other = facts.clone();
    other.addresses.push(address(1, "192.168.1.201/32"));
    assert_eq!(ids(&other), [""; 0], "it serves another site");
    facts.set("net.ipv4.conf.all.arp_announce", 0);
    assert_eq!(ids(&facts), [""; 0], "any host of the LAN");
    assert_eq!(ids(&backup()), [""; 0]);
}

#[test]
fn a_port_that_is_let_through_at_the_rip_alone_is_told_without_a_file() {
    let rules = |text: &str| {
        let policy = "*filter\n:INPUT ACCEPT [0:0]\n";
        iptables::parse(&format!("{policy}{text}COMMIT\n"))
    };
    let mut facts = real_server();
    facts.firewall = rules("-A INPUT -p tcp -d 192.168.1.200 --dport 80 -j DROP\n");
    assert_eq!(only(&facts, "service-blocked").severity, Severity::Broken);
    facts.listening.insert("0.0.0.0:443".parse().unwrap());
    let finding = only(&facts, "service-blocked");
    assert_eq!(finding.severity, Severity::Warning, "perhaps meant so");
    facts.firewall = rules("-A INPUT -p tcp --dport 443 -j DROP\n");
    assert_eq!(ids(&facts), [""; 0], "nor is it let through at the RIP");
    let accept = "-A INPUT -p tcp -d 192.168.1.53 --dport 80 -j ACCEPT\n";
    facts.firewall = rules(&format!("{accept}-A INPUT -p tcp -j DROP\n"));
    assert_eq!(only(&facts, "service-blocked").severity, Severity::Broken);
}
