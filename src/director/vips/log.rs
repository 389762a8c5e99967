//! Log lines of the VIP keeper, which another thread writes.

use std::io;

use tracing::{info, warn};

use super::VipsStatus;
use super::plan::Place;
use crate::status::text::chain;

/// Something to write.
#[derive(Debug)]
pub(super) enum Line {
    Added(Place),
    Removed(Place),
    /// An address that is not as wanted, and why.
    Problem(Place, String),
    /// The keeper cannot work, and why.
    Trouble(String),
    NotAnnounced(Place, io::Error),
    /// Reports of the kernel do not come.
    Deaf(String),
}

/// What is newly wrong.
pub(super) fn news(before: &VipsStatus, after: &VipsStatus) -> Vec<Line> {
    let problems = after
        .problems
        .iter()
        .filter(|(place, problem)| before.problems.get(place) != Some(problem))
        .map(|(place, problem)| Line::Problem(place.clone(), problem.clone()));
    let trouble = after
        .error
        .iter()
        .filter(|error| before.error.as_ref() != Some(error))
        .map(|error| Line::Trouble(error.clone()));
    problems.chain(trouble).collect()
}

pub(super) fn write_line(line: Line) {
    match line {
        Line::Added(place) => info!(%place, "address added"),
        Line::Removed(place) => info!(%place, "address removed"),
        Line::Problem(place, problem) => warn!(%place, problem, "address not as wanted"),
        Line::Trouble(error) => warn!(error, "the VIP keeper has trouble, trying on"),
        Line::NotAnnounced(place, error) => {
            warn!(%place, error = chain(&error), "cannot announce the address");
        }
        Line::Deaf(error) => warn!(error, "changes go unnoticed until the next look"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_once_and_again_when_it_changes() {
        let place = Place {
            interface: "ens192".to_owned(),
            address: "192.168.1.200".parse().unwrap(),
        };
        let with = |problem: &str| VipsStatus {
            problems: [(place.clone(), problem.to_owned())].into(),
            ..VipsStatus::default()
        };
        let none = VipsStatus::default();
        assert_eq!(news(&none, &with("a")).len(), 1);
        assert_eq!(news(&with("a"), &with("a")).len(), 0);
        assert_eq!(news(&with("a"), &with("b")).len(), 1);
        assert_eq!(news(&with("a"), &none).len(), 0);
    }
}
