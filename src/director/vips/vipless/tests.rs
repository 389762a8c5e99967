use super::super::confirm::tests::status;
use super::*;
use std::sync::Arc;

use crate::config::director::{Holdings, VirtualMac};
use crate::sys::clock;

const SECOND: Duration = Duration::from_secs(1);

fn place(address: &str) -> Holding {
    Holding::Address(Place {
        interface: "eth0".to_owned(),
        address: address.parse().unwrap(),
    })
}

fn vips(held: &[&str], failed: &[&str]) -> VipsStatus {
    let problem = |it: &&str| (place(it), format!("cannot add {it}"));
    VipsStatus {
        held: held.iter().map(|it| place(it)).collect(),
        problems: failed.iter().map(problem).collect(),
        ..VipsStatus::default()
    }
}

fn told(commands: &[Command]) -> Vec<Option<String>> {
    let told = commands.iter().filter_map(|command| match command {
        Command::CannotHold { why, .. } => Some(why.clone()),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_master_that_can_hold_none_of_its_vips_gives_up_after_a_second_and_tries_again() {
    let start = clock::now();
    let (mut vipless, master) = (Vipless::default(), status(Claim::Hold, 1));
    let none = vips(&[], &["10.0.0.8/32", "10.0.0.9/32"]);
    assert_eq!(told(&vipless.tend(start, &master, &none)), []);
    assert_eq!(vipless.deadline(), Some(start + SECOND));
    let why = Some("cannot add 10.0.0.8/32".to_owned());
    assert_eq!(told(&vipless.tend(start + SECOND, &master, &none)), [why]);
    // In fault it claims nothing, so nothing fails.
    let fault = status(Claim::Release, 1);
    let fine = VipsStatus::default();
    assert_eq!(told(&vipless.tend(start + SECOND * 30, &fault, &fine)), []);
    assert_eq!(vipless.deadline(), Some(start + SECOND * 31));
    assert_eq!(
        told(&vipless.tend(start + SECOND * 31, &fault, &fine)),
        [None]
    );
    assert_eq!(vipless.deadline(), None);
}

#[test]
fn one_vip_that_is_held_or_a_failure_that_passes_is_no_reason() {
    let start = clock::now();
    let (mut vipless, master) = (Vipless::default(), status(Claim::Hold, 1));
    let one = vips(&["10.0.0.9/32"], &["10.0.0.8/32"]);
    for second in 0..10 {
        let now = start + SECOND * second;
        assert_eq!(told(&vipless.tend(now, &master, &one)), []);
    }
    let none = vips(&[], &["10.0.0.8/32", "10.0.0.9/32"]);
    vipless.tend(start, &master, &none);
    vipless.tend(start, &master, &VipsStatus::default());
    assert_eq!(vipless.deadline(), None);
    let backup = status(Claim::Release, 1);
    vipless.tend(start, &backup, &none);
    assert_eq!(vipless.deadline(), None, "a backup wants none");
}

/// Without its hardware address it would be a black hole: it is not even to begin.
#[test]
fn a_virtual_router_whose_virtual_mac_cannot_be_made_is_at_fault_until_it_can() {
    let start = clock::now();
    let mut backup = status(Claim::Release, 1);
    let instance = backup.instances.get_mut("VI_1").unwrap();
    instance.holdings = Arc::new(Holdings {
        virtual_mac: Some(VirtualMac {
            interface: "vrrp51.eth0".to_owned(),
            mac: [0, 0, 0x5e, 0, 1, 51],
        }),
        ..Holdings::default()
    });
    let mut vipless = Vipless::default();
    let interface = Holding::Interface("vrrp51.eth0".to_owned());
    let mut strange = VipsStatus::default();
    let why = "somebody else's".to_owned();
    strange.problems.insert(interface.clone(), why.clone());
    assert_eq!(told(&vipless.tend(start, &backup, &strange)), [Some(why)]);
    let later = start + SECOND * 60;
    assert_eq!(told(&vipless.tend(later, &backup, &strange)), []);
    assert_eq!(vipless.deadline(), None);
    // What is there, and not quite as it ought to be, is told and no fault.
    strange.held.insert(interface);
    assert_eq!(told(&vipless.tend(later, &backup, &strange)), [None]);
    assert_eq!(told(&vipless.tend(later, &backup, &strange)), []);

    // Held, and down: nobody is answered.
    backup.instances.get_mut("VI_1").unwrap().claim = Claim::Hold;
    let up = Holding::Up("vrrp51.eth0".to_owned());
    strange
        .problems
        .insert(up, "address already in use".to_owned());
    assert_eq!(told(&vipless.tend(start, &backup, &strange)), []);
    let why = Some("address already in use".to_owned());
    assert_eq!(
        told(&vipless.tend(start + SECOND, &backup, &strange)),
        [why]
    );
}
