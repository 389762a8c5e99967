//! What parameters were before lvsd changed them, also those of an interface that has
//! another name by now.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Values;

/// As it is written down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Originals {
    /// The index of each interface that there are values of: the kernel gives none to
    /// another interface before the next boot.
    #[serde(default)]
    links: BTreeMap<String, u32>,
    /// The values, by the names that the interfaces had.
    #[serde(flatten)]
    pub(super) values: Values,
}

impl Originals {
    /// These, of interfaces as they are called now.
    pub(super) fn new(values: Values, index_of: impl Fn(&str) -> Option<u32>) -> Self {
        let names = values.keys().filter_map(|key| key.interface());
        let links = names.filter_map(|name| Some((name.to_owned(), index_of(name)?)));
        Self {
            links: links.collect(),
            values,
        }
    }

    /// The values by the names that the interfaces have now. Of one that is gone they wait
    /// for another of its name, which lvsd will change as well.
    pub(super) fn now(&self, name_of: impl Fn(u32) -> Option<String>) -> Values {
        let name = |interface: &str| name_of(*self.links.get(interface)?);
        let values = self.values.iter().map(|(key, value)| {
            let name = key.interface().and_then(name);
            let now = key.on_another_interface(|_| name.as_ref());
            (now.unwrap_or_else(|| key.clone()), value.clone())
        });
        values.collect()
    }
}
