//! What a new configuration changes in the one that runs, a line for each key.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::director::{DirectorConfig, VirtualServer};
use super::show;
use super::vrrp::groups;
use super::vrrp::show::vrrp;
use crate::lvs::{Forwarding, VirtualServerId};

/// The keys by which the tables of an array are told apart.
const NAMES: [&str; 3] = ["name", "fwmark", "address"];

/// Keys that stand only with another, and what they are unless the file says
/// otherwise: whoever writes the first has not written the second.
const FOLLOWERS: [(&str, &str, &[&str]); 10] = [
    ("persistence", "persistence_prefix", &["32", "128"]),
    ("forwarding", "tunnel", &["{ type = \"ipip\" }"]),
    ("sorry_server", "drain", &[]),
    ("type", "path", &["\"/\""]),
    ("type", "status", &["\"200-299\""]),
    ("type", "follow_weight", &["true"]),
    ("version", "checksum", &["\"auto\""]),
    ("preempt", "preempt_delay", &["\"0s\""]),
    ("unicast_peers", "unicast_min_ttl", &["255"]),
    ("virtual_mac", "virtual_mac_interface", &[]),
];

/// The changes, in the order of the files: `virtual server tcp
/// 192.168.1.200:80, real_server 192.168.1.53:80: weight = 1 becomes 3`.
pub fn between(before: &DirectorConfig, after: &DirectorConfig) -> Vec<String> {
    let mut lines = Vec::new();
    differ("", &show::top(before), &show::top(after), &mut lines);
    let names = before.vrrp.keys().chain(after.vrrp.keys());
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let of = |config: &DirectorConfig| {
            let instance = config.vrrp.get(name);
            instance.map(|instance| vrrp(name, instance))
        };
        if before.vrrp.get(name) != after.vrrp.get(name) {
            let (old, new) = (of(before), of(after));
            entry(
                &format!("vrrp {name}"),
                old.as_ref(),
                new.as_ref(),
                &mut lines,
            );
        }
    }
    let groups = (groups::tables(before), groups::tables(after));
    let names: BTreeSet<_> = groups.0.keys().chain(groups.1.keys()).collect();
    for name in names {
        let (old, new) = (groups.0.get(name), groups.1.get(name));
        let place = format!("vrrp_group {name}");
        entry(&place, old, new, &mut lines);
    }
    let servers = (&before.virtual_servers, &after.virtual_servers);
    let mut ids: Vec<_> = servers.0.keys().chain(servers.1.keys()).collect();
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        let (old, new) = (servers.0.get(id), servers.1.get(id));
        // Most are as before, and need not be written out to see that.
        if old != new {
            let place = format!("virtual server {id}");
            match (old, new) {
                (Some(old), Some(new)) => virtual_server(&place, id, (old, new), &mut lines),
                (None, _) => lines.push(format!("{place}: added")),
                (_, None) => lines.push(format!("{place}: removed")),
            }
        }
    }
    lines
}

/// Of ten thousand real servers only those are written out that both have, and have
/// otherwise.
fn virtual_server(
    place: &str,
    id: &VirtualServerId,
    (old, new): (&VirtualServer, &VirtualServer),
    lines: &mut Vec<String>,
) {
    let outer = Outer::of(old, new);
    let keys = |server| outer.of_whole(show::before_pool(id, server));
    differ(place, &keys(old), &keys(new), lines);
    for (rip, after) in &new.real_servers {
        let place = || format!("{place}, real_server {}", show::bare(rip));
        match old.real_servers.get(rip) {
            None => lines.push(format!("{}: added", place())),
            Some(before) if before == after => {}
            Some(before) => {
                let before = show::real_server(rip, before, outer.old);
                let after = show::real_server(rip, after, outer.new);
                differ(&place(), &before, &after, lines);
            }
        }
    }
    let gone = old.real_servers.keys();
    let gone = gone.filter(|rip| !new.real_servers.contains_key(rip));
    lines.extend(gone.map(|rip| format!("{place}, real_server {}: removed", show::bare(rip))));
    let (before, after) = (behind_pool(old, outer.old), behind_pool(new, outer.new));
    differ(place, &before, &after, lines);
}

/// Without a sorry server's forwarding where it is that of the whole.
fn behind_pool(server: &VirtualServer, outer: Option<Forwarding>) -> Table {
    let mut keys = show::behind_pool(server, outer);
    let sorry = server.rules.sorry_server.as_ref();
    if sorry.map(|(_, sorry)| sorry.settings.forwarding) == show::outer(server) {
        keys.remove("sorry_forwarding");
    }
    keys
}

/// The forwarding that real servers of one virtual server need not repeat, before and
/// after.
#[derive(Default)]
struct Outer {
    old: Option<Forwarding>,
    new: Option<Forwarding>,
}

impl Outer {
    /// A file is no more known to say it once for all when some of the pool have
    /// another: then each says its own.
    fn of(old: &VirtualServer, new: &VirtualServer) -> Self {
        let outer = Self {
            old: show::outer(old),
            new: show::outer(new),
        };
        let all = |server: &VirtualServer, outer| {
            let mut pool = server.real_servers.values();
            pool.all(|server| Some(server.settings.forwarding) == outer)
        };
        if outer.old == outer.new || all(old, outer.old) && all(new, outer.new) {
            outer
        } else {
            Self::default()
        }
    }

    fn of_whole(&self, mut keys: Table) -> Table {
        if self.old.is_none() || self.new.is_none() {
            keys.remove("forwarding");
            keys.remove("tunnel");
        }
        keys
    }
}

fn entry(place: &str, before: Option<&Table>, after: Option<&Table>, lines: &mut Vec<String>) {
    match (before, after) {
        (None, None) => {}
        (None, Some(_)) => lines.push(format!("{place}: added")),
        (Some(_), None) => lines.push(format!("{place}: removed")),
        (Some(before), Some(after)) => differ(place, before, after, lines),
    }
}

fn differ(place: &str, before: &Table, after: &Table, lines: &mut Vec<String>) {
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    for key in after.keys().chain(gone) {
        let (old, new) = (before.get(key), after.get(key));
        if old == new || follows(key, before, after) {
            continue;
        }
        if let (Some(old), Some(new)) = (tables(old), tables(new)) {
            differ_by_name(&join(place, key), &old, &new, lines);
            continue;
        }
        if let (Some(Value::Table(old)), Some(Value::Table(new))) = (old, new) {
            differ(&join(place, key), old, new, lines);
            continue;
        }
        let at = if place.is_empty() {
            String::new()
        } else {
            format!("{place}: ")
        };
        lines.push(match (old, new) {
            (Some(old), Some(new)) => format!("{at}{key} = {old} becomes {new}"),
            (None, Some(new)) => format!("{at}{key} = {new} is new"),
            (old, None) => format!(
                "{at}{key} = {} is gone",
                old.unwrap_or(&Value::Boolean(false))
            ),
        });
    }
}

/// Whether it came or went only because another key did.
fn follows(key: &str, before: &Table, after: &Table) -> bool {
    let ((Some(value), None) | (None, Some(value))) = (before.get(key), after.get(key)) else {
        return false;
    };
    let value = value.to_string();
    FOLLOWERS.iter().any(|(leader, follower, defaults)| {
        *follower == key
            && before.get(*leader) != after.get(*leader)
            && (defaults.is_empty() || defaults.contains(&value.as_str()))
    })
}

fn join(place: &str, key: &str) -> String {
    if place.is_empty() {
        key.to_owned()
    } else {
        format!("{place}, {key}")
    }
}

/// The tables of an array of tables; an absent key is an empty one.
fn tables(value: Option<&Value>) -> Option<Vec<&Table>> {
    let Some(value) = value else {
        return Some(Vec::new());
    };
    let items = value.as_array()?.iter();
    items.map(Value::as_table).collect()
}

fn differ_by_name(place: &str, before: &[&Table], after: &[&Table], lines: &mut Vec<String>) {
    let (old, new) = (by_name(before), by_name(after));
    let gone = before.iter().map(|table| name(table));
    let gone = gone.filter(|name| !new.contains_key(name));
    for name in after.iter().map(|table| name(table)).chain(gone) {
        let place = format!("{place} {}", name.as_deref().unwrap_or("?"));
        let (old, new) = (old.get(&name), new.get(&name));
        entry(&place, old.copied(), new.copied(), lines);
    }
}

/// The tables of an array by what tells them apart.
type Named<'a> = BTreeMap<Option<String>, &'a Table>;

fn by_name<'a>(tables: &[&'a Table]) -> Named<'a> {
    let named = tables.iter().map(|table| (name(table), *table));
    named.collect()
}

fn name(table: &Table) -> Option<String> {
    let text = |key: &Value| key.as_str().map_or_else(|| key.to_string(), str::to_owned);
    // A route.
    if let (Some(to), Some(metric), Some(number)) =
        (table.get("to"), table.get("metric"), table.get("table"))
    {
        return Some(format!("{} metric {metric} table {number}", text(to)));
    }
    // A rule, of which several may have one priority.
    if let Some(priority) = table.get("priority") {
        let ends = ["family", "from", "to", "iif", "oif", "fwmark"];
        let ends = ends.iter().filter_map(|key| table.get(*key).map(text));
        let all: Vec<_> = [text(priority)].into_iter().chain(ends).collect();
        return Some(all.join(" "));
    }
    let key = NAMES.iter().find_map(|key| table.get(*key))?;
    Some(text(key))
}

#[cfg(test)]
mod tests;
