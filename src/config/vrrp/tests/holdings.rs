//! What comes and goes with mastership, as written.

use super::*;
use crate::config::changes;
use crate::config::director::{Announce, VirtualMac};

const EVERYTHING: &str = r#"
extra_addresses = [{ address = "192.168.1.210/24", label = "ens192:out" }, "2001:db8::1"]
virtual_mac = true
[vrrp.announce]
repeat = 3
delay = "2s"
refresh = "1m"
interval = "1ms"
[[vrrp.route]]
to = "default"
via = "192.168.1.1"
table = 100
[[vrrp.route]]
to = "2001:db8:9::/48"
dev = "ens192"
mtu = 1400
advmss = 1340
[[vrrp.route]]
to = "10.66.0.0/16"
type = "blackhole"
[[vrrp.rule]]
priority = 100
from = "192.168.1.210"
table = 100
[[vrrp.rule]]
priority = 101
iif = "ens224"
fwmark = 7
table = 100
"#;

fn told(keys: &str) -> String {
    with(V4, keys).unwrap_err()
}

#[test]
fn what_is_shown_is_read_back_the_same() {
    let config = with(V4, EVERYTHING).unwrap();
    let shown = config.to_toml();
    assert_eq!(read(&shown).unwrap(), config, "{shown}");
    assert_eq!(changes::between(&config, &config), [""; 0]);
}

#[test]
fn an_address_is_text_or_a_table_and_those_beside_the_advert_are_not_in_it() {
    let config = with(V4, EVERYTHING).unwrap();
    let instance = &config.vrrp["VI_1"];
    assert_eq!(instance.settings.addresses.len(), 1);
    let told: Vec<_> = instance
        .addresses
        .iter()
        .map(|it| (it.to_string(), it.label.as_deref(), it.advertised))
        .collect();
    assert_eq!(
        told,
        [
            ("192.168.1.200/32".to_owned(), None, true),
            ("192.168.1.210/24".to_owned(), Some("ens192:out"), false),
            ("2001:db8::1/128".to_owned(), None, false),
        ]
    );
    assert_eq!(instance.holdings.announce.repeat, 3);
    let plain = with(V4, "").unwrap();
    let holdings = &plain.vrrp["VI_1"].holdings;
    assert_eq!(holdings.announce, Announce::default());
    assert_eq!(holdings.virtual_mac, None);
}

/// 3-7.3.
#[test]
fn the_virtual_mac_is_the_rfcs_and_its_interface_has_a_name_that_fits() {
    let mac = |table: &str, keys: &str| {
        let config = with(table, keys).unwrap();
        let instance = config.vrrp.into_values().next().unwrap();
        let VirtualMac { interface, mac } = instance.holdings.virtual_mac.clone().unwrap();
        (interface, mac)
    };
    let on = "virtual_mac = true";
    assert_eq!(
        mac(V4, on),
        ("vrrp51.ens192".to_owned(), [0, 0, 0x5e, 0, 1, 51])
    );
    assert_eq!(
        mac(V6, on),
        ("vrrp51-6.ens192".to_owned(), [0, 0, 0x5e, 0, 2, 51])
    );
    let long = V4.replace("ens192", "enp129s0f1np1");
    assert_eq!(mac(&long, on).0, "vrrp51.9s0f1np1");
    let named = "virtual_mac = true\nvirtual_mac_interface = 'vip51'";
    assert_eq!(mac(V4, named).0, "vip51");
}

#[test]
fn what_is_wrong_with_an_address_is_told_with_its_line() {
    for (keys, expected) in [
        (
            "extra_addresses = [{ label = 'x' }]",
            "d.toml:7: vrrp[0].extra_addresses[0].address: missing",
        ),
        (
            "extra_addresses = [{ address = '2001:db8::1', label = 'x' }]",
            "addresses of IPv6 have no label",
        ),
        (
            "extra_addresses = [{ address = '10.0.0.1', label = 'ens192:much-too-long' }]",
            "not a label of 1 to 15 characters",
        ),
        (
            "extra_addresses = [{ address = '10.0.0.1', lable = 'x' }]",
            "lable",
        ),
        (
            "extra_addresses = ['192.168.1.200']",
            "this address is taken, line 6",
        ),
        (
            "virtual_mac_interface = 'vip51'",
            "names an interface that nothing needs",
        ),
        (
            "extra_addresses = [{ address = '10.0.0.1', interface = 'lo' }]",
            "d.toml:7: vrrp[0].extra_addresses[0].interface = 'lo': an address of the loopback",
        ),
        (
            "virtual_mac = true\nvirtual_mac_interface = 'ens192'",
            "d.toml:8: vrrp[0].virtual_mac_interface = 'ens192': is the interface that it is put \
             on\n",
        ),
        (
            "virtual_mac = true\nvirtual_mac_interface = 'lo'",
            "d.toml:8: vrrp[0].virtual_mac_interface = 'lo': is the loopback",
        ),
        ("announce = { interval = '1us' }", "must be 10µs to 1s"),
    ] {
        let told = told(keys);
        assert!(told.contains(expected), "{keys}: {told}");
    }
}

#[test]
fn what_is_there_twice_is_told_with_the_lines_of_both_entries() {
    let second = V4
        .replace("VI_1", "VI_2")
        .replace("51", "52")
        .replace("200", "201");
    for (keys, expected) in [
        (
            "[[vrrp.route]]\nto = '10.0.0.0/8'\nvia = '192.168.1.1'\n\
             [[vrrp.route]]\nto = '10.0.0.0/8'\nvia = '192.168.1.2'\n",
            "d.toml:10: vrrp[0].route[1]: route 10.0.0.0/8 is there already, line 7",
        ),
        (
            "[[vrrp.rule]]\npriority = 9\ntable = 9\n[[vrrp.rule]]\npriority = 9\ntable = 9\n",
            "d.toml:10: vrrp[0].rule[1]: rule",
        ),
        (
            "virtual_mac = true\nvirtual_mac_interface = 'vip'\n@\
             virtual_mac = true\nvirtual_mac_interface = 'vip'\n",
            "d.toml:16: vrrp[1].virtual_mac_interface = 'vip': interface vip is there already, \
             line 8",
        ),
        (
            "virtual_mac = true\nvirtual_mac_interface = 'vip'\n@virtual_mac = true\n",
            "",
        ),
        (
            "virtual_mac = true\nvirtual_mac_interface = 'eth9'\n@@",
            "d.toml:12: vrrp[1].interface = \"eth9\": is the virtual_mac_interface of another \
             virtual router, line 8",
        ),
        (
            "@@virtual_mac = true\nvirtual_mac_interface = 'ens192'\n",
            "d.toml:14: vrrp[1].virtual_mac_interface = 'ens192': is the interface of another \
             virtual router, line 4",
        ),
    ] {
        let other = second.replace("ens192", "eth9");
        let text = keys.replace("@@", &other).replace('@', &second);
        match with(V4, &text) {
            Ok(_) => assert_eq!(expected, "", "{text}"),
            Err(told) => assert!(
                !expected.is_empty() && told.starts_with(expected),
                "{text}: {told}"
            ),
        }
    }
}

#[test]
fn the_default_name_of_a_virtual_mac_interface_is_never_its_parents() {
    let parent = V4.replace("ens192", "vrrp51.enp3s0f0");
    let told = with(&parent, "virtual_mac = true").unwrap_err();
    let expected = "d.toml:7: vrrp[0].virtual_mac = true: its interface would have the name of";
    assert!(told.starts_with(expected), "{told}");
}

#[test]
fn what_is_wrong_with_a_route_or_rule_is_told_with_the_way_out() {
    for (keys, expected) in [
        (
            "[[vrrp.route]]\nto = '10.0.0.1/8'\nvia = '192.168.1.1'",
            "has bits beyond its prefix length\n    write \"10.0.0.0/8\"",
        ),
        ("[[vrrp.route]]\nto = '10.0.0.0/8'", "route[0].via: missing"),
        (
            "[[vrrp.route]]\nto = 'default'\ndev = 'ens192'",
            "of which family\n    write \"0.0.0.0/0\" or \"::/0\"",
        ),
        (
            "[[vrrp.route]]\nto = '10.0.0.0/8'\nvia = '2001:db8::1'",
            "is of another family than the rest",
        ),
        (
            "[[vrrp.route]]\nto = '10.0.0.0/8'\ntype = 'blackhole'\nvia = '192.168.1.1'",
            "a route of this type leads nowhere",
        ),
        (
            "[[vrrp.route]]\nto = '2001:db8::/32'\nvia = '2001:db8::1'\nscope = 'link'",
            "routes of IPv6 have no scope",
        ),
        (
            "[[vrrp.route]]\nto = '10.0.0.0/8'\nvia = '192.168.1.1'\n\
             [[vrrp.route]]\nto = '10.0.0.0/8'\nvia = '192.168.1.2'",
            "route 10.0.0.0/8 is there already",
        ),
        (
            "[[vrrp.rule]]\ntable = 100",
            "vrrp[0].rule[0].priority: missing",
        ),
        (
            "[[vrrp.rule]]\npriority = 32766\ntable = 100",
            "must be 1..=32765",
        ),
    ] {
        let told = told(keys);
        assert!(told.contains(expected), "{keys}: {told}");
    }
}

#[test]
fn a_reload_names_the_route_the_rule_and_the_address_that_changed() {
    let before = with(V4, EVERYTHING).unwrap();
    let edited = EVERYTHING
        .replace("mtu = 1400", "mtu = 1300")
        .replace("priority = 101", "priority = 102")
        .replace("delay = \"2s\"", "delay = \"3s\"");
    let after = with(V4, &edited).unwrap();
    assert_eq!(
        changes::between(&before, &after),
        [
            "vrrp VI_1, announce: delay = \"2s\" becomes \"3s\"",
            "vrrp VI_1, route 2001:db8:9::/48 metric 1024 table 254: mtu = 1400 becomes 1300",
            "vrrp VI_1, rule 102 ipv4 ens224 7: added",
            "vrrp VI_1, rule 101 ipv4 ens224 7: removed",
        ]
    );
}
