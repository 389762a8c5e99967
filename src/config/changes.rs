//! What a new configuration changes in the one that runs, a line for each key.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::director::{DirectorConfig, VirtualServer};
use super::show;
use super::vrrp::groups;
use super::vrrp::show::vrrp;
use crate::lvs::VirtualServerId;

/// The keys by which the tables of an array are told apart.
const NAMES: [&str; 3] = ["name", "fwmark", "address"];

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
    let keys = |server| show::before_pool(id, server);
    differ(place, &keys(old), &keys(new), lines);
    for (rip, after) in &new.real_servers {
        let place = || format!("{place}, real_server {}", show::bare(rip));
        match old.real_servers.get(rip) {
            None => lines.push(format!("{}: added", place())),
            Some(before) if before == after => {}
            Some(before) => {
                let before = show::real_server(rip, before, show::outer(old));
                let after = show::real_server(rip, after, show::outer(new));
                differ(&place(), &before, &after, lines);
            }
        }
    }
    let gone = old.real_servers.keys();
    let gone = gone.filter(|rip| !new.real_servers.contains_key(rip));
    lines.extend(gone.map(|rip| format!("{place}, real_server {}: removed", show::bare(rip))));
    differ(
        place,
        &show::behind_pool(old),
        &show::behind_pool(new),
        lines,
    );
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
        if old == new {
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
mod tests {
    use std::path::Path;

    use super::*;

    const FILE: &str = "
        [[vrrp]]
        name = 'VI_1'
        interface = 'eth0'
        virtual_router_id = 51
        virtual_addresses = ['10.0.0.9']
        [[virtual_server]]
        address = '10.0.0.9:80'
        scheduler = 'wrr'
        real_servers = ['10.0.0.1', '10.0.0.2']
        sorry_server = '10.0.0.7'
    ";

    fn changes(from: &[(&str, &str)]) -> Vec<String> {
        let parse = |text: &str| DirectorConfig::parse(Path::new("d.toml"), text).unwrap();
        let edited = from.iter().fold(FILE.to_owned(), |text, (old, new)| {
            assert!(text.contains(old), "{old}");
            text.replace(old, new)
        });
        between(&parse(FILE), &parse(&edited))
    }

    #[test]
    fn the_same_file_changes_nothing() {
        assert_eq!(changes(&[]), Vec::<String>::new());
    }

    #[test]
    fn each_change_is_a_line_that_names_its_place() {
        let told = changes(&[
            ("'wrr'", "'rr'"),
            ("'10.0.0.1', '10.0.0.2'", "'10.0.0.2', '10.0.0.3'"),
            ("sorry_server = '10.0.0.7'", "quorum = 2"),
            ("virtual_router_id = 51", "virtual_router_id = 52"),
        ]);
        assert_eq!(
            told,
            [
                "vrrp VI_1: virtual_router_id = 51 becomes 52",
                "virtual server tcp 10.0.0.9:80: scheduler = \"wrr\" becomes \"rr\"",
                "virtual server tcp 10.0.0.9:80, real_server 10.0.0.3:80: added",
                "virtual server tcp 10.0.0.9:80, real_server 10.0.0.1:80: removed",
                "virtual server tcp 10.0.0.9:80: quorum = 1 becomes 2",
                "virtual server tcp 10.0.0.9:80: sorry_server = \"10.0.0.7:80\" is gone",
                "virtual server tcp 10.0.0.9:80: sorry_forwarding = \"dr\" is gone",
                "virtual server tcp 10.0.0.9:80: drain = \"30s\" is gone",
            ]
        );
    }
}
