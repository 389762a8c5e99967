use std::time::Duration;

use futures_util::StreamExt;
use nix::sched::{CloneFlags, unshare};

use super::*;
use crate::lvs::Prefixed;
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

async fn next(changes: &mut Changes) -> Change {
    tokio::time::timeout(Duration::from_secs(5), changes.next())
        .await
        .expect("a change within 5 s")
        .expect("an open stream")
}

/// Runs `test` in a network namespace that lasts as long as this thread.
fn in_own_namespace(test: impl AsyncFnOnce(Rtnetlink)) {
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
