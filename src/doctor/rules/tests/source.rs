//! Where checks come from.

use std::net::IpAddr;

use super::*;
use crate::config::director::DirectorConfig;
use crate::doctor::facts::tests::{address, ip};
use crate::doctor::rules::source::addition;
use crate::lvs::Forwarding;
use crate::sys::hop::Hop;

const VIP6: &str = "2001:db8::200";

/// What is sent to the real server leaves from this address.
fn leaves(facts: &mut Facts, rip: &str, source: &str) {
    let hop = Hop {
        gateway: None,
        link: Some(2),
        local: false,
        source: Some(source.parse().unwrap()),
    };
    facts.routes.insert(rip.parse().unwrap(), Some(hop));
}

/// A director whose real servers of IPv6 failed their checks: none is in its table.
fn director6(forwarding: &str) -> Facts {
    let mut facts = host(51);
    facts.boot.has_ip_vs = true;
    facts.ipvs = crate::doctor::facts::Ipvs::Unseen;
    facts.addresses.push(address(2, "2001:db8::51/64"));
    facts.addresses.push(address(2, "2001:db8::200/128"));
    let text = format!(
        "[[virtual_server]]\naddress = '[{VIP6}]:80'\nforwarding = '{forwarding}'\n\
         real_servers = ['2001:db8::53', '2001:db8::54']\n"
    );
    facts.director_config = Some(DirectorConfig::parse("x".as_ref(), &text).unwrap());
    facts
}

#[test]
fn checks_that_leave_from_a_vip_of_their_real_server_are_named() {
    let mut facts = director6("dr");
    for rip in ["2001:db8::53", "2001:db8::54"] {
        leaves(&mut facts, rip, "2001:db8::51");
    }
    assert_eq!(ids(&facts), [""; 0]);
    for rip in ["2001:db8::53", "2001:db8::54"] {
        leaves(&mut facts, rip, VIP6);
    }
    let finding = only(&facts, "vip-is-source");
    assert_eq!(
        finding.seen,
        "checks of 2001:db8::53 and 2001:db8::54 leave from 2001:db8::200"
    );
    let command = "ip addr change 2001:db8::200/128 dev ens192 preferred_lft 0,";
    assert!(finding.mend.starts_with(command), "{}", finding.mend);

    facts.addresses.last_mut().unwrap().deprecated = true;
    let finding = only(&facts, "vip-is-source");
    assert!(
        finding
            .mend
            .starts_with("give ens192 an address of its own")
    );
}

#[test]
fn a_real_server_behind_nat_answers_to_the_vip() {
    let mut facts = director6("nat");
    leaves(&mut facts, "2001:db8::53", VIP6);
    assert_eq!(ids(&facts), [""; 0]);
}

#[test]
fn a_real_server_answers_to_a_vip_that_it_has_not() {
    let mut facts = director6("dr");
    facts.addresses.push(address(2, "2001:db8::201/128"));
    leaves(&mut facts, "2001:db8::53", "2001:db8::201");
    assert_eq!(ids(&facts), [""; 0]);
}

#[test]
fn a_table_that_nobody_checks_has_no_checks() {
    let mut facts = master();
    leaves(&mut facts, "192.168.1.53", "192.168.1.200");
    assert_eq!(ids(&facts), [""; 0]);
    facts.boot.running.insert("keepalived".to_owned());
    assert_eq!(
        only(&facts, "vip-is-source").seen,
        "checks of 192.168.1.53 leave from 192.168.1.200"
    );
    facts.rs_mut(53).real_server.forwarding = Forwarding::Nat;
    facts.set("net.ipv4.ip_forward", 1);
    assert_eq!(ids(&facts), [""; 0]);
    let vip: IpAddr = "192.168.1.200".parse().unwrap();
    let own = Hop {
        local: true,
        gateway: None,
        link: Some(1),
        source: Some(vip),
    };
    facts.rs_mut(53).real_server.forwarding = Forwarding::DirectRoute;
    facts.routes.insert(ip(53), Some(own));
    assert_eq!(ids(&facts), [""; 0], "its own are asked on the spot");
}

/// What the doctor has somebody type must not be the next fault.
#[test]
fn a_vip_is_added_so_that_no_check_leaves_from_it() {
    let add = |vip: &str| addition(vip.parse().unwrap(), "ens192");
    assert_eq!(
        add("192.168.1.200"),
        "ip addr add 192.168.1.200/32 dev ens192"
    );
    assert_eq!(
        add(VIP6),
        "ip addr add 2001:db8::200/128 dev ens192 preferred_lft 0"
    );
}
