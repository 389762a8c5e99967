//! The checkers of a real server.

use toml::Value;

use super::statement::Statement;
use super::{Keys, Notes, set_seconds};

/// What a virtual server's own keys set for each check in it.
const INHERITED: [&str; 5] = [
    "delay_loop",
    "connect_timeout",
    "retry",
    "delay_before_retry",
    "virtualhost",
];

/// Whether a key of a virtual server is one that its checks inherit.
pub(super) fn is_inherited(key: &str) -> bool {
    INHERITED.contains(&key)
}

/// The check of a real server. keepalived takes all of several; lvsd has one.
pub(super) fn read(virtual_server: &Statement, real_server: &Statement, notes: &mut Notes) -> Keys {
    let mut checkers = real_server
        .block
        .iter()
        .filter(|found| is_checker(found.key()));
    let Some(checker) = checkers.next() else {
        return none();
    };
    for another in checkers {
        notes.add(
            another,
            "a real server has one check, and this one is left out",
        );
    }
    let kind = checker.key();
    let mut keys = Keys::default();
    match kind {
        "TCP_CHECK" => keys.set("type", "tcp"),
        "HTTP_GET" => keys.set("type", "http"),
        _ if is_tcp(virtual_server) => {
            notes.add(
                checker,
                "has no equivalent: a TCP connection is asked for instead",
            );
            keys.set("type", "tcp");
        }
        _ => {
            notes.add(checker, "has no equivalent: the server is not checked");
            for found in &checker.block {
                notes.no_equivalent(found);
            }
            return none();
        }
    }
    let http = kind == "HTTP_GET";
    keys.set("interval", "60s");
    keys.set("timeout", "5s");
    keys.set("retries", 1);
    keys.set(
        "retry_delay",
        if http || kind == "SSL_GET" {
            "3s"
        } else {
            "1s"
        },
    );
    keys.set("rise", 1);
    let outer = virtual_server.block.iter();
    for found in outer.filter(|found| is_inherited(found.key())) {
        take(&mut keys, found, http, notes);
    }
    for found in &checker.block {
        take(&mut keys, found, http, notes);
    }
    keys
}

fn none() -> Keys {
    let mut keys = Keys::default();
    keys.set("type", "none");
    keys
}

fn is_tcp(virtual_server: &Statement) -> bool {
    let protocol = virtual_server
        .find("protocol")
        .and_then(|found| found.argument(1));
    let is_mark = virtual_server.argument(1) == Some("fwmark");
    is_mark || protocol.is_some_and(|word| word.eq_ignore_ascii_case("tcp"))
}

fn is_checker(key: &str) -> bool {
    key.ends_with("_CHECK") || matches!(key, "HTTP_GET" | "SSL_GET")
}

fn take(keys: &mut Keys, found: &Statement, http: bool, notes: &mut Notes) {
    match found.key() {
        "delay_loop" => set_seconds(keys, "interval", found, notes),
        "connect_timeout" => set_seconds(keys, "timeout", found, notes),
        "delay_before_retry" => set_seconds(keys, "retry_delay", found, notes),
        "retry" | "nb_get_retry" => {
            if let Some(number) = notes.parsed::<i64>(found) {
                keys.set("retries", number);
            }
        }
        "connect_port" => {
            if let Some(number) = notes.parsed::<i64>(found) {
                keys.set("port", number);
            }
        }
        "connect_ip" => keys.set("address", found.argument(1).unwrap_or_default()),
        "virtualhost" if http => keys.set("host", found.argument(1).unwrap_or_default()),
        "virtualhost" => {}
        "url" if http && !keys.0.contains_key("path") => url(keys, found, notes),
        "url" if http => notes.add(found, "a check asks for one path, and this one is left out"),
        "url" => {}
        _ => notes.no_equivalent(found),
    }
}

fn url(keys: &mut Keys, block: &Statement, notes: &mut Notes) {
    keys.set("path", "/");
    for found in &block.block {
        match found.key() {
            "path" => keys.set("path", found.argument(1).unwrap_or("/")),
            "virtualhost" => keys.set("host", found.argument(1).unwrap_or_default()),
            "status_code" => {
                keys.set("status", found.argument(1).unwrap_or("200-299"));
                if found.arguments().len() > 1 {
                    notes.add(
                        found,
                        "a check wants one status or range: the first is taken",
                    );
                }
            }
            _ => notes.no_equivalent(found),
        }
    }
}

/// Takes the check that all of a pool have out of each, for the virtual server.
pub(super) fn shared(pool: &mut [Keys]) -> Option<Value> {
    let first = pool.first()?.0.get("check")?.clone();
    let all = pool
        .iter()
        .all(|server| server.0.get("check") == Some(&first));
    all.then(|| {
        for server in pool {
            server.0.remove("check");
        }
        first
    })
}
