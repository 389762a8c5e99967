//! VRRP and the VIP.

use std::time::Duration;

use super::*;
use crate::config::director::DirectorConfig;
use crate::doctor::Severity;
use crate::doctor::facts::tests::{VIP, address, ip};
use crate::doctor::firewall::iptables;
use crate::status::director::tests::example;
use crate::vrrp::Version as VrrpVersion;

/// An iptables that lets nothing in but what it names.
pub(super) fn closed(rules: &str) -> crate::doctor::firewall::Ruleset {
    let text = format!("*filter\n:INPUT DROP [42:1680]\n:OUTPUT ACCEPT [0:0]\n{rules}COMMIT\n");
    iptables::parse(&text)
}

pub(super) const SERVICE: &str = "[0:0] -A INPUT -p tcp --dport 80 -j ACCEPT\n";

#[test]
fn adverts_that_a_packet_filter_drops_are_told_with_the_rule() {
    let mut facts = master();
    facts.firewall = closed(&format!("{SERVICE}[42:1680] -A INPUT -p vrrp -j DROP\n"));
    let finding = only(&facts, "vrrp-blocked");
    assert_eq!(
        finding.seen,
        "adverts that come in on ens192 are dropped by `iptables -A INPUT -p vrrp -j DROP`, \
         42 packets so far"
    );
    assert!(
        finding
            .mend
            .starts_with("iptables -I INPUT -i ens192 -p 112 -j ACCEPT; ")
    );
    facts.firewall = closed(SERVICE);
    assert!(
        only(&facts, "vrrp-blocked")
            .seen
            .contains("the policy of chain INPUT")
    );
    facts.boot.enabled.insert("firewalld.service".to_owned());
    assert_eq!(
        only(&facts, "vrrp-blocked").mend,
        "firewall-cmd --permanent --add-rich-rule='rule protocol value=\"vrrp\" accept'; \
         firewall-cmd --reload"
    );
    facts.boot.enabled.clear();
    let accept = format!("{SERVICE}[0:0] -A INPUT -p vrrp -j ACCEPT\n");
    facts.firewall = closed(&format!(
        "{accept}[0:0] -A OUTPUT -d 224.0.0.0/24 -j DROP\n"
    ));
    assert!(
        only(&facts, "vrrp-blocked")
            .mend
            .contains("-I OUTPUT -o ens192")
    );
    facts.firewall = closed(&accept);
    assert_eq!(ids(&facts), [""; 0]);
}

#[test]
fn adverts_between_peers_are_asked_for_by_their_addresses() {
    let text = "[[vrrp]]\nname = 'VI_1'\ninterface = 'ens192'\nvirtual_router_id = 51\n\
                source_address = '192.168.1.51'\nunicast_peers = ['192.168.1.52']\n\
                virtual_addresses = ['192.168.1.200']\n";
    let mut facts = master();
    facts.director_config = Some(DirectorConfig::parse("x".as_ref(), text).unwrap());
    let rules = |rule: &str| iptables::parse(&format!("*filter\n:INPUT ACCEPT [0:0]\n{rule}\n"));
    facts.firewall = rules("-A INPUT -d 224.0.0.0/4 -j DROP");
    assert_eq!(ids(&facts), [""; 0]);
    facts.firewall = rules("-A INPUT -p vrrp -d 192.168.1.51 -j DROP");
    assert_eq!(ids(&facts), ["vrrp-blocked"]);
    facts.firewall = rules(":OUTPUT ACCEPT [0:0]\n-A OUTPUT -p vrrp -d 192.168.1.52 -j DROP");
    assert_eq!(ids(&facts), ["vrrp-blocked"]);
}

#[test]
fn a_host_without_vrrp_may_drop_adverts() {
    let mut facts = real_server();
    facts.firewall = closed("");
    assert_eq!(ids(&facts), [""; 0]);
    facts.boot.running.insert("keepalived".to_owned());
    facts.keeps_out();
    assert_eq!(ids(&facts), ["vrrp-blocked"]);
}

#[test]
fn two_masters_are_one_finding_and_no_vip_that_two_hosts_hold() {
    let mut facts = master();
    facts.hears(52, 51, &[VIP]);
    facts.answers(VIP.into(), &[52]);
    let finding = only(&facts, "two-masters");
    assert_eq!(
        finding.seen,
        "192.168.1.200 on ens192 has the masters 192.168.1.51 (priority 100, this host) and \
         192.168.1.52 (priority 100)"
    );
    assert!(finding.mend.starts_with("run `lvsd doctor` on the other"));
    facts.keeps_out();
    facts.firewall = closed(SERVICE);
    assert_eq!(ids(&facts), ["vrrp-blocked"], "which explains both");
}

#[test]
fn what_the_files_of_two_masters_differ_in_is_told() {
    let pass = |text: &str| VrrpVersion::V2 {
        auth: Some(text.try_into().unwrap()),
    };
    let second = Duration::from_secs(1);
    let cases = [
        (51, VrrpVersion::V3, second, "their VRRP version is 2 and 3"),
        (
            51,
            pass("1112"),
            second,
            "their passwords (auth_pass) differ",
        ),
        (
            51,
            pass("1111"),
            second * 5,
            "their advert interval is 1 s and 5 s",
        ),
        (
            52,
            pass("1111"),
            second,
            "their virtual_router_id is 51 and 52",
        ),
    ];
    for (vrid, version, interval, difference) in cases {
        let mut facts = master();
        facts.hears(52, vrid, &[VIP]);
        facts.answers(VIP.into(), &[52]);
        let heard = &mut facts.wire.as_mut().unwrap().heard;
        heard[0].advert.version = pass("1111");
        heard[1].advert.version = version;
        heard[1].advert.interval = interval;
        let finding = only(&facts, "two-masters");
        assert!(
            finding.seen.ends_with(&format!("; {difference}")),
            "{finding:?}"
        );
        assert!(finding.mend.starts_with("give both files the same"));
    }
}

#[test]
fn one_master_after_the_other_is_a_failover() {
    let mut facts = backup();
    facts.hears(52, 51, &[VIP]);
    let heard = &mut facts.wire.as_mut().unwrap().heard;
    heard[0].last = Duration::from_millis(1_300);
    heard[1].first = Duration::from_millis(1_400);
    assert_eq!(ids(&facts), [""; 0]);
    let heard = &mut facts.wire.as_mut().unwrap().heard;
    heard[1].first = Duration::from_millis(1_200);
    assert_eq!(ids(&facts), ["two-masters"]);
    facts.wire.as_mut().unwrap().heard[1].advert.priority = 0;
    assert_eq!(ids(&facts), [""; 0], "it resigns");
}

#[test]
fn other_peoples_virtual_routers_are_no_matter_unless_they_have_our_number() {
    let mut facts = master();
    facts.hears(7, 52, &[[192, 168, 1, 7]]);
    facts.hears(8, 52, &[[192, 168, 1, 7]]);
    assert_eq!(ids(&facts), [""; 0]);
    facts.hears(9, 51, &[[192, 168, 1, 9]]);
    let finding = only(&facts, "vrid-foreign");
    assert_eq!(
        finding.seen,
        "192.168.1.9 uses virtual_router_id 51 on ens192 for 192.168.1.9, as this site does for \
         its VIP"
    );
    assert!(finding.mend.starts_with("virtual_router_id = 1 "));
}

#[test]
fn a_vip_that_nobody_has_is_told_on_either_side() {
    let mut facts = backup();
    facts.wire.as_mut().unwrap().heard.clear();
    facts.answers(VIP.into(), &[]);
    assert_eq!(
        only(&facts, "vip-unheld").seen,
        "nobody on ens192 has 192.168.1.200"
    );
    let mut facts = real_server();
    facts.answers(VIP.into(), &[]);
    assert!(
        only(&facts, "vip-unheld")
            .mend
            .starts_with("on a director: `lvsd doctor`")
    );
    facts.wire = None;
    assert_eq!(ids(&facts), [""; 0], "nobody was asked");
}

/// What has the VIP held is another thing on each kind of director.
#[test]
fn what_gives_a_vip_a_holder_is_told_by_what_the_director_is() {
    let mut facts = backup();
    facts.wire.as_mut().unwrap().heard.clear();
    facts.answers(VIP.into(), &[]);
    let mend = |facts: &Facts| only(facts, "vip-unheld").mend;
    assert_eq!(mend(&facts), "ip addr add 192.168.1.200/32 dev ens192");
    facts.ipvs = crate::doctor::facts::Ipvs::Unseen;
    assert_eq!(ids(&facts), [""; 0], "nobody here knows of a VIP");
    facts.boot.keepalived_vips = [VIP.into()].into();
    facts.boot.keepalived_routes = true;
    assert_eq!(mend(&facts), "systemctl enable --now keepalived");
    facts.boot.running.insert("keepalived".to_owned());
    assert!(mend(&facts).contains("its log says why"));
    let text =
        "[[virtual_server]]\naddress = '192.168.1.200:80'\nreal_servers = ['192.168.1.53']\n";
    facts.director_config = Some(DirectorConfig::parse("x".as_ref(), text).unwrap());
    facts.boot.running.clear();
    assert!(mend(&facts).starts_with("systemctl enable --now lvsd-director;"));
    facts.director = Some(Box::new(example()));
    assert!(mend(&facts).contains("`lvsd status` says why this one is not"));
}

#[test]
fn nobody_holds_the_vip_during_an_election() {
    let mut facts = backup();
    facts.wire.as_mut().unwrap().heard.clear();
    facts.answers(VIP.into(), &[]);
    facts.director = Some(Box::new(example()));
    assert_eq!(ids(&facts), ["vip-unheld"], "for two hours");
    let status = facts.director.as_mut().unwrap();
    status.vrrp[0].since = status.now - jiff::SignedDuration::from_secs(4);
    assert_eq!(ids(&facts), [""; 0]);
}

#[test]
fn a_second_holder_is_named() {
    let mut facts = master();
    facts.answers(VIP.into(), &[54]);
    let finding = only(&facts, "vip-duplicate");
    assert_eq!(
        finding.seen,
        "192.168.1.200 is held by this host (ens192) and 192.168.1.54 (02:00:c0:a8:01:36)"
    );
    assert!(
        finding
            .mend
            .starts_with("on 192.168.1.54 (02:00:c0:a8:01:36): ")
    );
    let here = "here `ip addr del 192.168.1.200/32 dev ens192` takes it off";
    assert!(finding.mend.contains(here), "{finding:?}");
    facts.boot.running.insert("keepalived".to_owned());
    let finding = only(&facts, "vip-duplicate");
    assert!(
        finding
            .mend
            .ends_with("find out why it is not heard: `lvsd doctor` there")
    );
    let mut facts = backup();
    facts.answers(VIP.into(), &[51, 54]);
    assert!(
        only(&facts, "vip-duplicate")
            .mend
            .starts_with("on 192.168.1.54 ")
    );
    let stations = facts.wire.as_mut().unwrap().answers.values_mut();
    stations.flatten().for_each(|(mac, count)| {
        if mac[5] == 54 {
            *count = 1;
        }
    });
    assert_eq!(ids(&facts), [""; 0], "once is somebody who lets go");
}

#[test]
fn a_director_in_its_own_pool_is_broken_while_it_is_backup() {
    let pair = |mut facts: Facts, last: u8| {
        let server = *facts.rs_mut(53);
        let rip = std::net::SocketAddr::new(ip(last), 80);
        facts.server_mut().pool_mut().insert(rip, server);
        facts.addresses.push(address(1, "192.168.1.200/32"));
        facts.set("net.ipv4.conf.all.arp_ignore", 1);
        facts.set("net.ipv4.conf.all.arp_announce", 2);
        facts.listening = ["0.0.0.0:80".parse().unwrap()].into();
        facts
    };
    let finding = only(&pair(backup(), 52), "director-in-pool");
    assert_eq!(finding.severity, Severity::Broken);
    assert!(
        finding
            .seen
            .ends_with("so what the master sends it is balanced again")
    );
    let mut by_lvsd = pair(backup(), 52);
    by_lvsd.director = Some(Box::new(example()));
    assert_eq!(ids(&by_lvsd), [""; 0]);
    let finding = only(&pair(master(), 51), "director-in-pool");
    assert_eq!(finding.severity, Severity::Warning);
    let mut alone = pair(master(), 51);
    alone.wire.as_mut().unwrap().heard.clear();
    assert_eq!(ids(&alone), [""; 0], "no pair, no loop");
}
