//! What a reload takes of lvsd itself, without the kernel's requests: reading the file, telling
//! what changed, deciding the wanted table, and the plan. It needs no IPVS.

use std::path::Path;
use std::time::Instant;

use lvsd::config::changes;
use lvsd::config::director::DirectorConfig;
use lvsd::health::Share;
use lvsd::ipvs::plan::plan;
use lvsd::ipvs::table::Table;
use lvsd::lvs::VirtualServerId;
use lvsd::pool::{self, Configured, Pools, Standing};

use super::figures::{Times, markdown};
use super::inputs::Inputs;
use super::scale::sizes;
use crate::lab::Lab;

pub(super) fn reload(_: &Lab) {
    println!("\n### {}\n", super::kernel_name());
    for (virtual_servers, real_servers) in sizes() {
        let loaded = Inputs::new(virtual_servers, real_servers);
        let weight = loaded.with_one_weight(7);
        let replaced = loaded.with_all_replaced();
        let mut rows = Vec::new();
        for (form, text) in [
            ("short form", Inputs::director_toml as fn(&Inputs) -> String),
            ("long form", Inputs::long_director_toml),
        ] {
            for (change, to, ops) in [
                ("unchanged", &loaded, 0),
                ("one weight", &weight, 1),
                ("all replaced", &replaced, 2 * loaded.real_servers()),
            ] {
                let mut parts = Parts::default();
                for _ in 0..super::rounds() {
                    let mut director = Director::start(&text(&loaded));
                    let text = text(to);
                    assert_eq!(director.reload(&text, &mut parts), ops, "{change}");
                    assert!(director.wanted == to.table, "{change}: another table");
                }
                rows.push(parts.row(format!("{form}, {change}")));
            }
        }
        let title = format!("{virtual_servers} virtual, {real_servers} real servers");
        let head = [&title, "read", "changes", "wanted table", "plan", "whole"];
        println!("{}", markdown(&head, &rows));
    }
}

/// How long each part of a reload took.
#[derive(Default)]
struct Parts {
    read: Times,
    changes: Times,
    table: Times,
    plan: Times,
    whole: Times,
}

impl Parts {
    fn row(&self, name: String) -> Vec<String> {
        let parts = [
            &self.read,
            &self.changes,
            &self.table,
            &self.plan,
            &self.whole,
        ];
        let parts = parts.map(Times::to_string);
        [name].into_iter().chain(parts).collect()
    }
}

/// The parts of a director that decide.
struct Director {
    config: DirectorConfig,
    pools: Pools,
    wanted: Table,
}

impl Director {
    fn start(text: &str) -> Self {
        let mut director = Self {
            config: read(text),
            pools: Pools::default(),
            wanted: Table::new(),
        };
        director.wanted = director.decide(&Configured::new());
        director
    }

    /// Returns how many requests it would take.
    fn reload(&mut self, text: &str, parts: &mut Parts) -> usize {
        let begun = Instant::now();
        let config = read(text);
        let is_read = Instant::now();
        let changes = changes::between(&self.config, &config);
        let is_compared = Instant::now();
        let before = std::mem::replace(&mut self.config, config);
        let wanted = self.decide(&before.virtual_servers);
        let is_decided = Instant::now();
        // As the IPVS thread does: only what is wanted otherwise is read and planned.
        let differs = |id: &VirtualServerId| self.wanted.get(id) != wanted.get(id);
        let part = |table: &Table| -> Table {
            let part = table.iter().filter(|(id, _)| differs(id));
            part.map(|(id, server)| (*id, server.clone())).collect()
        };
        let ops = plan(&part(&wanted), &part(&self.wanted)).len();
        let is_planned = Instant::now();
        parts.read.add(is_read - begun);
        parts.changes.add(is_compared - is_read);
        parts.table.add(is_decided - is_compared);
        parts.plan.add(is_planned - is_decided);
        parts.whole.add(is_planned - begun);
        assert_eq!(changes.is_empty(), ops == 0);
        self.wanted = wanted;
        ops
    }

    fn decide(&mut self, before: &Configured) -> Table {
        let after = &self.config.virtual_servers;
        self.pools
            .configure(before, after, |id| self.wanted.get(id).cloned());
        let outcome = self.pools.step(&pool::Inputs {
            now: Instant::now(),
            configured: after,
            standing: &|_, _, _| Standing::Up,
            share: &|_, _, _| Share::FULL,
            load: &|_, _| None,
            refused: &|_, _| false,
            awaited: &|_, _| false,
        });
        outcome.table
    }
}

fn read(text: &str) -> DirectorConfig {
    DirectorConfig::parse(Path::new("director.toml"), text).unwrap()
}
