//! Taking over from the scripts: what the usual guides leave on a real server, which
//! of it becomes lvsd's, and what is to be removed so that it does not come back.
//!
//! | the guides say | what is left | here |
//! |---|---|---|
//! | `ifconfig lo:0 VIP netmask 255.255.255.255 up` | an alias on `lo` | becomes lvsd's, and never leaves |
//! | `echo 1 >…/arp_ignore` and its sisters | values | become lvsd's: at the stop they are 0, as the scripts' own stop has it |
//! | `/etc/sysconfig/network-scripts/ifcfg-lo:0` | a file | told |
//! | `sh lvs_dr_rs.sh` in `rc.local`, `service realserver` | lines, scripts | told |
//! | `net.ipv4.conf.all.arp_ignore = 1` in `sysctl.conf` | lines | told |
//!
//! No file is touched: they are the administrator's.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::journal::{Journal, Origin};
use super::sysctl::{self, Original};
use super::vip;
use crate::config::realserver::RealServerConfig;
use crate::sys::address::Address;
use crate::sys::link::Link;

/// Something that would bring the old ways back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Where it is: a file, or a file and a line of it.
    pub place: String,
    /// What it says there.
    pub text: String,
    /// What to do about it.
    pub mend: String,
}

/// The addresses on `lo` that look like VIPs: hosts that are not `lo`'s own.
pub fn vips_on_lo(links: &[Link], addresses: &[Address]) -> Vec<IpAddr> {
    let lo = links.iter().find(|link| link.name == "lo");
    let on_lo = addresses
        .iter()
        .filter(|address| lo.is_some_and(|lo| lo.index == address.link));
    on_lo
        .map(|address| address.address)
        .filter(|address| *address == crate::lvs::Prefixed::host(address.address))
        .map(|address| address.address)
        .filter(|address| RealServerConfig::from_vips(&[*address]).is_ok())
        .collect()
}

/// Makes lvsd the owner of the VIPs that are there, and of the values that the
/// scripts set, unless an earlier run has noted them already.
pub fn claim(
    journal: &mut Journal,
    config: &RealServerConfig,
    links: &[Link],
    addresses: &[Address],
) {
    for vip in &config.vips {
        if vip::locate(*vip, &config.interface, links, addresses).bound {
            journal.vips.insert(*vip, Origin::Created);
        }
    }
    let names: Vec<_> = links.iter().map(|link| link.name.as_str()).collect();
    for (key, rule) in sysctl::wanted(&names, &[]) {
        // What a script sets is what a rule wants; any other value is somebody's
        // intention.
        if key.read().is_ok_and(|value| value == rule.wanted) {
            let original = Original {
                value: 0,
                changed: true,
            };
            journal.sysctls.entry(key).or_insert(original);
        }
    }
}

/// Finds what would bring the old ways back, below `root`.
pub fn leftovers(root: &Path, vips: &[IpAddr]) -> Vec<Leftover> {
    let mut found = Vec::new();
    for directory in ["etc/sysconfig/network-scripts", "etc/sysconfig/network"] {
        for file in files(&root.join(directory)) {
            found.extend(alias_file(&file));
        }
    }
    found.extend(interfaces_file(&root.join("etc/network/interfaces")));
    let sysctl = [root.join("etc/sysctl.conf")];
    let more = files(&root.join("etc/sysctl.d"));
    for file in sysctl.into_iter().chain(more) {
        found.extend(sysctl_lines(&file));
    }
    let scripts = scripts(root, vips);
    for rc in ["etc/rc.local", "etc/rc.d/rc.local"] {
        found.extend(rc_lines(&root.join(rc), &scripts));
    }
    for script in scripts {
        found.push(Leftover {
            place: script.display().to_string(),
            text: "sets up the VIP and the ARP sysctls by itself".to_owned(),
            mend: match script.parent().and_then(Path::file_name) {
                Some(name) if name == "init.d" => {
                    let name = script.file_name().unwrap_or_default().to_string_lossy();
                    format!(
                        "systemctl disable {name} (chkconfig {name} off), and remove the file; do \
                         not stop it: that takes the VIP away and zeroes the sysctls"
                    )
                }
                _ => "remove it; do not run its stop, which takes the VIP away".to_owned(),
            },
        });
    }
    found
}

/// The plain files of a directory, in order.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

/// The text of a file that is one; what is no text, or not there, says nothing.
fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// `ifcfg-lo:0`, and `lo:0` as some guides have it.
fn alias_file(path: &Path) -> Option<Leftover> {
    let name = path.file_name()?.to_string_lossy().into_owned();
    let is_alias = name
        .strip_prefix("ifcfg-")
        .unwrap_or(&name)
        .starts_with("lo:");
    let text = text(path);
    let address = text.lines().find(|line| line.trim().starts_with("IPADDR"));
    is_alias.then(|| Leftover {
        place: path.display().to_string(),
        text: address.unwrap_or("an alias of lo").trim().to_owned(),
        mend: "remove the file (no ifdown: that takes the VIP away)".to_owned(),
    })
}

/// `iface lo:0 inet static` of Debian's ifupdown.
fn interfaces_file(path: &Path) -> Vec<Leftover> {
    lines(path)
        .filter(|(_, line)| {
            line.split_whitespace()
                .nth(1)
                .is_some_and(|w| w.starts_with("lo:"))
        })
        .map(|(place, text)| Leftover {
            place,
            text,
            mend: "remove it and the lines that belong to it (no ifdown)".to_owned(),
        })
        .collect()
}

fn sysctl_lines(path: &Path) -> Vec<Leftover> {
    let names = ["arp_ignore", "arp_announce"];
    let is_ours = |line: &str| {
        let key = line.split('=').next().unwrap_or_default();
        let key = key.trim().trim_start_matches('-').replace('/', ".");
        key.starts_with("net.ipv4.conf.") && names.iter().any(|name| key.ends_with(name))
    };
    lines(path)
        .filter(|(_, line)| is_ours(line))
        .map(|(place, text)| Leftover {
            place,
            text,
            mend: "remove the line: lvsd sets it while it is needed, and a line here would keep \
                   it when lvsd is gone"
                .to_owned(),
        })
        .collect()
}

/// Scripts that do the agent's work, by what they do.
fn scripts(root: &Path, vips: &[IpAddr]) -> Vec<PathBuf> {
    const PLACES: [&str; 7] = [
        "etc/init.d",
        "etc/rc.d/init.d",
        "usr/local/sbin",
        "usr/local/bin",
        "usr/sbin",
        "opt",
        "root",
    ];
    let places = PLACES.iter().flat_map(|place| files(&root.join(place)));
    let mut seen = std::collections::BTreeSet::new();
    places
        .filter(|path| {
            // A script is small; a program is not read to its end.
            fs::metadata(path).is_ok_and(|file| file.len() < 64 * 1024)
        })
        .filter(|path| does_our_work(&text(path), vips))
        .filter(|path| seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())))
        .collect()
}

fn does_our_work(script: &str, vips: &[IpAddr]) -> bool {
    let sets_arp = script.contains("arp_ignore") && script.contains("arp_announce");
    let binds = script.contains("ifconfig lo:")
        || script.contains("dev lo")
        || vips.iter().any(|vip| script.contains(&vip.to_string()));
    sets_arp && binds
}

/// Lines of `rc.local` that run such a script, or do its work themselves.
fn rc_lines(path: &Path, scripts: &[PathBuf]) -> Vec<Leftover> {
    let names: Vec<_> = scripts
        .iter()
        .filter_map(|script| Some(script.file_name()?.to_string_lossy().into_owned()))
        .collect();
    let is_ours = |line: &str| {
        let words = ["arp_ignore", "arp_announce", "ifconfig lo:"];
        words.iter().any(|word| line.contains(word))
            || names.iter().any(|name| {
                line.split(|c: char| c.is_whitespace() || c == '/')
                    .any(|word| word == name)
            })
    };
    lines(path)
        .filter(|(_, line)| is_ours(line))
        .map(|(place, text)| Leftover {
            place,
            text,
            mend: "remove the line; `systemctl enable lvsd-realserver` takes its place".to_owned(),
        })
        .collect()
}

/// The lines of a file that say something, with their place.
fn lines(path: &Path) -> impl Iterator<Item = (String, String)> {
    let (name, text) = (path.display().to_string(), text(path));
    let numbered: Vec<_> = text
        .lines()
        .enumerate()
        .map(|(number, line)| (format!("{name}:{}", number + 1), line.trim().to_owned()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with(['#', ';']))
        .collect();
    numbered.into_iter()
}

#[cfg(test)]
mod tests;
