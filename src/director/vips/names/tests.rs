use super::*;
use crate::director::vips::plan::tests::{kernel, vip};
use crate::director::vips::plan::{Op, plan};
use crate::director::vips::wanted::Wanted;

const VIP: &str = "192.168.1.200/32";
const OWN: &str = "192.168.1.51/24";

/// What is known once the interfaces were there under their first names.
fn noted(before: &Kernel) -> Names {
    let mut names = Names::default();
    names.note(
        before.links.iter().map(|link| link.name.as_str()),
        before,
        false,
    );
    names
}

#[test]
fn a_vip_on_an_interface_that_was_renamed_is_lvsds_still_and_goes() {
    let mut names = noted(&kernel(&[("eth0", &[OWN, VIP])]));
    let owned = BTreeSet::from([vip("eth0", VIP)]);
    let renamed = kernel(&[("nic0", &[OWN, VIP])]);
    assert_eq!(names.renamed("eth0", &renamed), Some("nic0"));
    let owned = names.follow(&owned, &renamed);
    assert_eq!(owned, BTreeSet::from([vip("nic0", VIP)]));
    let plan = plan(&Wanted::default(), &owned, &renamed);
    assert_eq!(plan.ops, [Op::Remove(vip("nic0", VIP))]);
    assert!(plan.foreign.is_empty(), "{plan:?}");
    names.note(["eth0"].into_iter(), &renamed, false);
    assert_eq!(
        names.renamed("eth0", &renamed),
        Some("nic0"),
        "it is told on"
    );
    let back = kernel(&[("eth0", &[OWN])]);
    assert_eq!(names.renamed("eth0", &back), None);
}

/// `eth0` got another name between a crash and the next start.
#[test]
fn what_an_earlier_run_left_is_known_by_the_interface_and_not_by_its_name() {
    let before = kernel(&[("eth0", &[OWN, VIP]), ("eth1", &[])]);
    let left = Owned::new(&BTreeSet::from([vip("eth0", VIP)]), &noted(&before));
    let file = serde_json::to_string(&left).unwrap();
    assert!(!file.contains("eth1"), "nothing is on it: {file}");
    let left: Owned = serde_json::from_str(&file).unwrap();
    let renamed = kernel(&[("nic0", &[OWN, VIP]), ("eth1", &[])]);
    assert_eq!(left.now(&renamed), [vip("nic0", VIP)].into());
    assert_eq!(left.now(&before), left.things);

    let on = |index, name| left.on(index, name).count();
    assert_eq!((on(1, "nic0"), on(2, "eth0")), (1, 0), "by index");

    let mut names = left.interfaces;
    names.note(std::iter::empty(), &renamed, true);
    assert_eq!(
        names.renamed("eth0", &renamed),
        Some("nic0"),
        "known until it is known what is configured"
    );
    names.note(["eth0"].into_iter(), &renamed, false);
    assert_eq!(names.renamed("eth0", &renamed), Some("nic0"));
    names.note(["eth1"].into_iter(), &renamed, false);
    assert_eq!(names.renamed("eth0", &renamed), None);
}

#[test]
fn two_interfaces_that_change_names_are_told_apart() {
    let names = noted(&kernel(&[("eth0", &[VIP]), ("eth1", &[])]));
    let owned = BTreeSet::from([vip("eth0", VIP)]);
    let swapped = kernel(&[("eth1", &[VIP]), ("eth0", &[])]);
    let owned = names.follow(&owned, &swapped);
    assert_eq!(owned, BTreeSet::from([vip("eth1", VIP)]));
    assert_eq!(names.renamed("eth0", &swapped), None, "there is one");
}

#[test]
fn an_interface_that_is_gone_takes_what_it_had_along() {
    let names = noted(&kernel(&[("eth0", &[VIP]), ("eth1", &[])]));
    let owned = BTreeSet::from([vip("eth0", VIP)]);
    let gone = kernel(&[("lo", &["127.0.0.1/8"])]);
    assert_eq!(
        names.follow(&owned, &gone),
        owned,
        "another one has its index"
    );
    assert_eq!(names.follow(&owned, &Kernel::default()), owned);
    assert_eq!(names.renamed("eth0", &Kernel::default()), None);
}
