//! A large file in parts: each `[[virtual_server]]` by itself, and the rest.
//!
//! The values of a file, each with its place, take twenty times the room of its
//! text. Part by part, only those of one virtual server are there at a time.
//!
//! A part does not know where it stands in the file, and lines tell nothing of
//! strings and arrays that go over several of them. So this is for files in which
//! nothing is wrong: where a part is refused, or is not exactly what it should be,
//! the file is to be read as a whole, and only that is believed.

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, Deserializer};

use super::raw;

const HEADER: &str = "[[virtual_server]]";

/// The parts of a text.
pub(super) struct Sections<'a> {
    /// Everything else, with one empty virtual server for each run of them.
    pub(super) rest: String,
    runs: usize,
    servers: Vec<&'a str>,
}

/// Takes a text apart by its lines.
pub(super) fn split(text: &str) -> Sections<'_> {
    let mut sections = Sections {
        rest: String::new(),
        runs: 0,
        servers: Vec::new(),
    };
    // Where the virtual server that is under way begins.
    let mut begun: Option<usize> = None;
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let start = offset;
        offset += line.len();
        let words = line.trim_start_matches([' ', '\t']);
        let is_server = words.starts_with(HEADER);
        let goes_on = !words.starts_with('[')
            || words.starts_with("[virtual_server.")
            || words.starts_with("[[virtual_server.");
        match (begun, is_server) {
            (Some(begin), true) => {
                sections.servers.push(&text[begin..start]);
                begun = Some(start);
            }
            (None, true) => {
                sections.runs += 1;
                sections.rest.push_str(HEADER);
                sections.rest.push('\n');
                begun = Some(start);
            }
            (Some(_), false) if goes_on => {}
            (Some(begin), false) => {
                sections.servers.push(&text[begin..start]);
                sections.rest.push_str(line);
                begun = None;
            }
            (None, false) => sections.rest.push_str(line),
        }
    }
    let last = begun.and_then(|begin| text.get(begin..));
    sections.servers.extend(last);
    sections
}

impl Sections<'_> {
    /// Whether these values of the rest have the virtual servers that were left
    /// there in place of the others, and no more of them.
    pub(super) fn are_whole(&self, rest: &DeTable<'_>) -> bool {
        let Some(servers) = rest.get("virtual_server") else {
            return self.runs == 0;
        };
        let Some(servers) = servers.get_ref().as_array() else {
            return false;
        };
        let is_empty = |table: &DeTable<'_>| table.is_empty();
        let mut tables = servers.iter().map(|server| server.get_ref().as_table());
        servers.len() == self.runs && tables.all(|table| table.is_some_and(is_empty))
    }

    /// The virtual servers one after the other; none in the place of what is not one.
    pub(super) fn virtual_servers(&self) -> impl Iterator<Item = Option<raw::VirtualServer>> {
        self.servers.iter().map(|text| virtual_server(text))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    virtual_server: [Spanned<raw::VirtualServer>; 1],
}

fn virtual_server(text: &str) -> Option<raw::VirtualServer> {
    let root = DeTable::parse(text).ok()?;
    let section = Section::deserialize(Deserializer::from(root)).ok()?;
    let [server] = section.virtual_server;
    Some(server.into_inner())
}

#[cfg(test)]
mod tests;
