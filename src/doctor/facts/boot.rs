//! What the next boot brings, and what runs beside lvsd.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use super::VirtualRouter;

/// Start-up files and processes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Boot {
    /// Names of the units and init scripts that start at boot.
    pub enabled: BTreeSet<String>,
    /// Names of processes of this host that matter: `keepalived`.
    pub running: BTreeSet<String>,
    /// Whether `keepalived.conf` has a virtual router.
    pub keepalived_routes: bool,
    /// Whether it has a virtual server.
    pub keepalived_balances: bool,
    /// Its virtual and real servers of different ports, under direct routing or
    /// tunnels.
    pub keepalived_maps: Vec<(SocketAddr, SocketAddr)>,
    /// Its virtual routers, as far as the file tells them.
    pub keepalived_routers: Vec<VirtualRouter>,
    /// The addresses of its virtual routers.
    pub keepalived_vips: BTreeSet<IpAddr>,
    /// What puts VIPs on `lo`, or set out to.
    pub scripts: Vec<Script>,
    /// The lines of `sysctl.conf` and its like that matter.
    pub settings: Settings,
    /// The size of the connection table, as a power of two, that
    /// `modprobe.d` asks for.
    pub conn_tab_bits: Option<u8>,
    /// Whether this kernel has the module `ip_vs`, loaded or not.
    pub has_ip_vs: bool,
}

impl Boot {
    /// Whether a unit or init script of this name starts at boot.
    pub fn enables(&self, name: &str) -> bool {
        self.enabled.contains(name)
    }
}

/// A file of the administrator's that puts VIPs on `lo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Where it is.
    pub path: String,
    /// The VIPs in it.
    pub vips: BTreeSet<IpAddr>,
    /// Whether something runs it at boot.
    pub runs_at_boot: bool,
    /// What is missing where something was meant to run it at boot.
    pub missing: Option<String>,
    /// Whether nothing was: it lies about, and may be somebody's old one.
    pub by_hand: bool,
    /// How to be rid of it, the VIP staying where it is.
    pub removal: String,
}

/// What files set kernel parameters to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The lines, in the order in which they are applied.
    pub lines: Vec<Setting>,
    /// The parameters that patterns leave alone.
    pub spared: BTreeSet<String>,
}

impl Settings {
    /// The line that a parameter has its value from: the last one that names it, or
    /// else the last pattern that it is of (sysctl.d(5)).
    pub fn of(&self, key: &str) -> Option<&Setting> {
        let mut lines = self.lines.iter();
        if let Some(named) = lines.rfind(|line| line.key == key) {
            return Some(named);
        }
        let mut patterns = self.lines.iter().filter(|_| !self.spared.contains(key));
        patterns.rfind(|line| is_of(&line.key, key))
    }
}

/// Whether a key is of a pattern: `*` and `?` stand for what is within one level.
fn is_of(pattern: &str, key: &str) -> bool {
    let (patterns, levels) = (pattern.split('.'), key.split('.'));
    pattern.contains(['*', '?'])
        && patterns.clone().count() == levels.clone().count()
        && patterns
            .zip(levels)
            .all(|(pattern, level)| fits(pattern, level))
}

fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Behind the last `*`, and how much of the text that has taken so far.
    let mut star = None;
    while let Some(byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                p += 1;
                star = Some((p, t));
            }
            Some(wanted) if *wanted == b'?' || wanted == byte => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((behind, taken)) = star else {
                    return false;
                };
                star = Some((behind, taken + 1));
                (p, t) = (behind, taken + 1);
            }
        }
    }
    pattern.iter().skip(p).all(|byte| *byte == b'*')
}

/// A line that sets a kernel parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// `/etc/sysctl.conf:12`
    pub place: String,
    /// The parameter with dots, e.g. `net.ipv4.conf.all.arp_ignore`, or a pattern of
    /// several, e.g. `net.ipv4.conf.*.arp_ignore`.
    pub key: String,
    /// What it is set to.
    pub value: i32,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines `KEY=VALUE`, and `-KEY`.
    fn file(lines: &[&str]) -> Settings {
        let mut settings = Settings::default();
        for (number, line) in (1..).zip(lines) {
            match line.split_once('=') {
                Some((key, value)) => settings.lines.push(Setting {
                    place: format!("x:{number}"),
                    key: format!("net.ipv4.conf.{key}"),
                    value: value.parse().unwrap(),
                }),
                None => {
                    let key = line.trim_start_matches('-');
                    settings.spared.insert(format!("net.ipv4.conf.{key}"));
                }
            }
        }
        settings
    }

    #[test]
    fn a_pattern_sets_what_no_line_names() {
        let value = |lines: &[&str], key: &str| {
            let file = file(lines);
            let line = file.of(&format!("net.ipv4.conf.{key}"));
            line.map(|it| (it.value, it.place.clone()))
        };
        let (all, nic) = ("all.arp_ignore", "ens192.arp_ignore");
        let first = |value: i32| Some((value, "x:1".to_owned()));
        assert_eq!(value(&["*.arp_ignore=0"], all), first(0));
        assert_eq!(value(&["*.arp_ignore=0"], "all.arp_announce"), None);
        let named = ["all.arp_ignore=1", "*.arp_ignore=0"];
        assert_eq!(value(&named, all), first(1), "names win");
        let spared = ["*.arp_ignore=0", "-all.arp_ignore"];
        assert_eq!(value(&spared, all), None);
        assert_eq!(value(&spared, nic), first(0));
        let nics = ["en?1*2.arp_ignore=3", "e*x*.arp_ignore=4"];
        assert_eq!(value(&nics, nic), first(3));
        assert_eq!(value(&nics, all), None);
    }
}
