//! `notify` and its kin.

use super::super::statement::Statement;
use super::super::{Keys, Notes};

/// What keepalived calls a state, the key of the hook, and the word that `notify`
/// is told.
const STATES: [(&str, &str, &str); 4] = [
    ("notify_master", "on_master", "MASTER"),
    ("notify_backup", "on_backup", "BACKUP"),
    ("notify_fault", "on_fault", "FAULT"),
    ("notify_stop", "on_stop", "STOP"),
];

/// Whether a statement is one of these.
pub(super) fn is_hook(key: &str) -> bool {
    key == "notify" || STATES.iter().any(|(known, _, _)| *known == key)
}

/// Sets the hooks of a virtual router. `user`: whom keepalived's `script_user`
/// names.
pub(super) fn hooks(
    keys: &mut Keys,
    statement: &Statement,
    name: &str,
    user: Option<&str>,
    notes: &mut Notes,
) {
    let mut users = Vec::new();
    for (word, key, _) in STATES {
        if let Some(found) = statement.find(word) {
            keys.set(key, program(found));
            users.push((found.argument(2), found));
        }
    }
    if let Some(found) = statement.find("notify") {
        users.push((found.argument(2), found));
        let priority = keys.0.get("priority").map(ToString::to_string);
        for (word, key, state) in STATES {
            if statement.find(word).is_some() {
                notes.add(found, format!("{word} is run in its place, not beside it"));
                continue;
            }
            let told = [
                "INSTANCE",
                name,
                state,
                priority.as_deref().unwrap_or("100"),
            ];
            let told = told.map(str::to_owned);
            keys.set(key, [program(found), told.to_vec()].concat());
        }
    }
    let Some((first, _)) = users.first() else {
        return;
    };
    let own = *first;
    for (other, found) in &users {
        if *other != own {
            notes.add(
                found,
                "all hooks of a virtual router have one user, the first",
            );
        }
    }
    if let Some(user) = own.or(user) {
        keys.set("hook_user", user);
    }
}

/// A program and its arguments, which are one word for keepalived.
pub(super) fn program(statement: &Statement) -> Vec<String> {
    let text = statement.argument(1).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}
