//! How much memory a program takes, and took at most.

use std::fs;

/// The resident memory (`VmRSS`) of a process and its children, in bytes.
pub(super) fn resident(pid: u32) -> u64 {
    of_family(pid, "VmRSS:")
}

/// The peak of resident memory (`VmHWM`) of a process and its children, in bytes. Pages that
/// they share are counted for each.
pub(super) fn peak(pid: u32) -> u64 {
    of_family(pid, "VmHWM:")
}

fn of_family(pid: u32, name: &str) -> u64 {
    let kilobytes: u64 = family(pid).filter_map(|pid| field(pid, name)).sum();
    kilobytes * 1024
}

/// A process and its children.
pub(super) fn family(pid: u32) -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let children = entries.filter_map(move |entry| {
        let child: u32 = entry.file_name().to_str()?.parse().ok()?;
        (field(child, "PPid:")? == u64::from(pid)).then_some(child)
    });
    std::iter::once(pid).chain(children)
}

fn field(pid: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// A sum over all mappings of a process, in bytes: `Rss:`, `Anonymous:` and others of
/// `/proc/PID/smaps_rollup`.
pub(super) fn rollup(pid: u32, name: &str) -> u64 {
    let sums = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = sums.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    kilobytes.and_then(|n| n.parse::<u64>().ok()).unwrap() * 1024
}
