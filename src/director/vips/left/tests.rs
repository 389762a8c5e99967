use super::super::confirm::tests::status;
use super::super::plan::tests::{kernel, vip};
use super::*;
use crate::vrrp::router::Claim;

const BOTH: [&str; 2] = ["10.0.0.8", "10.0.0.9"];

/// What is told of addresses that are here, of which lvsd has put some there.
fn told(left: &mut Left, owned: &[&str], addresses: &[&str]) -> usize {
    let owned = owned.iter().map(|it| vip("eth0", it)).collect();
    let kernel = kernel(&[("eth0", addresses)]);
    left.tell(&status(Claim::Undecided, 0), &owned, &kernel)
        .len()
}

#[test]
fn a_router_whose_addresses_an_earlier_run_left_is_told_so_once() {
    let mut left = Left::default();
    assert_eq!(told(&mut left, &BOTH, &BOTH), 1);
    assert_eq!(told(&mut left, &BOTH, &BOTH), 0, "once");
}

#[test]
fn addresses_that_are_gone_or_never_were_its_own_are_no_sign_of_an_earlier_run() {
    let told = |owned: &[&str], addresses: &[&str]| told(&mut Left::default(), owned, addresses);
    assert_eq!(told(&BOTH, &BOTH[..1]), 0, "one is gone");
    assert_eq!(told(&BOTH[..1], &BOTH), 0, "one is somebody's");
    assert_eq!(told(&[], &BOTH), 0);
}

#[test]
fn what_was_left_is_told_when_it_is_known_what_is_configured() {
    let mut left = Left::default();
    let owned = BOTH.iter().map(|it| vip("eth0", it)).collect();
    let there = kernel(&[("eth0", &BOTH)]);
    let early = left.tell(&VrrpStatus::default(), &owned, &there);
    assert_eq!(early.len(), 0);
    assert_eq!(told(&mut left, &BOTH, &BOTH), 1);
}
