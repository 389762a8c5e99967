//! `global_defs`: what holds for every virtual router and server.

use toml::Table;

use super::router::announce_key;
use super::statement::Statement;
use super::{Keys, Notes, seconds};

/// What virtual routers and servers take from it.
#[derive(Debug, Default)]
pub(super) struct Global {
    router_id: Option<String>,
    /// `vrrp_version`.
    pub(super) version: Option<i64>,
    /// Whether accept mode is off unless it is written.
    pub(super) is_strict: bool,
    /// `v3_checksum_as_v2`.
    pub(super) checksum_as_v2: bool,
    /// Who runs scripts and hooks.
    pub(super) script_user: Option<String>,
    startup_delay: Option<String>,
    announce: Table,
    timeouts: Table,
    sync: Option<Table>,
    /// `vrrp_rt_priority`.
    realtime_priority: Option<i64>,
}

impl Global {
    pub(super) fn read(statements: &[Statement], notes: &mut Notes) -> Self {
        let mut global = Self::default();
        let blocks = statements
            .iter()
            .filter(|found| found.key() == "global_defs");
        let mut no_swap = None;
        for statement in blocks.flat_map(|block| &block.block) {
            match statement.key() {
                "vrrp_no_swap" => no_swap = Some(statement),
                _ => global.take(statement, notes),
            }
        }
        if let (Some(no_swap), None) = (no_swap, global.realtime_priority) {
            notes.add(
                no_swap,
                "memory is kept from being swapped out with realtime_priority only",
            );
        }
        global
    }

    fn take(&mut self, statement: &Statement, notes: &mut Notes) {
        match statement.key() {
            "router_id" | "lvs_id" => self.router_id = statement.argument(1).map(str::to_owned),
            "vrrp_version" => self.version = notes.parsed(statement),
            "vrrp_strict" => {
                self.is_strict = true;
                let why = "of it, only that accept mode is off has an equivalent";
                notes.add(statement, why);
            }
            "v3_checksum_as_v2" => self.checksum_as_v2 = is_on(statement),
            "script_user" => self.script_user = statement.argument(1).map(str::to_owned),
            // Programs that others could change are always refused, senders that are no
            // peers discarded, interfaces that are missing waited for.
            "enable_script_security" | "vrrp_check_unicast_src" | "dynamic_interfaces" => {}
            "vrrp_rt_priority" => match notes.parsed::<i64>(statement) {
                Some(priority) if (1..=99).contains(&priority) => {
                    self.realtime_priority = Some(priority);
                }
                Some(_) => notes.add(statement, "is not within 1..=99, and is left out"),
                None => {}
            },
            "vrrp_priority" | "checker_priority" => {
                notes.add(statement, "lvsd is one process: write Nice= into its unit");
            }
            "vrrp_iptables" | "vrrp_ipsets" | "nftables" | "nftables_priority" => {
                notes.add(
                    statement,
                    "where accept is off, lvsd has an nf_tables table of its own, `inet lvsd`",
                );
            }
            "vrrp_startup_delay" => self.startup_delay = statement.argument(1).and_then(seconds),
            key if key.starts_with("vrrp_garp_") => {
                let mut table = Keys(std::mem::take(&mut self.announce));
                announce_key(&mut table, statement, "vrrp_", notes);
                self.announce = table.0;
            }
            "lvs_timeouts" => {
                let kinds = [("tcp", "tcp"), ("tcp_fin", "tcpfin"), ("udp", "udp")];
                for (key, word) in kinds {
                    if let Some(time) = statement.after(word).and_then(seconds) {
                        self.timeouts.insert(key.to_owned(), time.into());
                    }
                }
            }
            "lvs_sync_daemon" => self.sync = Some(sync(statement)),
            _ => notes.no_equivalent(statement),
        }
    }

    /// The keys at the top of the file.
    pub(super) fn top(&self) -> Table {
        let mut keys = Keys::default();
        if let Some(id) = &self.router_id {
            keys.set("router_id", id.as_str());
        }
        keys.0
    }

    /// The table `[director]`.
    pub(super) fn director(&self) -> Table {
        let mut keys = Keys::default();
        if let Some(priority) = self.realtime_priority {
            keys.set("realtime_priority", priority);
        }
        keys.0
    }

    /// The keys of every virtual router.
    pub(super) fn router(&self) -> Table {
        let mut keys = Keys::default();
        if let Some(delay) = &self.startup_delay {
            keys.set("startup_delay", delay.as_str());
        }
        if !self.announce.is_empty() {
            keys.set("announce", self.announce.clone());
        }
        keys.0
    }

    /// The table `[ipvs]`.
    pub(super) fn ipvs(&self) -> Table {
        let mut keys = Keys::default();
        if !self.timeouts.is_empty() {
            keys.set("timeouts", self.timeouts.clone());
        }
        if let Some(sync) = &self.sync {
            keys.set("sync", sync.clone());
        }
        keys.0
    }
}

/// `lvs_sync_daemon ens192 VI_1 id 51`, with or without `inst` before the name.
fn sync(statement: &Statement) -> Table {
    const WORDS: [&str; 6] = ["id", "maxlen", "port", "ttl", "group", "inst"];
    let bare = statement.argument(2).filter(|word| !WORDS.contains(word));
    let mut keys = Keys::default();
    match statement.after("inst").or(bare) {
        Some(router) => keys.set("vrrp", router),
        None => keys.set("role", "both"),
    }
    if let Some(interface) = statement.argument(1) {
        keys.set("interface", interface);
    }
    for word in ["id", "port", "ttl", "maxlen"] {
        if let Some(number) = statement
            .after(word)
            .and_then(|text| text.parse::<i64>().ok())
        {
            keys.set(word, number);
        }
    }
    if let Some(group) = statement.after("group") {
        keys.set("group", group);
    }
    keys.0
}

/// A flag: on, unless it says otherwise.
pub(super) fn is_on(statement: &Statement) -> bool {
    !matches!(statement.argument(1), Some("off" | "false" | "no"))
}
