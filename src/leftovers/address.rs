//! Files that say which addresses interfaces have: `ifcfg-lo:0`, `interfaces`,
//! `*.network`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::deed::{is_lo, vip};
use crate::lvs::Prefixed;

/// What a file has for `lo`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// Its lines, from 1.
    pub(super) lines: (usize, usize),
    /// The one that says most.
    pub(super) text: String,
    /// The VIPs.
    pub(super) vips: BTreeSet<IpAddr>,
}

/// A file of the kind of `ifcfg-lo:0`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Alias {
    /// The lines with addresses.
    pub(super) parts: Vec<Part>,
    /// Whether the file says that it is not to be brought up with `lo`.
    pub(super) off: bool,
}

/// `IPADDR=192.168.1.200`. An alias comes up with its interface unless `ONPARENT` says no;
/// `ONBOOT` is not asked for one.
pub(super) fn ifcfg(text: &str) -> Alias {
    let mut alias = Alias::default();
    for (number, line) in numbered(text) {
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        let value = value.replace(['"', '\''], "");
        if name.starts_with("IPADDR") || name.starts_with("IPV6ADDR") {
            let vips: BTreeSet<_> = value.split_whitespace().filter_map(address).collect();
            alias.parts.extend((!vips.is_empty()).then(|| Part {
                lines: (number, number),
                text: line.to_owned(),
                vips,
            }));
        }
        alias.off |= name == "ONPARENT" && value.eq_ignore_ascii_case("no");
    }
    alias
}

/// A stanza of ifupdown's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stanza<'a> {
    /// Its lines that say something, with their numbers.
    pub(super) lines: Vec<(usize, &'a str)>,
}

impl Stanza<'_> {
    /// What it has for `lo` or an alias of it.
    pub(super) fn for_lo(&self) -> Option<Part> {
        let ((first, text), (last, _)) = (self.lines.first()?, self.lines.last()?);
        let mut words = text.split_whitespace();
        let vips = match (words.next()?, words.next()?) {
            ("iface", name) if is_lo(name) => self.addresses(),
            ("auto" | "allow-auto" | "allow-hotplug", _) => BTreeSet::new(),
            _ => return None,
        };
        let names_alias = text.split_whitespace().any(|word| word.starts_with("lo:"));
        (names_alias || !vips.is_empty()).then(|| Part {
            lines: (*first, *last),
            text: (*text).to_owned(),
            vips,
        })
    }

    fn addresses(&self) -> BTreeSet<IpAddr> {
        let lines = self.lines.iter().map(|(_, line)| line.split_whitespace());
        let values =
            lines.filter_map(|mut words| (words.next()? == "address").then(|| words.next())?);
        values.filter_map(address).collect()
    }

    /// The commands that it has run when its interface comes up.
    pub(super) fn commands(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines.iter().filter_map(|(number, line)| {
            let (word, command) = line.split_once(char::is_whitespace)?;
            matches!(word, "up" | "post-up" | "pre-up").then_some((*number, command))
        })
    }
}

/// The stanzas of `/etc/network/interfaces`.
pub(super) fn interfaces(text: &str) -> Vec<Stanza<'_>> {
    const BEGIN: [&str; 8] = [
        "iface",
        "auto",
        "allow-auto",
        "allow-hotplug",
        "mapping",
        "source",
        "source-directory",
        "no-auto-down",
    ];
    let mut stanzas: Vec<Stanza<'_>> = Vec::new();
    for (number, line) in numbered(text) {
        let begins = line
            .split_whitespace()
            .next()
            .is_some_and(|word| BEGIN.contains(&word));
        match stanzas.last_mut().filter(|_| !begins) {
            Some(stanza) => stanza.lines.push((number, line)),
            None => stanzas.push(Stanza {
                lines: vec![(number, line)],
            }),
        }
    }
    stanzas
}

/// What a file of systemd-networkd has for `lo`.
pub(super) fn network(text: &str) -> Vec<Part> {
    let mut matches_lo = false;
    let mut parts = Vec::new();
    for (number, line) in numbered(text) {
        match line
            .split_once('=')
            .map(|(name, value)| (name.trim(), value.trim()))
        {
            Some(("Name", names)) => {
                matches_lo |= names.split_whitespace().any(|name| name == "lo");
            }
            Some(("Address", value)) => parts.extend(address(value).map(|vip| Part {
                lines: (number, number),
                text: line.to_owned(),
                vips: [vip].into(),
            })),
            _ => {}
        }
    }
    parts.retain(|_| matches_lo);
    parts
}

/// An address, with or without a prefix length, if it can be a VIP.
fn address(text: &str) -> Option<IpAddr> {
    vip(text.parse::<Prefixed>().ok()?)
}

/// The lines that say something, from 1.
fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = (1..).zip(text.lines().map(str::trim));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with(['#', ';']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(parts: &[Part]) -> Vec<String> {
        let vips = |part: &Part| {
            part.vips
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        let told = |part: &Part| {
            let (first, last) = part.lines;
            format!("{first}-{last} {}: {}", vips(part).join(" "), part.text)
        };
        parts.iter().map(told).collect()
    }

    #[test]
    fn an_alias_comes_up_with_lo_whatever_onboot_says() {
        let file = "DEVICE=lo:0\n# vip\nIPADDR=192.168.1.200\nNETMASK=255.255.255.255\n";
        for (line, off) in [
            ("", false),
            ("ONBOOT=yes", false),
            ("ONBOOT=no", false),
            ("ONPARENT=\"no\"", true),
        ] {
            let alias = ifcfg(&format!("{file}{line}\n"));
            assert_eq!(
                found(&alias.parts),
                ["3-3 192.168.1.200: IPADDR=192.168.1.200"]
            );
            assert_eq!(alias.off, off, "{line}");
        }
        assert_eq!(
            ifcfg("DEVICE=lo\nIPADDR=127.0.0.1\nNETMASK=255.0.0.0\n").parts,
            []
        );
        let several =
            ifcfg("IPADDR=127.0.0.1\nIPADDR1='192.168.1.200'\nIPV6ADDR=2001:db8::200/128\n");
        assert_eq!(several.parts.len(), 2);
    }

    #[test]
    fn stanzas_of_lo_are_told_from_the_loopback_itself() {
        let text = "auto lo\niface lo inet loopback\n\nauto lo:0\niface lo:0 inet static\n\
                    \taddress 192.168.1.200\n\tnetmask 255.255.255.255\n\n\
                    iface lo inet static\n\taddress 192.168.1.201/32\n\
                    iface eth0 inet static\n\taddress 192.168.1.53/24\n\
                    \tup ip addr add 192.168.1.202/32 dev lo\n";
        let stanzas = interfaces(text);
        let parts: Vec<_> = stanzas.iter().filter_map(Stanza::for_lo).collect();
        assert_eq!(
            found(&parts),
            [
                "4-4 : auto lo:0",
                "5-7 192.168.1.200: iface lo:0 inet static",
                "9-10 192.168.1.201: iface lo inet static",
            ]
        );
        let commands: Vec<_> = stanzas.iter().flat_map(Stanza::commands).collect();
        assert_eq!(commands, [(13, "ip addr add 192.168.1.202/32 dev lo")]);
    }

    #[test]
    fn networkd_files_count_where_they_are_for_lo() {
        let file = |name| format!("[Match]\nName={name}\n[Network]\nAddress = 192.168.1.200/32\n");
        assert_eq!(
            found(&network(&file("lo"))),
            ["4-4 192.168.1.200: Address = 192.168.1.200/32"]
        );
        assert_eq!(network(&file("eth0")), []);
    }
}
