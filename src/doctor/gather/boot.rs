//! What the next boot brings: units and init scripts that start, scripts that put
//! VIPs on `lo`, lines of `sysctl.conf`; and programs that run beside lvsd.

mod keepalived;
mod scripts;

use std::fs;
use std::path::{Path, PathBuf};

use crate::doctor::facts::Boot;
use crate::leftovers;

/// Files that are longer are not read: a `keepalived.conf` of ten thousand real
/// servers is shorter.
const LONGEST: u64 = 16 * 1024 * 1024;

pub(super) fn look(root: &Path) -> Boot {
    let leftovers = leftovers::look(root);
    let running = running(root);
    let file = running.iter().find_map(|process| file_of(process));
    let file = file.unwrap_or_else(|| "etc/keepalived/keepalived.conf".to_owned());
    let keepalived = keepalived::parse(&text(&root.join(file)));
    Boot {
        running: running.iter().map(|_| "keepalived".to_owned()).collect(),
        keepalived_routers: keepalived.routers,
        keepalived_routes: keepalived.routes,
        keepalived_balances: keepalived.balances,
        keepalived_maps: keepalived.mapped,
        keepalived_vips: keepalived.vips,
        scripts: scripts::scripts(&leftovers),
        settings: scripts::settings(&leftovers),
        conn_tab_bits: conn_tab_bits(root),
        has_ip_vs: ["modules.dep", "modules.builtin"]
            .iter()
            .any(|list| module_list(root, list).contains("/ip_vs.ko")),
        enabled: leftovers.enabled,
    }
}

/// A list of modules of the kernel that runs; empty if there is none.
pub(super) fn module_list(root: &Path, name: &str) -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let directory = root.join("lib/modules").join(release.trim());
    fs::read_to_string(directory.join(name)).unwrap_or_default()
}

/// The files of a directory, in order; none where there is no directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// A text file; empty for what is none, as a pipe that nobody writes to.
fn text(path: &Path) -> String {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() && metadata.len() <= LONGEST => {
            let bytes = fs::read(path).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        _ => String::new(),
    }
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// The processes of keepalived in this network namespace.
fn running(root: &Path) -> Vec<PathBuf> {
    let processes = files(&root.join("proc"))
        .into_iter()
        .filter(|path| name(path).chars().all(|c| c.is_ascii_digit()));
    let here = fs::read_link("/proc/self/ns/net").ok();
    let found = processes.filter(|path| {
        let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
        let is_elsewhere = fs::read_link(path.join("ns/net"))
            .is_ok_and(|namespace| here.as_ref().is_some_and(|here| *here != namespace));
        name.trim() == "keepalived" && !is_elsewhere
    });
    found.collect()
}

/// The file that a keepalived was started with, below the root; none: the usual one.
fn file_of(process: &Path) -> Option<String> {
    let command = fs::read_to_string(process.join("cmdline")).ok()?;
    let mut words = command.split('\0');
    let file = words
        .clone()
        .find_map(|word| word.strip_prefix("--use-file="));
    let file = file.or_else(|| {
        words.find(|word| matches!(*word, "-f" | "--use-file"))?;
        words.next()
    });
    Some(file?.strip_prefix('/')?.to_owned())
}

/// `options ip_vs conn_tab_bits=20`
fn conn_tab_bits(root: &Path) -> Option<u8> {
    let mut bits = None;
    for path in files(&root.join("etc/modprobe.d")) {
        let text = text(&path);
        for line in text.lines() {
            let mut words = line.split_whitespace();
            if words.next() == Some("options") && words.next() == Some("ip_vs") {
                let mut values = words.filter_map(|word| word.strip_prefix("conn_tab_bits="));
                bits = values.find_map(|bits| bits.parse().ok()).or(bits);
            }
        }
    }
    bits
}

#[cfg(test)]
mod tests;
