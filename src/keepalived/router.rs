//! `vrrp_instance`: a virtual router; `vrrp_sync_group`: several.

mod addresses;
mod hooks;
mod routing;
mod track;

use std::net::IpAddr;

use toml::{Table, Value};

use super::global::{Global, is_on};
use super::statement::Statement;
use super::{Keys, Notes, set_seconds};
use addresses::addresses;
pub(super) use track::Definitions;

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

pub(super) fn read(
    statement: &Statement,
    global: &Global,
    definitions: &Definitions<'_>,
    notes: &mut Notes,
) -> Router {
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
    keys.extend(global.router());
    let mut sync = None;
    let mut trackers = Vec::new();
    let interface = word("interface").unwrap_or_default();
    for found in &statement.block {
        match found.key() {
            "state" | "version" | "preempt" | "native_ipv6" | "accept" | "no_accept"
            | "check_unicast_src" | "v3_checksum_as_v2" => {}
            key if hooks::is_hook(key) => {}
            "interface" => keys.set("interface", found.argument(1).unwrap_or_default()),
            "virtual_router_id" | "priority" => {
                if let Some(number) = notes.parsed::<i64>(found) {
                    keys.set(found.key(), number);
                }
            }
            "advert_int" => set_seconds(&mut keys, "advert_interval", found, notes),
            "authentication" => password(&mut keys, found, notes),
            "nopreempt" | "preempt_delay" if is_master => {
                notes.add(found, "counts only with `state BACKUP`, and is left out");
            }
            "nopreempt" => keys.set("preempt", false),
            "preempt_delay" => set_seconds(&mut keys, "preempt_delay", found, notes),
            "use_vmac" => {
                keys.set("virtual_mac", true);
                if let Some(name) = found.argument(1).filter(|it| !it.contains(':')) {
                    keys.set("virtual_mac_interface", name);
                }
            }
            "vmac_xmit_base" => {
                let why = "beside lvsd take it out: lvsd's adverts come from the virtual MAC, and a \
                           keepalived that listens on the interface below does not hear them";
                notes.add(found, why);
            }
            key if key.starts_with("garp_master_") => announce(&mut keys, found, notes),
            "virtual_ipaddress_excluded" => {
                keys.set("extra_addresses", addresses(found, interface, notes));
            }
            "virtual_routes" => keys.set("route", routing::routes(found, notes)),
            "virtual_rules" => keys.set("rule", routing::rules(found, notes)),
            "track_interface" | "track_script" | "track_file" | "track_process" => {
                let user = global.script_user.as_deref();
                trackers.extend(track::trackers(found, definitions, user, notes));
            }
            "unicast_src_ip" | "mcast_src_ip" => {
                keys.set("source_address", found.argument(1).unwrap_or_default());
            }
            "notify_master_rx_lower_pri" => {
                let why =
                    "`on_split_brain` comes nearest: it runs once while another master is heard";
                notes.add(found, why);
            }
            "unicast_peer" => peers(&mut keys, found, notes),
            "virtual_ipaddress" => {
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
    checksum(&mut keys, statement, global);
    accept(&mut keys, statement, global);
    let user = global.script_user.as_deref();
    hooks::hooks(&mut keys, statement, name, user, notes);
    if !trackers.is_empty() {
        keys.set("track", trackers);
    }
    // Without preempt there is none to delay, and an owner takes its addresses at once.
    let is_owner = keys.0.get("priority") == Some(&Value::Integer(PRIORITY_OF_MASTER));
    if keys.0.get("preempt") == Some(&Value::Boolean(false)) || is_owner {
        keys.0.remove("preempt_delay");
    }
    let keys = in_order(keys);
    Router { keys, sync }
}

/// The keys as people would write them.
fn in_order(mut keys: Keys) -> Keys {
    let mut ordered = Keys::default();
    for key in ORDER {
        if let Some(value) = keys.0.remove(key) {
            ordered.set(key, value);
        }
    }
    ordered.extend(keys.0);
    ordered
}

/// Without a word about it, IPv6 is version 3 and IPv4 version 2.
fn version(statement: &Statement, global: &Global) -> i64 {
    let written = statement
        .find("version")
        .and_then(|found| found.argument(1)?.parse().ok());
    let default = if is_ipv6(statement) { 3 } else { 2 };
    written.or(global.version).unwrap_or(default)
}

/// Whether adverts have the RFC's checksum, where there is a choice. keepalived takes
/// any then.
fn checksum(keys: &mut Keys, statement: &Statement, global: &Global) {
    let written = statement.find("v3_checksum_as_v2").map(is_on);
    let has_choice = keys.0.get("version") == Some(&Value::Integer(3)) && !is_ipv6(statement);
    if written.unwrap_or(global.checksum_as_v2) && has_choice {
        keys.set("checksum", "rfc");
    }
}

fn is_ipv6(statement: &Statement) -> bool {
    let vips = statement.find("virtual_ipaddress");
    let mut vips = vips.iter().flat_map(|vips| &vips.block);
    vips.any(|vip| vip.key().contains(':'))
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

/// keepalived takes any TTL unless it is told otherwise, and has a least one for each peer.
fn peers(keys: &mut Keys, block: &Statement, notes: &mut Notes) {
    let mut addresses: Vec<Value> = Vec::new();
    let mut least = Some(255);
    for peer in &block.block {
        let Ok(address) = peer.key().parse::<IpAddr>() else {
            continue;
        };
        addresses.push(address.to_string().into());
        let words = std::iter::once(peer.key()).chain(peer.arguments().iter().map(String::as_str));
        let words: Vec<_> = words.collect();
        let min_ttl = words.windows(2).find(|pair| pair[0] == "min_ttl");
        let min_ttl = min_ttl.and_then(|pair| pair[1].parse::<i64>().ok());
        least = least.zip(min_ttl).map(|(least, own)| least.min(own.max(1)));
        if words.len() > if min_ttl.is_some() { 3 } else { 1 } {
            notes.add(peer, "only its address and min_ttl are taken");
        }
    }
    keys.set("unicast_peers", addresses);
    match least {
        Some(least) => keys.set("unicast_min_ttl", least),
        None => notes.add(
            block,
            "without min_ttl, keepalived takes adverts of any TTL, lvsd those of 255: write \
             unicast_min_ttl if routers are between, or 64 beside keepalived over IPv6",
        ),
    }
}

/// On, unless it is turned off or `vrrp_strict` leaves it to owners, who always
/// accept.
fn accept(keys: &mut Keys, statement: &Statement, global: &Global) {
    let written = statement.block.iter().rev().find_map(|it| match it.key() {
        "accept" => Some(true),
        "no_accept" => Some(false),
        _ => None,
    });
    let is_owner = keys.0.get("priority") == Some(&Value::Integer(PRIORITY_OF_MASTER));
    if !written.unwrap_or(!global.is_strict) && !is_owner {
        keys.set("accept", false);
    }
}

/// One key of `[vrrp.announce]`.
fn announce(keys: &mut Keys, found: &Statement, notes: &mut Notes) {
    let mut table = match keys.0.remove("announce") {
        Some(Value::Table(table)) => Keys(table),
        _ => Keys::default(),
    };
    announce_key(&mut table, found, "", notes);
    if !table.0.is_empty() {
        keys.set("announce", table.0);
    }
}

/// The same, where the words begin with `vrrp_` for all virtual routers.
pub(super) fn announce_key(table: &mut Keys, found: &Statement, prefix: &str, notes: &mut Notes) {
    match found.key().strip_prefix(prefix).unwrap_or_default() {
        "garp_master_delay" => set_seconds(table, "delay", found, notes),
        "garp_master_repeat" => {
            if let Some(number) = notes.parsed::<i64>(found) {
                table.set("repeat", number);
            }
        }
        // 0: never.
        "garp_master_refresh" if found.argument(1) == Some("0") => {}
        "garp_master_refresh" => set_seconds(table, "refresh", found, notes),
        "garp_interval" => set_seconds(table, "interval", found, notes),
        _ => notes.no_equivalent(found),
    }
}

/// `vrrp_sync_group`, its members a line or a word each.
pub(super) fn group(statement: &Statement, notes: &mut Notes) -> Keys {
    let mut keys = Keys::default();
    keys.set("name", statement.argument(1).unwrap_or("G_1"));
    let mut members: Vec<Value> = Vec::new();
    for found in &statement.block {
        if found.key() == "group" {
            let lines = found.block.iter();
            let words = lines.flat_map(|it| {
                std::iter::once(it.key()).chain(it.arguments().iter().map(String::as_str))
            });
            members.extend(words.map(Value::from));
        } else {
            notes.no_equivalent(found);
        }
    }
    keys.set("instances", members);
    keys
}

fn sync_with(router: &str, interface: &str) -> Table {
    let mut keys = Keys::default();
    keys.set("vrrp", router);
    keys.set("interface", interface);
    keys.0
}
