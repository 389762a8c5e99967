use super::*;
use crate::realserver::{sysctl, vip};
use crate::sys::address::NewAddress;
use crate::sys::sysctl::Key;

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn listed(link: u32, text: &str, label: Option<&str>) -> Address {
    let address = text.parse::<Prefixed>().unwrap();
    let new = NewAddress {
        address,
        label: label.map(str::to_owned),
        ..NewAddress::host(address.address)
    };
    vip::as_listed(link, &new)
}

#[test]
fn without_a_name_only_aliases_and_what_a_leftover_has_are_vips() {
    let links = [Link::working(1, "lo"), Link::working(2, "eth0")];
    let addresses = [
        listed(1, "127.0.0.1/8", Some("lo")),
        listed(1, "::1/128", None),
        listed(1, "192.168.1.200/32", Some("lo:0")),
        listed(1, "192.168.1.201/32", Some("lo")),
        listed(1, "10.0.0.7/32", Some("lo")),
        listed(1, "10.0.0.0/24", Some("lo:1")),
        listed(2, "192.168.1.53/24", Some("eth0")),
        listed(1, "2001:db8::200/128", None),
        listed(1, "2001:db8::7/128", None),
    ];
    let leftovers = ips(&["192.168.1.201", "2001:db8::200", "192.168.1.202"]);
    let leftovers = leftovers.into_iter().collect();
    let found = on_lo(&links, &addresses, &[], &leftovers);
    assert_eq!(
        found.vips,
        ips(&["192.168.1.200", "192.168.1.201", "2001:db8::200"])
    );
    assert_eq!(found.others, ips(&["10.0.0.7", "2001:db8::7"]));

    let found = on_lo(&links, &addresses, &ips(&["10.0.0.7"]), &leftovers);
    assert_eq!(found.vips, ips(&["10.0.0.7"]), "a name is a name");
    assert_eq!(found.others.len(), 4);
}

#[test]
fn values_of_a_script_become_lvsds_and_intentions_stay() {
    let key = |interface, name| Key::ipv4_conf(interface, name);
    let found = |value, changed| Original { value, changed };
    let mut journal = Journal::default();
    for (name, original) in [
        ("all", found(1, false)),
        ("eth0", found(2, false)),
        ("eth1", found(0, true)),
        ("eth2", found(1, false)),
    ] {
        journal.sysctls.insert(key(name, "arp_ignore"), original);
    }
    let mut earlier = Journal::default();
    earlier
        .sysctls
        .insert(key("eth2", "arp_ignore"), found(1, false));
    let wanted = sysctl::wanted(&["eth0", "eth1", "eth2"], &[]);
    claim(&mut journal, &earlier, &ips(&["192.168.1.200"]), &wanted);
    let of = |name| journal.sysctls[&key(name, "arp_ignore")];
    assert_eq!(of("all"), found(0, true), "the script's");
    assert_eq!(of("eth0"), found(2, false), "somebody's intention");
    assert_eq!(of("eth1"), found(0, true), "lvsd's own already");
    assert_eq!(of("eth2"), found(1, false), "noted by an earlier run");
    let vip: IpAddr = "192.168.1.200".parse().unwrap();
    assert_eq!(journal.vips[&vip], Origin::Created);
}
