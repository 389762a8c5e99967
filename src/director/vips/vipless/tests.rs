use super::super::confirm::tests::status;
use super::*;
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
