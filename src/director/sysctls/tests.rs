use std::path::Path;

use super::*;

fn key(name: &str) -> Key {
    Key::ipvs(name)
}

fn values(pairs: &[(&str, &str)]) -> Values {
    let own = |(name, value): &(&str, &str)| (key(name), (*value).to_owned());
    pairs.iter().map(own).collect()
}

fn needs(pairs: &[(&str, &str)]) -> Wanted {
    let need = |(key, value)| {
        (
            key,
            Need {
                value,
                vital: false,
            },
        )
    };
    values(pairs).into_iter().map(need).collect()
}

fn told(writes: &[Write]) -> Vec<String> {
    let tell = |w: &Write| format!("{} {} -> {} {:?}", w.key, w.found, w.value, w.cause);
    writes.iter().map(tell).collect()
}

#[test]
fn only_what_is_not_right_is_written_and_what_it_was_is_kept() {
    let wanted = needs(&[("conntrack", "1"), ("sloppy_tcp", "1"), ("absent", "1")]);
    let found = values(&[("conntrack", "1"), ("sloppy_tcp", "0")]);
    let (originals, writes) = plan(&wanted, &found, &Values::new(), &Values::new());
    assert_eq!(told(&writes), ["net.ipv4.vs.sloppy_tcp 0 -> 1 Need"]);
    assert_eq!(originals, values(&[("sloppy_tcp", "0")]));
}

#[test]
fn what_somebody_changes_is_repaired_and_never_taken_for_the_original() {
    let wanted = needs(&[("conntrack", "1"), ("sloppy_tcp", "1")]);
    let found = values(&[("conntrack", "0"), ("sloppy_tcp", "0")]);
    let saved = values(&[("sloppy_tcp", "2")]);
    let held = values(&[("conntrack", "1"), ("sloppy_tcp", "1")]);
    let (originals, writes) = plan(&wanted, &found, &saved, &held);
    assert_eq!(originals, saved);
    assert_eq!(
        told(&writes),
        [
            "net.ipv4.vs.conntrack 0 -> 1 Repair",
            "net.ipv4.vs.sloppy_tcp 0 -> 1 Repair"
        ]
    );
}

#[test]
fn what_the_file_wants_otherwise_is_set_and_not_repaired() {
    let wanted = needs(&[("conntrack", "1"), ("sloppy_tcp", "0")]);
    let found = values(&[("conntrack", "0"), ("sloppy_tcp", "1")]);
    let saved = values(&[("sloppy_tcp", "0")]);
    let held = values(&[("conntrack", "0"), ("sloppy_tcp", "1")]);
    let (originals, writes) = plan(&wanted, &found, &saved, &held);
    assert_eq!(
        told(&writes),
        [
            "net.ipv4.vs.conntrack 0 -> 1 Need",
            "net.ipv4.vs.sloppy_tcp 1 -> 0 Need"
        ]
    );
    let both = values(&[("conntrack", "0"), ("sloppy_tcp", "0")]);
    assert_eq!(originals, both, "the first values are put back later");
}

#[test]
fn what_the_kernel_turns_on_and_off_by_need_is_left_alone() {
    let wanted = needs(&[("drop_entry", "2"), ("secure_tcp", "3")]);
    let found = values(&[("drop_entry", "1"), ("secure_tcp", "1")]);
    let held = values(&[("drop_entry", "2"), ("secure_tcp", "3")]);
    let (_, writes) = plan(&wanted, &found, &Values::new(), &held);
    assert_eq!(told(&writes), ["net.ipv4.vs.secure_tcp 1 -> 3 Repair"]);
}

#[test]
fn a_crash_does_not_make_lvsds_own_value_the_original() {
    let wanted = needs(&[("sync_threshold", "3 0")]);
    let found = values(&[("sync_threshold", "3 0")]);
    let saved = values(&[("sync_threshold", "3 50")]);
    let (originals, writes) = plan(&wanted, &found, &saved, &Values::new());
    assert_eq!((originals, writes), (saved, vec![]));
}

#[test]
fn what_nothing_needs_any_more_is_put_back() {
    let found = values(&[("sloppy_tcp", "1"), ("conntrack", "0")]);
    let saved = values(&[("sloppy_tcp", "0"), ("conntrack", "0"), ("gone", "1")]);
    let (_, writes) = plan(&Wanted::new(), &found, &saved, &Values::new());
    assert_eq!(told(&writes), ["net.ipv4.vs.sloppy_tcp 1 -> 0 Restore"]);
}

#[test]
fn nat_needs_forwarding_and_no_redirects_and_nothing_else_does() {
    let config = |forwarding: &str, server: &str, rip: &str| {
        let text = format!(
            "[[vrrp]]\nname = 'a'\ninterface = 'eth0.100'\nvirtual_router_id = 1\n\
             virtual_addresses = ['10.0.0.9']\n[[virtual_server]]\naddress = '{server}'\n\
             forwarding = '{forwarding}'\nreal_servers = ['{rip}']"
        );
        DirectorConfig::parse(Path::new("d.toml"), &text).unwrap()
    };
    let keys_of = |config| -> Vec<_> {
        let wanted = wanted(&config);
        let told = wanted
            .iter()
            .map(|(key, need)| format!("{key} = {}", need.value));
        told.collect()
    };
    let keys = |forwarding| keys_of(config(forwarding, "10.0.0.9:80", "10.0.0.1"));
    let always = [
        "net.ipv4.vs.expire_nodest_conn = 1",
        "net.ipv4.vs.expire_quiescent_template = 1",
    ];
    assert_eq!(keys("dr"), always);
    let nat = [
        "net.ipv4.conf.all.send_redirects = 0",
        "net.ipv4.conf.eth0/100.send_redirects = 0",
        "net.ipv4.ip_forward = 1",
    ];
    assert_eq!(keys("nat"), [&nat[..], &always[..]].concat());
    let ipv6 = keys_of(config("nat", "[2001:db8::9]:80", "2001:db8::1"));
    let nat = ["net.ipv6.conf.all.forwarding = 1"];
    assert_eq!(ipv6, [&always[..], &nat[..]].concat());
}

#[test]
fn what_was_gone_meanwhile_is_set_anew_and_not_repaired() {
    let dir = tempfile::tempdir().unwrap();
    let mut sysctls = Sysctls::new(dir.path().join("sysctls.json"));
    let wanted = needs(&[("sloppy_tcp", "1")]);
    let there = values(&[("sloppy_tcp", "1")]);
    sysctls.judge(&wanted, &there, &BTreeMap::new());
    assert_eq!(sysctls.held, there);
    sysctls.judge(&wanted, &Values::new(), &BTreeMap::new());
    let found = values(&[("sloppy_tcp", "0")]);
    let (originals, writes) = plan(&wanted, &found, &Values::new(), &sysctls.held);
    assert_eq!(told(&writes), ["net.ipv4.vs.sloppy_tcp 0 -> 1 Need"]);
    assert_eq!(originals, found, "it will be put back");
}

#[test]
fn values_follow_their_interfaces_to_other_names() {
    let arp_ignore = |interface: &str| Key::ipv4_conf(interface, "arp_ignore");
    let values: Values = [
        (arp_ignore("eth0"), "0".to_owned()),
        (arp_ignore("eth1"), "2".to_owned()),
        (arp_ignore("gone"), "3".to_owned()),
        (Key::ipv4("ip_forward"), "0".to_owned()),
    ]
    .into();
    let index_of = |interface: &str| match interface {
        "eth0" => Some(2),
        "eth1" => Some(3),
        _ => None,
    };
    let known = Originals::new(values.clone(), index_of);
    let text = serde_json::to_string(&known).unwrap();
    let known: Originals = serde_json::from_str(&text).unwrap();
    let same = |index| Some(format!("eth{}", index - 2));
    assert_eq!(known.now(same), values);
    assert_eq!(known.now(|_| None), values, "they are gone");
    let swapped = |index| Some(format!("eth{}", 3 - index));
    let now = known.now(swapped);
    assert_eq!(now.len(), 4);
    assert_eq!(now[&arp_ignore("eth1")], "0");
    assert_eq!(now[&arp_ignore("eth0")], "2");
    let old = r#"{"net.ipv4.conf.eth0.arp_ignore": "0"}"#;
    let old: Originals = serde_json::from_str(old).unwrap();
    assert_eq!(old.now(swapped).len(), 1, "of a lvsd that kept no index");
}
