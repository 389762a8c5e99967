//! An agent's configuration back to a file, every default written out.

use toml::Table;

use super::forwarding::{Method, Mss, Tunnel};
use super::readiness::Readiness;
use super::weight::{Slope, Source, Weight};
use super::{Asked, RealServerConfig, Service};
use crate::config::show::{Keys, check, print, shortest, texts};
use crate::config::values::show_duration;

pub(super) fn whole(config: &RealServerConfig) -> String {
    let mut keys = Keys::default();
    if !config.vips.is_empty() {
        keys = keys.set("vips", texts(&config.vips));
    }
    keys = keys.set_text("interface", &config.interface);
    keys = method(keys, &config.method)
        .set_text("drain", show_duration(config.drain))
        .set("watch_arp", config.watch_arp)
        .set("readiness", readiness(&config.readiness));
    let services: Vec<_> = config.services.iter().map(service).collect();
    if !services.is_empty() {
        keys = keys.set("service", services);
    }
    print(&keys.0)
}

fn method(keys: Keys, method: &Method) -> Keys {
    match method {
        Method::DirectRoute => keys.set("forwarding", "dr"),
        Method::Nat { gateways } => keys
            .set("forwarding", "nat")
            .set("gateways", texts(gateways)),
        Method::Tunnel { tunnel, local, mss } => {
            let mut table = match tunnel {
                Tunnel::Ipip => Keys::default().set("type", "ipip"),
                Tunnel::Gue { port } => Keys::default()
                    .set("type", "gue")
                    .set("port", i64::from(port.get())),
                Tunnel::Gre { checksum } => Keys::default()
                    .set("type", "gre")
                    .set("checksum", if *checksum { "plain" } else { "none" }),
            };
            if let Some(local) = local {
                table = table.set_text("local", local);
            }
            table = match mss {
                Mss::Fitting => table,
                Mss::Fixed(bytes) => table.set("mss", i64::from(*bytes)),
                Mss::Untouched => table.set("mss", 0),
            };
            keys.set("forwarding", "tun").set("tunnel", table.0)
        }
    }
}

fn readiness(readiness: &Readiness) -> Table {
    let mut keys = Keys::default().set_text("listen", readiness.listen);
    if let Some(allow) = &readiness.allow {
        let allow: Vec<_> = allow.iter().map(shortest).collect();
        keys = keys.set("allow", allow);
    }
    if let Some(token) = &readiness.token {
        keys = keys.set_text("token", token);
    }
    if let Some(tls) = &readiness.tls {
        keys = keys
            .set_text("certificate", tls.certificate.display())
            .set_text("key", tls.key.display());
    }
    let connections = i64::try_from(readiness.max_connections).unwrap_or(i64::MAX);
    keys = keys
        .set("max_connections", connections)
        .set_text("timeout", show_duration(readiness.timeout));
    match &readiness.weight {
        Some(weight) => keys.set("weight", self::weight(weight)).0,
        None => keys.0,
    }
}

fn weight(weight: &Weight) -> Table {
    let sloping = |source: &str, slope: &Slope| {
        Keys::default()
            .set("source", source)
            .set("full", i64::from(slope.full))
            .set("empty", i64::from(slope.empty))
            .set("least", i64::from(slope.least))
    };
    let keys = match &weight.source {
        Source::Load(slope) => sloping("load", slope),
        Source::Pressure(slope) => sloping("pressure", slope),
        Source::File(path) => Keys::default()
            .set("source", "file")
            .set_text("path", path.display()),
        Source::Script { command, timeout } => Keys::default()
            .set("source", "script")
            .set("command", command.clone())
            .set_text("timeout", show_duration(*timeout)),
    };
    keys.set_text("interval", show_duration(weight.interval)).0
}

fn service(service: &Service) -> Table {
    let first = service.checks.first();
    let on_vips = service.asked == Asked::Port;
    let vip = first.filter(|_| on_vips).map(|check| check.probe.address());
    let mut keys = Keys::default().set_text("name", &service.name);
    if service.asked == Asked::Internal {
        keys = keys.set("internal", true);
    }
    keys.set("check", check(first, vip)).0
}
