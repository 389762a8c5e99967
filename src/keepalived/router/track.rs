//! What a virtual router tracks, and the definitions that it refers to.

use std::collections::HashMap;

use toml::Value;

use super::super::statement::Statement;
use super::super::{Keys, Notes, set_seconds};
use super::hooks::program;

/// Scripts, files and processes that are defined by themselves, by kind and name.
#[derive(Debug, Default)]
pub(in crate::keepalived) struct Definitions<'a>(HashMap<(&'static str, &'a str), &'a Statement>);

/// The word of a definition, also with `vrrp_` left out, and of its use.
const KINDS: [(&str, &str, &str); 3] = [
    ("vrrp_script", "vrrp_script", "track_script"),
    ("vrrp_track_file", "track_file", "track_file"),
    ("vrrp_track_process", "track_process", "track_process"),
];

impl<'a> Definitions<'a> {
    pub(in crate::keepalived) fn of(statements: &'a [Statement]) -> Self {
        let named = statements.iter().filter_map(|found| {
            let kind = KINDS.iter().find(|kind| is(kind, found))?;
            Some(((kind.2, found.argument(1)?), found))
        });
        Self(named.collect())
    }

    /// Whether a statement of the file is such a definition.
    pub(in crate::keepalived) fn has(statement: &Statement) -> bool {
        KINDS.iter().any(|kind| is(kind, statement))
    }
}

fn is((long, short, _): &(&str, &str, &str), statement: &Statement) -> bool {
    [*long, *short].contains(&statement.key())
}

/// The trackers of a block such as `track_script`.
pub(super) fn trackers(
    block: &Statement,
    definitions: &Definitions<'_>,
    user: Option<&str>,
    notes: &mut Notes,
) -> Vec<Value> {
    let uses = block.block.iter();
    let trackers = uses.filter_map(|used| {
        let mut keys = Keys::default();
        let name = used.key();
        let definition = KINDS
            .iter()
            .find(|(_, _, word)| *word == block.key())
            .map(|(_, _, word)| definitions.0.get(&(*word, name)));
        let definition = match definition {
            None => None,
            Some(Some(definition)) => Some(*definition),
            Some(None) => {
                notes.add(used, "is not defined, and is left out");
                return None;
            }
        };
        let weight = weight(used, definition, notes);
        match (block.key(), definition) {
            ("track_script", Some(definition)) => script(&mut keys, name, definition, user, notes),
            ("track_file", Some(definition)) => {
                return file(name, definition, weight, notes);
            }
            ("track_process", Some(definition)) => process(&mut keys, name, definition, notes),
            _ => keys.set("interface", name),
        }
        // 0 is a fault while down, as is no weight here.
        if let Some(weight) = weight.filter(|weight| *weight != 0) {
            keys.set("weight", weight);
        }
        Some(keys.0.into())
    });
    trackers.collect()
}

/// The weight of the use, or that of the definition.
fn weight(used: &Statement, definition: Option<&Statement>, notes: &mut Notes) -> Option<i64> {
    let defined = definition.and_then(|it| it.find("weight"));
    if used.arguments().iter().any(|word| word == "reverse")
        || defined.is_some_and(|it| it.argument(2) == Some("reverse"))
    {
        notes.add(used, "`reverse` has no equivalent, and is left out");
    }
    let own = used.after("weight");
    let weight = own.or(defined.and_then(|it| it.argument(1)));
    weight.and_then(|text| text.parse().ok())
}

fn script(
    keys: &mut Keys,
    name: &str,
    definition: &Statement,
    user: Option<&str>,
    notes: &mut Notes,
) {
    keys.set("name", name);
    let mut own = user;
    for found in &definition.block {
        match found.key() {
            "script" => keys.set("script", program(found)),
            "interval" | "timeout" => set_seconds(keys, found.key(), found, notes),
            "rise" | "fall" => {
                if let Some(number) = notes.parsed::<i64>(found) {
                    keys.set(found.key(), number);
                }
            }
            "user" => own = found.argument(1),
            "weight" => {}
            _ => notes.no_equivalent(found),
        }
    }
    if let Some(user) = own {
        keys.set("user", user);
    }
}

/// Its number counts as it is, which is a weight of 1.
fn file(
    name: &str,
    definition: &Statement,
    weight: Option<i64>,
    notes: &mut Notes,
) -> Option<Value> {
    if weight.is_some_and(|weight| weight != 1) {
        notes.add(
            definition,
            "the number in the file is added as it is: a weight has no equivalent, and the \
             tracker is left out",
        );
        return None;
    }
    let path = definition.find("file").and_then(|it| it.argument(1));
    let mut keys = Keys::default();
    keys.set("name", name);
    keys.set("file", path.unwrap_or_default());
    for found in &definition.block {
        if !["file", "weight"].contains(&found.key()) {
            notes.no_equivalent(found);
        }
    }
    Some(keys.0.into())
}

fn process(keys: &mut Keys, name: &str, definition: &Statement, notes: &mut Notes) {
    keys.set("name", name);
    for found in &definition.block {
        match found.key() {
            "process" => {
                let more = found.arguments().get(1..).unwrap_or_default();
                let command = [program(found), more.to_vec()].concat();
                let path = command.first().map(String::as_str).unwrap_or_default();
                let program = path.rsplit('/').next().unwrap_or_default();
                keys.set("process", program);
                if command.len() > 1 {
                    keys.set("cmdline", command.join(" "));
                }
            }
            "weight" => {}
            "quorum" if found.argument(1) == Some("1") => {}
            _ => notes.no_equivalent(found),
        }
    }
}
