//! `virtual_ipaddress` and `virtual_ipaddress_excluded`.

use toml::Value;

use super::super::statement::Statement;
use super::super::{Keys, Notes};

/// The addresses of a block; each is a table where it has a label, or an interface
/// of its own.
pub(super) fn addresses(block: &Statement, interface: &str, notes: &mut Notes) -> Vec<Value> {
    let addresses = block.block.iter();
    addresses
        .map(|vip| address(vip, interface, notes))
        .collect()
}

fn address(vip: &Statement, interface: &str, notes: &mut Notes) -> Value {
    let known = ["dev", "scope", "label", "brd", "broadcast"];
    let mut others = vip.arguments().chunks(2);
    if others.any(|pair| !known.contains(&pair[0].as_str())) {
        notes.add(vip, "only address, label and dev are taken");
    }
    let mut keys = Keys::default();
    keys.set("address", vip.key());
    if let Some(label) = vip.after("label") {
        keys.set("label", label);
    }
    if let Some(dev) = vip.after("dev").filter(|dev| *dev != interface) {
        keys.set("interface", dev);
    }
    match keys.0.len() {
        1 => vip.key().into(),
        _ => keys.0.into(),
    }
}
