//! Interfaces with a virtual MAC, labels, routes and rules.

mod virtual_mac;

use std::net::IpAddr;

use super::*;
use crate::lvs::Family;
use crate::lvs::routing::{Route, RouteId, RouteKind, RouteScope, Rule, TABLE_MAIN};
use crate::sys::nftables::{Count, Found};

const NAME: &str = "vrrp51.ens192";
const MAC: [u8; 6] = [0, 0, 0x5e, 0, 1, 51];

fn interface() -> (Holding, Spec) {
    let spec = Spec::Interface {
        parent: "ens192".to_owned(),
        mac: MAC,
    };
    (Holding::Interface(NAME.to_owned()), spec)
}

fn up() -> (Holding, Spec) {
    (Holding::Up(NAME.to_owned()), Spec::Up)
}

fn route(to: &str) -> Route {
    Route {
        id: RouteId {
            table: TABLE_MAIN,
            to: to.parse().unwrap(),
            metric: 0,
        },
        kind: RouteKind::Unicast,
        via: Some("192.168.1.1".parse().unwrap()),
        interface: None,
        source: None,
        scope: Some(RouteScope::Global),
        mtu: None,
        advmss: None,
    }
}

fn routed(route: &Route) -> (Holding, Spec) {
    (Holding::Route(route.id.clone()), Spec::Route(route.clone()))
}

fn rule() -> Rule {
    Rule {
        priority: 100,
        family: Family::Ipv4,
        from: Some("192.168.1.200/32".parse().unwrap()),
        to: None,
        fwmark: None,
        iif: None,
        oif: None,
        table: 100,
    }
}

fn ruled() -> (Holding, Spec) {
    (Holding::Rule(rule()), Spec::Rule)
}

fn filter() -> (Holding, Spec) {
    (Holding::Filter(VIP.parse().unwrap()), Spec::Filter)
}

fn on_virtual_mac() -> (Holding, Spec) {
    (vip(NAME, VIP), PLAIN)
}

/// What a master has: one of each kind.
fn master() -> Wanted {
    let route = routed(&route("10.0.0.0/8"));
    Wanted {
        held: [
            interface(),
            up(),
            filter(),
            on_virtual_mac(),
            route,
            ruled(),
        ]
        .into(),
        ..Wanted::default()
    }
}

fn backup() -> Wanted {
    Wanted {
        held: [interface()].into(),
        ..Wanted::default()
    }
}

/// Performs a plan as the kernel would.
fn perform(plan: &Plan, kernel: &mut Kernel, owned: &mut BTreeSet<Holding>) {
    for op in &plan.ops {
        let holding = op.holding();
        if let Op::Replace(..) | Op::Remove(_) = op {
            take(holding, kernel);
        }
        match op {
            Op::Add(_, spec) | Op::Replace(_, spec) => put(holding, spec, kernel),
            Op::Rename(from, ..) => rename(kernel, from, holding),
            Op::Remove(_) | Op::Forget(_) => {}
        }
        match op {
            Op::Add(Holding::Up(_), _) | Op::Replace(..) => {}
            Op::Add(..) | Op::Rename(..) => drop(owned.insert(holding.clone())),
            Op::Remove(_) | Op::Forget(_) => drop(owned.remove(holding)),
        }
    }
}

fn put(holding: &Holding, spec: &Spec, kernel: &mut Kernel) {
    match (holding, spec) {
        (Holding::Interface(name), Spec::Interface { parent, mac }) => {
            let parent = kernel.link(parent).unwrap().index;
            kernel.links.push(Link {
                index: 40 + u32::try_from(kernel.links.len()).unwrap(),
                name: name.clone(),
                hardware_address: mac.to_vec(),
                parent: Some(parent),
                macvlan: true,
                ..Link::default()
            });
        }
        (Holding::Up(name), _) => set_up(kernel, name, true),
        (Holding::Filter(address), _) => filtered(kernel, *address, true),
        (Holding::Address(place), Spec::Address { label, .. }) => {
            let link = kernel.link(&place.interface).unwrap().index;
            kernel.addresses.push(Address {
                link,
                address: place.address,
                label: label.clone().or(Some(place.interface.clone())),
                scope: Scope::Global,
                tentative: false,
                dad_failed: false,
                deprecated: false,
                secondary: false,
            });
        }
        (Holding::Route(_), Spec::Route(route)) => kernel.routes.push(route.clone()),
        (Holding::Rule(rule), _) => kernel.rules.push(rule.clone()),
        other => panic!("{other:?}"),
    }
}

fn take(holding: &Holding, kernel: &mut Kernel) {
    match holding {
        Holding::Interface(name) => kernel.links.retain(|link| link.name != *name),
        Holding::Up(name) => set_up(kernel, name, false),
        Holding::Filter(address) => filtered(kernel, *address, false),
        Holding::Address(place) => {
            let link = kernel.link(&place.interface).unwrap().index;
            kernel
                .addresses
                .retain(|it| (it.link, it.address) != (link, place.address));
        }
        Holding::Route(id) => kernel.routes.retain(|route| route.id != *id),
        Holding::Rule(rule) => kernel.rules.retain(|it| it != rule),
    }
}

fn rename(kernel: &mut Kernel, from: &str, to: &Holding) {
    let mut links = kernel.links.iter_mut();
    let link = links.find(|link| link.name == from).unwrap();
    to.interface().unwrap().clone_into(&mut link.name);
}

/// No address, no filter.
fn filtered(kernel: &mut Kernel, address: IpAddr, filtered: bool) {
    let mut addresses = kernel.filter.held().cloned().unwrap_or_default();
    match filtered {
        true => addresses.insert(address),
        false => addresses.remove(&address),
    };
    kernel.filter = match addresses.is_empty() {
        true => Found::Absent,
        false => Found::Whole {
            held: addresses,
            counted: Count::default(),
        },
    };
}

fn set_up(kernel: &mut Kernel, name: &str, up: bool) {
    let mut links = kernel.links.iter_mut();
    links.find(|link| link.name == name).unwrap().up = up;
}

/// Reconciles until nothing is to be done; the kinds of the changes, in order.
fn reconcile(wanted: &Wanted, kernel: &mut Kernel, owned: &mut BTreeSet<Holding>) -> Vec<String> {
    let mut done = Vec::new();
    for _ in 0..4 {
        let all = plan(wanted, owned, kernel);
        let step = all.first_step().unwrap_or(all);
        done.extend(step.ops.iter().map(|op| match op {
            Op::Add(holding, _) => format!("+{}", holding.kind()),
            Op::Replace(holding, _) => format!("~{}", holding.kind()),
            Op::Rename(_, holding, _) => format!("={}", holding.kind()),
            Op::Remove(holding) | Op::Forget(holding) => format!("-{}", holding.kind()),
        }));
        perform(&step, kernel, owned);
    }
    done
}

#[test]
fn things_come_in_their_order_and_go_in_the_reverse() {
    let mut kernel = kernel(&[("ens192", &[OWN])]);
    let mut owned = BTreeSet::new();
    let before = kernel.clone();
    assert_eq!(
        reconcile(&master(), &mut kernel, &mut owned),
        [
            "+interface",
            "+up",
            "+filter",
            "+address",
            "+route",
            "+rule"
        ]
    );
    assert_eq!(reconcile(&master(), &mut kernel, &mut owned), [""; 0]);
    assert_eq!(
        reconcile(&backup(), &mut kernel, &mut owned),
        ["-rule", "-route", "-address", "-filter", "-up"]
    );
    assert_eq!(
        reconcile(&Wanted::default(), &mut kernel, &mut owned),
        ["-interface"]
    );
    assert_eq!(kernel, before);
    assert!(owned.is_empty());
}

/// 6.4.2-b: what is down takes no frame.
#[test]
fn a_backup_has_its_virtual_mac_ready_and_down_and_takes_down_what_somebody_raised() {
    let mut kernel = kernel(&[("ens192", &[OWN])]);
    let mut owned = BTreeSet::new();
    reconcile(&backup(), &mut kernel, &mut owned);
    assert!(!kernel.link(NAME).unwrap().up);
    set_up(&mut kernel, NAME, true);
    assert_eq!(reconcile(&backup(), &mut kernel, &mut owned), ["-up"]);
}

#[test]
fn an_interface_that_somebody_else_made_is_named_and_left_alone() {
    let mut kernel = kernel(&[("ens192", &[OWN]), (NAME, &[])]);
    let found = plan(&backup(), &BTreeSet::new(), &kernel);
    assert_eq!(found.ops, []);
    let problem = &found.problems[&interface().0];
    assert!(problem.contains("that lvsd did not make"), "{problem}");
    let nothing = Wanted::default();
    assert_eq!(plan(&nothing, &BTreeSet::new(), &kernel).ops, []);

    // One of lvsd's with another hardware address is made anew.
    kernel.links[1].macvlan = true;
    let owned = owning(&[interface().0]);
    let (holding, spec) = interface();
    let found = plan(&backup(), &owned, &kernel);
    assert!(found.ops.contains(&Op::Replace(holding, spec)), "{found:?}");
}

#[test]
fn after_a_crash_everything_stays_while_it_is_undecided() {
    let mut kernel = kernel(&[("ens192", &[OWN])]);
    let mut owned = BTreeSet::new();
    reconcile(&master(), &mut kernel, &mut owned);
    let undecided = Wanted {
        held: [interface()].into(),
        undecided: master().held.into_keys().collect(),
        ..Wanted::default()
    };
    assert_eq!(plan(&undecided, &owned, &kernel).ops, []);
    assert_eq!(plan(&master(), &owned, &kernel).ops, []);
}

#[test]
fn a_route_that_differs_is_replaced_and_one_that_was_deleted_comes_back() {
    let mut kernel = kernel(&[("ens192", &[OWN])]);
    let wanted = route("10.0.0.0/8");
    let (holding, spec) = routed(&wanted);
    let asked = Wanted {
        held: [(holding.clone(), spec.clone())].into(),
        ..Wanted::default()
    };
    let owned = owning(std::slice::from_ref(&holding));
    assert_eq!(
        plan(&asked, &owned, &kernel).ops,
        [Op::Add(holding.clone(), spec.clone())]
    );
    kernel.routes = vec![Route {
        mtu: Some(1_400),
        ..wanted.clone()
    }];
    assert_eq!(
        plan(&asked, &owned, &kernel).ops,
        [Op::Replace(holding, spec)]
    );
    kernel.routes = vec![Route {
        interface: Some("ens192".to_owned()),
        ..wanted
    }];
    assert_eq!(plan(&asked, &owned, &kernel).ops, [], "the kernel chose it");
}

#[test]
fn a_route_over_an_interface_that_is_not_there_waits_and_says_so() {
    let wanted = Route {
        interface: Some("ens224".to_owned()),
        ..route("10.0.0.0/8")
    };
    let asked = Wanted {
        held: [routed(&wanted)].into(),
        ..Wanted::default()
    };
    let found = plan(&asked, &BTreeSet::new(), &kernel(&[("ens192", &[OWN])]));
    assert_eq!(found.ops, []);
    assert_eq!(
        found.problems[&routed(&wanted).0],
        "there is no interface ens224"
    );
}

#[test]
fn one_address_more_or_one_route_less_touches_no_other() {
    let mut kernel = kernel(&[("ens192", &[OWN])]);
    let mut owned = BTreeSet::new();
    reconcile(&master(), &mut kernel, &mut owned);
    let mut changed = master();
    changed.held.insert(vip(NAME, "192.168.1.201"), PLAIN);
    changed.held.remove(&routed(&route("10.0.0.0/8")).0);
    assert_eq!(
        plan(&changed, &owned, &kernel).ops,
        [
            add(vip(NAME, "192.168.1.201")),
            Op::Remove(routed(&route("10.0.0.0/8")).0)
        ]
    );
}

#[test]
fn another_label_is_a_change_of_that_address_alone() {
    let vip = vip("ens192", VIP);
    let labelled = Spec::Address {
        label: Some("ens192:vip".to_owned()),
        owner: false,
    };
    let wanted = Wanted {
        held: [(vip.clone(), labelled.clone())].into(),
        ..Wanted::default()
    };
    let owned = owning(std::slice::from_ref(&vip));
    let mut kernel = kernel(&[("ens192", &[OWN, VIP])]);
    assert_eq!(
        plan(&wanted, &owned, &kernel).ops,
        [Op::Replace(vip, labelled)]
    );
    kernel.addresses[1].label = Some("ens192:vip".to_owned());
    assert_eq!(plan(&wanted, &owned, &kernel).ops, []);
}

#[test]
fn a_label_that_the_kernel_gave_when_it_renamed_the_interface_is_left_alone() {
    let vip = vip("ens192", VIP);
    let wanted = Wanted {
        held: [(vip.clone(), PLAIN)].into(),
        ..Wanted::default()
    };
    let owned = owning(std::slice::from_ref(&vip));
    let mut kernel = kernel(&[("ens192", &[OWN, VIP])]);
    let mut ops = |label: &str| {
        kernel.addresses[1].label = Some(label.to_owned());
        plan(&wanted, &owned, &kernel).ops
    };
    assert_eq!(ops("ens192:2"), []);
    let replaced = [Op::Replace(vip, PLAIN)];
    for other in ["ens192:vip", "ens192:2b", "ens193:2"] {
        assert_eq!(ops(other), replaced, "{other}");
    }
}

/// 6.4.3-d: no moment in which the address is there and the filter is not.
#[test]
fn a_filter_comes_before_its_address_and_goes_after_it_and_is_made_anew_when_damaged() {
    let address = vip("ens192", VIP);
    let (holding, spec) = filter();
    let wanted = Wanted {
        held: [(address.clone(), PLAIN), (holding.clone(), spec.clone())].into(),
        ..Wanted::default()
    };
    let mut kernel = kernel(&[("ens192", &[OWN])]);
    let mut owned = BTreeSet::new();
    let ways = reconcile(&wanted, &mut kernel, &mut owned);
    assert_eq!(ways, ["+filter", "+address"]);
    kernel.filter = Found::Damaged;
    let expected = [Op::Add(holding.clone(), spec)];
    assert_eq!(plan(&wanted, &owned, &kernel).ops, expected);
    kernel.filter = Found::Absent;
    assert_eq!(plan(&wanted, &owned, &kernel).ops, expected);
    let gone = plan(&Wanted::default(), &owned, &kernel);
    assert_eq!(gone.ops, [Op::Remove(address), Op::Forget(holding)]);
}
