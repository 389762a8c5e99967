//! Checked types back to files, every default written out.

use std::fmt::Display;

use toml::{Table, Value};

use super::director::{DirectorConfig, OnStop, RealServer, VirtualServer, VrrpInstance};
use super::realserver::RealServerConfig;
use super::rules::Rules;
use super::values::show_duration;
use crate::health::{Check, Probe};
use crate::lvs::{Prefixed, RealServerId, VirtualServerId};
use crate::vrrp::Version;

/// Collects keys in the order they are set.
#[derive(Default)]
struct Keys(Table);

impl Keys {
    fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    fn set_text(self, key: &str, value: impl Display) -> Self {
        self.set(key, value.to_string())
    }
}

/// The keys outside of the tables of virtual routers and servers.
pub(super) fn top(config: &DirectorConfig) -> Table {
    let on_stop = match config.on_stop {
        OnStop::Clear => "clear",
        OnStop::Keep => "keep",
        OnStop::Drain => "drain",
    };
    Keys::default()
        .set_text("router_id", &config.router_id)
        .set(
            "http",
            Keys::default().set_text("listen", config.http_listen).0,
        )
        .set("ipvs", Keys::default().set_text("on_stop", on_stop).0)
        .0
}

pub(super) fn director(config: &DirectorConfig) -> String {
    let mut keys = Keys(top(config));
    let vrrp: Vec<_> = config
        .vrrp
        .iter()
        .map(|(name, instance)| vrrp(name, instance))
        .collect();
    if !vrrp.is_empty() {
        keys = keys.set("vrrp", vrrp);
    }
    let servers: Vec<_> = config
        .virtual_servers
        .iter()
        .map(|(id, server)| virtual_server(id, server))
        .collect();
    if !servers.is_empty() {
        keys = keys.set("virtual_server", servers);
    }
    print(&keys.0)
}

pub(super) fn realserver(config: &RealServerConfig) -> String {
    let mut readiness = Keys::default().set_text("listen", config.readiness.listen);
    if let Some(allow) = &config.readiness.allow {
        readiness = readiness.set("allow", texts(allow));
    }
    let services = config.services.iter().map(|service| {
        Keys::default()
            .set_text("name", &service.name)
            .set("check", check(Some(&service.check), None))
            .0
    });
    let services: Vec<_> = services.collect();
    let mut keys = Keys::default()
        .set("vips", texts(&config.vips))
        .set_text("forwarding", config.forwarding)
        .set_text("drain", show_duration(config.drain))
        .set("readiness", readiness.0);
    if !services.is_empty() {
        keys = keys.set("service", services);
    }
    print(&keys.0)
}

pub(super) fn vrrp(name: &str, instance: &VrrpInstance) -> Table {
    let settings = &instance.settings;
    let keys = Keys::default()
        .set_text("name", name)
        .set_text("interface", &instance.interface)
        .set("virtual_router_id", i64::from(settings.vrid.get()))
        .set("priority", i64::from(settings.priority.get()));
    let keys = match settings.version {
        Version::V2 { auth: None } => keys.set("version", 2),
        Version::V2 { auth: Some(auth) } => {
            keys.set("version", 2).set_text("auth_pass", auth.text())
        }
        Version::V3 => keys.set("version", 3),
    };
    let addresses: Vec<_> = instance.addresses.iter().map(shortest).collect();
    keys.set_text("advert_interval", show_duration(settings.advert_interval))
        .set("preempt", settings.preempt)
        .set("virtual_addresses", texts(&addresses))
        .0
}

/// A host address without its prefix length, as people write it.
fn shortest(prefixed: &Prefixed) -> String {
    if *prefixed == Prefixed::host(prefixed.address) {
        prefixed.address.to_string()
    } else {
        prefixed.to_string()
    }
}

pub(super) fn virtual_server(id: &VirtualServerId, server: &VirtualServer) -> Table {
    let keys = match id {
        VirtualServerId::Address { protocol, address } => Keys::default()
            .set_text("address", address)
            .set_text("protocol", protocol),
        VirtualServerId::Fwmark { mark, .. } => {
            Keys::default().set("fwmark", i64::from(mark.get()))
        }
    };
    let first = server.real_servers.values().next();
    let forwarding = first.map(|server| server.settings.forwarding.to_string());
    let mut keys = keys.set_text("scheduler", server.settings.scheduler);
    if let Some(forwarding) = forwarding {
        keys = keys.set("forwarding", forwarding);
    }
    if let Some(persistence) = server.settings.persistence {
        keys = keys.set_text("persistence", show_duration(persistence.timeout));
    }
    let pool: Vec<_> = server
        .real_servers
        .iter()
        .map(|(id, rs)| real_server(id, rs))
        .collect();
    let keys = rules(keys.set("real_server", pool), &server.rules);
    keys.0
}

/// The inherited keys of [`Conduct`] are not here: each server has its own.
fn rules(keys: Keys, rules: &Rules) -> Keys {
    let mut keys = keys
        .set("quorum", i64::from(rules.quorum))
        .set("hysteresis", i64::from(rules.hysteresis))
        .set_text("hook_timeout", show_duration(rules.hook_timeout));
    let hooks = [
        ("on_quorum_up", &rules.on_quorum_up),
        ("on_quorum_down", &rules.on_quorum_down),
    ];
    for (key, hook) in hooks {
        if let Some(argv) = hook {
            keys = keys.set(key, argv.clone());
        }
    }
    if let Some((id, server)) = &rules.sorry_server {
        keys = keys
            .set_text("sorry_server", bare(id))
            .set_text("sorry_forwarding", server.settings.forwarding)
            .set_text("drain", show_duration(server.conduct.drain));
    }
    let backup = rules.backup_servers.iter();
    let backup: Vec<_> = backup.map(|(id, rs)| real_server(id, rs)).collect();
    if !backup.is_empty() {
        keys = keys.set("backup_server", backup);
    }
    keys
}

/// An address, and a port if it has one.
fn bare(id: &RealServerId) -> String {
    match id.port() {
        0 => id.ip().to_string(),
        _ => id.to_string(),
    }
}

fn real_server(id: &RealServerId, server: &RealServer) -> Table {
    let slow_start = server.conduct.slow_start.unwrap_or_default();
    Keys::default()
        .set("address", bare(id))
        .set("weight", i64::from(server.settings.weight.get()))
        .set_text("on_failure", server.conduct.on_failure.as_str())
        .set_text("slow_start", show_duration(slow_start))
        .set_text("drain", show_duration(server.conduct.drain))
        .set("check", check(server.check.as_ref(), Some(*id)))
        .0
}

/// `server`: the real server whose own address need not be written.
fn check(check: Option<&Check>, server: Option<RealServerId>) -> Table {
    let Some(check) = check else {
        return Keys::default().set("type", "none").0;
    };
    let place = |keys: Keys, address: &std::net::SocketAddr| match server {
        Some(_) => keys.set("port", i64::from(address.port())),
        None => keys.set_text("address", address),
    };
    let keys = match &check.probe {
        Probe::Tcp { address } => place(Keys::default().set("type", "tcp"), address),
        Probe::Readiness { address } => place(Keys::default().set("type", "readiness"), address),
        Probe::Http {
            address,
            path,
            host,
            status: (first, last),
        } => {
            let keys = place(Keys::default().set("type", "http"), address).set_text("path", path);
            let keys = match host {
                Some(host) => keys.set_text("host", host),
                None => keys,
            };
            keys.set("status", format!("{first}-{last}"))
        }
    };
    let timing = &check.timing;
    keys.set_text("interval", show_duration(timing.interval))
        .set_text("timeout", show_duration(timing.timeout))
        .set("retries", i64::from(timing.retries))
        .set_text("retry_delay", show_duration(timing.retry_delay))
        .set("rise", i64::from(timing.rise))
        .0
}

fn texts(values: &[impl Display]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// A table of plain values always has a TOML form.
fn print(table: &Table) -> String {
    toml::to_string(table).expect("texts, numbers, booleans and tables of them serialize")
}
