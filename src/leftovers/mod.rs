//! What administrators' ways of making a real server leave on it, and what takes each of
//! it out: for `lvsd realserver --adopt`, which replaces them, and for the doctor.
//!
//! | the guides say | what is left | found by |
//! |---|---|---|
//! | `ifconfig lo:0 VIP netmask 255.255.255.255 up`, `ip addr add VIP/32 dev lo` in `rc.local` | a line | [`deed`] |
//! | `sh lvs_dr_rs.sh` in `rc.local`, a unit or a crontab | the line, and the script | [`script`] |
//! | `chkconfig realserver on`, `service realserver start` | an init script, its links | [`script`] |
//! | `ifcfg-lo:0`, `iface lo:0`, `Address=` for `lo` | a file, or lines | [`address`] |
//! | `net.ipv4.conf.all.arp_ignore = 1` in `sysctl.conf`, `sysctl -p` | lines | [`setting`] |
//!
//! Files are read and never run; `shell` understands as much of the language as such
//! scripts are written in. A file that is reached by several links is one file.

mod address;
mod deed;
mod disk;
mod enabled;
mod function;
mod place;
mod script;
mod setting;
mod shell;
mod survey;
mod tell;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

pub use place::Place;
pub use setting::Setting;

/// Everything of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// What would bring the old ways back.
    pub found: Vec<Leftover>,
    /// The lines of `sysctl.conf` and its like that matter, in the order in which they
    /// are applied; those about ARP are among [`Self::found`] too.
    pub settings: Vec<Setting>,
    /// Names of the units and init scripts that start at boot.
    pub enabled: BTreeSet<String>,
}

impl Leftovers {
    /// The VIPs that they name.
    pub fn vips(&self) -> BTreeSet<IpAddr> {
        let vips = self.found.iter().flat_map(|found| &found.vips);
        vips.copied().collect()
    }
}

/// Something that does a part of the agent's work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Where it is.
    pub place: Place,
    /// The line, or the one that says most.
    pub text: String,
    /// What it does: "puts 192.168.1.200 on lo".
    pub does: String,
    /// The VIPs that it has, or that what it runs has.
    pub vips: BTreeSet<IpAddr>,
    /// The scripts that it runs, which are told by themselves.
    pub runs: BTreeSet<String>,
    /// Whether it is done at boot.
    pub start: Start,
    /// How to be rid of it.
    pub removal: Removal,
    /// What must not be done about it.
    pub caution: Option<&'static str>,
}

/// Whether something is done at boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// It is.
    AtBoot,
    /// It is meant to be, and this is missing.
    Missing(String),
    /// Nothing is known to start it.
    ByHand,
}

/// How to be rid of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// By this command.
    Command(String),
    /// In an editor, since it stands among others.
    Edit(String),
}

/// Looks at the files below `root`.
pub fn look(root: &Path) -> Leftovers {
    survey::survey(root)
}

#[cfg(test)]
mod tests;
