//! Checked types back to files, every default written out.

use std::fmt::Display;

use toml::{Table, Value};

use super::director::{DirectorConfig, OnStop, RealServer, VirtualServer};
use super::ipvs::{Ipvs, KEEP, Sync, SyncRole, Timeouts, to_toml};
use super::rules::Rules;
use super::threads;
use super::values::show_duration;
use super::vrrp::groups;
use super::vrrp::show::vrrp;
use crate::health::agent::Trust;
use crate::health::{Agent, Check, Probe};
use crate::ipvs::sysctl::PARAMETERS;
use crate::lvs::{Checksum, Family, Forwarding, Prefixed, RealServerId, Tunnel, VirtualServerId};

/// Collects keys in the order they are set.
#[derive(Default)]
pub(super) struct Keys(pub(super) Table);

impl Keys {
    pub(super) fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    pub(super) fn set_text(self, key: &str, value: impl Display) -> Self {
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
        .set("director", threads::show(&config.threads))
        .set(
            "http",
            Keys::default().set_text("listen", config.http_listen).0,
        )
        .set("ipvs", ipvs(&config.ipvs, on_stop))
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
    let groups: Vec<_> = groups::tables(config).into_values().collect();
    if !groups.is_empty() {
        keys = keys.set("vrrp_group", groups);
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

fn ipvs(ipvs: &Ipvs, on_stop: &str) -> Table {
    let mut keys = Keys::default().set_text("on_stop", on_stop);
    let Timeouts { tcp, tcp_fin, udp } = ipvs.timeouts;
    let timeouts = [("tcp", tcp), ("tcp_fin", tcp_fin), ("udp", udp)];
    let timeouts = timeouts.into_iter().filter_map(|(key, timeout)| {
        let text = show_duration(timeout?);
        Some((key.to_owned(), Value::String(text)))
    });
    let timeouts: Table = timeouts.collect();
    if let Some(bits) = ipvs.conn_tab_bits {
        keys = keys.set("conn_tab_bits", i64::from(bits));
    }
    if !timeouts.is_empty() {
        keys = keys.set("timeouts", timeouts);
    }
    let sysctls = PARAMETERS.iter().filter_map(|parameter| {
        let value = match ipvs.sysctls.get(parameter.name)? {
            Some(text) => to_toml(parameter.kind, text),
            None => Value::String(KEEP.to_owned()),
        };
        Some((parameter.name.to_owned(), value))
    });
    keys = keys.set("sysctl", sysctls.collect::<Table>());
    if let Some(sync) = &ipvs.sync {
        keys = keys.set("sync", self::sync(sync));
    }
    keys.0
}

fn sync(sync: &Sync) -> Table {
    let keys = match &sync.role {
        SyncRole::Follow(name) => Keys::default().set_text("vrrp", name),
        SyncRole::Both => Keys::default().set("role", "both"),
    };
    let daemon = &sync.daemon;
    let keys = keys
        .set_text("interface", &daemon.interface)
        .set("id", i64::from(daemon.sync_id))
        .set_text("group", daemon.group)
        .set("port", i64::from(daemon.port))
        .set("ttl", i64::from(daemon.ttl));
    match daemon.max_len {
        Some(length) => keys.set("maxlen", i64::from(length)).0,
        None => keys.0,
    }
}

/// A host address without its prefix length, as people write it.
pub(super) fn shortest(prefixed: &Prefixed) -> String {
    if *prefixed == Prefixed::host(prefixed.address) {
        prefixed.address.to_string()
    } else {
        prefixed.to_string()
    }
}

pub(super) fn virtual_server(id: &VirtualServerId, server: &VirtualServer) -> Table {
    let outer = outer(server);
    let pool = server.real_servers.iter();
    let pool: Vec<_> = pool.map(|(id, rs)| real_server(id, rs, outer)).collect();
    let keys = Keys(before_pool(id, server)).set("real_server", pool);
    rules(keys, &server.rules, outer).0
}

/// The forwarding of a whole virtual server, which its real servers need not repeat.
pub(super) fn outer(server: &VirtualServer) -> Option<Forwarding> {
    let first = server.real_servers.values().next()?;
    Some(first.settings.forwarding)
}

/// The keys that come before the pool.
pub(super) fn before_pool(id: &VirtualServerId, server: &VirtualServer) -> Table {
    let settings = &server.settings;
    let keys = match id {
        VirtualServerId::Address { protocol, address } => Keys::default()
            .set_text("address", address)
            .set_text("protocol", protocol),
        VirtualServerId::Fwmark { family, mark } => Keys::default()
            .set("fwmark", i64::from(mark.get()))
            .set("family", family_name(*family)),
    };
    let mut keys = keys.set_text("scheduler", settings.scheduler);
    let flags: Vec<_> = settings.scheduler_flags.set(settings.scheduler).collect();
    if !flags.is_empty() {
        keys = keys.set("scheduler_flags", flags);
    }
    if settings.one_packet {
        keys = keys.set("one_packet", true);
    }
    if let Some(outer) = outer(server) {
        keys = forwarding(keys, outer);
    }
    if let Some(persistence) = settings.persistence {
        keys = keys
            .set_text("persistence", show_duration(persistence.timeout))
            .set("persistence_prefix", i64::from(persistence.prefix_len));
        if let Some(engine) = persistence.engine {
            keys = keys.set_text("persistence_engine", engine);
        }
    }
    keys.0
}

/// The keys that come behind the pool.
pub(super) fn behind_pool(server: &VirtualServer, outer: Option<Forwarding>) -> Table {
    rules(Keys::default(), &server.rules, outer).0
}

fn family_name(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "ipv4",
        Family::Ipv6 => "ipv6",
    }
}

fn forwarding(keys: Keys, forwarding: Forwarding) -> Keys {
    let keys = keys.set("forwarding", forwarding.method());
    let tunnel = match forwarding {
        Forwarding::Tunnel(Tunnel::Ipip) => Keys::default().set("type", "ipip"),
        Forwarding::Tunnel(Tunnel::Gue { port, checksum }) => Keys::default()
            .set("type", "gue")
            .set("port", i64::from(port.get()))
            .set_text("checksum", checksum),
        Forwarding::Tunnel(Tunnel::Gre { checksum }) => {
            let checksum = if checksum {
                Checksum::Plain
            } else {
                Checksum::None
            };
            Keys::default()
                .set("type", "gre")
                .set_text("checksum", checksum)
        }
        // No file yields one.
        Forwarding::Tunnel(Tunnel::Other(_)) => return keys,
        Forwarding::DirectRoute | Forwarding::Nat | Forwarding::Local => return keys,
    };
    keys.set("tunnel", tunnel.0)
}

/// `outer`: the virtual server's forwarding, which need not be repeated.
pub(super) fn real_server(
    id: &RealServerId,
    server: &RealServer,
    outer: Option<Forwarding>,
) -> Table {
    let conduct = &server.conduct;
    let slow_start = conduct.slow_start.unwrap_or_default();
    let settings = &server.settings;
    let mut keys = Keys::default()
        .set("address", bare(id))
        .set("weight", i64::from(settings.weight.get()))
        .set("upper_threshold", i64::from(settings.upper_threshold))
        .set("lower_threshold", i64::from(settings.lower_threshold))
        .set_text("on_failure", conduct.on_failure.as_str())
        .set_text("slow_start", show_duration(slow_start))
        .set_text("drain", show_duration(conduct.drain));
    if outer != Some(settings.forwarding) {
        keys = forwarding(keys, settings.forwarding);
    }
    keys.set("check", check(server.check.as_deref(), Some(*id)))
        .0
}

/// The inherited keys of [`Conduct`] are not here: each server has its own.
fn rules(keys: Keys, rules: &Rules, outer: Option<Forwarding>) -> Keys {
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
    if let Some(user) = &rules.hook_user {
        keys = keys.set_text("hook_user", user);
    }
    if let Some((id, server)) = &rules.sorry_server {
        keys = keys
            .set_text("sorry_server", bare(id))
            .set_text("sorry_forwarding", server.settings.forwarding.method())
            .set_text("drain", show_duration(server.conduct.drain));
    }
    let backup = rules.backup_servers.iter();
    let backup: Vec<_> = backup.map(|(id, rs)| real_server(id, rs, outer)).collect();
    if !backup.is_empty() {
        keys = keys.set("backup_server", backup);
    }
    keys
}

/// An address, and a port if it has one.
pub(super) fn bare(id: &RealServerId) -> String {
    match id.port() {
        0 => id.ip().to_string(),
        _ => id.to_string(),
    }
}

/// `server`: the real server whose own address need not be written.
pub(super) fn check(check: Option<&Check>, server: Option<RealServerId>) -> Table {
    let Some(check) = check else {
        return Keys::default().set("type", "none").0;
    };
    let place = |keys: Keys, address: &std::net::SocketAddr| match server {
        Some(_) => keys.set("port", i64::from(address.port())),
        None => keys.set_text("address", address),
    };
    let keys = match &check.probe {
        Probe::Tcp { address } => place(Keys::default().set("type", "tcp"), address),
        Probe::Readiness { address, agent } => agent_keys(
            place(Keys::default().set("type", "readiness"), address),
            agent,
        ),
        Probe::Http { address, page } => {
            let (path, (first, last)) = (&page.path, page.status);
            let keys = place(Keys::default().set("type", "http"), address).set_text("path", path);
            let keys = match &page.host {
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

fn agent_keys(keys: Keys, agent: &Agent) -> Keys {
    let keys = keys.set("follow_weight", agent.follow_weight);
    let keys = match &agent.token_file {
        Some(path) => keys.set_text("token_file", path.display()),
        None => keys,
    };
    let tls = match &agent.tls {
        None => return keys,
        Some(Trust::Certificate(fingerprint)) => {
            Keys::default().set_text("fingerprint", fingerprint)
        }
        Some(Trust::Authority { ca, name }) => {
            let tls = Keys::default().set_text("ca", ca.display());
            match name {
                Some(name) => tls.set_text("name", name),
                None => tls,
            }
        }
    };
    keys.set("tls", tls.0)
}

pub(super) fn texts(values: &[impl Display]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// A table of plain values always has a TOML form.
pub(super) fn print(table: &Table) -> String {
    toml::to_string(table).expect("texts, numbers, booleans and tables of them serialize")
}
