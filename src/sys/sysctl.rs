//! Kernel parameters under `/proc/sys`.
//!
//! They are read and written as files: the name `net.ipv4.conf.eth0.100.arp_ignore`
//! would not say whether `eth0.100` is one interface (a VLAN) or two levels.

pub mod writes;

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name of a kernel parameter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The path below `/proc/sys`.
    path: String,
}

impl Key {
    /// `net.ipv4.conf.INTERFACE.NAME`; the interface may be `all`.
    pub fn ipv4_conf(interface: &str, name: &str) -> Self {
        Self {
            path: format!("net/ipv4/conf/{interface}/{name}"),
        }
    }

    /// `net.ipv6.conf.INTERFACE.NAME`; the interface may be `all`.
    pub fn ipv6_conf(interface: &str, name: &str) -> Self {
        Self {
            path: format!("net/ipv6/conf/{interface}/{name}"),
        }
    }

    /// The interface it is of, `all` and `default` among them.
    pub fn interface(&self) -> Option<&str> {
        let (_, rest) = self.path.split_once("/conf/")?;
        Some(rest.split_once('/')?.0)
    }

    /// The same parameter of another interface; none: it is of no interface, or
    /// `other` knows none for it.
    pub fn on_another_interface<'a>(
        &self,
        other: impl FnOnce(&str) -> Option<&'a String>,
    ) -> Option<Self> {
        let (family, rest) = self.path.split_once("/conf/")?;
        let (interface, name) = rest.split_once('/')?;
        let interface = other(interface)?;
        Some(Self {
            path: format!("{family}/conf/{interface}/{name}"),
        })
    }

    /// `net.ipv4.NAME`.
    pub fn ipv4(name: &str) -> Self {
        Self {
            path: format!("net/ipv4/{name}"),
        }
    }

    /// `net.ipv4.vs.NAME`, which is there once IPVS is loaded.
    pub fn ipvs(name: &str) -> Self {
        Self {
            path: format!("net/ipv4/vs/{name}"),
        }
    }

    /// Its name in `net.ipv4.vs`, if it is one of those.
    pub fn ipvs_name(&self) -> Option<&str> {
        self.path.strip_prefix("net/ipv4/vs/")
    }

    /// Where it is.
    pub fn file(&self) -> PathBuf {
        PathBuf::from("/proc/sys").join(&self.path)
    }

    /// Reads it as a number. The error kind is `NotFound` when this kernel, or
    /// this interface, has no such parameter.
    pub fn read(&self) -> io::Result<i32> {
        let text = fs::read_to_string(self.file())?;
        text.trim().parse().map_err(io::Error::other)
    }

    /// Reads it as text, a space between its parts if it has several.
    pub fn read_text(&self) -> io::Result<String> {
        let text = fs::read_to_string(self.file())?;
        let parts: Vec<_> = text.split_whitespace().collect();
        Ok(parts.join(" "))
    }

    /// Writes text.
    pub fn write_text(&self, text: &str) -> io::Result<()> {
        fs::write(self.file(), text)
    }

    /// Writes a number.
    pub fn write(&self, value: i32) -> io::Result<()> {
        fs::write(self.file(), value.to_string())
    }
}

/// As sysctl(8) writes it: dots between the levels, and slashes for the dots
/// within one, e.g. `net.ipv4.conf.eth0/100.arp_ignore`.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&swap_separators(&self.path))
    }
}

/// Reads what [`Display`](fmt::Display) writes.
impl FromStr for Key {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let path = swap_separators(name);
        let legal = |level: &str| !matches!(level, "" | "." | "..");
        if path.split('/').all(legal) {
            Ok(Self { path })
        } else {
            Err("not the name of a kernel parameter")
        }
    }
}

fn swap_separators(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '.' => '/',
            '/' => '.',
            other => other,
        })
        .collect()
}

impl Serialize for Key {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vlan_interface_keeps_its_dot() {
        let key = Key::ipv4_conf("eth0.100", "arp_ignore");
        assert_eq!(
            key.file().to_str(),
            Some("/proc/sys/net/ipv4/conf/eth0.100/arp_ignore")
        );
        assert_eq!(key.to_string(), "net.ipv4.conf.eth0/100.arp_ignore");
        assert_eq!(key.to_string().parse(), Ok(key));
    }

    #[test]
    fn a_name_cannot_leave_proc_sys() {
        assert!("net...//.//.etc".parse::<Key>().is_err());
        assert!("".parse::<Key>().is_err());
    }
}
