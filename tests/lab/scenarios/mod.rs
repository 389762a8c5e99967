//! Every scenario, by what it is about.

mod demo;
mod lab_itself;
mod pools;

use super::bench::BENCHES;
use super::scenario::Scenario;

/// Each file's scenarios; a new file is added here.
const ALL: &[&[Scenario]] = &[demo::SCENARIOS, lab_itself::SCENARIOS, pools::SCENARIOS];

pub(crate) fn all() -> impl Iterator<Item = &'static Scenario> {
    ALL.iter().copied().flatten()
}

/// The scenario, or bench, of this name.
pub(crate) fn find(name: &str) -> &'static Scenario {
    let mut known = all().chain(BENCHES);
    known
        .find(|scenario| scenario.name == name)
        .unwrap_or_else(|| panic!("no scenario {name}"))
}
