use std::time::Duration;

use futures_util::StreamExt;
use nix::sched::{CloneFlags, unshare};

use super::*;
use crate::lvs::routing::{Route, RouteId, RouteKind, RouteScope, Rule, TABLE_MAIN};
use crate::lvs::{Family, Prefixed};
use crate::sys::address::{NewAddress, Scope};

#[test]
fn an_address_is_added_with_its_label_listed_and_deleted() {
    in_own_namespace(async |kernel| {
        let lo = kernel.link("lo").await.unwrap().unwrap();
        let vip: IpAddr = "192.168.1.200".parse().unwrap();
        let new = NewAddress {
            label: Some("lo:0".into()),
            ..NewAddress::host(vip)
        };
        kernel.add_address(lo.index, &new).await.unwrap();

        let listed = kernel.addresses().await.unwrap();
        let found = listed.iter().find(|a| a.address.address == vip).unwrap();
        assert_eq!(found.link, lo.index);
        assert_eq!(found.address, Prefixed::host(vip));
        assert_eq!(found.label.as_deref(), Some("lo:0"));
        assert_eq!(found.scope, Scope::Global);

        let again = kernel.add_address(lo.index, &new).await.unwrap_err();
        assert!(again.is_exists(), "{again:?}");
        kernel
            .delete_address(lo.index, Prefixed::host(vip))
            .await
            .unwrap();
        let gone = kernel.delete_address(lo.index, Prefixed::host(vip)).await;
        assert!(gone.unwrap_err().is_not_found());
    });
}

#[test]
fn an_ipv6_address_without_dad_is_usable_at_once_and_never_chosen_as_source() {
    in_own_namespace(async |kernel| {
        let lo = kernel.link("lo").await.unwrap().unwrap();
        let vip: IpAddr = "2001:db8::200".parse().unwrap();
        let new = NewAddress {
            nodad: true,
            deprecated: true,
            ..NewAddress::host(vip)
        };
        kernel.add_address(lo.index, &new).await.unwrap();

        let listed = kernel.addresses().await.unwrap();
        let found = listed.iter().find(|a| a.address.address == vip).unwrap();
        assert!(!found.tentative);
        assert!(found.deprecated);
        assert!(!found.secondary);
    });
}

#[test]
fn what_others_change_is_reported() {
    in_own_namespace(async |kernel| {
        let mut changes = Changes::subscribe().unwrap();
        let lo = kernel.link("lo").await.unwrap().unwrap();
        let vip: IpAddr = "192.168.1.200".parse().unwrap();
        kernel
            .add_address(lo.index, &NewAddress::host(vip))
            .await
            .unwrap();
        kernel
            .delete_address(lo.index, Prefixed::host(vip))
            .await
            .unwrap();

        let Change::Address(added) = next(&mut changes).await else {
            panic!("the addition is reported first");
        };
        assert_eq!(added.address, Prefixed::host(vip));
        let Change::AddressGone { link, address, by } = next(&mut changes).await else {
            panic!("the removal is reported next");
        };
        assert_eq!((link, address), (lo.index, vip));
        assert_ne!(by, 0, "it was asked for over netlink");
    });
}

#[test]
fn a_link_that_is_not_there_is_none_and_not_an_error() {
    in_own_namespace(async |kernel| {
        assert_eq!(kernel.link("eth99").await.unwrap(), None);
        let lo = kernel.link("lo").await.unwrap().unwrap();
        assert!(lo.loopback);
        assert_eq!(kernel.links().await.unwrap(), [lo]);
    });
}

/// The interface may have something to tell of itself meanwhile.
async fn next_of_routes(changes: &mut Changes) -> Change {
    loop {
        match next(changes).await {
            Change::Address(_) | Change::Link(_) => {}
            other => return other,
        }
    }
}

/// Runs `ip` as somebody else would.
fn ip(words: &str) {
    let mut command = std::process::Command::new("ip");
    let status = command.args(words.split(' ')).status();
    assert!(status.unwrap().success(), "ip {words}");
}

async fn next(changes: &mut Changes) -> Change {
    tokio::time::timeout(Duration::from_secs(5), changes.next())
        .await
        .expect("a change within 5 s")
        .expect("an open stream")
}

/// Runs `test` in a network namespace that lasts as long as this thread.
pub(crate) fn in_own_namespace(test: impl AsyncFnOnce(Rtnetlink)) {
    if let Err(error) = unshare(CloneFlags::CLONE_NEWNET) {
        eprintln!("SKIPPED: needs root for a network namespace of its own: {error}");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { test(Rtnetlink::open().unwrap()).await });
}

fn route(to: &str) -> Route {
    let to: Prefixed = to.parse().unwrap();
    let family = Family::of(to.address);
    Route {
        id: RouteId {
            table: TABLE_MAIN,
            to,
            metric: family.metric(),
        },
        kind: RouteKind::Unicast,
        via: None,
        interface: None,
        source: None,
        scope: (family == Family::Ipv4).then_some(RouteScope::Global),
        mtu: None,
        advmss: None,
    }
}

/// An interface of its own with 192.168.1.51/24 and 2001:db8::51/64.
async fn lan(kernel: &Rtnetlink) -> Link {
    let lo = kernel.link("lo").await.unwrap().unwrap();
    kernel.set_link_up(lo.index, true).await.unwrap();
    ip("link add lan0 type veth peer name switch");
    let lan = kernel.link("lan0").await.unwrap().unwrap();
    let switch = kernel.link("switch").await.unwrap().unwrap();
    for link in [&lan, &switch] {
        kernel.set_link_up(link.index, true).await.unwrap();
    }
    for address in ["192.168.1.51/24", "2001:db8::51/64"] {
        let address: Prefixed = address.parse().unwrap();
        let new = NewAddress {
            address,
            nodad: address.address.is_ipv6(),
            ..NewAddress::host(address.address)
        };
        kernel.add_address(lan.index, &new).await.unwrap();
    }
    lan
}

#[test]
fn a_route_of_every_kind_is_listed_as_it_was_added_and_only_lvsds_own() {
    in_own_namespace(async |kernel| {
        let lan = lan(&kernel).await;
        let links = kernel.links().await.unwrap();
        let name = Some("lan0".to_owned());
        let routes = [
            Route {
                via: Some("192.168.1.1".parse().unwrap()),
                interface: name.clone(),
                source: Some("192.168.1.51".parse().unwrap()),
                mtu: Some(1_400),
                advmss: Some(1_360),
                ..route("10.0.0.0/8")
            },
            Route {
                id: RouteId {
                    table: 1_000,
                    metric: 7,
                    ..route("0.0.0.0/0").id
                },
                scope: Some(RouteScope::Link),
                interface: name.clone(),
                ..route("0.0.0.0/0")
            },
            Route {
                kind: RouteKind::Blackhole,
                ..route("10.9.0.0/16")
            },
            Route {
                kind: RouteKind::Prohibit,
                ..route("2001:db8:9::/48")
            },
            Route {
                via: Some("2001:db8::1".parse().unwrap()),
                interface: name,
                ..route("2001:db8:1::/48")
            },
        ];
        for route in &routes {
            let link = route.interface.as_ref().map(|_| lan.index);
            kernel.add_route(route, link, false).await.unwrap();
        }
        let listed = kernel.routes(&links).await.unwrap();
        assert_eq!(listed.len(), routes.len(), "none of the kernel's own");
        for route in &routes {
            let found = listed.iter().find(|found| found.id == route.id).unwrap();
            assert!(route.is_met_by(found), "{route:?} is {found:?}");
            let again = kernel.add_route(route, None, false).await.unwrap_err();
            assert!(route.via.is_none() || again.is_exists(), "{again:?}");
            kernel.delete_route(&route.id).await.unwrap();
            let gone = kernel.delete_route(&route.id).await.unwrap_err();
            assert!(gone.is_not_found(), "{gone:?}");
        }
        assert_eq!(kernel.routes(&links).await.unwrap(), []);
    });
}

#[test]
fn a_rule_is_listed_as_it_was_added_and_only_lvsds_own() {
    in_own_namespace(async |kernel| {
        let rule = Rule {
            priority: 100,
            family: Family::Ipv4,
            from: Some("192.168.1.200/32".parse().unwrap()),
            to: Some("10.0.0.0/8".parse().unwrap()),
            fwmark: Some(7),
            iif: Some("lan0".to_owned()),
            oif: None,
            table: 1_000,
        };
        let short = Rule {
            priority: 101,
            family: Family::Ipv6,
            from: None,
            to: None,
            fwmark: None,
            iif: None,
            oif: Some("lan0".to_owned()),
            table: 200,
        };
        for rule in [&rule, &short] {
            kernel.add_rule(rule).await.unwrap();
            assert!(kernel.add_rule(rule).await.unwrap_err().is_exists());
        }
        assert_eq!(kernel.rules().await.unwrap(), [rule.clone(), short.clone()]);
        for rule in [&rule, &short] {
            kernel.delete_rule(rule).await.unwrap();
            let gone = kernel.delete_rule(rule).await.unwrap_err();
            assert!(gone.is_not_found(), "{gone:?}");
        }
    });
}

#[test]
fn a_route_or_rule_that_somebody_removes_is_reported_if_it_is_lvsds() {
    in_own_namespace(async |kernel| {
        lan(&kernel).await;
        let mut changes = Changes::subscribe_with_routes().unwrap();
        ip("route add 10.1.0.0/16 via 192.168.1.1");
        ip("route del 10.1.0.0/16");
        let blackhole = Route {
            kind: RouteKind::Blackhole,
            ..route("10.9.0.0/16")
        };
        kernel.add_route(&blackhole, None, false).await.unwrap();
        ip("route del blackhole 10.9.0.0/16");
        assert_eq!(next_of_routes(&mut changes).await, Change::RouteGone);
        let rule = Rule {
            priority: 100,
            family: Family::Ipv4,
            from: None,
            to: None,
            fwmark: Some(1),
            iif: None,
            oif: None,
            table: 100,
        };
        kernel.add_rule(&rule).await.unwrap();
        ip("rule del priority 100");
        assert_eq!(next_of_routes(&mut changes).await, Change::RuleGone);
    });
}

#[test]
fn a_macvlan_is_made_down_with_its_own_hardware_address() {
    in_own_namespace(async |kernel| {
        let lan = lan(&kernel).await;
        let mac = [0, 0, 0x5e, 0, 1, 51];
        kernel
            .add_macvlan("vrrp51.lan0", lan.index, mac)
            .await
            .unwrap();
        let again = kernel.add_macvlan("vrrp51.lan0", lan.index, mac).await;
        assert!(again.unwrap_err().is_exists());
        let made = kernel.link("vrrp51.lan0").await.unwrap().unwrap();
        assert_eq!(made.hardware_address, mac);
        assert_eq!(made.parent, Some(lan.index));
        assert!(made.macvlan && !made.up);
        kernel.set_link_up(made.index, true).await.unwrap();
        let raised = kernel.link("vrrp51.lan0").await.unwrap().unwrap();
        assert!(raised.up && raised.carrier);
        kernel.set_link_up(made.index, false).await.unwrap();
        kernel.delete_link(made.index).await.unwrap();
        let gone = kernel.delete_link(made.index).await.unwrap_err();
        assert!(gone.is_not_found(), "{gone:?}");
    });
}
