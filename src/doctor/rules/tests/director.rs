//! Directors: table, forwarding, connections, limits.

use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::config::director::DirectorConfig;
use crate::doctor::Severity;
use crate::doctor::facts::tests::{address, ip, virtual_server};
use crate::doctor::facts::{Count, Flow, Ipvs};
use crate::ipvs::table::Persistence;
use crate::lvs::{Family, Forwarding, Protocol, Weight};
use crate::status::director::tests::example;
use crate::sys::hop::Hop;

fn file(text: &str) -> Option<DirectorConfig> {
    Some(DirectorConfig::parse("director.toml".as_ref(), text).unwrap())
}

const SERVER: &str =
    "[[virtual_server]]\naddress = '192.168.1.200:80'\nreal_servers = ['192.168.1.53']\n";

#[test]
fn a_file_with_virtual_servers_needs_the_module() {
    let mut facts = host(51);
    facts.director_config = file(SERVER);
    assert!(only(&facts, "ipvs-missing").mend.starts_with("install "));
    facts.boot.has_ip_vs = true;
    assert!(
        only(&facts, "ipvs-missing")
            .mend
            .starts_with("modprobe ip_vs")
    );
    facts.ipvs = Ipvs::Unseen;
    assert_eq!(ids(&facts), [""; 0]);
    let mut facts = host(51);
    facts.boot.keepalived_routes = true;
    assert_eq!(ids(&facts), [""; 0], "VRRP alone needs none");
    facts.boot.keepalived_balances = true;
    assert_eq!(ids(&facts), ["ipvs-missing"]);
}

#[test]
fn a_refused_file_is_told_with_its_first_mistake() {
    let mut facts = host(51);
    let error = "director.toml:3: scheduler = \"wrrr\": unknown scheduler".to_owned();
    facts.refused_files = vec![("/etc/lvsd/director.toml".to_owned(), error.clone())];
    let finding = only(&facts, "config-refused");
    assert_eq!(finding.seen, error);
}

#[test]
fn nat_needs_forwarding() {
    let mut facts = master();
    facts.rs_mut(53).real_server.forwarding = Forwarding::Nat;
    facts.rs_mut(53).counters.packets_in = 10;
    assert_eq!(only(&facts, "ip-forward-off").severity, Severity::Broken);
    facts.set("net.ipv4.ip_forward", 1);
    let finding = only(&facts, "nat-gateway");
    assert_eq!(
        finding.seen,
        "192.168.1.53:80 got 10 packets of tcp 192.168.1.200:80, and none came back through this \
         host"
    );
    assert!(
        finding.mend.contains("default via 192.168.1.51,"),
        "{}",
        finding.mend
    );
    facts.rs_mut(53).counters.packets_out = 1;
    assert_eq!(ids(&facts), [""; 0]);
    facts.rs_mut(53).counters.packets_in = 1;
    facts.rs_mut(53).counters.packets_out = 0;
    assert_eq!(ids(&facts), [""; 0], "too early to tell");
}

#[test]
fn a_direct_real_server_is_on_the_lan() {
    let mut facts = master();
    let behind = Hop {
        gateway: Some(ip(1)),
        link: Some(2),
        local: false,
        source: None,
    };
    facts.routes.insert(ip(54), Some(behind));
    assert_eq!(
        only(&facts, "real-server-elsewhere").seen,
        "192.168.1.54:80 of tcp 192.168.1.200:80 is reached through 192.168.1.1, and not on a \
         LAN of this host"
    );
    facts.routes.insert(ip(54), None);
    assert!(
        only(&facts, "real-server-elsewhere")
            .seen
            .contains("there is no route")
    );
    facts.rs_mut(54).real_server.forwarding = Forwarding::IPIP;
    assert_eq!(ids(&facts), [""; 0]);
}

#[test]
fn ports_differ_under_nat_only() {
    let mut facts = master();
    let server = *facts.rs_mut(53);
    let rip = SocketAddr::new(ip(53), 8080);
    facts.server_mut().pool_mut().insert(rip, server);
    assert_eq!(
        only(&facts, "port-differs").seen,
        "192.168.1.53:8080 of tcp 192.168.1.200:80 is forwarded by dr"
    );
    let server = facts.server_mut().pool_mut().get_mut(&rip).unwrap();
    server.real_server.forwarding = Forwarding::Nat;
    facts.set("net.ipv4.ip_forward", 1);
    assert_eq!(ids(&facts), [""; 0]);
    let vip = "192.168.1.200:80".parse().unwrap();
    facts.boot.keepalived_maps = vec![(vip, rip)];
    assert!(
        only(&facts, "port-differs")
            .seen
            .starts_with("keepalived.conf has")
    );
}

#[test]
fn a_virtual_server_without_weight_serves_nobody() {
    let mut facts = master();
    facts.rs_mut(53).real_server.weight = Weight::ZERO;
    assert_eq!(ids(&facts), [""; 0]);
    facts.rs_mut(54).real_server.weight = Weight::ZERO;
    assert!(
        only(&facts, "no-real-server")
            .seen
            .starts_with("each of the 2 real servers")
    );
    facts.server_mut().pool_mut().retain(|_, _| false);
    assert_eq!(
        only(&facts, "no-real-server").seen,
        "tcp 192.168.1.200:80 has no real server"
    );
}

fn count(facts: &mut Facts, last: u8, established: u64, unanswered: u64) {
    let flow = Flow {
        protocol: Protocol::Tcp,
        virtual_address: "192.168.1.200:80".parse().unwrap(),
        real_server: SocketAddr::new(ip(last), 80),
    };
    let count = Count {
        established,
        unanswered,
        ..Count::default()
    };
    facts.kernel_mut().flows.insert(flow, count);
}

#[test]
fn handshakes_that_pile_up_name_their_real_server() {
    let mut facts = master();
    count(&mut facts, 53, 40, 2);
    count(&mut facts, 54, 1, 7);
    let finding = only(&facts, "syn-recv");
    assert_eq!(
        finding.seen,
        "7 of 8 connections of tcp 192.168.1.200:80 to 192.168.1.54:80 are in SYN_RECV without \
         an answer"
    );
    assert_eq!(finding.mend, "run `lvsd doctor` on 192.168.1.54");
    count(&mut facts, 54, 0, 2);
    assert_eq!(ids(&facts), [""; 0], "too few to tell");
    count(&mut facts, 54, 9, 8);
    assert_eq!(ids(&facts), [""; 0], "most are answered");
    count(&mut facts, 53, 0, 9);
    count(&mut facts, 54, 0, 9);
    assert_eq!(ids(&facts), ["syn-recv", "syn-recv"]);
}

#[test]
fn a_real_server_that_answers_again_is_accused_no_more() {
    let mut facts = master();
    for (since, waiting, accused) in [(0, 0, true), (1, 0, false), (1, 1, true), (4, 1, false)] {
        count(&mut facts, 54, 5, 7);
        let flows = facts.kernel_mut().flows.values_mut();
        flows.for_each(|it| (it.since, it.waiting) = (since, waiting));
        assert_eq!(ids(&facts).is_empty(), !accused, "{since} {waiting}");
    }
}

#[test]
fn a_nat_server_without_a_way_back_is_told_once() {
    let mut facts = master();
    facts.set("net.ipv4.ip_forward", 1);
    facts.rs_mut(54).real_server.forwarding = Forwarding::Nat;
    facts.rs_mut(54).counters.packets_in = 9;
    count(&mut facts, 54, 0, 9);
    assert_eq!(ids(&facts), ["nat-gateway"]);
}

#[test]
fn timeouts_that_somebody_shortened_are_compared() {
    let mut facts = master();
    let timeouts = |facts: &mut Facts, tcp, fin| {
        facts.kernel_mut().timeouts.tcp = Duration::from_secs(tcp);
        facts.kernel_mut().timeouts.tcp_fin = Duration::from_secs(fin);
    };
    let hour = Persistence::of_clients(Duration::from_secs(3_600), Family::Ipv4);
    facts.server_mut().settings.persistence = Some(hour);
    assert_eq!(
        ids(&facts),
        [""; 0],
        "the kernel's 900 s are nobody's choice"
    );
    timeouts(&mut facts, 1, 10);
    let finding = only(&facts, "timeouts-disagree");
    assert_eq!(
        finding.seen,
        "established TCP connections are forgotten after 1 s, while tcp 192.168.1.200:80 keeps \
         its clients for 3600 s"
    );
    assert_eq!(finding.severity, Severity::Warning);
    facts.set("net.ipv4.ip_forward", 1);
    facts.rs_mut(53).real_server.forwarding = Forwarding::Nat;
    assert_eq!(only(&facts, "timeouts-disagree").severity, Severity::Broken);
    facts.server_mut().settings.persistence = None;
    assert!(
        only(&facts, "timeouts-disagree")
            .seen
            .ends_with("those that are over after 10 s")
    );
    timeouts(&mut facts, 300, 10);
    assert_eq!(ids(&facts), [""; 0]);
}

#[test]
fn a_connection_table_is_as_asked_for_and_not_crowded() {
    let mut facts = master();
    facts.boot.conn_tab_bits = Some(20);
    assert_eq!(
        only(&facts, "connection-table-small").seen,
        "conn_tab_bits = 20 is asked for, and the connection table has 4096 buckets: the module \
         was loaded before it was asked"
    );
    facts.boot.conn_tab_bits = Some(12);
    assert_eq!(ids(&facts), [""; 0]);
    facts.rs_mut(53).inactive_connections = 16_384;
    assert_eq!(ids(&facts), [""; 0]);
    facts.rs_mut(54).active_connections = 1;
    let finding = only(&facts, "connection-table-small");
    assert!(
        finding.mend.contains("conn_tab_bits=15'"),
        "{}",
        finding.mend
    );
}

#[test]
fn full_tables_of_the_host_are_told_before_they_overflow() {
    let mut facts = master();
    facts.conntrack = Some((58_981, 65_536));
    assert_eq!(ids(&facts), [""; 0]);
    facts.conntrack = Some((58_983, 65_536));
    assert_eq!(ids(&facts), ["conntrack-full"]);
    facts.conntrack = None;
    facts.neighbours = Some((1_024, 1_024));
    assert_eq!(ids(&facts), ["neighbours-full"]);
    facts.neighbours = Some((1, 0));
    assert_eq!(ids(&facts), [""; 0]);
}

#[test]
fn a_processor_that_is_away_for_an_advert_interval_is_told() {
    let mut facts = master();
    facts.stall = Some(Duration::from_millis(999));
    assert_eq!(ids(&facts), [""; 0]);
    facts.stall = Some(Duration::from_millis(1_000));
    assert_eq!(
        only(&facts, "stalled").seen,
        "this command was kept from running for 1.0s"
    );
    let mut real_server = real_server();
    real_server.stall = facts.stall;
    assert_eq!(ids(&real_server), [""; 0], "it has no VRRP");
}

#[test]
fn keepalived_beside_lvsd_is_broken_when_it_runs() {
    let mut facts = master();
    facts.boot.enabled.insert("keepalived.service".to_owned());
    facts.boot.keepalived_routes = true;
    assert_eq!(ids(&facts), [""; 0], "it is the director here");
    facts
        .boot
        .enabled
        .insert("lvsd-director.service".to_owned());
    assert_eq!(
        only(&facts, "keepalived-beside").severity,
        Severity::Warning
    );
    facts.boot.running.insert("keepalived".to_owned());
    assert_eq!(only(&facts, "keepalived-beside").severity, Severity::Broken);
}

#[test]
fn a_line_that_turns_forwarding_off_matters_to_nat() {
    let mut facts = master();
    facts.boot.settings.lines = vec![crate::doctor::facts::Setting {
        place: "/etc/sysctl.conf:4".to_owned(),
        key: "net.ipv4.ip_forward".to_owned(),
        value: 0,
    }];
    assert_eq!(ids(&facts), [""; 0]);
    facts.set("net.ipv4.ip_forward", 1);
    facts.rs_mut(53).real_server.forwarding = Forwarding::Nat;
    assert_eq!(
        only(&facts, "sysctl-file").seen,
        "/etc/sysctl.conf:4: net.ipv4.ip_forward = 0"
    );
}

#[test]
fn a_virtual_server_of_the_file_is_known_by_its_vip() {
    let mut facts = host(51);
    facts.director_config = file(SERVER);
    facts.ipvs = Ipvs::Unseen;
    facts.wire = Some(crate::doctor::facts::Wire::default());
    facts.answers(virtual_server().vip().unwrap(), &[]);
    assert_eq!(ids(&facts), ["vip-unheld"]);
    facts.addresses.push(address(2, "192.168.1.200/32"));
    assert_eq!(ids(&facts), [""; 0]);
}

#[test]
fn a_director_that_was_late_by_three_adverts_is_told() {
    let mut facts = backup();
    facts.director = Some(Box::new(example()));
    assert_eq!(ids(&facts), [""; 0]);
    facts.director.as_mut().unwrap().vrrp[0].worst_lateness_us = 3_000_000;
    assert_eq!(
        only(&facts, "stalled").seen,
        "lvsd was 3.0s late for an advert of VI_1, once since its start"
    );
}

#[test]
fn a_vip_that_somebody_put_on_a_backup_is_told_with_its_mend() {
    let mut facts = backup();
    let mut status = example();
    status.vrrp[0].holdings = vec![crate::status::director::Holding {
        kind: "address".to_owned(),
        name: "192.168.1.200/32 on ens192".to_owned(),
        state: "foreign".to_owned(),
    }];
    facts.director = Some(Box::new(status));
    assert_eq!(ids(&facts), [""; 0], "gone since it was asked");
    facts.addresses.push(address(2, "192.168.1.200/24"));
    let finding = only(&facts, "vip-on-backup");
    assert_eq!(
        finding.seen,
        "192.168.1.200/24 is on ens192, and VI_1 is backup here"
    );
    assert_eq!(
        finding.mend,
        "ip addr del 192.168.1.200/24 dev ens192; if it comes back, rc.local or the file of the \
         interface puts it there"
    );
}

/// Nothing of lvsd runs: its table, and its adverts' absence, say what it is.
#[test]
fn a_vip_that_was_left_on_a_host_that_hears_the_master_is_told() {
    let mut facts = backup();
    facts.addresses.push(address(2, "192.168.1.200/32"));
    let finding = only(&facts, "vip-on-backup");
    assert_eq!(
        finding.seen,
        "192.168.1.200/32 is on ens192, and 192.168.1.51 (priority 100) is master of virtual \
         router 51"
    );
    assert!(
        finding
            .mend
            .starts_with("ip addr del 192.168.1.200/32 dev ens192; ")
    );
    facts.director_config = file(
        "[[vrrp]]\nname = 'VI_1'\ninterface = 'ens192'\nvirtual_router_id = 51\n\
         virtual_addresses = ['192.168.1.200']\n",
    );
    assert_eq!(
        ids(&facts),
        ["vip-on-backup"],
        "killed, and not started again"
    );
    facts.ipvs = Ipvs::Absent;
    facts.director_config = None;
    assert_eq!(ids(&facts), ["vip-on-backup"], "a host without any table");
    facts.director = Some(Box::new(example()));
    assert_eq!(ids(&facts), [""; 0], "lvsd itself is about to take it off");
}

#[test]
fn an_address_that_leads_its_network_goes_without_the_others() {
    let mut facts = backup();
    let mut own = facts.addresses.pop().unwrap();
    own.secondary = true;
    facts.addresses.push(address(2, "192.168.1.200/24"));
    facts.addresses.push(own);
    let mend = only(&facts, "vip-on-backup").mend;
    assert!(
        mend.starts_with(
            "sysctl -w net.ipv4.conf.ens192.promote_secondaries=1; ip addr del \
             192.168.1.200/24 dev ens192; "
        ),
        "{mend}"
    );
}
