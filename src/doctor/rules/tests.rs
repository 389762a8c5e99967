//! Each rule both ways: the fault is found and nothing else, and what only looks
//! like it is not.

mod agent;
mod answers;
mod director;
mod kept_out;
mod peers;
mod server;
mod silenced;
mod site;
mod source;

use super::*;
use crate::doctor::facts::tests::{backup, host, master, real_server};
use crate::doctor::{examine, finding::Report};

/// What is found, by id, in order.
fn ids(facts: &Facts) -> Vec<&'static str> {
    let Report { findings, .. } = examine(facts);
    findings.iter().map(|finding| finding.id).collect()
}

/// The one finding that there is, as text.
#[track_caller]
fn only(facts: &Facts, id: &str) -> Finding {
    let Report { findings, .. } = examine(facts);
    let [finding] = findings.as_slice() else {
        panic!("{findings:#?}");
    };
    assert_eq!(finding.id, id, "{finding:#?}");
    finding.clone()
}

#[test]
fn healthy_hosts_have_nothing() {
    for facts in [host(9), master(), backup(), real_server()] {
        assert_eq!(examine(&facts).findings, []);
    }
}

#[test]
fn every_kind_is_listed_once_and_documented_with_its_scenario() {
    let ids: BTreeSet<_> = KINDS.iter().map(|kind| kind.id).collect();
    assert_eq!(ids.len(), KINDS.len());
    let document = include_str!("../../../docs/doctor.md");
    for id in ids {
        assert!(
            document.contains(&format!("| `{id}` |")),
            "{id}: docs/doctor.md"
        );
    }
}

#[test]
fn names_are_listed_as_people_write_them() {
    assert_eq!(listed([0; 0]), "");
    assert_eq!(listed([1]), "1");
    assert_eq!(listed([1, 2]), "1 and 2");
    assert_eq!(listed([1, 2, 3]), "1, 2 and 3");
}
