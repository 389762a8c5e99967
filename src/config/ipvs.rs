//! `[ipvs]`: what holds for the whole of the kernel's IPVS, as written.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use toml::{Spanned, Value};

use super::director::{DirectorConfig, VrrpInstance};
use super::document::Document;
use super::raw;
use super::raw::Field;
use super::values::{duration, number, show_duration};
use crate::ipvs::daemon::{DEFAULT_GROUP, DEFAULT_PORT, DEFAULT_TTL, Daemon};
use crate::ipvs::sysctl::{Kind, PARAMETERS, Parameter};

/// What is asked of the kernel's IPVS as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ipvs {
    /// How long connections are remembered.
    pub timeouts: Timeouts,
    /// The connection table has 2 to this power buckets; none: any number.
    pub conn_tab_bits: Option<u8>,
    /// Parameters below `net.ipv4.vs` by name, as the kernel writes their
    /// values; lvsd's own defaults are among them. None: the kernel's value
    /// stays although lvsd has a default.
    pub sysctls: BTreeMap<&'static str, Option<String>>,
    /// How connections are synchronised between directors.
    pub sync: Option<Sync>,
}

/// How long connections are remembered after their last packet, in whole
/// seconds; none: as long as the kernel does already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Of an established TCP connection.
    pub tcp: Option<Duration>,
    /// Of a TCP connection after its FIN.
    pub tcp_fin: Option<Duration>,
    /// Of UDP.
    pub udp: Option<Duration>,
}

/// Synchronisation of connections between directors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sync {
    /// Which daemons run.
    pub role: SyncRole,
    /// What they run with.
    pub daemon: Daemon,
}

/// Which sync daemons run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncRole {
    /// The master while this virtual router is master, else the backup.
    Follow(String),
    /// Master and backup, for directors that all balance at the same time.
    Both,
}

/// What [`Timeouts`] and persistence may be: the kernel refuses more than a month.
const LONGEST: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// The largest UDP payload of IPv4.
const LONGEST_MESSAGE: i64 = 65_507;

/// The value that leaves a parameter as the kernel has it.
pub(super) const KEEP: &str = "keep";

/// Reads the table, all but `on_stop`. `written` are the virtual routers as
/// written and `vrrp` those of them that are good.
pub(super) fn read(
    document: &mut Document<'_>,
    raw: &raw::Ipvs,
    written: &[Spanned<raw::Vrrp>],
    vrrp: &BTreeMap<String, VrrpInstance>,
) -> Option<Ipvs> {
    let timeouts = Timeouts {
        tcp: timeout(document, &raw.timeouts.tcp),
        tcp_fin: timeout(document, &raw.timeouts.tcp_fin),
        udp: timeout(document, &raw.timeouts.udp),
    };
    let bits = raw
        .conn_tab_bits
        .as_ref()
        .map(|_| number(document, &raw.conn_tab_bits, 12, 8..=27));
    let bits = match bits {
        None => Some(None),
        Some(bits) => bits.map(|bits: i64| u8::try_from(bits).ok()),
    };
    let sysctls = sysctls(document, raw);
    let sync = match &raw.sync {
        None => Some(None),
        Some(table) => sync(document, table, written, vrrp).map(Some),
    };
    backup_only(document, raw);
    Some(Ipvs {
        timeouts,
        conn_tab_bits: bits?,
        sysctls,
        sync: sync?,
    })
}

fn timeout(document: &mut Document<'_>, field: &Field<raw::Text>) -> Option<Duration> {
    let value = field.as_ref()?;
    let range = Duration::from_secs(1)..=LONGEST;
    let timeout = duration(document, field, Duration::ZERO, range)?;
    if timeout.subsec_nanos() == 0 {
        return Some(timeout);
    }
    let message = "the kernel counts whole seconds";
    document.refuse(&value.span(), message, "write whole seconds");
    None
}

fn sysctls(document: &mut Document<'_>, raw: &raw::Ipvs) -> BTreeMap<&'static str, Option<String>> {
    let with_sync = raw.sync.is_some();
    let presets = PARAMETERS.iter().filter_map(|parameter| {
        let value = parameter.preset(with_sync)?;
        Some((parameter.name, Some(value.to_owned())))
    });
    let mut sysctls: BTreeMap<_, _> = presets.collect();
    for (key, value) in &raw.sysctl {
        let Some(parameter) = Parameter::named(key.get_ref()) else {
            let names: Vec<_> = PARAMETERS.iter().map(|parameter| parameter.name).collect();
            let mend = format!("use one of: {}", names.join(" "));
            document.refuse(&key.span(), "unknown key", mend);
            continue;
        };
        if value.get_ref().as_str() == Some(KEEP) {
            sysctls.insert(parameter.name, None);
            continue;
        }
        let text = from_toml(parameter.kind, value.get_ref());
        let legal = text.ok_or("cannot be used here");
        if let Some(text) = document.accept(&value.span(), legal, mend(parameter.kind)) {
            sysctls.insert(parameter.name, Some(text));
        }
    }
    // What is kept without a default to overrule says nothing.
    sysctls.retain(|name, value| {
        let preset = Parameter::named(name).and_then(|parameter| parameter.preset(with_sync));
        value.is_some() || preset.is_some()
    });
    sysctls
}

/// The kernel's text for a value as written.
fn from_toml(kind: Kind, value: &Value) -> Option<String> {
    match (kind, value) {
        (Kind::Switch, Value::Boolean(on)) => Some(u8::from(*on).to_string()),
        (Kind::Number(least, most), Value::Integer(n)) => {
            (least..=most).contains(n).then(|| n.to_string())
        }
        (Kind::Defense, Value::Integer(n)) => (0..=3).contains(n).then(|| n.to_string()),
        (Kind::Seconds(most), Value::String(text)) => {
            let length: jiff::SignedDuration = text.parse().ok()?;
            let seconds = u64::try_from(length.as_secs()).ok()?;
            (length.subsec_nanos() == 0 && seconds <= most).then(|| seconds.to_string())
        }
        (Kind::Threshold, Value::Array(pair)) => {
            let numbers: Option<Vec<_>> = pair.iter().map(Value::as_integer).collect();
            let [threshold, period] = numbers?.try_into().ok()?;
            let range = 0..=i64::from(i32::MAX);
            let legal = range.contains(&threshold) && range.contains(&period);
            (legal && (period == 0 || threshold < period)).then(|| format!("{threshold} {period}"))
        }
        _ => None,
    }
}

/// The value as the file writes it; the inverse of [`from_toml`].
pub(super) fn to_toml(kind: Kind, text: &str) -> Value {
    let number = |text: &str| Value::Integer(text.parse().unwrap_or(0));
    match kind {
        Kind::Switch => Value::Boolean(text == "1"),
        Kind::Number(..) | Kind::Defense => number(text),
        Kind::Seconds(_) => Value::String(format!("{text}s")),
        Kind::Threshold => Value::Array(text.split(' ').map(number).collect()),
    }
}

fn mend(kind: Kind) -> String {
    let values = match kind {
        Kind::Switch => "true or false".to_owned(),
        Kind::Number(least, most) => format!("a number, {least}..={most}"),
        Kind::Defense => "a number, 0..=3".to_owned(),
        Kind::Seconds(most) => format!("whole seconds with a unit, such as \"10s\", up to {most}s"),
        Kind::Threshold => {
            "two numbers such as [3, 50], the first below the second unless that is 0".to_owned()
        }
    };
    format!("write {values}; or \"{KEEP}\", to leave what the kernel has")
}

fn sync(
    document: &mut Document<'_>,
    table: &Spanned<raw::Sync>,
    written: &[Spanned<raw::Vrrp>],
    vrrp: &BTreeMap<String, VrrpInstance>,
) -> Option<Sync> {
    let (raw, span) = (table.get_ref(), table.span());
    let role = role(document, raw, &span, written);
    let instance = match &role {
        Some(SyncRole::Follow(name)) => vrrp.get(name),
        _ => None,
    };
    let followed_is_bad = instance.is_none() && matches!(role, Some(SyncRole::Follow(_)));
    let interface = match (&raw.interface, instance) {
        (Some(name), _) => super::vrrp::interface_name(document, name),
        (None, Some(instance)) => Some(instance.interface.clone()),
        (None, None) if role.is_none() || followed_is_bad => None,
        (None, None) => {
            let mend = "name the interface of the directors' LAN, as `ip -br link` lists it";
            document.refuse_missing(&span, "interface", mend);
            None
        }
    };
    let id = instance.map_or(0, |instance| instance.settings.vrid.get());
    let id = number(document, &raw.id, i64::from(id), 0..=255);
    let group = group(document, raw);
    let port = number(document, &raw.port, i64::from(DEFAULT_PORT), 1..=65_535);
    let ttl = number(document, &raw.ttl, i64::from(DEFAULT_TTL), 1..=255);
    let max_len = match &raw.maxlen {
        None => Some(None),
        Some(_) => number(document, &raw.maxlen, 0, 1..=LONGEST_MESSAGE).map(Some),
    };
    Some(Sync {
        role: role?,
        daemon: Daemon {
            interface: interface?,
            sync_id: u8::try_from(id?).ok()?,
            group: group?,
            port: u16::try_from(port?).ok()?,
            ttl: u8::try_from(ttl?).ok()?,
            max_len: max_len?.and_then(|length: i64| u16::try_from(length).ok()),
        },
    })
}

fn role(
    document: &mut Document<'_>,
    raw: &raw::Sync,
    table: &Range<usize>,
    written: &[Spanned<raw::Vrrp>],
) -> Option<SyncRole> {
    match (&raw.vrrp, &raw.role) {
        (Some(_), Some(role)) => {
            let message = "the role follows a virtual router or is given, not both";
            document.refuse(&role.span(), message, "remove role, or vrrp");
            None
        }
        (None, Some(role)) => {
            let legal = (role.get_ref() == "both").then_some(SyncRole::Both);
            let mend = "write \"both\", or vrrp = \"NAME\" to follow a virtual router";
            document.accept(&role.span(), legal.ok_or("unknown role"), mend)
        }
        (Some(name), None) => {
            let mut names = written
                .iter()
                .filter_map(|table| table.get_ref().name.as_ref());
            let known = names.any(|known| known.get_ref() == name.get_ref());
            let legal = known.then(|| SyncRole::Follow(name.get_ref().clone()));
            let mend = "write the name of a [[vrrp]] table of this file";
            document.accept(&name.span(), legal.ok_or("no such virtual router"), mend)
        }
        (None, None) => {
            let mend =
                "name the [[vrrp]] table whose state decides the role, or write role = \"both\"";
            document.refuse_missing(table, "vrrp", mend);
            None
        }
    }
}

fn group(document: &mut Document<'_>, raw: &raw::Sync) -> Option<IpAddr> {
    let Some(text) = &raw.group else {
        return Some(DEFAULT_GROUP);
    };
    let group = text.get_ref().parse::<IpAddr>();
    let legal = group.ok().filter(IpAddr::is_multicast);
    let mend = format!("write a multicast address such as \"{DEFAULT_GROUP}\"");
    document.accept(&text.span(), legal.ok_or("not a multicast address"), mend)
}

/// `backup_only` stops the balancing of whoever runs a backup daemon.
fn backup_only(document: &mut Document<'_>, raw: &raw::Ipvs) {
    let set = raw.sysctl.iter().find(|(key, value)| {
        key.get_ref() == "backup_only" && value.get_ref().as_bool() == Some(true)
    });
    let Some((_, value)) = set else { return };
    match &raw.sync {
        None => {
            let message = "has no effect without [ipvs.sync]";
            document.refuse(&value.span(), message, "remove it, or add [ipvs.sync]");
        }
        Some(table) if table.get_ref().role.is_some() => {
            let message = format!(
                "would stop all balancing, because ipvs.sync.role = \"both\", {}, always runs a \
                 backup daemon",
                document.place(&table.span())
            );
            document.refuse(
                &value.span(),
                message,
                "remove it, or follow a virtual router",
            );
        }
        Some(_) => {}
    }
}

/// What is legal and yet likely to surprise.
pub(super) fn advice(config: &DirectorConfig) -> Vec<String> {
    let mut advice = Vec::new();
    if let Some(SyncRole::Follow(name)) = config.ipvs.sync.as_ref().map(|sync| &sync.role)
        && config.vrrp.get(name).is_some_and(|i| i.settings.preempt)
    {
        advice.push(format!(
            "ipvs.sync: {name} has preempt = true, so a director that comes back takes over \
             before it has heard of the connections that are idle just then, and those break; \
             preempt = false leaves them where they are known"
        ));
    }
    for (id, server) in &config.virtual_servers {
        if let (Some(persistence), Some(tcp)) =
            (server.settings.persistence, config.ipvs.timeouts.tcp)
            && persistence.timeout < tcp
        {
            advice.push(format!(
                "virtual server {id}: persistence of {} is shorter than ipvs.timeouts.tcp of {}: \
                 a client that leaves without a FIN stays with its real server for the longer of \
                 the two; make them equal",
                show_duration(persistence.timeout),
                show_duration(tcp)
            ));
        }
    }
    advice
}

#[cfg(test)]
mod tests;
