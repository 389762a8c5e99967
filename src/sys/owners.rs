//! Who else sets up networks on this host: programs that take away addresses or
//! set parameters that are not theirs.

use std::fs;
use std::path::Path;

/// A program that sets up networks.
struct Owner {
    /// How people call it.
    name: &'static str,
    /// What the kernel calls its process: at most 15 bytes.
    process: &'static str,
    /// The unit that it runs in.
    unit: &'static str,
}

/// Those that are known to remove addresses from `lo`, or to write parameters below
/// `net.ipv4.conf`.
const OWNERS: [Owner; 9] = [
    owner("NetworkManager", "NetworkManager", "NetworkManager.service"),
    owner(
        "systemd-networkd",
        "systemd-network",
        "systemd-networkd.service",
    ),
    owner("ifup (ifupdown)", "ifup", "networking.service"),
    owner("the network scripts", "ifup-eth", "network.service"),
    owner("dhclient", "dhclient", "dhclient.service"),
    owner("dhcpcd", "dhcpcd", "dhcpcd.service"),
    owner("wicked", "wickedd", "wickedd.service"),
    owner("keepalived", "keepalived", "keepalived.service"),
    owner("tuned", "tuned", "tuned.service"),
];

const fn owner(name: &'static str, process: &'static str, unit: &'static str) -> Owner {
    Owner {
        name,
        process,
        unit,
    }
}

/// Where systemd keeps the processes of its units, in both versions of cgroups.
const CGROUPS: [&str; 2] = ["fs/cgroup/system.slice", "fs/cgroup/systemd/system.slice"];

/// Those that run here now, by name. `proc` and `sys` are where these are mounted.
pub fn running(proc: &Path, sys: &Path) -> Vec<&'static str> {
    let processes = processes(proc);
    let has_unit = |unit: &str| {
        CGROUPS.iter().any(|slice| {
            let list = sys.join(slice).join(unit).join("cgroup.procs");
            // An empty list reads as nothing, which is a unit that has ended.
            fs::read(list).is_ok_and(|processes| !processes.is_empty())
        })
    };
    let runs =
        |owner: &&Owner| processes.iter().any(|name| name == owner.process) || has_unit(owner.unit);
    OWNERS.iter().filter(runs).map(|owner| owner.name).collect()
}

/// The name of a process and its number, such as `systemd-network (pid 214)`. None:
/// it has ended, or is hidden from this one.
pub fn process(proc: &Path, pid: u32) -> Option<String> {
    let name = fs::read_to_string(proc.join(pid.to_string()).join("comm")).ok()?;
    Some(format!("{} (pid {pid})", name.trim_end()))
}

/// The names of all processes that can be seen.
fn processes(proc: &Path) -> Vec<String> {
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    let numbers = entries.filter(|entry| {
        let name = entry.file_name();
        name.as_encoded_bytes().iter().all(u8::is_ascii_digit)
    });
    numbers
        .filter_map(|entry| fs::read_to_string(entry.path().join("comm")).ok())
        .map(|name| name.trim_end().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_found_by_its_process_or_by_its_unit() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let running = || running(&root.path().join("proc"), &root.path().join("sys"));
        write("proc/17/comm", "bash\n");
        write("proc/self/comm", "NetworkManager\n");
        assert_eq!(running(), [""; 0]);
        write("proc/214/comm", "systemd-network\n");
        let unit = "sys/fs/cgroup/system.slice/NetworkManager.service/cgroup.procs";
        write(unit, "");
        assert_eq!(running(), ["systemd-networkd"]);
        write(unit, "230\n");
        assert_eq!(running(), ["NetworkManager", "systemd-networkd"]);
        let name = process(&root.path().join("proc"), 214);
        assert_eq!(name.as_deref(), Some("systemd-network (pid 214)"));
        assert_eq!(process(&root.path().join("proc"), 215), None);
    }

    #[test]
    fn the_kernel_cuts_no_process_name_of_the_table() {
        assert!(OWNERS.iter().all(|owner| owner.process.len() <= 15));
    }
}
