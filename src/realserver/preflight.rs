//! What must be true before anything is touched.

use std::fs;
use std::path::Path;

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};

use crate::sys::capability::Capability;

/// Says what this process lacks, each with the way out; nothing is changed.
///
/// | needed | for |
/// |---|---|
/// | `CAP_NET_ADMIN` | adding the VIP to `lo`, writing below `/proc/sys/net` |
/// | `/proc/sys/net` mounted writable | the ARP parameters; containers often lack it |
pub fn check(proc: &Path) -> Vec<String> {
    let mut lacking = Vec::new();
    let status = fs::read_to_string(proc.join("self/status")).unwrap_or_default();
    if !Capability::NetAdmin.is_in(&status) {
        lacking.push(
            "cannot change addresses: this process lacks CAP_NET_ADMIN; run it as root, or with \
             AmbientCapabilities=CAP_NET_ADMIN"
                .to_owned(),
        );
    }
    let parameter = proc.join("sys/net/ipv4/conf/all/arp_ignore");
    let denied = |errno: Errno| matches!(errno, Errno::EACCES | Errno::EPERM);
    match access(&parameter, AccessFlags::W_OK) {
        Ok(()) => {}
        // Who lacks the right to the one lacks that to the other.
        Err(errno) if denied(errno) && !lacking.is_empty() => {}
        Err(Errno::EROFS) => lacking.push(
            "/proc/sys/net is read-only: the ARP parameters cannot be set; remount it (mount -o \
             remount,rw /proc/sys), or give the container its own writable one"
                .to_owned(),
        ),
        Err(other) => lacking.push(format!(
            "cannot write {}: {}; run lvsd as root",
            parameter.display(),
            other.desc().to_lowercase()
        )),
    }
    lacking
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_the_parameters_is_told_which_one() {
        let dir = tempfile::tempdir().unwrap();
        let lacking = check(dir.path());
        assert_eq!(lacking.len(), 2, "{lacking:?}");
        assert!(
            lacking[1].contains("arp_ignore: no such file or directory"),
            "{lacking:?}"
        );
    }
}
