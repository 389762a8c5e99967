//! Where a file says something that only turns out later to be wrong.

use toml::de::{DeTable, DeValue};

/// The line, from 1, of the first `[[virtual_server]]` table that gives a key this
/// value.
pub(crate) fn of_virtual_server(text: &str, key: &str, value: &str) -> Option<usize> {
    let (root, _) = DeTable::parse_recoverable(text);
    let DeValue::Array(tables) = root.get_ref().get("virtual_server")?.get_ref() else {
        return None;
    };
    let mut found = tables.iter().filter_map(|table| match table.get_ref() {
        DeValue::Table(table) => table.get(key),
        _ => None,
    });
    let found =
        found.find(|found| matches!(found.get_ref(), DeValue::String(it) if it == value))?;
    let before = text.get(..found.span().start)?;
    Some(before.matches('\n').count() + 1)
}
