mod things;

use super::*;
use crate::sys::address::{Address, Scope};
use crate::sys::link::Link;

pub(in crate::director::vips) fn vip(interface: &str, address: &str) -> Holding {
    Holding::Address(place(interface, address))
}

fn place(interface: &str, address: &str) -> Place {
    Place {
        interface: interface.to_owned(),
        address: address.parse().unwrap(),
    }
}

/// Interfaces in the order given, each with its addresses; `lo` is the loopback.
pub(in crate::director::vips) fn kernel(interfaces: &[(&str, &[&str])]) -> Kernel {
    let mut kernel = Kernel::default();
    for ((name, addresses), index) in interfaces.iter().zip(1..) {
        kernel.links.push(Link {
            index,
            name: (*name).to_owned(),
            up: true,
            carrier: true,
            loopback: *name == "lo",
            hardware_address: vec![2, 0, 0, 0, 0, 1],
            ..Link::default()
        });
        kernel
            .addresses
            .extend(addresses.iter().map(|address| Address {
                link: index,
                address: address.parse().unwrap(),
                label: Some((*name).to_owned()),
                scope: Scope::Global,
                tentative: false,
                dad_failed: false,
                deprecated: false,
                secondary: false,
            }));
    }
    kernel
}

const PLAIN: Spec = Spec::Address {
    label: None,
    owner: false,
};

fn add(holding: Holding) -> Op {
    Op::Add(holding, PLAIN)
}

fn hold(addresses: &[Holding]) -> Wanted {
    Wanted {
        held: addresses.iter().map(|it| (it.clone(), PLAIN)).collect(),
        ..Wanted::default()
    }
}

fn owning(holdings: &[Holding]) -> BTreeSet<Holding> {
    holdings.iter().cloned().collect()
}

const VIP: &str = "192.168.1.200";
const OWN: &str = "192.168.1.51/24";

#[test]
fn a_missing_vip_is_added_and_one_that_is_there_is_left_alone() {
    let vip = vip("ens192", VIP);
    let wanted = hold(std::slice::from_ref(&vip));
    let owned = owning(std::slice::from_ref(&vip));
    let without = kernel(&[("lo", &[]), ("ens192", &[OWN])]);
    let expected = Plan {
        ops: vec![add(vip)],
        ..Plan::default()
    };
    assert_eq!(plan(&wanted, &BTreeSet::new(), &without), expected);
    assert_eq!(
        plan(&wanted, &owned, &without),
        expected,
        "somebody deleted it"
    );

    let with = kernel(&[("lo", &[]), ("ens192", &[OWN, VIP])]);
    let expected = Plan {
        present: owned.clone(),
        ..Plan::default()
    };
    assert_eq!(plan(&wanted, &owned, &with), expected);
}

#[test]
fn an_unwanted_vip_is_removed_if_lvsd_added_it_and_only_then() {
    let vip = vip("ens192", VIP);
    let owned = owning(std::slice::from_ref(&vip));
    let with = kernel(&[("ens192", &[OWN, VIP])]);
    let nothing = Wanted::default();
    assert_eq!(plan(&nothing, &owned, &with).ops, [Op::Remove(vip.clone())]);
    assert_eq!(plan(&nothing, &BTreeSet::new(), &with), Plan::default());

    let without = kernel(&[("ens192", &[OWN])]);
    assert_eq!(
        plan(&nothing, &owned, &without).ops,
        [Op::Forget(vip.clone())]
    );
    assert_eq!(plan(&nothing, &owned, &kernel(&[])).ops, [Op::Forget(vip)]);
}

#[test]
fn after_a_crash_a_vip_stays_while_it_is_undecided() {
    let vip = vip("ens192", VIP);
    let owned = owning(std::slice::from_ref(&vip));
    let with = kernel(&[("ens192", &[OWN, VIP])]);
    let undecided = Wanted {
        undecided: owned.clone(),
        ..Wanted::default()
    };
    assert_eq!(plan(&undecided, &owned, &with).ops, []);
    let before_configuration = Wanted {
        all_undecided: true,
        ..Wanted::default()
    };
    assert_eq!(plan(&before_configuration, &owned, &with).ops, []);
    let other = Holding::Address(place("ens192", "192.168.1.201"));
    let another_is = Wanted {
        undecided: owning(&[other]),
        ..Wanted::default()
    };
    assert_eq!(plan(&another_is, &owned, &with).ops, [Op::Remove(vip)]);
}

#[test]
fn a_vip_that_somebody_else_put_there_is_reported_unless_we_are_its_owner() {
    let vip = vip("ens192", VIP);
    let with = kernel(&[("ens192", &[OWN, VIP])]);
    let mut wanted = hold(std::slice::from_ref(&vip));
    let found = plan(&wanted, &BTreeSet::new(), &with);
    assert_eq!(found.ops, []);
    assert!(found.present.contains(&vip));
    assert!(found.problems[&vip].starts_with("192.168.1.200/32 on ens192 was not put there"));
    let owners = Spec::Address {
        label: None,
        owner: true,
    };
    wanted.held.insert(vip.clone(), owners);
    assert!(plan(&wanted, &BTreeSet::new(), &with).problems.is_empty());

    // With the network's prefix it is the same address.
    let wanted = hold(std::slice::from_ref(&vip));
    let with = kernel(&[("ens192", &[OWN, "192.168.1.200/24"])]);
    let found = plan(&wanted, &BTreeSet::new(), &with);
    assert_eq!(found.ops, []);
    assert!(found.problems[&vip].starts_with("192.168.1.200/24 on ens192 was not put there"));
}

#[test]
fn a_vip_on_another_interface_is_refused_and_both_are_named() {
    let vip = vip("ens192", VIP);
    let wanted = hold(std::slice::from_ref(&vip));
    let elsewhere = kernel(&[("ens192", &[OWN]), ("ens224", &["192.168.1.200/24"])]);
    let found = plan(&wanted, &BTreeSet::new(), &elsewhere);
    assert_eq!(found.ops, []);
    assert!(found.present.is_empty());
    assert_eq!(
        found.problems[&vip],
        "192.168.1.200 is already on interface ens224 of this host, so it is not put on ens192; \
         remove it there"
    );
}

#[test]
fn a_director_that_is_a_real_server_too_has_the_vip_on_its_loopback_as_well() {
    let vip = vip("ens192", VIP);
    let both = kernel(&[("lo", &[VIP]), ("ens192", &[OWN])]);
    let found = plan(&hold(std::slice::from_ref(&vip)), &BTreeSet::new(), &both);
    assert_eq!(found.ops, [add(vip)]);
}

#[test]
fn a_vip_moves_to_another_interface_or_prefix_and_is_added_before_it_is_removed() {
    let old = vip("ens192", VIP);
    let owned = owning(std::slice::from_ref(&old));
    let before = kernel(&[("ens192", &[OWN, VIP]), ("ens224", &[])]);
    for new in [vip("ens224", VIP), vip("ens192", "192.168.1.200/24")] {
        let found = plan(&hold(std::slice::from_ref(&new)), &owned, &before);
        assert_eq!(found.ops, [add(new), Op::Remove(old.clone())]);
        assert!(found.problems.is_empty());
    }
}

#[test]
fn without_its_interface_a_vip_waits_and_says_so() {
    let vip = vip("ens192", VIP);
    let found = plan(
        &hold(std::slice::from_ref(&vip)),
        &owning(&[]),
        &kernel(&[]),
    );
    assert_eq!(found.ops, []);
    assert_eq!(found.problems[&vip], "there is no interface ens192");
}

#[test]
fn an_address_that_somebody_else_gave_a_backup_is_told_with_its_mend_and_left_alone() {
    let wanted = Wanted {
        let_go: [place("ens192", VIP)].into(),
        ..Wanted::default()
    };
    let nothing = BTreeSet::new();
    let there = kernel(&[
        ("lo", &["192.168.1.200/32"]),
        ("ens192", &[OWN, "192.168.1.200/24"]),
    ]);
    let told = plan(&wanted, &nothing, &there);
    assert_eq!(told.ops, []);
    assert_eq!(told.foreign, [vip("ens192", VIP)].into());
    let problem = &told.problems[&vip("ens192", VIP)];
    assert!(problem.starts_with("192.168.1.200/24 on ens192 was not put there by lvsd"));
    assert!(problem.ends_with("ip addr del 192.168.1.200/24 dev ens192"));

    let gone = kernel(&[("lo", &["192.168.1.200/32"]), ("ens192", &[OWN])]);
    assert_eq!(plan(&wanted, &nothing, &gone), Plan::default());
    let ours = owning(&[vip("ens192", VIP)]);
    let there = kernel(&[("ens192", &[OWN, VIP])]);
    assert_eq!(plan(&wanted, &ours, &there).problems, BTreeMap::new());
}
