//! What the next boot brings, and what works against lvsd.

use super::listed;
use crate::doctor::facts::Setting;
use crate::doctor::{Facts, Finding, Kind, Severity};
use crate::lvs::Forwarding;

pub(super) const CONFIG_REFUSED: Kind = Kind::broken(
    "config-refused",
    "lvsd does not start with this file, nor reload it; what runs, runs with an older one",
);

pub(super) const KEEPALIVED_BESIDE: Kind = Kind::broken(
    "keepalived-beside",
    "both write the kernel's table and move the VIP: each undoes what the other does",
);

pub(super) const SCRIPT_BESIDE: Kind = Kind::warning(
    "script-beside",
    "the script puts the VIP on lo before the agent starts, which then leaves it there at its \
     stop; its stop takes the VIP and sets the ARP sysctls to 0 under the agent",
);

pub(super) const SCRIPT_NOT_RUN: Kind = Kind::warning(
    "script-not-run",
    "after the next boot the VIP is not on lo, and this real server takes no packet for it",
);

pub(super) const SYSCTL_FILE: Kind = Kind::warning(
    "sysctl-file",
    "the line is applied at the next boot and at each `sysctl -p`, and undoes what LVS needs",
);

/// A file where lvsd looks for it that it refuses.
pub(super) fn refused_file(facts: &Facts) -> Vec<Finding> {
    let files = facts.refused_files.iter();
    files
        .map(|(path, error)| {
            let mend = format!("`lvsd config check {path}` names every mistake and its mend");
            CONFIG_REFUSED.found(error.clone(), mend)
        })
        .collect()
}

/// keepalived runs beside lvsd, or both start at boot.
pub(super) fn keepalived_beside(facts: &Facts) -> Vec<Finding> {
    let starts = |unit| facts.boot.enables(unit);
    let lvsd = facts.director.is_some() || starts("lvsd-director.service");
    let runs = facts.boot.running.contains("keepalived");
    // Without a file of its own it starts and does nothing.
    let has_work = facts.boot.keepalived_routes || facts.boot.keepalived_balances;
    let enabled = has_work && (starts("keepalived.service") || starts("keepalived"));
    if !lvsd || !(runs || enabled) {
        return vec![];
    }
    let seen = match runs {
        true => "keepalived runs beside lvsd director",
        false => "keepalived starts at boot, and lvsd director is to take its place",
    };
    vec![Finding {
        severity: match runs {
            true => Severity::Broken,
            false => Severity::Warning,
        },
        ..KEEPALIVED_BESIDE.found(seen, "systemctl disable --now keepalived")
    }]
}

/// The administrator's scripts put the VIP on `lo` at boot, and so does the agent.
pub(super) fn script_beside(facts: &Facts) -> Vec<Finding> {
    let agent = facts.agent.is_some() || facts.boot.enables("lvsd-realserver.service");
    let scripts = facts.boot.scripts.iter();
    let beside = scripts.filter(|script| agent && script.runs_at_boot);
    beside
        .map(|script| {
            let vips = listed(&script.vips);
            let seen = format!(
                "{} puts {vips} on lo at boot, beside lvsd realserver",
                script.path
            );
            SCRIPT_BESIDE.found(seen, script.removal.clone())
        })
        .collect()
}

/// Nothing runs a script at boot that was meant to, and its VIP is in use.
pub(super) fn script_not_run(facts: &Facts) -> Vec<Finding> {
    let agent = facts.agent.is_some() || facts.boot.enables("lvsd-realserver.service");
    let scripts = facts.boot.scripts.iter();
    let idle = scripts.filter_map(|script| {
        let missing = script.missing.as_ref()?;
        let mut others = facts.boot.scripts.iter();
        let is_done = others.any(|it| it.runs_at_boot && it.vips.is_superset(&script.vips));
        let in_use = script.vips.iter().any(|vip| facts.has_on_lo(*vip));
        (in_use && !is_done && !agent).then(|| {
            let vips = listed(&script.vips);
            let seen = format!(
                "{} put {vips} on lo, and nothing runs it at boot",
                script.path
            );
            let mend = format!("{missing}; or systemctl enable --now lvsd-realserver instead");
            SCRIPT_NOT_RUN.found(seen, mend)
        })
    });
    idle.collect()
}

/// A line of `sysctl.conf` undoes what this host needs.
pub(super) fn setting_undoes(facts: &Facts) -> Vec<Finding> {
    let mut servers = facts
        .table()
        .values()
        .flat_map(|it| it.real_servers.values());
    let nat = servers.any(|it| it.real_server.forwarding == Forwarding::Nat);
    let vip = facts.served_vips().any(|vip| vip.address.address.is_ipv4());
    let undoes = |setting: &&Setting| match setting.key.as_str() {
        "net.ipv4.ip_forward" => nat && setting.value == 0,
        "net.ipv4.conf.all.arp_ignore" => vip && !matches!(setting.value, 1 | 2 | 8),
        "net.ipv4.conf.all.arp_announce" => vip && setting.value != 2,
        _ => false,
    };
    let settings = facts.boot.settings.iter();
    // Of two lines for one parameter the later one counts.
    let last = settings.clone().filter(|setting| {
        let mut same = settings.clone().filter(|other| other.key == setting.key);
        same.next_back() == Some(setting)
    });
    last.filter(undoes)
        .map(|setting| {
            let Setting { place, key, value } = setting;
            let wanted = match key.ends_with("arp_announce") {
                true => 2,
                false => 1,
            };
            let mend = format!("write {key} = {wanted} there, or take the line out");
            SYSCTL_FILE.found(format!("{place}: {key} = {value}"), mend)
        })
        .collect()
}
