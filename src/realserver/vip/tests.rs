use super::*;
use crate::lvs::Prefixed;
use crate::sys::address::Scope;

#[test]
fn a_vip_counts_as_there_only_as_a_host_address_on_lo() {
    let vip = ip("192.168.1.200");
    let host = locate(
        vip,
        "lo",
        &links(),
        &[address(1, "192.168.1.200/32", "lo:3")],
    );
    assert!(host.bound);
    assert_eq!(host.label.as_deref(), Some("lo:3"));
    assert_eq!(refusals(vip, "lo", &host), Vec::<String>::new());

    let wider = locate(vip, "lo", &links(), &[address(1, "192.168.1.200/24", "lo")]);
    assert!(!wider.bound);
    assert_eq!(
        refusals(vip, "lo", &wider),
        [
            "VIP 192.168.1.200 is on lo as 192.168.1.200/24: this host takes every address of that \
          network for its own; make it a host address first (ip address add \
          192.168.1.200/32 dev lo; ip address del 192.168.1.200/24 dev lo)"
        ]
    );
}

#[test]
fn a_vip_on_another_interface_is_refused_by_name() {
    let vip = ip("192.168.1.200");
    let place = locate(
        vip,
        "lo",
        &links(),
        &[address(2, "192.168.1.200/32", "eth0")],
    );
    assert!(!place.bound);
    assert_eq!(
        refusals(vip, "lo", &place),
        [
            "VIP 192.168.1.200 is on eth0: this host answers ARP for it there, so clients would \
          bypass the directors; if it is this host's own address, name the one that clients \
          connect to, and else remove it there (ip address del 192.168.1.200/32 dev eth0)"
        ]
    );
}

#[test]
fn a_vip_of_ipv6_on_another_interface_is_refused_in_the_words_of_ipv6() {
    let vip = ip("2001:db8::200");
    let taken = [address(2, "2001:db8::200/128", "eth0")];
    let refused = refusals(vip, "lo", &locate(vip, "lo", &links(), &taken));
    let told = "is on eth0: this host answers neighbour solicitations for it there";
    assert!(refused[0].contains(told), "{refused:?}");
}

#[test]
fn where_ipv6_is_off_it_is_told_by_what_and_how_to_mend_it() {
    let refused = |values: [Option<i32>; 2]| {
        let of = |name: &str| values[usize::from(name == "lo")];
        ipv6_refusal("lo", of).unwrap_or_default()
    };
    assert_eq!(refused([Some(0), Some(0)]), "");
    // `all` was written, and then `lo` again.
    assert_eq!(refused([Some(1), Some(0)]), "");
    let on_lo = refused([Some(0), Some(1)]);
    assert!(on_lo.contains("IPv6 is off on lo (net.ipv6.conf.lo.disable_ipv6 = 1): sysctl -w"));
    assert!(on_lo.contains("sysctl -w net.ipv6.conf.lo.disable_ipv6=0,"));
    let on_all = refused([Some(1), Some(1)]);
    assert!(on_all.contains("off on every interface (net.ipv6.conf.all.disable_ipv6 = 1)"));
    assert!(refused([None, None]).contains("this kernel runs without IPv6"));
}

#[test]
fn an_address_that_no_host_may_have_is_refused_by_its_network() {
    let taken = [
        address(2, "192.168.1.53/24", "eth0"),
        address(2, "10.0.0.0/31", "eth0"),
        address(2, "2001:db8::53/64", "eth0"),
        address(2, "2001:db8:1::1/127", "eth0"),
    ];
    for (vip, expected) in [
        (
            "192.168.1.0",
            Some("the network's own address in 192.168.1.53/24"),
        ),
        (
            "192.168.1.255",
            Some("the broadcast address in 192.168.1.53/24"),
        ),
        ("192.168.1.254", None),
        ("192.168.2.255", None),
        ("10.0.0.1", None),
        (
            "2001:db8::",
            Some("the address of every router (subnet-router anycast) in 2001:db8::53/64"),
        ),
        // Of another network, perhaps a host's: there are such addresses.
        ("2001:db8:2::", None),
        ("2001:db8:1::", None),
        ("2001:db8::ffff:ffff:ffff:ffff", None),
    ] {
        let place = locate(ip(vip), "lo", &links(), &taken);
        let refused = refusals(ip(vip), "lo", &place);
        match expected {
            Some(text) => assert!(refused[0].contains(text), "{vip}: {refused:?}"),
            None => assert_eq!(refused, [""; 0], "{vip}"),
        }
    }
}

#[test]
fn an_interface_for_vips_exists_and_speaks_no_arp() {
    let mut links = links().to_vec();
    assert_eq!(interface_refusal("lo", &links), None);
    assert!(
        interface_refusal("dummy0", &links)
            .unwrap()
            .contains("there is no interface")
    );
    assert!(
        interface_refusal("eth0", &links)
            .unwrap()
            .contains("speaks ARP")
    );
    links[1].noarp = true;
    assert_eq!(interface_refusal("eth0", &links), None);
}

#[test]
fn the_nth_vip_is_called_lo_n_unless_that_name_is_taken() {
    let label = |nth, present: &[Address]| new_address(ip("10.0.0.9"), "lo", nth, present).label;
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
    let new = new_address(ip("2001:db8::200"), "lo", 0, &[]);
    assert_eq!(new.address, Prefixed::host(ip("2001:db8::200")));
    assert_eq!((new.nodad, new.deprecated, new.label), (true, true, None));
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn links() -> [Link; 2] {
    [Link::working(1, "lo"), Link::working(2, "eth0")]
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
