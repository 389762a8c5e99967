//! The agent: drained by somebody, or not there.

use super::vip;
use crate::doctor::{Facts, Finding, Kind};

pub(super) const DRAINED: Kind = Kind {
    id: "drained",
    severity: crate::doctor::Severity::Note,
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
