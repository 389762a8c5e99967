use std::path::Path;
use std::time::Duration;

use super::super::director::DirectorConfig;
use crate::lvs::Family;
use crate::vrrp::Version;
use crate::vrrp::advert::Checksum;
use crate::vrrp::transport::{Reach, Unicast};

const V4: &str = r#"
[[vrrp]]
name = "VI_1"
interface = "ens192"
virtual_router_id = 51
virtual_addresses = ["192.168.1.200"]
"#;

const V6: &str = r#"
[[vrrp]]
name = "VI_6"
interface = "ens192"
virtual_router_id = 51
virtual_addresses = ["fe80::200", "2001:db8::200/64"]
"#;

fn read(text: &str) -> Result<DirectorConfig, String> {
    let config = DirectorConfig::parse(Path::new("d.toml"), text);
    config.map_err(|error| error.to_string())
}

fn with(table: &str, keys: &str) -> Result<DirectorConfig, String> {
    read(&format!("{table}{keys}\n"))
}

#[test]
fn one_vrid_serves_both_families_of_an_interface() {
    let config = with(V4, V6).unwrap();
    let families: Vec<_> = config
        .vrrp
        .values()
        .map(|it| it.settings.family())
        .collect();
    assert_eq!(families, [Family::Ipv4, Family::Ipv6]);
    let shown = config.to_toml();
    assert_eq!(read(&shown).unwrap(), config, "{shown}");
    let twice = with(V6, &V6.replace("VI_6", "VI_7").replace("200", "201"));
    let told = twice.unwrap_err();
    assert!(
        told.contains("has this virtual router already, line 5"),
        "{told}"
    );
}

#[test]
fn adverts_are_multicast_unless_there_are_peers_whose_ttl_is_255_unless_said() {
    let multicast = &with(V4, "").unwrap().vrrp["VI_1"];
    assert!(multicast.transport.is_multicast());
    assert_eq!(multicast.transport.source, None);
    let keys = "unicast_peers = ['192.168.1.52', '192.168.1.53']\nsource_address = '192.168.1.51'";
    let config = with(V4, keys).unwrap();
    let unicast = &config.vrrp["VI_1"].transport;
    let peers = ["192.168.1.52", "192.168.1.53"].map(|it| it.parse().unwrap());
    let expected = Unicast {
        peers: peers.to_vec(),
        min_ttl: 255,
    };
    assert_eq!(unicast.reach, Reach::Unicast(expected));
    assert_eq!(unicast.source, Some("192.168.1.51".parse().unwrap()));
    let shown = config.to_toml();
    assert_eq!(read(&shown).unwrap(), config, "{shown}");
    let farther = with(V4, &format!("{keys}\nunicast_min_ttl = 253")).unwrap();
    let Reach::Unicast(unicast) = &farther.vrrp["VI_1"].transport.reach else {
        panic!("{farther:?}");
    };
    assert_eq!(unicast.min_ttl, 253);
}

/// 6.1-c.
#[test]
fn the_defaults_are_those_of_the_rfc() {
    let settings = &with(V4, "").unwrap().vrrp["VI_1"].settings;
    assert_eq!(settings.version, Version::V3);
    assert_eq!(settings.priority.get(), 100);
    assert_eq!(settings.advert_interval, Duration::from_secs(1));
    assert!(settings.preempt);
}

#[test]
fn version_3_goes_down_to_10_ms() {
    let config = with(V4, "advert_interval = '10ms'").unwrap();
    let interval = config.vrrp["VI_1"].settings.advert_interval;
    assert_eq!(interval, Duration::from_millis(10));
}

#[test]
fn a_form_of_checksum_can_be_chosen() {
    for (keys, expected) in [
        ("", None),
        ("checksum = 'auto'", None),
        ("checksum = 'rfc'", Some(Checksum::MessageOnly)),
        ("checksum = 'pseudo-header'", Some(Checksum::PseudoHeader)),
    ] {
        let config = with(V4, keys).unwrap();
        assert_eq!(config.vrrp["VI_1"].settings.checksum, expected);
        let shown = config.to_toml();
        assert_eq!(read(&shown).unwrap(), config, "{shown}");
    }
}

#[test]
fn what_cannot_be_spoken_is_refused_by_line_and_key() {
    for (table, keys, expected) in [
        (
            V6,
            "version = 2",
            "d.toml:7: vrrp[0].version = 2: VRRP version 2 has no IPv6",
        ),
        (
            V4,
            "auth_pass = 'x'",
            "d.toml:7: vrrp[0].auth_pass = 'x': VRRP version 3 has no",
        ),
        (
            V4,
            "version = 2\nauth_pass = '123456789'",
            "d.toml:8: vrrp[0].auth_pass",
        ),
        (
            V4,
            "version = 2\nauth_pass = ''",
            "d.toml:8: vrrp[0].auth_pass = '': is empty",
        ),
        (
            V4,
            "checksum = 'md5'",
            "d.toml:7: vrrp[0].checksum = 'md5': unknown form",
        ),
        (
            V4,
            "version = 2\nchecksum = 'rfc'",
            "vrrp[0].checksum = 'rfc': VRRP version 2 has one form",
        ),
        (
            V6,
            "checksum = 'auto'",
            "vrrp[0].checksum = 'auto': over IPv6 there is one form",
        ),
        (
            V4,
            "advert_interval = '5ms'",
            "d.toml:7: vrrp[0].advert_interval = '5ms'",
        ),
        (
            V4,
            "advert_interval = '15ms'",
            "VRRP version 3 counts hundredths",
        ),
        (V4, "advert_interval = '41s'", "must be 10ms to 40s 950ms"),
        (
            V4,
            "version = 2\nadvert_interval = '100ms'",
            "must be 1s to 4m 15s",
        ),
        (
            V4,
            "unicast_peers = []",
            "d.toml:7: vrrp[0].unicast_peers: there is no peer",
        ),
        (V4, "unicast_peers = ['x']", "not an IP address"),
        (
            V4,
            "unicast_peers = ['fe80::1']",
            "not of the family of virtual_addresses",
        ),
        (
            V4,
            "unicast_peers = ['224.0.0.18']",
            "not the address of a host",
        ),
        (
            V4,
            "unicast_peers = ['127.0.0.1']",
            "not the address of a host",
        ),
        (
            V4,
            "unicast_peers = ['192.168.1.200']",
            "a virtual address, no director's own",
        ),
        (
            V4,
            "unicast_peers = ['10.0.0.2', '10.0.0.2']",
            "this peer is there already",
        ),
        (
            V4,
            "source_address = '10.0.0.1'\nunicast_peers = ['10.0.0.1']",
            "d.toml:8: vrrp[0].unicast_peers[0] = '10.0.0.1': this director's own source_address",
        ),
        (
            V4,
            "unicast_min_ttl = 254",
            "multicast adverts have a TTL of 255, always",
        ),
        (
            V4,
            "unicast_peers = ['10.0.0.2']\nunicast_min_ttl = 0",
            "must be 1..=255",
        ),
        (
            V4,
            "source_address = '192.168.1.200'",
            "which only the master has",
        ),
        (V4, "source_address = 'fe80::1'", "not of the family"),
        (
            V6,
            "source_address = '2001:db8::1'",
            "come from a link-local address",
        ),
    ] {
        let told = with(table, keys).unwrap_err();
        assert!(told.contains(expected), "{keys}: {told}");
    }
}

#[test]
fn lists_of_addresses_that_an_advert_cannot_carry_are_refused() {
    for (list, expected) in [
        (
            "['192.168.1.200', 'fe80::1']",
            "not of the family of 192.168.1.200",
        ),
        (
            "['2001:db8::200', '10.0.0.1']",
            "give the other family a [[vrrp]]",
        ),
        ("['2001:db8::200', 'fe80::1']", "write it first in the list"),
        ("['::1']", "not the address of a host"),
        ("['::ffff:10.0.0.1']", "not the address of a host"),
        ("['ff02::1']", "not the address of a host"),
        ("['192.168.1.200/0']", "not a host's prefix length"),
        ("['192.168.1.200/33']", "not a prefix length"),
    ] {
        let told = read(&V4.replace("[\"192.168.1.200\"]", list)).unwrap_err();
        assert!(told.contains(expected), "{list}: {told}");
    }
}

#[test]
fn an_address_belongs_to_one_virtual_router() {
    let other = V4.replace("VI_1", "VI_2").replace("= 51", "= 52");
    let told = with(V4, &other).unwrap_err();
    let expected = "d.toml:12: vrrp[1].virtual_addresses[0] = \"192.168.1.200\": \
                    this address is taken, line 6";
    assert!(told.contains(expected), "{told}");
}

#[test]
fn an_owner_may_send_from_its_virtual_address() {
    let keys = "priority = 255\nsource_address = '192.168.1.200'";
    assert!(with(V4, keys).is_ok());
}

#[test]
fn takeover_keys_have_defaults_limits_and_a_way_out() {
    let takeover = |keys: &str| with(V4, keys).map(|config| config.vrrp["VI_1"].settings.takeover);
    let secs = Duration::from_secs;
    let defaults = takeover("").unwrap();
    assert_eq!(defaults.preempt_delay, Duration::ZERO);
    assert_eq!(defaults.startup_delay, Duration::ZERO);
    assert_eq!(defaults.handover_timeout, secs(4), "four intervals");
    let fast = takeover("advert_interval = '10ms'").unwrap();
    assert_eq!(fast.handover_timeout, secs(1));
    for (keys, expected) in [
        ("version = 2\nadvert_interval = '30s'", secs(10)),
        ("advert_interval = '5s'", secs(10)),
        // The skew time of priority 1 is nearly an interval.
        ("advert_interval = '15s'", secs(20)),
        ("advert_interval = '40s'", secs(45)),
    ] {
        let slow = takeover(keys).unwrap();
        assert_eq!(slow.handover_timeout, expected, "{keys}");
    }
    let keys = "preempt_delay = '5s'\nstartup_delay = '6s'\nhandover_timeout = '0s'";
    let config = with(V4, keys).unwrap();
    let set = config.vrrp["VI_1"].settings.takeover;
    assert_eq!((set.preempt_delay, set.startup_delay), (secs(5), secs(6)));
    assert_eq!(set.handover_timeout, Duration::ZERO);
    assert_eq!(read(&config.to_toml()).unwrap(), config);
    for (keys, told) in [
        ("preempt_delay = '2000s'", "must be 0s to 16m 40s"),
        ("handover_timeout = '2m'", "must be 0s to 1m"),
        (
            "preempt = false\npreempt_delay = '5s'",
            "without preempt there is no delay",
        ),
    ] {
        let error = takeover(keys).unwrap_err();
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn a_group_names_virtual_routers_of_one_priority_each_in_one_group() {
    let second = V6.replace("fe80::200", "fe80::201");
    let with_group =
        |keys: &str| read(&format!("{V4}{second}\n[[vrrp_group]]\nname = 'G'\n{keys}"));
    let config = with_group("instances = ['VI_1', 'VI_6']").unwrap();
    let groups = config.vrrp.values().map(|it| it.group.as_deref());
    assert_eq!(groups.collect::<Vec<_>>(), [Some("G"), Some("G")]);
    assert_eq!(read(&config.to_toml()).unwrap(), config);
    for (keys, told) in [
        ("", "instances"),
        ("instances = ['VI_1']", "at least two"),
        ("instances = ['VI_1', 'VI_9']", "there is no such [[vrrp]]"),
        ("instances = ['VI_1', 'VI_1']", "in a group already"),
        (
            "instances = ['VI_1', 'VI_6']\n[[vrrp_group]]\nname = 'G'\ninstances = ['VI_1', 'VI_6']",
            "this name is taken",
        ),
    ] {
        let error = with_group(keys).unwrap_err();
        assert!(error.contains(told), "{keys}: {error}");
    }
    let unlike = format!(
        "{V4}priority = 120\n{second}\n[[vrrp_group]]\nname = 'G'\ninstances = ['VI_1', 'VI_6']"
    );
    let error = read(&unlike).unwrap_err();
    assert!(error.contains("different priorities"), "{error}");
    let halves = format!(
        "{V4}preempt = false\n{second}\n[[vrrp_group]]\nname = 'G'\n\
         instances = ['VI_1', 'VI_6']"
    );
    let error = read(&halves).unwrap_err();
    let told = "d.toml:17: vrrp_group[0].instances: \
                some of its virtual routers preempt and some do not";
    assert!(error.starts_with(told), "{error}");
}

mod holdings;

/// 6.1-d: RFC 9568 has it off, LVS sites have it on.
#[test]
fn packets_are_accepted_unless_the_file_says_otherwise_and_by_an_owner_always() {
    let drops = |keys: &str| with(V4, keys).unwrap().vrrp["VI_1"].holdings.drops_packets;
    assert!(!drops(""));
    assert!(!drops("accept = true"));
    assert!(!drops("accept = true\npriority = 255"));
    assert!(drops("accept = false"));
    let config = with(V4, "accept = false").unwrap();
    let shown = config.to_toml();
    assert_eq!(read(&shown).unwrap(), config, "{shown}");
    let told = with(V4, "accept = false\npriority = 255").unwrap_err();
    assert!(told.contains("line 7") || told.contains(":7:"), "{told}");
    assert!(told.contains("an owner of the addresses (priority 255) always accepts"));
}

#[test]
fn an_address_that_no_host_can_have_a_loopback_and_an_owner_that_waits_are_refused() {
    let vip = |text: &str| with(&V4.replace("192.168.1.200", text), "");
    for (text, what) in [
        ("192.168.1.0/24", "the network address"),
        ("192.168.1.255/24", "the broadcast address"),
        ("192.168.1.128/25", "the network address"),
        ("224.0.0.18", "not the address of a host"),
        ("0.0.0.0", "not the address of a host"),
    ] {
        let told = vip(text).unwrap_err();
        assert!(
            told.starts_with("d.toml:6: vrrp[0].virtual_addresses"),
            "{told}"
        );
        assert!(told.contains(what), "{told}");
    }
    for text in [
        "192.168.1.0",
        "192.168.1.255/32",
        "192.168.1.0/31",
        "192.168.1.200/24",
    ] {
        assert!(vip(text).is_ok(), "{text}");
    }
    let told = with(&V4.replace("ens192", "lo"), "").unwrap_err();
    assert!(
        told.contains(
            "vrrp[0].interface = \"lo\": adverts on the loopback reach no other director"
        ),
        "{told}"
    );
    let told = with(V4, "priority = 255\npreempt = false").unwrap_err();
    assert!(
        told.contains("vrrp[0].preempt = false: an owner of the addresses"),
        "{told}"
    );
    assert!(with(V4, "priority = 255").is_ok());
    assert!(with(V4, "priority = 254\npreempt = false").is_ok());
    let told = with(V4, "priority = 255\npreempt_delay = '5s'").unwrap_err();
    assert!(
        told.starts_with("d.toml:8: vrrp[0].preempt_delay = '5s': an owner of the addresses"),
        "{told}"
    );
    assert!(
        with(
            V4,
            "priority = 255\npreempt_delay = '0s'\nstartup_delay = '5s'"
        )
        .is_ok()
    );
}

#[test]
fn a_password_that_people_cannot_write_alike_is_refused() {
    for wrong in [
        "ab\\u0000",
        "\\u0000",
        "a\\tb",
        "a\\nb",
        "\\u007f",
        "\\u0085",
    ] {
        let told = with(V4, &format!("version = 2\nauth_pass = \"{wrong}\"")).unwrap_err();
        let expected =
            format!("d.toml:8: vrrp[0].auth_pass = \"{wrong}\": holds a control character");
        assert!(told.starts_with(&expected), "{told}");
    }
    for right in ["1111", "a b", "pässe"] {
        assert!(with(V4, &format!("version = 2\nauth_pass = '{right}'")).is_ok());
    }
}

#[test]
fn a_name_that_no_interface_can_have_is_refused_wherever_one_is_named() {
    let wrong = [
        ".",
        "..",
        "a/b",
        "a b",
        "a\\tb",
        "eth0:0",
        "vrrp%d",
        "",
        "sixteen-bytes-xx",
    ];
    for wrong in wrong {
        for keys in [
            "track_interfaces = [\"@\"]",
            "[[vrrp.track]]\ninterface = \"@\"",
            "extra_addresses = [{ address = '10.0.0.1', interface = \"@\" }]",
            "virtual_mac = true\nvirtual_mac_interface = \"@\"",
            "[[vrrp.route]]\nto = '10.0.0.0/8'\ndev = \"@\"",
            "[[vrrp.rule]]\npriority = 1\ntable = 1\niif = \"@\"",
            "[[vrrp.rule]]\npriority = 1\ntable = 1\noif = \"@\"",
            "[ipvs.sync]\nid = 1\ninterface = \"@\"",
        ] {
            let told = with(V4, &keys.replace('@', wrong)).unwrap_err();
            assert!(told.contains(": not an interface name\n"), "{keys}: {told}");
        }
        let told = with(&V4.replace("ens192", wrong), "").unwrap_err();
        assert!(told.starts_with("d.toml:4: vrrp[0].interface"), "{told}");
    }
}

#[test]
fn a_mistake_of_syntax_names_the_key_of_its_line_and_the_way_out() {
    let told = with(V4, "priority = 100\npriority = 50").unwrap_err();
    assert!(
        told.contains("d.toml:8: priority: not valid TOML: duplicate key"),
        "{told}"
    );
    assert!(told.contains("write priority once in a table"), "{told}");
    let told = read("[[vrrp]]\ninterface = ens192\n").unwrap_err();
    assert!(
        told.contains("d.toml:2: interface: not valid TOML:"),
        "{told}"
    );
    assert!(told.contains("interface = \"value\""), "{told}");
}
