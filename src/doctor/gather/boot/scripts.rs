//! The scripts that put VIPs on `lo`, as administrators have them: `lvs_dr_rs.sh`
//! and its line in `rc.local`, the init script `realserver`, `ifcfg-lo:0`.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{files, name, text};
use crate::doctor::facts::Script;

const RC_LOCAL: [&str; 2] = ["etc/rc.local", "etc/rc.d/rc.local"];
const INIT: [&str; 2] = ["etc/init.d", "etc/rc.d/init.d"];
const NETWORK_SCRIPTS: &str = "etc/sysconfig/network-scripts";

pub(super) fn look(root: &Path, enabled: &BTreeSet<String>) -> Vec<Script> {
    let aliases = files(&root.join(NETWORK_SCRIPTS));
    let mut scripts: Vec<_> = aliases
        .iter()
        .filter(|path| name(path).starts_with("ifcfg-lo:"))
        .filter_map(|path| alias(path))
        .collect();
    for path in INIT
        .iter()
        .flat_map(|directory| files(&root.join(directory)))
    {
        let name = name(&path);
        let starts = enabled.contains(&name) || enabled.contains(&format!("{name}.service"));
        let missing = (!starts).then(|| format!("systemctl enable {name}"));
        scripts.extend(script(&path, missing));
    }
    // On some systems one is a link to the other.
    let rc_local = RC_LOCAL.iter().map(|path| root.join(path));
    if let Some(path) = rc_local.into_iter().find(|path| path.exists()) {
        scripts.extend(from_rc_local(root, &path));
    }
    scripts
}

/// `rc.local` itself, and the scripts that it runs.
fn from_rc_local(root: &Path, path: &Path) -> Vec<Script> {
    let is_executable = fs::metadata(path).is_ok_and(|it| it.permissions().mode() & 0o111 != 0);
    let missing = (!is_executable).then(|| format!("chmod +x {}", path.display()));
    let lines = text(path);
    let mut scripts: Vec<_> = script(path, missing.clone()).into_iter().collect();
    let words = lines
        .lines()
        .filter(|line| !is_comment(line))
        .flat_map(str::split_whitespace);
    for word in words.filter(|word| word.starts_with('/')) {
        let called = root.join(word.trim_start_matches('/'));
        scripts.extend(script(&called, missing.clone()));
    }
    scripts
}

/// A shell script that speaks of ARP and of addresses for `lo`; none: it is
/// another one.
fn script(path: &Path, missing: Option<String>) -> Option<Script> {
    let text = text(path);
    let vips = vips(&text);
    let puts = text.contains("lo:") || text.contains("dev lo");
    (puts && !vips.is_empty()).then(|| Script {
        path: path.display().to_string(),
        vips,
        runs_at_boot: missing.is_none(),
        missing,
    })
}

fn alias(path: &Path) -> Option<Script> {
    let text = text(path);
    let vips = vips(&text);
    let mut lines = text.lines().map(|line| line.replace(['"', '\''], ""));
    let off = lines.any(|line| line.trim().eq_ignore_ascii_case("ONBOOT=no"));
    (!vips.is_empty()).then(|| Script {
        path: path.display().to_string(),
        vips,
        runs_at_boot: !off,
        missing: off.then(|| format!("write ONBOOT=yes into {}", path.display())),
    })
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

/// The addresses of lines that speak of a VIP, masks left out.
fn vips(text: &str) -> BTreeSet<IpAddr> {
    let speaks = |line: &&str| {
        let line = line.to_ascii_lowercase();
        ["vip", "ipaddr", "lo:", "dev lo"]
            .iter()
            .any(|word| line.contains(word))
    };
    let lines = text.lines().filter(|line| !is_comment(line)).filter(speaks);
    let words = lines.flat_map(|line| line.split(|c: char| !c.is_ascii_digit() && c != '.'));
    let addresses = words.filter_map(|word| word.parse::<Ipv4Addr>().ok());
    let hosts = addresses.filter(|address| {
        let is_mask = address.octets()[0] == 255;
        !(is_mask || address.is_loopback() || address.is_unspecified())
    });
    hosts.map(IpAddr::from).collect()
}
