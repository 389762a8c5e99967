//! `vrrp_instance`: a virtual router.

use std::net::IpAddr;

use toml::{Table, Value};

use super::global::Global;
use super::statement::Statement;
use super::{Keys, Notes};

/// keepalived's own.
const PRIORITY: i64 = 100;

/// What `state MASTER` without a priority means.
const PRIORITY_OF_MASTER: i64 = 255;

/// How much of a password is sent.
const PASSWORD_BYTES: usize = 8;

/// The keys that stand first, as in lvsd's own examples.
const ORDER: [&str; 4] = ["name", "interface", "virtual_router_id", "priority"];

/// A virtual router as lvsd has it.
#[derive(Debug)]
pub(super) struct Router {
    pub(super) keys: Keys,
    /// `[ipvs.sync]`, where the instance itself names its interface.
    pub(super) sync: Option<Table>,
}

pub(super) fn read(statement: &Statement, global: &Global, notes: &mut Notes) -> Router {
    let name = statement.argument(1).unwrap_or("VI_1");
    let mut keys = Keys::default();
    keys.set("name", name);
    let word = |key| statement.find(key).and_then(|found| found.argument(1));
    let is_master = word("state") == Some("MASTER");
    let priority = if is_master {
        PRIORITY_OF_MASTER
    } else {
        PRIORITY
    };
    keys.set("priority", priority);
    keys.set("version", version(statement, global));
    keys.set("advert_interval", "1s");
    let mut sync = None;
    for found in &statement.block {
        match found.key() {
            "state" | "version" | "preempt" | "native_ipv6" | "accept" => {}
            "interface" => keys.set("interface", found.argument(1).unwrap_or_default()),
            "virtual_router_id" | "priority" => {
                if let Some(number) = notes.parsed::<i64>(found) {
                    keys.set(found.key(), number);
                }
            }
            "advert_int" => super::set_seconds(&mut keys, "advert_interval", found, notes),
            "authentication" => password(&mut keys, found, notes),
            "nopreempt" if is_master => {
                notes.add(found, "counts only with `state BACKUP`, and is left out");
            }
            "nopreempt" => keys.set("preempt", false),
            "unicast_src_ip" | "mcast_src_ip" => {
                keys.set("source_address", found.argument(1).unwrap_or_default());
            }
            "unicast_peer" => keys.set("unicast_peers", peers(found, notes)),
            "virtual_ipaddress" => {
                let interface = word("interface").unwrap_or_default();
                keys.set("virtual_addresses", addresses(found, interface, notes));
            }
            // The second spelling is what people write, and keepalived forgave.
            "lvs_sync_daemon_interface" | "lvs_sync_daemon_inteface" => {
                sync = found
                    .argument(1)
                    .map(|interface| sync_with(name, interface));
            }
            _ => notes.no_equivalent(found),
        }
    }
    whole_seconds(&mut keys, statement, notes);
    let mut ordered = Keys::default();
    for key in ORDER {
        if let Some(value) = keys.0.remove(key) {
            ordered.set(key, value);
        }
    }
    ordered.extend(keys.0);
    Router {
        keys: ordered,
        sync,
    }
}

/// Without a word about it, IPv6 is version 3 and IPv4 version 2.
fn version(statement: &Statement, global: &Global) -> i64 {
    let written = statement
        .find("version")
        .and_then(|found| found.argument(1)?.parse().ok());
    let vips = statement.find("virtual_ipaddress");
    let mut vips = vips.iter().flat_map(|vips| &vips.block);
    let is_ipv6 = vips.any(|vip| vip.key().contains(':'));
    let default = if is_ipv6 { 3 } else { 2 };
    written.or(global.version).unwrap_or(default)
}

/// Version 2 counts whole seconds: keepalived rounds what is written.
fn whole_seconds(keys: &mut Keys, statement: &Statement, notes: &mut Notes) {
    let interval = keys.0.get("advert_interval").and_then(Value::as_str);
    let is_part = interval.is_some_and(|text| text.ends_with("ms") || text.ends_with("us"));
    if is_part && keys.0.get("version") == Some(&Value::Integer(2)) {
        keys.set("advert_interval", "1s");
        let found = statement.find("advert_int").unwrap_or(statement);
        notes.add(found, "version 2 counts whole seconds: 1 s is written");
    }
}

fn password(keys: &mut Keys, block: &Statement, notes: &mut Notes) {
    let word = |key| block.find(key).and_then(|found| found.argument(1));
    if word("auth_type").is_some_and(|kind| !kind.eq_ignore_ascii_case("PASS")) {
        return notes.add(
            block,
            "only auth_type PASS has an equivalent; without it both sides must be without",
        );
    }
    let Some(written) = word("auth_pass") else {
        return;
    };
    if keys.0.get("version") != Some(&Value::Integer(2)) {
        return notes.add(block, "version 3 has no password, and is left out");
    }
    let mut end = written.len().min(PASSWORD_BYTES);
    while !written.is_char_boundary(end) {
        end -= 1;
    }
    if end < written.len() {
        notes.add(
            block,
            "keepalived sends 8 bytes of the password; the rest is left out",
        );
    }
    keys.set("auth_pass", &written[..end]);
}

fn peers(block: &Statement, notes: &mut Notes) -> Vec<Value> {
    let peers = block.block.iter().filter_map(|peer| {
        if !peer.arguments().is_empty() {
            notes.add(peer, "only its address is taken");
        }
        let address: Result<IpAddr, _> = peer.key().parse();
        Some(address.ok()?.to_string().into())
    });
    peers.collect()
}

fn addresses(block: &Statement, interface: &str, notes: &mut Notes) -> Vec<Value> {
    let addresses = block.block.iter().map(|vip| {
        if vip.after("dev").is_some_and(|dev| dev != interface) {
            notes.add(
                vip,
                format!("is put on {interface}, the virtual router's own interface"),
            );
        }
        let known = ["dev", "scope"];
        let mut others = vip.arguments().chunks(2);
        if others.any(|pair| !known.contains(&pair[0].as_str())) {
            notes.add(vip, "only the address itself is taken");
        }
        Value::from(vip.key())
    });
    addresses.collect()
}

fn sync_with(router: &str, interface: &str) -> Table {
    let mut keys = Keys::default();
    keys.set("vrrp", router);
    keys.set("interface", interface);
    keys.0
}
