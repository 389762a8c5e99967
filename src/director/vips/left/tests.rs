use super::super::confirm::tests::status;
use super::super::plan::tests::{kernel, vip};
use super::*;
use crate::vrrp::router::Claim;

const BOTH: [&str; 2] = ["10.0.0.8", "10.0.0.9"];

fn told(left: &mut Left, addresses: &[&str]) -> usize {
    let kernel = kernel(&[("eth0", addresses)]);
    left.tell(&status(Claim::Undecided, 0), &kernel).len()
}

fn left(addresses: &[&str]) -> Left {
    let owned = addresses.iter().map(|it| vip("eth0", it)).collect();
    Left::of(&owned)
}

#[test]
fn a_router_whose_addresses_an_earlier_run_left_is_told_so_once() {
    let mut both = left(&BOTH);
    assert_eq!(told(&mut both, &BOTH), 1);
    assert_eq!(told(&mut both, &BOTH), 0, "once");
}

#[test]
fn addresses_that_are_gone_or_never_were_its_own_are_no_sign_of_an_earlier_run() {
    assert_eq!(told(&mut left(&BOTH), &BOTH[..1]), 0, "one is gone");
    assert_eq!(told(&mut left(&BOTH[..1]), &BOTH), 0, "one is somebody's");
    assert_eq!(told(&mut left(&[]), &BOTH), 0);
}

#[test]
fn what_was_left_is_told_when_it_is_known_what_is_configured() {
    let mut both = left(&BOTH);
    let early = both.tell(&VrrpStatus::default(), &kernel(&[("eth0", &BOTH)]));
    assert_eq!(early.len(), 0);
    assert_eq!(told(&mut both, &BOTH), 1);
}
