//! The administrators' ways to put VIPs on `lo`, one for each file.

use crate::doctor::facts::{Script, Setting};
use crate::leftovers::{Leftover, Leftovers, Removal, Start};

/// What puts VIPs on `lo`. The lines of a file are one; what a line runs is told by
/// itself.
pub(super) fn scripts(leftovers: &Leftovers) -> Vec<Script> {
    let mut scripts: Vec<Script> = Vec::new();
    let binds = |found: &&Leftover| !found.vips.is_empty() && found.runs.is_empty();
    for found in leftovers.found.iter().filter(binds) {
        let one = script(found);
        match scripts.iter_mut().find(|it| it.path == one.path) {
            Some(script) => {
                script.vips.extend(one.vips);
                script.removal = format!("{}; {}", script.removal, one.removal);
            }
            None => scripts.push(one),
        }
    }
    for script in &mut scripts {
        let runs_it = |found: &&Leftover| found.runs.contains(&script.path);
        let lines = leftovers.found.iter().filter(runs_it).map(removal);
        let all: Vec<_> = lines.chain([script.removal.clone()]).collect();
        script.removal = all.join("; ");
    }
    scripts
}

fn removal(found: &Leftover) -> String {
    match &found.removal {
        Removal::Command(command) => command.clone(),
        Removal::Edit(what) => format!("in {}: {what}", found.place),
    }
}

fn script(found: &Leftover) -> Script {
    let path = found.place.file.clone();
    let missing = match &found.start {
        Start::AtBoot => None,
        Start::Missing(missing) => Some(missing.clone()),
        Start::ByHand => Some(format!("have /etc/rc.local run `sh {path}`")),
    };
    Script {
        vips: found.vips.clone(),
        runs_at_boot: missing.is_none(),
        by_hand: found.start == Start::ByHand,
        missing,
        removal: removal(found),
        path,
    }
}

/// The lines that set parameters.
pub(super) fn settings(leftovers: &Leftovers) -> Vec<Setting> {
    let lines = leftovers.settings.iter();
    let values = lines.filter_map(|line| {
        Some(Setting {
            place: line.place.to_string(),
            key: line.key.clone(),
            value: line.value?,
        })
    });
    values.collect()
}
