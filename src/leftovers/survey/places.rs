//! The places that are looked at.

/// Scripts that every boot runs, if they may be executed.
pub(super) const BOOT_SCRIPTS: [&str; 5] = [
    "/etc/rc.local",
    "/etc/rc.d/rc.local",
    "/etc/init.d/boot.local",
    "/etc/init.d/after.local",
    "/etc/rc.d/boot.local",
];

/// Directories of scripts that are run whenever an interface comes up.
pub(super) const HOOKS: [&str; 5] = [
    "/etc/network/if-up.d",
    "/etc/network/if-pre-up.d",
    "/etc/NetworkManager/dispatcher.d",
    "/etc/networkd-dispatcher/routable.d",
    "/etc/networkd-dispatcher/configured.d",
];

/// Crontabs: their files or directories, and whether a line has a user before its command.
pub(super) const CRONTABS: [(&str, bool); 4] = [
    ("/etc/crontab", true),
    ("/etc/cron.d", true),
    ("/var/spool/cron", false),
    ("/var/spool/cron/crontabs", false),
];

/// Init scripts.
pub(super) const INIT: [&str; 2] = ["/etc/init.d", "/etc/rc.d/init.d"];

/// Units.
pub(super) const UNITS: [&str; 3] = [
    "/etc/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Where scripts lie about.
pub(super) const LOOSE: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/opt",
    "/root",
    "/usr/local",
];

/// Words without which a script that lies about is not looked at more closely.
pub(super) const WORDS: [&str; 4] = ["arp_", "lo:", "dev lo", "ifconfig lo"];

/// Where administrators put programs that are run by their names.
pub(super) const PATH: [&str; 3] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin"];

/// Files such as `ifcfg-lo:0`.
pub(super) const ALIASES: [&str; 2] = ["/etc/sysconfig/network-scripts", "/etc/sysconfig/network"];

/// Files of systemd-networkd.
pub(super) const NETWORKD: [&str; 2] = ["/etc/systemd/network", "/run/systemd/network"];

/// Files of ifupdown, or directories of them.
pub(super) const INTERFACES: [&str; 2] = ["/etc/network/interfaces", "/etc/network/interfaces.d"];

/// Directories of parameters: a file hides those of its name in the ones before.
pub(super) const SYSCTL: [&str; 5] = [
    "/lib/sysctl.d",
    "/usr/lib/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/run/sysctl.d",
    "/etc/sysctl.d",
];

/// The file of parameters that is read last.
pub(super) const LAST_SYSCTL: &str = "/etc/sysctl.conf";
