//! Log lines of the VIP keeper, which another thread writes.

use std::collections::BTreeSet;
use std::io;

use tracing::{info, warn};

use super::holding::{Holding, Place};
use super::{VipsStatus, conflict};
use crate::status::text::chain;
use crate::sys::neighbour::Mac;

/// Something to write.
#[derive(Debug)]
pub(super) enum Line {
    Added(Holding),
    /// An interface got its name back, which was this other one.
    Renamed(String, Holding),
    Removed(Holding),
    /// A thing that is not as wanted, and why.
    Problem(Holding, String),
    /// The keeper cannot work, and why.
    Trouble(String),
    NotAnnounced(Place, io::Error),
    /// Somebody else has the address too.
    Conflict(Place, Mac),
    /// Somebody else has it no longer.
    ConflictOver(Place, Mac),
    /// It cannot be told on an interface who has its addresses.
    NotWatched(String, io::Error),
    /// Reports of the kernel do not come.
    Deaf(String),
}

/// What is newly wrong, and whom the LAN is rid of.
pub(super) fn news(before: &VipsStatus, after: &VipsStatus) -> Vec<Line> {
    let problems = after
        .problems
        .iter()
        .filter(|(holding, problem)| before.problems.get(holding) != Some(problem))
        .map(|(holding, problem)| Line::Problem(holding.clone(), problem.clone()));
    let trouble = after
        .error
        .iter()
        .filter(|error| before.error.as_ref() != Some(error))
        .map(|error| Line::Trouble(error.clone()));
    let (were, are) = (pairs(before), pairs(after));
    let appeared = are.difference(&were);
    let appeared = appeared.map(|(place, mac)| Line::Conflict(place.clone(), *mac));
    let gone = were.difference(&are);
    let gone = gone.map(|(place, mac)| Line::ConflictOver(place.clone(), *mac));
    problems
        .chain(trouble)
        .chain(appeared)
        .chain(gone)
        .collect()
}

fn pairs(status: &VipsStatus) -> BTreeSet<(Place, Mac)> {
    let conflicts = status.conflicts.iter();
    let pairs =
        conflicts.flat_map(|(place, others)| others.iter().map(|mac| (place.clone(), *mac)));
    pairs.collect()
}

pub(super) fn write_line(line: Line) {
    match line {
        Line::Added(holding @ Holding::Up(_)) => info!(%holding, "interface taken up"),
        Line::Removed(holding @ Holding::Up(_)) => info!(%holding, "interface taken down"),
        Line::Renamed(from, holding) => info!(%holding, from, "interface has its name again"),
        Line::Added(holding) => info!(%holding, "{} added", holding.kind()),
        Line::Removed(holding) => info!(%holding, "{} removed", holding.kind()),
        Line::Problem(holding, problem) => {
            warn!(%holding, problem, "{} not as wanted", holding.kind());
        }
        Line::Trouble(error) => warn!(error, "the VIP keeper has trouble, trying on"),
        Line::NotAnnounced(place, error) => {
            warn!(%place, error = chain(&error), "cannot announce the address");
        }
        Line::Conflict(place, mac) => warn!("{}", conflict::describe(&place, mac)),
        Line::ConflictOver(place, mac) => {
            info!(%place, mac = conflict::text(mac), "nobody else answers there for the address any more");
        }
        Line::NotWatched(interface, error) => warn!(
            interface,
            error = chain(&error),
            "cannot ask who else has the addresses"
        ),
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
            problems: [(Holding::Address(place.clone()), problem.to_owned())].into(),
            ..VipsStatus::default()
        };
        let none = VipsStatus::default();
        assert_eq!(news(&none, &with("a")).len(), 1);
        assert_eq!(news(&with("a"), &with("a")).len(), 0);
        assert_eq!(news(&with("a"), &with("b")).len(), 1);
        assert_eq!(news(&with("a"), &none).len(), 0);
    }

    #[test]
    fn a_conflict_is_told_once_for_each_station_and_so_is_its_end() {
        let place = Place {
            interface: "ens192".to_owned(),
            address: "192.168.1.200".parse().unwrap(),
        };
        let with = |macs: &[Mac]| VipsStatus {
            conflicts: [(place.clone(), macs.iter().copied().collect())].into(),
            ..VipsStatus::default()
        };
        let (a, b) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let none = VipsStatus::default();
        assert!(matches!(news(&none, &with(&[a]))[..], [Line::Conflict(_, mac)] if mac == a));
        assert!(
            matches!(news(&with(&[a]), &with(&[a, b]))[..], [Line::Conflict(_, mac)] if mac == b)
        );
        assert!(matches!(news(&with(&[a]), &none)[..], [Line::ConflictOver(_, mac)] if mac == a));
    }
}
