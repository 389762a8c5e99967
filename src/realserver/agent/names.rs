//! Interfaces that get another name: the kernel keeps their parameters, and so does
//! the journal, under the new name. An interface that is made anew under an old name
//! has parameters of its own. Both are told by the interface's index, which never
//! changes. (A journal of another boot is not believed.)

use std::collections::BTreeMap;

use crate::realserver::journal::Journal;
use crate::sys::link::Link;

/// Gives what the journal knows of interfaces their names of now, and drops what it
/// knows of interfaces that others have replaced.
pub(super) fn follow(journal: &mut Journal, links: &[Link]) {
    let name_of = |index: u32| links.iter().find(|link| link.index == index);
    let renamed: BTreeMap<_, _> = journal
        .links
        .iter()
        .filter_map(|(old, index)| Some((old.clone(), name_of(*index)?.name.clone())))
        .filter(|(old, new)| old != new)
        .collect();
    journal.rename(&renamed);
    for link in links {
        let known = journal.links.get(&link.name);
        if known.is_some_and(|index| *index != link.index) {
            journal.forget_interface(&link.name);
        }
    }
}

/// Notes the index of each interface that the journal knows something of.
pub(super) fn note(journal: &mut Journal, links: &[Link]) {
    let of_interest = |name: &str| {
        let mut keys = journal.sysctls.keys();
        keys.any(|key| key.interface() == Some(name))
    };
    let mut noted = journal.links.clone();
    noted.retain(|name, _| of_interest(name));
    let found = links.iter().filter(|link| of_interest(&link.name));
    noted.extend(found.map(|link| (link.name.clone(), link.index)));
    journal.links = noted;
}
