//! `virtual_server` and `virtual_server_group`.

use std::collections::HashMap;
use std::net::IpAddr;

use toml::Value;

use super::statement::Statement;
use super::{Keys, Notes, check};

/// What keepalived takes where `persistence_timeout` has no number.
const PERSISTENCE: i64 = 360;

/// Statements of groups by name.
type Groups<'a> = HashMap<&'a str, &'a Statement>;

pub(super) fn groups(statements: &[Statement]) -> Groups<'_> {
    let groups = statements.iter();
    let groups = groups.filter(|found| found.key() == "virtual_server_group");
    groups
        .filter_map(|group| Some((group.argument(1)?, group)))
        .collect()
}

pub(super) fn read(statement: &Statement, groups: &Groups<'_>, notes: &mut Notes) -> Keys {
    let mut keys = Keys::default();
    identity(&mut keys, statement, groups, notes);
    let is_mark = keys.0.contains_key("fwmark");
    if !is_mark {
        keys.set("protocol", protocol(statement, notes));
    }
    keys.set("scheduler", "wlc");
    let outer = forwarding(&mut keys, statement, "lb_kind", "lvs_method", notes);
    keys.set("forwarding", outer.clone().unwrap_or("nat".to_owned()));
    if let Some(own) = statement.find("sorry_server_lvs_method") {
        let method = own.argument(1).unwrap_or_default();
        keys.set("sorry_forwarding", method.to_ascii_lowercase());
    }
    let mut pool = Vec::new();
    for found in &statement.block {
        match found.key() {
            "real_server" => {
                let method = outer.as_deref().unwrap_or("nat");
                pool.push(real_server(statement, found, method, is_mark, notes));
            }
            _ => take(&mut keys, found, notes),
        }
    }
    if let Some(check) = check::shared(&mut pool) {
        keys.set("check", check);
    }
    let pool: Vec<_> = pool
        .into_iter()
        .map(|server| Value::Table(server.0))
        .collect();
    keys.set("real_server", pool);
    keys
}

fn take(keys: &mut Keys, found: &Statement, notes: &mut Notes) {
    let word = found.argument(1).unwrap_or_default();
    match found.key() {
        "lb_algo" | "lvs_sched" => keys.set("scheduler", word),
        "lb_kind" | "lvs_method" | "protocol" | "weight" | "alpha" | "ip_family" => {}
        "persistence_timeout" => match word {
            "" => keys.set("persistence", format!("{PERSISTENCE}s")),
            "0" => {}
            _ => super::set_seconds(keys, "persistence", found, notes),
        },
        "persistence_granularity" => match word.parse::<i64>() {
            Ok(bits) => keys.set("persistence_prefix", bits),
            Err(_) => keys.set("persistence_prefix", word),
        },
        "persistence_engine" => keys.set("persistence_engine", word),
        "ops" => keys.set("one_packet", true),
        "quorum" | "hysteresis" => {
            if let Some(number) = notes.parsed::<i64>(found) {
                keys.set(found.key(), number);
            }
        }
        "quorum_up" | "quorum_down" => hook(keys, found, notes),
        "sorry_server" => sorry_server(keys, found),
        "sorry_server_lvs_method" => {}
        "inhibit_on_failure" => keys.set("on_failure", "quiesce"),
        flag if flag.starts_with("sh-") || flag.starts_with("mh-") || flag.starts_with("flag-") => {
            let name = flag.trim_start_matches("sh-").trim_start_matches("mh-");
            let flags = keys
                .0
                .entry("scheduler_flags")
                .or_insert(Value::Array(Vec::new()));
            if let Value::Array(flags) = flags {
                flags.push(name.into());
            }
        }
        key if check::is_inherited(key) => {}
        _ => notes.no_equivalent(found),
    }
}

/// Its port, unless packets keep theirs.
fn sorry_server(keys: &mut Keys, found: &Statement) {
    let own = keys.0.get("sorry_forwarding");
    let method = own.or_else(|| keys.0.get("forwarding"));
    let maps_ports =
        method.and_then(Value::as_str) == Some("nat") && !keys.0.contains_key("fwmark");
    let ip = found.argument(1).unwrap_or_default().to_owned();
    keys.set(
        "sorry_server",
        if maps_ports {
            address(found, false)
        } else {
            ip
        },
    );
}

fn identity(keys: &mut Keys, statement: &Statement, groups: &Groups<'_>, notes: &mut Notes) {
    let word = statement.argument(1).unwrap_or_default();
    let second = statement.argument(2).unwrap_or_default();
    match word {
        "fwmark" => mark(keys, statement, second, notes),
        "group" => match groups.get(second) {
            Some(group) => members(keys, group, notes),
            None => notes.add(statement, format!("there is no group {second:?}")),
        },
        _ => keys.set("address", address(statement, true)),
    }
}

fn mark(keys: &mut Keys, statement: &Statement, number: &str, notes: &mut Notes) {
    match number.parse::<i64>() {
        Ok(number) => keys.set("fwmark", number),
        Err(_) => notes.add(statement, "the firewall mark is not a number"),
    }
}

/// A group: addresses are one table of lvsd's, a mark has one for itself.
fn members(keys: &mut Keys, group: &Statement, notes: &mut Notes) {
    let mut addresses = Vec::new();
    for found in &group.block {
        if found.key() != "fwmark" {
            let port = found.argument(1).unwrap_or("0");
            let hosts = hosts(found.key());
            if hosts.is_empty() {
                notes.add(
                    found,
                    "is no address or range that is understood, and is left out",
                );
            }
            addresses.extend(hosts.into_iter().map(|ip| Value::from(join(ip, port))));
        } else if addresses.is_empty() && !keys.0.contains_key("fwmark") {
            mark(keys, found, found.argument(1).unwrap_or_default(), notes);
        } else {
            notes.add(
                found,
                "another mark takes a virtual server of its own: copy the table",
            );
        }
    }
    match addresses.len() {
        0 => {}
        _ if keys.0.contains_key("fwmark") => {
            notes.add(
                group,
                "its addresses take a virtual server of their own: copy the table",
            );
        }
        _ => keys.set("addresses", addresses),
    }
}

/// `10.0.0.1`, `10.0.0.1-9`.
fn hosts(text: &str) -> Vec<IpAddr> {
    let Some((first, last)) = text.split_once('-') else {
        return text.parse().into_iter().collect();
    };
    let (Ok(IpAddr::V4(first)), Ok(last)) = (first.parse(), last.parse::<u8>()) else {
        return Vec::new();
    };
    let [a, b, c, d] = first.octets();
    (d..=last).map(|d| IpAddr::from([a, b, c, d])).collect()
}

/// `IP PORT` of a statement, as `IP:PORT`; `bare`: port 0 is written out.
fn address(statement: &Statement, bare: bool) -> String {
    let ip = statement.argument(1).unwrap_or_default();
    match (ip.parse(), statement.argument(2)) {
        (Ok(ip), Some(port)) => join(ip, port),
        (Ok(ip), None) if bare => join(ip, "0"),
        _ => ip.to_owned(),
    }
}

fn join(ip: IpAddr, port: &str) -> String {
    match ip {
        IpAddr::V4(ip) => format!("{ip}:{port}"),
        IpAddr::V6(ip) => format!("[{ip}]:{port}"),
    }
}

fn protocol(statement: &Statement, notes: &mut Notes) -> String {
    let written = statement
        .find("protocol")
        .and_then(|found| found.argument(1));
    written.map_or_else(
        || {
            notes.add(
                statement,
                "without `protocol`, keepalived complains and takes UDP",
            );
            "udp".to_owned()
        },
        str::to_ascii_lowercase,
    )
}

/// `lb_kind` and its newer name, with the tunnel that may follow.
fn forwarding(
    keys: &mut Keys,
    statement: &Statement,
    old: &str,
    new: &str,
    notes: &mut Notes,
) -> Option<String> {
    let found = statement.find(new).or_else(|| statement.find(old))?;
    let method = found.argument(1)?.to_ascii_lowercase();
    let kind = found.after("type").filter(|kind| *kind != "ipip");
    if let (Some(kind), "tun") = (kind, method.as_str()) {
        let mut tunnel = Keys::default();
        tunnel.set("type", kind);
        match found.after("port").map(str::parse::<i64>) {
            Some(Ok(port)) => tunnel.set("port", port),
            Some(Err(_)) => notes.add(found, "the port of the tunnel is not a number"),
            None => {}
        }
        let has = |word: &str| found.arguments().iter().any(|found| found == word);
        let sums = [("csum", "plain"), ("remcsum", "remote")];
        for (_, checksum) in sums.into_iter().filter(|(word, _)| has(word)) {
            tunnel.set("checksum", checksum);
        }
        keys.set("tunnel", tunnel.0);
    }
    Some(method)
}

/// A program with its arguments, in quotes or not.
fn hook(keys: &mut Keys, found: &Statement, notes: &mut Notes) {
    let words = found
        .arguments()
        .iter()
        .flat_map(|word| word.split_whitespace());
    let argv: Vec<Value> = words.map(Value::from).collect();
    match argv.first().and_then(Value::as_str) {
        Some(program) if program.starts_with('/') => keys.set(&format!("on_{}", found.key()), argv),
        _ => notes.add(
            found,
            "the program needs its absolute path, and is left out",
        ),
    }
}

fn real_server(
    outer: &Statement,
    statement: &Statement,
    method: &str,
    is_mark: bool,
    notes: &mut Notes,
) -> Keys {
    let mut keys = Keys::default();
    let mut check = check::read(outer, statement, notes);
    let own = forwarding(&mut keys, statement, "lb_kind", "lvs_method", notes);
    let keeps_port = is_mark || own.as_deref().unwrap_or(method) != "nat";
    // Packets keep their port whatever is written; keepalived checks the one that is.
    let ip = statement.argument(1).unwrap_or_default();
    if keeps_port {
        keys.set("address", ip);
        let port = statement
            .argument(2)
            .and_then(|port| port.parse::<i64>().ok());
        if let (Some(port), false) = (port, check.0.get("type") == Some(&Value::from("none"))) {
            check.0.entry("port").or_insert(port.into());
        }
    } else {
        keys.set("address", address(statement, false));
    }
    if let Some(own) = own {
        keys.set("forwarding", own);
    }
    let inherited = outer
        .find("weight")
        .and_then(|found| found.argument(1)?.parse().ok());
    keys.set("weight", inherited.unwrap_or(1_i64));
    for found in &statement.block {
        let target = match found.key() {
            "weight" => "weight",
            "uthreshold" => "upper_threshold",
            "lthreshold" => "lower_threshold",
            "inhibit_on_failure" => {
                keys.set("on_failure", "quiesce");
                continue;
            }
            "lb_kind" | "lvs_method" | "alpha" | "HTTP_GET" | "SSL_GET" => continue,
            key if key.ends_with("_CHECK") => continue,
            _ => {
                notes.no_equivalent(found);
                continue;
            }
        };
        if let Some(number) = notes.parsed::<i64>(found) {
            keys.set(target, number);
        }
    }
    keys.set("check", check.0);
    keys
}
