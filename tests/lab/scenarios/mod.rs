//! Every scenario, by what it is about.

mod demo;
mod ipvs_commands;
mod ipvs_traffic;
mod lab_itself;

use super::bench::BENCHES;
use super::scenario::Scenario;

/// Each file's scenarios; a new file is added here.
const ALL: &[&[Scenario]] = &[
    demo::SCENARIOS,
    ipvs_commands::SCENARIOS,
    ipvs_traffic::SCENARIOS,
    lab_itself::SCENARIOS,
];

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
