//! Scenarios under systemd, in a boot of their own: what must be there before it starts.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use super::inside;
use super::machine::Tree;
use super::scenario::Needs;
use super::scenarios;

const UNITS: &str = "/etc/systemd/system";

/// What slows a boot down and no scenario is about.
const MASKED: &[&str] = &[
    "dbus.service",
    "dbus.socket",
    "getty.target",
    "systemd-ask-password-console.path",
    "systemd-ask-password-wall.path",
    "systemd-binfmt.service",
    "systemd-hwdb-update.service",
    "systemd-journal-catalog-update.service",
    "systemd-journal-flush.service",
    "systemd-logind.service",
    "systemd-modules-load.service",
    "systemd-network-generator.service",
    "systemd-networkd.service",
    "systemd-pstore.service",
    "systemd-random-seed.service",
    "systemd-resolved.service",
    "systemd-sysusers.service",
    "systemd-timesyncd.service",
    "systemd-tmpfiles-setup-dev.service",
    "systemd-udev-settle.service",
    "systemd-udev-trigger.service",
    "systemd-udevd.service",
    "systemd-update-utmp-runlevel.service",
    "systemd-update-utmp.service",
    "systemd-user-sessions.service",
    "tmp.mount",
];

/// Installs the files of the planned scenario and the unit that will run it, in the writable
/// tree, before systemd starts. What the machine itself runs at boot is left out.
pub(crate) fn install_units() -> ExitCode {
    let scenario = scenarios::find(inside::plan()[0].as_str());
    let Needs::Systemd(files) = scenario.needs else {
        panic!("{} has no units", scenario.name)
    };
    for dir in [
        UNITS,
        "/etc/rc2.d",
        "/etc/rc3.d",
        "/etc/rc4.d",
        "/etc/rc5.d",
        "/etc/rcS.d",
    ] {
        let _ = fs::remove_dir_all(dir);
    }
    write("/etc/fstab", "");
    for unit in MASKED {
        write(&format!("{UNITS}/{unit}"), "");
    }
    unload_ipvs();
    install_lvsd();
    write(&format!("{UNITS}/lab.service"), &runner());
    enable("lab.service");
    for (name, text) in files {
        if name.starts_with('/') {
            write(name, text);
        } else if text.is_empty() {
            enable(name);
        } else {
            write(&format!("{UNITS}/{name}"), text);
            if text.contains("[Install]") {
                enable(name);
            }
        }
    }
    ExitCode::SUCCESS
}

/// The end of the systemd log, for a failure.
pub(super) fn journal() -> String {
    let script = "systemctl --no-pager --failed; journalctl --no-pager -b -n 200";
    let shown = Command::new("sh").args(["-c", script]).output().unwrap();
    format!("--- systemd\n{}", String::from_utf8_lossy(&shown.stdout))
}

/// `make install`, so that it is the units as they are shipped that scenarios meet.
fn install_lvsd() {
    let output = Command::new("make")
        .args(["-C", env!("CARGO_MANIFEST_DIR"), "install"])
        .arg(concat!("LVSD=", env!("CARGO_BIN_EXE_lvsd")))
        .output()
        .unwrap();
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "make install: {why}");
}

/// Takes IPVS out of the kernel: after a boot it is there only if somebody asked for it.
fn unload_ipvs() {
    let loaded = fs::read_to_string("/proc/modules").unwrap();
    let modules = loaded
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|module| module.starts_with("ip_vs_"));
    let output = Command::new("modprobe")
        .arg("-r")
        .args(modules)
        .arg("ip_vs")
        .output()
        .unwrap();
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "modprobe -r: {why}");
}

/// The unit that runs the scenario.
fn runner() -> String {
    let told = std::env::vars()
        .filter(|(name, _)| name.starts_with("LAB_") || name.starts_with("LVSD_LAB_"));
    let environment: String = told
        .map(|(name, value)| format!("Environment=\"{name}={value}\"\n"))
        .collect();
    let path = Tree::path();
    format!(
        "[Unit]\nDescription=the scenario\nAfter=basic.target\n\n[Service]\n{environment}\
         Environment=\"PATH={path}\"\nExecStart=\"{}\" --inside\nStandardOutput=file:/dev/console\n\
         StandardError=file:/dev/console\nTasksMax=infinity\n\n[Install]\nWantedBy=multi-user.target\n",
        std::env::var("LAB_EXE").unwrap()
    )
}

fn enable(unit: &str) {
    let output = Command::new("systemctl")
        .args(["--root=/", "enable", unit])
        .output()
        .unwrap();
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "systemctl enable {unit}: {why}");
}

fn write(path: &str, text: &str) {
    fs::create_dir_all(Path::new(path).parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}
