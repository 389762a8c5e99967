//! Interfaces that get another name: the kernel keeps their parameters, and so does
//! the journal, under the new name.

use std::collections::BTreeMap;

use super::Agent;
use crate::realserver::journal::Journal;

/// The name of each interface, by index, as the journal on disk knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Names(BTreeMap<u32, String>);

impl Agent {
    /// Gives what the journal knows of an interface its new name.
    pub(super) fn follow_renames(&mut self, journal: &mut Journal) {
        let mut renamed = BTreeMap::new();
        for link in &self.seen.links {
            let known = self.names.0.entry(link.index);
            let known = known.or_insert_with(|| link.name.clone());
            if *known != link.name {
                renamed.insert(known.clone(), link.name.clone());
            }
        }
        if !journal.rename(&renamed) {
            self.note_names();
        }
    }

    /// The journal on disk has today's names.
    pub(super) fn note_names(&mut self) {
        let links = self.seen.links.iter();
        let names = links.map(|link| (link.index, link.name.clone()));
        self.names = Names(names.collect());
    }
}
