//! Units and init scripts that start at boot.

use std::collections::BTreeSet;

use super::disk::Disk;

/// Directories whose links `*.wants/NAME` start units at boot.
const WANTS: [&str; 3] = [
    "/etc/systemd/system",
    "/run/systemd/generator",
    "/run/systemd/generator.late",
];

/// Directories whose links `rc3.d/S20NAME` start init scripts at boot.
const RUNLEVELS: [&str; 2] = ["/etc", "/etc/rc.d"];

/// `keepalived.service`, and `realserver` of `S99realserver`.
pub(super) fn all(disk: &Disk) -> BTreeSet<String> {
    let directories = WANTS.iter().flat_map(|directory| disk.list(directory));
    let wants = directories
        .filter(|path| path.ends_with(".wants"))
        .flat_map(|path| disk.list(&path));
    let units = wants.map(|path| name(&path).to_owned());
    let directories = RUNLEVELS
        .iter()
        .flat_map(|place| ["rc2.d", "rc3.d", "rc5.d"].map(|level| format!("{place}/{level}")));
    let links = directories.flat_map(|directory| disk.list(&directory));
    let scripts = links.filter_map(|path| {
        let script = name(&path).strip_prefix('S')?;
        let script = script.trim_start_matches(|c: char| c.is_ascii_digit());
        Some(script.to_owned())
    });
    units.chain(scripts).collect()
}

/// Patterns of the links that start and stop an init script.
pub(super) fn links(disk: &Disk, script: &str) -> Vec<String> {
    let is_link = |path: &String| {
        let rest = name(path).strip_prefix(['S', 'K']);
        rest.is_some_and(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()) == script)
    };
    let has_one = |place: &&str| {
        let mut levels = (0..=6).map(|level| format!("{place}/rc{level}.d"));
        levels.any(|directory| disk.list(&directory).iter().any(is_link))
    };
    let places = RUNLEVELS.iter().copied().filter(has_one);
    places
        .map(|place| format!("{place}/rc?.d/[SK]??{script}"))
        .collect()
}

/// The last part of a path.
pub(super) fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}
