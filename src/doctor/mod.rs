//! The doctor: looks for the classic LVS faults on this host and says how to
//! mend each. It changes nothing.
//!
//! ```text
//!  kernel, files, firewall ─┐
//!  lvsd's own sockets ──────┼─▶ gather ─▶ Facts ─▶ rules ─▶ Vec<Finding> ─▶ text, JSON
//!  a few seconds of wire ───┘   (thin)   (value)   (pure)
//! ```
//! [`gather`] is the only part that opens anything. A rule is a function from
//! [`Facts`] to findings and knows one subject; [`rules`] lists them. What a host
//! is, director or real server or both, is told by the facts: no configuration
//! is needed, and one adds to what can be seen.
//!
//! A fault has one finding. Where one causes another, such as two masters and a
//! VIP that two hosts answer for, the rule of the consequence looks for its
//! cause and is silent.

pub mod facts;
pub mod finding;
pub mod firewall;
pub mod gather;
pub mod rules;

pub use facts::Facts;
pub use finding::{Finding, Kind, Report, Severity};

/// Applies every rule.
pub fn examine(facts: &Facts) -> Report {
    let mut findings: Vec<_> = rules::ALL.iter().flat_map(|rule| rule(facts)).collect();
    findings.sort_by_key(|finding| finding.severity);
    Report {
        roles: facts.roles(),
        findings,
        unseen: facts.unseen.clone(),
    }
}
