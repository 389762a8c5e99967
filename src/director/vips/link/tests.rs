use super::*;
use crate::director::vips::holding::Place;
use crate::sys::address::Address;
use crate::sys::link::Link as KernelLink;

fn kernel(up: bool, carrier: bool, addresses: &[(&str, Scope)]) -> Kernel {
    Kernel {
        links: vec![KernelLink {
            index: 7,
            name: "ens192".to_owned(),
            up,
            carrier,
            loopback: false,
            noarp: false,
            hardware_address: vec![],
            mtu: 1_500,
            ..KernelLink::default()
        }],
        addresses: addresses
            .iter()
            .map(|(address, scope)| Address {
                link: 7,
                address: address.parse().unwrap(),
                label: None,
                scope: *scope,
                tentative: false,
                dad_failed: false,
                deprecated: false,
                secondary: false,
            })
            .collect(),
        ..Kernel::default()
    }
}

fn look(kernel: &Kernel, virtual_addresses: &[&str], owned: &[&str]) -> Link {
    let virtual_addresses = virtual_addresses.iter().map(|it| it.parse().unwrap());
    let owned = owned.iter().map(|address| {
        Holding::Address(Place {
            interface: "ens192".to_owned(),
            address: address.parse().unwrap(),
        })
    });
    link_of(
        "ens192",
        kernel,
        &virtual_addresses.collect(),
        &owned.collect(),
    )
}

/// Up, with these addresses to send from.
fn up(usable: &[&str]) -> Link {
    Link::Up {
        mtu: 1_500,
        index: NonZeroU32::new(7).unwrap(),
        addresses: Addresses {
            usable: usable.iter().map(|it| it.parse().unwrap()).collect(),
            ..Addresses::default()
        },
    }
}

const GLOBAL: Scope = Scope::Global;

#[test]
fn an_interface_that_cannot_carry_adverts_says_why() {
    let own: &[_] = &[("192.168.1.51/24", GLOBAL)];
    let fault = |kernel: &Kernel| look(kernel, &[], &[]);
    assert_eq!(fault(&Kernel::default()), Link::Down(LinkFault::Missing));
    assert_eq!(
        fault(&kernel(false, false, own)),
        Link::Down(LinkFault::Down)
    );
    assert_eq!(
        fault(&kernel(true, false, own)),
        Link::Down(LinkFault::NoCarrier)
    );
    assert_eq!(fault(&kernel(true, true, &[])), up(&[]));
    assert_eq!(fault(&kernel(true, true, own)), up(&["192.168.1.51"]));
}

#[test]
fn adverts_may_come_from_any_address_that_is_not_virtual_in_the_kernels_order() {
    let kernel = kernel(
        true,
        true,
        &[
            ("fe80::1/64", Scope::Link),
            ("127.0.0.7/8", Scope::Host),
            ("192.168.1.200/32", GLOBAL),
            ("192.168.1.51/24", GLOBAL),
            ("192.168.1.52/24", GLOBAL),
        ],
    );
    let own = ["fe80::1", "192.168.1.51", "192.168.1.52"];
    let with_virtual = ["fe80::1", "192.168.1.51", "192.168.1.52", "192.168.1.200"];
    assert_eq!(
        look(&kernel, &["192.168.1.200"], &[]),
        up(&with_virtual),
        "an owner's"
    );
    let left_over = look(&kernel, &[], &["192.168.1.200"]);
    assert_eq!(left_over, up(&own), "of an earlier configuration");
}

#[test]
fn an_owner_sends_from_its_virtual_address_and_nobody_from_one_that_lvsd_added() {
    let kernel = kernel(true, true, &[("192.168.1.200/24", GLOBAL)]);
    assert_eq!(
        look(&kernel, &["192.168.1.200"], &[]),
        up(&["192.168.1.200"])
    );
    assert_eq!(
        look(&kernel, &["192.168.1.200"], &["192.168.1.200/24"]),
        up(&[])
    );
}

#[test]
fn an_ipv6_address_counts_when_duplicate_address_detection_has_let_it_through() {
    let mut kernel = kernel(true, true, &[("fe80::1/64", Scope::Link)]);
    kernel.addresses[0].tentative = true;
    let fault = |kernel: &Kernel| match look(kernel, &[], &[]) {
        Link::Up { addresses, .. } => (addresses.usable.len(), addresses.link_local_fault),
        Link::Down(fault) => panic!("{fault}"),
    };
    assert_eq!(fault(&kernel), (0, Some(LinkFault::Tentative)));
    kernel.addresses[0].dad_failed = true;
    assert_eq!(fault(&kernel), (0, Some(LinkFault::Duplicate)));
    (
        kernel.addresses[0].tentative,
        kernel.addresses[0].dad_failed,
    ) = (false, false);
    assert_eq!(fault(&kernel), (1, None));
}
