//! `keepalived.conf` as a director's file.
//!
//! Reading is in two steps: [`statement`] makes a tree of words out of the text,
//! the others translate what they know of it. keepalived's own defaults are
//! written out, because lvsd's are others, and what has no equivalent is told
//! with its line: nothing is left out in silence.

mod check;
mod global;
mod include;
mod router;
mod server;
mod statement;

use std::fmt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use self::global::Global;
use self::statement::Statement;

/// What came of a file.
#[derive(Debug)]
pub struct Imported {
    /// The director's file.
    pub toml: String,
    /// The file itself, and those that it includes.
    pub files: Vec<PathBuf>,
    /// What has no equivalent, in the order of the lines.
    pub notes: Vec<Note>,
}

/// Something that the director's file does not say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// Which of [`Imported::files`] it was written in.
    pub file: usize,
    /// Where it was written.
    pub line: usize,
    /// What, and what to do about it.
    pub text: String,
}

/// Why a file cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: {text}", file.display())]
pub struct Unreadable {
    file: PathBuf,
    line: usize,
    text: &'static str,
}

/// Translates the text of a file, and of those that it includes.
///
/// # Errors
/// [`Unreadable`] where blocks do not end.
pub fn import(path: &Path, text: &str) -> Result<Imported, Unreadable> {
    let reader = statement::Reader::new(&include::matching);
    let (statements, files) = reader.read(path, text)?;
    let mut notes = Notes::default();
    let global = Global::read(&statements, &mut notes);
    let groups = server::groups(&statements);
    let definitions = router::Definitions::of(&statements);
    let mut keys = Keys::default();
    keys.extend(global.top());
    let mut ipvs = global.ipvs();
    let (mut routers, mut servers) = (Vec::new(), Vec::new());
    let mut sync_groups = Vec::new();
    for statement in &statements {
        match statement.key() {
            "vrrp_instance" => {
                let router = router::read(statement, &global, &definitions, &mut notes);
                if let Some(sync) = router.sync {
                    ipvs.entry("sync").or_insert(sync.into());
                }
                routers.push(Value::Table(router.keys.0));
            }
            "virtual_server" => {
                let server = server::read(statement, &groups, &mut notes);
                servers.push(Value::Table(server.0));
            }
            "vrrp_sync_group" => {
                let group = router::group(statement, &mut notes);
                sync_groups.push(Value::Table(group.0));
            }
            "virtual_server_group" | "global_defs" => {}
            _ if router::Definitions::has(statement) => {}
            _ => notes.no_equivalent(statement),
        }
    }
    let mut file = keys.0;
    for (key, tables) in [
        ("vrrp", routers),
        ("vrrp_group", sync_groups),
        ("virtual_server", servers),
    ] {
        if !tables.is_empty() {
            file.insert(key.to_owned(), tables.into());
        }
    }
    for (key, table) in [("ipvs", ipvs), ("director", global.director())] {
        if !table.is_empty() {
            file.insert(key.to_owned(), table.into());
        }
    }
    notes.0.sort();
    Ok(Imported {
        toml: file.to_string(),
        files,
        notes: notes.0,
    })
}

/// What has no equivalent, as it is found.
#[derive(Debug, Default)]
struct Notes(Vec<Note>);

impl Notes {
    fn add(&mut self, statement: &Statement, text: impl fmt::Display) {
        let Statement { file, line, .. } = *statement;
        let text = format!("{}: {text}", statement.key());
        self.0.push(Note { file, line, text });
    }

    fn no_equivalent(&mut self, statement: &Statement) {
        let why = match statement.key() {
            "nat_mask" | "dont_track_primary" | "debug" | "quorum_startup" => {
                "means nothing any more, and is left out"
            }
            "notification_email"
            | "notification_email_from"
            | "smtp_server"
            | "smtp_alert"
            | "smtp_connect_timeout"
            | "smtp_connection_timeout"
            | "smtp_helo_name" => "lvsd sends no mail; watch /metrics, or use hooks",
            "lvs_flush" | "lvs_flush_on_stop" => {
                "lvsd never flushes: it adopts what it finds, and removes what it made"
            }
            "include" => "names no file that can be read",
            key if key.starts_with(['@', '$', '~']) => "is not expanded; write it out first",
            _ => "has no equivalent, and is left out",
        };
        self.add(statement, why);
    }

    /// The argument, or a note that there is none that could be meant.
    fn parsed<T: std::str::FromStr>(&mut self, statement: &Statement) -> Option<T> {
        let parsed = statement.argument(1).and_then(|word| word.parse().ok());
        if parsed.is_none() {
            self.add(statement, "is not understood, and is left out");
        }
        parsed
    }
}

/// Keys of a table, in the order they are set.
#[derive(Debug, Default, Clone, PartialEq)]
struct Keys(Table);

impl Keys {
    fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }

    fn extend(&mut self, others: Table) {
        self.0.extend(others);
    }
}

/// Seconds as keepalived writes them, `6` or `0.5`, as lvsd does.
fn seconds(text: &str) -> Option<String> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    if part.len() > 6 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let micros: u64 = format!("{part:0<6}").parse().ok()?;
    Some(match (micros, micros % 1000) {
        (0, _) => format!("{whole}s"),
        (_, 0) => format!("{}ms", whole.checked_mul(1000)? + micros / 1000),
        _ => format!("{}us", whole.checked_mul(1_000_000)? + micros),
    })
}

/// Sets a key to a length of time.
fn set_seconds(keys: &mut Keys, key: &str, statement: &Statement, notes: &mut Notes) {
    match statement.argument(1).and_then(seconds) {
        Some(time) => keys.set(key, time),
        None => notes.add(statement, "is not a number of seconds, and is left out"),
    }
}

#[cfg(test)]
mod tests;
