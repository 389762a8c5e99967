//! `global_defs`: what holds for every virtual router and server.

use toml::Table;

use super::statement::Statement;
use super::{Keys, Notes, seconds};

/// What virtual routers and servers take from it.
#[derive(Debug, Default)]
pub(super) struct Global {
    router_id: Option<String>,
    /// `vrrp_version`.
    pub(super) version: Option<i64>,
    timeouts: Table,
    sync: Option<Table>,
}

impl Global {
    pub(super) fn read(statements: &[Statement], notes: &mut Notes) -> Self {
        let mut global = Self::default();
        let blocks = statements
            .iter()
            .filter(|found| found.key() == "global_defs");
        for statement in blocks.flat_map(|block| &block.block) {
            global.take(statement, notes);
        }
        global
    }

    fn take(&mut self, statement: &Statement, notes: &mut Notes) {
        match statement.key() {
            "router_id" | "lvs_id" => self.router_id = statement.argument(1).map(str::to_owned),
            "vrrp_version" => self.version = notes.parsed(statement),
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
