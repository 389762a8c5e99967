//! What others do to an interface with a virtual MAC.

use super::*;

/// Two of one hardware address cannot both be up.
#[test]
fn a_virtual_mac_that_was_renamed_gets_its_name_back_with_all_that_is_on_it() {
    let mut kernel = kernel(&[("ens192", &[OWN])]);
    let mut owned = BTreeSet::new();
    reconcile(&master(), &mut kernel, &mut owned);
    let before = kernel.clone();
    let foo = Holding::Interface("foo".to_owned());
    rename(&mut kernel, NAME, &foo);
    // As `Names` follows it.
    owned.remove(&interface().0);
    owned.insert(foo.clone());
    let first = plan(&master(), &owned, &kernel).first_step().unwrap();
    let (holding, spec) = interface();
    assert_eq!(first.ops, [Op::Rename("foo".to_owned(), holding, spec)]);
    perform(&first, &mut kernel, &mut owned);
    assert_eq!(kernel, before);

    // One that another virtual router wants by that name stays.
    rename(&mut kernel, NAME, &foo);
    let mut wanted = backup();
    let (_, spec) = interface();
    wanted.held.insert(foo, spec);
    let first = plan(&wanted, &owned, &kernel).first_step().unwrap();
    assert_eq!(first.ops, [Op::Add(interface().0, interface().1)]);
}

#[test]
fn nothing_is_put_on_an_interface_of_somebody_elses_that_has_the_virtual_macs_name() {
    let kernel = kernel(&[("ens192", &[OWN]), (NAME, &[])]);
    let found = plan(&master(), &BTreeSet::new(), &kernel);
    let kinds: Vec<_> = found.ops.iter().map(|op| op.holding().kind()).collect();
    assert_eq!(kinds, ["filter", "route", "rule"]);
    for holding in [up().0, on_virtual_mac().0] {
        let problem = &found.problems[&holding];
        assert!(problem.contains("that lvsd did not make"), "{problem}");
    }
}

#[test]
fn a_virtual_mac_is_known_by_its_looks_when_the_file_is_lost() {
    let mut kernel = kernel(&[("ens192", &[OWN])]);
    let mut owned = BTreeSet::new();
    reconcile(&master(), &mut kernel, &mut owned);
    let mut known = known_by_looks(&backup(), &BTreeSet::new(), &kernel);
    assert_eq!(known, owning(&[interface().0, on_virtual_mac().0]));
    assert_eq!(
        reconcile(&backup(), &mut kernel, &mut known),
        ["-address", "-up"]
    );
    assert_eq!(known_by_looks(&backup(), &known, &kernel), owning(&[]));
    let link = kernel.links.iter_mut().find(|link| link.name == NAME);
    link.unwrap().hardware_address = vec![2, 0, 0, 0, 0, 1];
    let strange = known_by_looks(&backup(), &BTreeSet::new(), &kernel);
    assert_eq!(strange, owning(&[]));
}
