use super::*;
use crate::config::realserver::Mss;

const V4: &str = "192.168.1.200";
const V6: &str = "2001:db8::200";

fn method(tunnel: Tunnel, local: Option<&str>) -> Method {
    Method::Tunnel {
        tunnel,
        local: local.map(|ip| ip.parse().unwrap()),
        mss: Mss::Fitting,
    }
}

fn gue() -> Tunnel {
    Tunnel::Gue {
        port: 6080.try_into().unwrap(),
    }
}

fn needs(method: &Method, vips: &[&str]) -> (Vec<String>, Option<u16>) {
    let vips: Vec<_> = vips.iter().map(|vip| vip.parse().unwrap()).collect();
    let wanted = wanted(method, &vips);
    let names = wanted.devices.iter().map(|device| device.name.clone());
    (names.collect(), wanted.gue_port)
}

fn link(name: &str, up: bool) -> Link {
    Link {
        index: 7,
        name: name.into(),
        up,
        carrier: up,
        loopback: false,
        noarp: true,
        hardware_address: vec![],
        mtu: 1480,
        ..Link::default()
    }
}

#[test]
fn each_tunnel_needs_what_unpacks_it() {
    let devices = |names: &[&str]| {
        names
            .iter()
            .map(|&name| name.to_owned())
            .collect::<Vec<_>>()
    };
    for (method, vips, names, port) in [
        (Method::DirectRoute, vec![V4], vec![], None),
        (method(Tunnel::Ipip, None), vec![], vec![], None),
        (method(Tunnel::Ipip, None), vec![V4], vec!["tunl0"], None),
        (
            method(Tunnel::Ipip, None),
            vec![V4, V6],
            vec!["tunl0", "sit0"],
            None,
        ),
        (
            method(Tunnel::Ipip, Some("2001:db8::53")),
            vec![V4],
            vec!["lvsd-ip6"],
            None,
        ),
        (method(gue(), None), vec![V4], vec!["tunl0"], Some(6080)),
        (
            method(Tunnel::Gre { checksum: false }, None),
            vec![V4, V6],
            vec!["gre0"],
            None,
        ),
        (
            method(Tunnel::Gre { checksum: true }, Some("192.168.1.53")),
            vec![V4],
            vec!["lvsd-gre"],
            None,
        ),
    ] {
        assert_eq!(
            needs(&method, &vips),
            (devices(&names), port),
            "{method} {vips:?}"
        );
    }
}

#[test]
fn what_is_missing_is_made_then_set_up_and_then_there_is_nothing_to_do() {
    let wanted = wanted(&method(gue(), None), &[V4.parse().unwrap()]);
    let own = [address()];
    let steps = plan(&wanted, &[], &[], &[]);
    assert!(matches!(&steps[..], [Step::Make(new), Step::Open(6080)] if new.name == "tunl0"));
    assert!(matches!(
        &plan(&wanted, &[link("tunl0", false)], &own, &[6080])[..],
        [Step::Set { up: true, .. }]
    ));
    assert_eq!(plan(&wanted, &[link("tunl0", true)], &own, &[6080]), []);
    assert_eq!(faults(&wanted, &[link("tunl0", true)], &[6080]), [""; 0]);
    assert_eq!(
        faults(&wanted, &[], &[]),
        [
            "there is no tunl0 to unpack what directors send: modprobe ipip",
            "the kernel does not unpack GUE at UDP port 6080: modprobe fou",
        ]
    );
}

#[test]
fn what_was_there_before_stays_as_it_was() {
    let none = Wanted::default();
    let undone = |existed, was_up, now_up, kept: &[String]| {
        let before = Before {
            existed,
            up: was_up,
        };
        let before = BTreeMap::from([("tunl0".to_owned(), before)]);
        undo(
            &none,
            &[link("tunl0", now_up)],
            &[],
            &[6080],
            &before,
            None,
            kept,
        )
    };
    assert_eq!(undone(true, true, true, &[]), []);
    assert!(matches!(
        &undone(true, false, true, &[])[..],
        [Step::Set { up: false, .. }]
    ));
    assert_eq!(undone(true, false, false, &[]), []);
    assert!(matches!(
        &undone(false, false, false, &[])[..],
        [Step::Delete { .. }]
    ));
    assert_eq!(
        undone(false, false, false, &["tunl0".to_owned()]),
        [],
        "its module's"
    );
}

#[test]
fn only_a_port_that_lvsd_opened_is_closed() {
    let none = Wanted::default();
    let before = BTreeMap::new();
    let closed = |opened| undo(&none, &[], &[], &[6080, 6081], &before, opened, &[]);
    assert_eq!(closed(None), []);
    assert_eq!(closed(Some(6080)), [Step::Close(6080)]);
    assert_eq!(closed(Some(7000)), [], "somebody was faster");
}

fn address() -> Address {
    let new = crate::sys::address::NewAddress::host(ADDRESS.into());
    crate::realserver::vip::as_listed(7, &new)
}

#[test]
fn a_tunnel_has_an_address_as_long_as_it_is_wanted() {
    let needed = wanted(&method(Tunnel::Ipip, None), &[V4.parse().unwrap()]);
    let up = [link("tunl0", true)];
    assert!(matches!(
        &plan(&needed, &up, &[], &[])[..],
        [Step::Address { index: 7, .. }]
    ));
    let before = Before {
        existed: true,
        up: true,
    };
    let before = BTreeMap::from([("tunl0".to_owned(), before)]);
    let none = Wanted::default();
    let left = undo(&none, &up, &[address()], &[], &before, None, &[]);
    assert!(matches!(&left[..], [Step::NoAddress { index: 7, .. }]));
    let kept = undo(&needed, &up, &[address()], &[], &before, None, &[]);
    assert_eq!(kept, []);
}
