//! A director that only balances, reloaded from one configuration to the next, with `ipvsadm`
//! as the oracle of what the kernel then holds.

use std::collections::BTreeSet;

use nix::sys::signal::Signal;

use super::host::Host;
use super::lvsd::{DIRECTOR_FILE, text};
use super::program::Program;
use super::wait::{eventually, secs, within};

/// A director on a host that keeps its VIPs itself.
#[derive(Debug)]
pub(crate) struct Balanced {
    pub(crate) host: Host,
    pub(crate) lvsd: Program,
}

impl Balanced {
    /// Starts a director with this file, and waits until the kernel's table is this one, as
    /// `ipvsadm -Sn` writes it, in any order.
    #[track_caller]
    pub(crate) fn start(host: &Host, file: &str, table: &str) -> Self {
        host.write(DIRECTOR_FILE, file);
        let balanced = Self {
            host: host.clone(),
            lvsd: host.spawn("lvsd director"),
        };
        balanced.holds(table);
        balanced
    }

    /// The same after a reload.
    #[track_caller]
    pub(crate) fn becomes(&self, file: &str, table: &str) {
        self.reload(file);
        self.holds(table);
    }

    /// A reload that must be refused; returns why.
    #[track_caller]
    pub(crate) fn refuses(&self, file: &str) -> String {
        let before = self.host.ipvsadm();
        self.reload(file);
        let refused = || text(&self.host.status()["config"]["refused"]);
        eventually("the reload is refused", within(secs(5)), || {
            !refused().is_empty()
        });
        assert_eq!(self.host.ipvsadm(), before, "nothing is changed");
        refused()
    }

    /// Waits until the kernel's table is this one.
    #[track_caller]
    pub(crate) fn holds(&self, table: &str) {
        let wanted = sorted(table);
        let mut found = BTreeSet::new();
        for _ in 0..100 {
            found = sorted(&self.host.ipvsadm());
            if found == wanted {
                return;
            }
            std::thread::sleep(within(secs(5)).limit() / 100);
        }
        assert_eq!(found, wanted, "the kernel's table\n{}", self.lvsd.log());
    }

    /// The active connections of each real server, `192.168.1.53:80` say, over all virtual
    /// servers.
    pub(crate) fn active(&self, real_server: &str) -> u32 {
        let listed = self.host.run("ipvsadm -Ln").ok();
        let lines = listed.lines().map(str::split_whitespace);
        let entries = lines.filter_map(|words| {
            let words: Vec<_> = words.collect();
            let ours = words.get(1).is_some_and(|word| *word == real_server);
            ours.then(|| words.get(4).and_then(|word| word.parse::<u32>().ok()))?
        });
        entries.sum()
    }

    fn reload(&self, file: &str) {
        self.host.write(DIRECTOR_FILE, file);
        self.lvsd.signal(Signal::SIGHUP);
    }
}

fn sorted(table: &str) -> BTreeSet<String> {
    let lines = table.lines().map(|line| line.trim().to_owned());
    lines.filter(|line| !line.is_empty()).collect()
}
