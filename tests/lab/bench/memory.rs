//! How much memory a program took at most.

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

/// The children of a process.
pub(super) fn children(pid: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let children = entries.filter_map(|entry| {
        let child: u32 = entry.file_name().to_str()?.parse().ok()?;
        (field(child, "PPid:")? == u64::from(pid)).then_some(child)
    });
    children.collect()
}

fn of_family(pid: u32, name: &str) -> u64 {
    let kilobytes: u64 = std::iter::once(pid)
        .chain(children(pid))
        .filter_map(|pid| field(pid, name))
        .sum();
    kilobytes * 1024
}

fn field(pid: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
