//! Every scenario, by what it is about.

mod demo;
mod forwarding;
mod lab_itself;
mod schedulers;
mod servers;

use super::bench::BENCHES;
use super::scenario::Scenario;

/// Each file's scenarios; a new file is added here.
const ALL: &[&[Scenario]] = &[
    demo::SCENARIOS,
    forwarding::SCENARIOS,
    lab_itself::SCENARIOS,
    schedulers::SCENARIOS,
    servers::SCENARIOS,
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
