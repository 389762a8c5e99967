//! The agent: drained by somebody, or not there.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{listed, vip};
use crate::doctor::{Facts, Finding, Kind, Severity};

pub(super) const DRAINED: Kind = Kind {
    id: "drained",
    severity: Severity::Note,
    why: "an operator has drained this real server, so it lets go of its VIPs and directors that \
          ask /ready send it nobody",
};

pub(super) const AGENT_NOT_RUNNING: Kind = Kind::warning(
    "agent-not-running",
    "nobody answers /ready, so directors that ask it leave this host out, and nobody puts back a \
     VIP or a sysctl that goes astray",
);

/// Somebody has drained this host, which explains that its VIPs are gone.
pub(super) fn drained(facts: &Facts) -> Vec<Finding> {
    if !facts.is_drained() {
        return vec![];
    }
    let mend = match facts.agent {
        Some(_) => "`lvsd realserver undrain` when it is to serve again",
        None => {
            "`systemctl start lvsd-realserver`, then `lvsd realserver undrain`, when it is to \
             serve again"
        }
    };
    vec![DRAINED.found("this real server is drained", mend)]
}

/// The agent has its file and was to run, and does not.
pub(super) fn not_running(facts: &Facts) -> Vec<Finding> {
    let enabled = facts.boot.enables("lvsd-realserver.service");
    let was_to_run = facts.realserver_config.is_some() && (enabled || facts.agent_died);
    // A VIP that is missing for the same reason has the same mend.
    if !facts.agent_down || !was_to_run || !vip::missing(facts).is_empty() {
        return vec![];
    }
    let seen = match facts.agent_died {
        true => "lvsd realserver has a file, and was killed",
        false => "lvsd realserver has a file and starts at boot, and does not run now",
    };
    let mend = "systemctl enable --now lvsd-realserver; `journalctl -u lvsd-realserver` says how \
                the last one ended";
    vec![AGENT_NOT_RUNNING.found(seen, mend)]
}

/// A master tells of a VIP that a real server without any may have lost: somebody has
/// told its interfaces to be quiet of it, or a script of old names it.
pub(super) fn lost(facts: &Facts) -> Vec<Finding> {
    let is_known = facts.agent.is_some() || facts.realserver_config.is_some();
    let moves = facts.is_director() || facts.boot.running.contains("keepalived");
    let serves = facts.served_vips().next().is_some() || !facts.wanted_on_lo().is_empty();
    if is_known || moves || serves || facts.is_drained() {
        return vec![];
    }
    let scripts = facts.boot.scripts.iter();
    let named: BTreeSet<IpAddr> = scripts.flat_map(|it| it.vips.iter().copied()).collect();
    let is_quiet = facts.lan_links().any(|link| {
        let value = |name| facts.larger(&link.name, name);
        matches!(value("arp_ignore"), Some(1 | 2 | 8)) && value("arp_announce") == Some(2)
    });
    let masters = facts.heard().filter(|heard| heard.is_master());
    let vips = masters.flat_map(|heard| heard.advert.addresses.iter().copied());
    let lost = vips.filter(|vip| match named.is_empty() {
        true => is_quiet && !facts.is_own(*vip),
        false => named.contains(vip) && !facts.is_own(*vip),
    });
    let lost: BTreeSet<IpAddr> = lost.collect();
    let Some(first) = lost.first() else {
        return vec![];
    };
    let why = match named.is_empty() {
        true => "arp_ignore and arp_announce are set as on a real server",
        false => "a script here names it",
    };
    let seen = format!(
        "a director tells of {}, which is not on lo, and {why}",
        listed(&lost)
    );
    let mend = format!("if this host is to serve it, `lvsd realserver --vip {first}`");
    vec![Finding {
        severity: Severity::Warning,
        ..vip::VIP_MISSING.found(seen, mend)
    }]
}
