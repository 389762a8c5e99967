use super::*;
use crate::lvs::Prefixed;
use crate::sys::address::Scope;

#[test]
fn a_vip_counts_as_there_only_as_a_host_address_on_lo() {
    let vip = ip("192.168.1.200");
    let host = locate(vip, &links(), &[address(1, "192.168.1.200/32", "lo:3")]);
    assert!(host.on_lo);
    assert_eq!(host.label.as_deref(), Some("lo:3"));
    assert_eq!(refusals(vip, &host), Vec::<String>::new());

    let wider = locate(vip, &links(), &[address(1, "192.168.1.200/24", "lo")]);
    assert!(!wider.on_lo);
    assert_eq!(
        refusals(vip, &wider),
        [
            "VIP 192.168.1.200 is on lo as 192.168.1.200/24: this host takes every address of that \
          network for its own; remove it first (ip address del 192.168.1.200/24 dev lo)"
        ]
    );
}

#[test]
fn a_vip_on_another_interface_is_refused_by_name() {
    let vip = ip("192.168.1.200");
    let place = locate(vip, &links(), &[address(2, "192.168.1.200/32", "eth0")]);
    assert!(!place.on_lo);
    assert_eq!(
        refusals(vip, &place),
        [
            "VIP 192.168.1.200 is on eth0: this host answers ARP for it there, so clients would \
          bypass the directors; remove it first (ip address del 192.168.1.200/32 dev eth0)"
        ]
    );
}

#[test]
fn the_nth_vip_is_called_lo_n_unless_that_name_is_taken() {
    let label = |nth, present: &[Address]| new_address(ip("10.0.0.9"), nth, present).label;
    assert_eq!(label(0, &[]).as_deref(), Some("lo:0"));
    assert_eq!(label(1, &[]).as_deref(), Some("lo:1"));
    let taken = [
        address(1, "10.0.0.1/32", "lo:0"),
        address(1, "10.0.0.2/32", "lo:1"),
    ];
    assert_eq!(label(0, &taken).as_deref(), Some("lo:2"));
}

#[test]
fn an_ipv6_vip_is_a_128_without_dad_and_never_a_source_by_itself() {
    let new = new_address(ip("2001:db8::200"), 0, &[]);
    assert_eq!(new.address, Prefixed::host(ip("2001:db8::200")));
    assert_eq!((new.nodad, new.deprecated, new.label), (true, true, None));
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn links() -> [Link; 2] {
    [(1, "lo"), (2, "eth0")].map(|(index, name)| Link {
        index,
        name: name.into(),
        up: true,
        carrier: true,
        loopback: name == "lo",
        noarp: false,
        hardware_address: vec![0; 6],
        mtu: 1_500,
        ..Link::default()
    })
}

fn address(link: u32, address: &str, label: &str) -> Address {
    Address {
        link,
        address: address.parse().unwrap(),
        label: Some(label.into()),
        scope: Scope::Global,
        tentative: false,
        dad_failed: false,
        deprecated: false,
        secondary: false,
    }
}
