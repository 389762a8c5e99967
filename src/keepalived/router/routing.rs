//! `virtual_routes` and `virtual_rules`.

use toml::Value;

use super::super::statement::Statement;
use super::super::{Keys, Notes};

/// Kinds of routes that have no way out.
const KINDS: [&str; 4] = ["blackhole", "unreachable", "prohibit", "local"];

/// The tables that have names.
const TABLES: [(&str, i64); 3] = [("local", 255), ("main", 254), ("default", 253)];

/// The routes of a block.
pub(super) fn routes(block: &Statement, notes: &mut Notes) -> Vec<Value> {
    let routes = block.block.iter().map(|route| {
        let mut keys = Keys::default();
        let mut words = words(route);
        while let Some(word) = words.next() {
            let key = match word {
                "to" | "via" | "dev" | "src" | "scope" => word,
                "gw" => "via",
                "table" | "mtu" | "advmss" | "metric" => word,
                "priority" | "preference" => "metric",
                kind if KINDS.contains(&kind) => {
                    keys.set("type", kind);
                    continue;
                }
                to if is_network(to) => {
                    keys.set("to", to);
                    continue;
                }
                other => {
                    notes.add(route, format!("`{other}` is left out"));
                    continue;
                }
            };
            set(&mut keys, key, words.next(), route, notes);
        }
        Value::from(keys.0)
    });
    routes.collect()
}

/// The rules of a block.
pub(super) fn rules(block: &Statement, notes: &mut Notes) -> Vec<Value> {
    let rules = block.block.iter().map(|rule| {
        let mut keys = Keys::default();
        let mut words = words(rule);
        while let Some(word) = words.next() {
            let key = match word {
                "from" | "to" | "iif" | "oif" | "fwmark" | "table" => word,
                "lookup" => "table",
                "dev" => "iif",
                "priority" | "preference" | "order" => "priority",
                other => {
                    notes.add(rule, format!("`{other}` is left out"));
                    continue;
                }
            };
            set(&mut keys, key, words.next(), rule, notes);
        }
        Value::from(keys.0)
    });
    rules.collect()
}

fn words(statement: &Statement) -> impl Iterator<Item = &str> {
    let arguments = statement.arguments().iter().map(String::as_str);
    std::iter::once(statement.key()).chain(arguments)
}

fn is_network(word: &str) -> bool {
    let address = word.split('/').next().unwrap_or_default();
    word == "default" || address.parse::<std::net::IpAddr>().is_ok()
}

/// A number where the key wants one, else the word.
fn set(keys: &mut Keys, key: &str, word: Option<&str>, statement: &Statement, notes: &mut Notes) {
    let word = word.unwrap_or_default();
    if !["table", "mtu", "advmss", "metric", "priority", "fwmark"].contains(&key) {
        return keys.set(key, word);
    }
    let named = TABLES
        .iter()
        .find(|(name, _)| key == "table" && *name == word);
    let hexadecimal = word.strip_prefix("0x");
    let number = match (named, hexadecimal) {
        (Some((_, number)), _) => Some(*number),
        (None, Some(digits)) => i64::from_str_radix(digits, 16).ok(),
        (None, None) => word.parse().ok(),
    };
    match number {
        Some(number) => keys.set(key, number),
        None => notes.add(
            statement,
            format!("`{key} {word}` is left out: write a number"),
        ),
    }
}
