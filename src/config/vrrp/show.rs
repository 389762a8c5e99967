//! A virtual router back to its table, every default written out.

use toml::{Table, Value};

use super::super::director::{Announce, VirtualAddress, VrrpInstance};
use super::super::show::{Keys, shortest, texts};
use super::super::values::show_duration;
use super::{hooks, track};
use crate::lvs::Family;
use crate::lvs::routing::{Route, RouteKind, RouteScope, Rule};
use crate::vrrp::advert::Checksum;
use crate::vrrp::transport::{Reach, Transport};
use crate::vrrp::{Settings, Version};

/// The table of one virtual router.
pub(in crate::config) fn vrrp(name: &str, instance: &VrrpInstance) -> Table {
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
    let keys = match (settings.version, settings.family()) {
        (Version::V3, Family::Ipv4) => keys.set_text("checksum", checksum(settings.checksum)),
        (Version::V2 { .. }, _) | (Version::V3, Family::Ipv6) => keys,
    };
    let keys = keys
        .set_text("advert_interval", show_duration(settings.advert_interval))
        .set("preempt", settings.preempt)
        .set("accept", !instance.holdings.drops_packets);
    let keys = takeover(keys, settings);
    let keys =
        transport(keys, &instance.transport).set("virtual_addresses", addresses(instance, true));
    let keys = holdings(hooks::show(keys, &instance.hooks), instance);
    let trackers: Vec<_> = instance.trackers.iter().map(track::show).collect();
    match trackers.is_empty() {
        true => keys.0,
        false => keys.set("track", trackers).0,
    }
}

fn checksum(checksum: Option<Checksum>) -> &'static str {
    match checksum {
        None => "auto",
        Some(Checksum::MessageOnly) => "rfc",
        Some(Checksum::PseudoHeader) => "pseudo-header",
    }
}

/// Those that the adverts name, or those that they do not.
fn addresses(instance: &VrrpInstance, advertised: bool) -> Vec<Value> {
    let addresses = instance.addresses.iter();
    let addresses = addresses.filter(|it| it.advertised == advertised);
    addresses.map(address).collect()
}

fn address(address: &VirtualAddress) -> Value {
    let text = shortest(&address.address);
    if address.label.is_none() && address.interface.is_none() {
        return text.into();
    }
    let mut keys = Keys::default().set("address", text);
    if let Some(label) = &address.label {
        keys = keys.set_text("label", label);
    }
    if let Some(interface) = &address.interface {
        keys = keys.set_text("interface", interface);
    }
    keys.0.into()
}

fn holdings(mut keys: Keys, instance: &VrrpInstance) -> Keys {
    let holdings = &instance.holdings;
    let extra = addresses(instance, false);
    if !extra.is_empty() {
        keys = keys.set("extra_addresses", extra);
    }
    keys = keys.set("virtual_mac", holdings.virtual_mac.is_some());
    if let Some(virtual_mac) = &holdings.virtual_mac {
        keys = keys.set_text("virtual_mac_interface", &virtual_mac.interface);
    }
    keys = keys.set("announce", announce(&holdings.announce));
    let routes: Vec<_> = holdings.routes.iter().map(route).collect();
    if !routes.is_empty() {
        keys = keys.set("route", routes);
    }
    let rules: Vec<_> = holdings.rules.iter().map(rule).collect();
    if !rules.is_empty() {
        keys = keys.set("rule", rules);
    }
    keys
}

fn announce(announce: &Announce) -> Table {
    let mut keys = Keys::default()
        .set("repeat", i64::from(announce.repeat))
        .set_text("delay", show_duration(announce.delay));
    if let Some(refresh) = announce.refresh {
        keys = keys.set_text("refresh", show_duration(refresh));
    }
    keys.set_text("interval", show_duration(announce.interval))
        .0
}

fn route(route: &Route) -> Table {
    let kind = match route.kind {
        RouteKind::Unicast => "unicast",
        RouteKind::Blackhole => "blackhole",
        RouteKind::Unreachable => "unreachable",
        RouteKind::Prohibit => "prohibit",
        RouteKind::Local => "local",
    };
    let scope = route.scope.map(|scope| match scope {
        RouteScope::Global => "global",
        RouteScope::Link => "link",
        RouteScope::Host => "host",
    });
    let keys = Keys::default()
        .set_text("to", route.id.to)
        .set("table", i64::from(route.id.table))
        .set("metric", i64::from(route.id.metric))
        .set("type", kind);
    let texts = [
        ("via", route.via.map(|it| it.to_string())),
        ("dev", route.interface.clone()),
        ("src", route.source.map(|it| it.to_string())),
        ("scope", scope.map(str::to_owned)),
    ];
    let numbers = [("mtu", route.mtu), ("advmss", route.advmss)];
    optional(keys, texts, numbers).0
}

fn rule(rule: &Rule) -> Table {
    let family = match rule.family {
        Family::Ipv4 => "ipv4",
        Family::Ipv6 => "ipv6",
    };
    let keys = Keys::default()
        .set("priority", i64::from(rule.priority))
        .set("family", family);
    let texts = [
        ("from", rule.from.map(|it| it.to_string())),
        ("to", rule.to.map(|it| it.to_string())),
        ("iif", rule.iif.clone()),
        ("oif", rule.oif.clone()),
    ];
    optional(keys, texts, [("fwmark", rule.fwmark)])
        .set("table", i64::from(rule.table))
        .0
}

fn optional<const T: usize, const N: usize>(
    mut keys: Keys,
    texts: [(&str, Option<String>); T],
    numbers: [(&str, Option<u32>); N],
) -> Keys {
    for (key, text) in texts {
        if let Some(text) = text {
            keys = keys.set(key, text);
        }
    }
    for (key, number) in numbers {
        if let Some(number) = number {
            keys = keys.set(key, i64::from(number));
        }
    }
    keys
}

fn takeover(keys: Keys, settings: &Settings) -> Keys {
    let takeover = &settings.takeover;
    // Without preempt there is none to delay.
    let keys = match settings.preempt {
        true => keys.set_text("preempt_delay", show_duration(takeover.preempt_delay)),
        false => keys,
    };
    keys.set_text("startup_delay", show_duration(takeover.startup_delay))
        .set_text("handover_timeout", show_duration(takeover.handover_timeout))
}

fn transport(mut keys: Keys, transport: &Transport) -> Keys {
    if let Some(source) = transport.source {
        keys = keys.set_text("source_address", source);
    }
    match &transport.reach {
        Reach::Multicast => keys,
        Reach::Unicast(unicast) => keys
            .set("unicast_peers", texts(&unicast.peers))
            .set("unicast_min_ttl", i64::from(unicast.min_ttl)),
    }
}
