//! The files as written: every key optional, every value with its place.
//!
//! Text that has a grammar of its own stays text here; the layer above parses
//! it and says what is wrong with it.

use std::collections::BTreeMap;

use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::{Deserialize, Serialize};
use toml::Spanned;

pub(super) use super::vrrp::raw::Vrrp;

pub(super) type Field<T> = Option<Spanned<T>>;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Director {
    pub(super) router_id: Field<String>,
    pub(super) director: Threads,
    pub(super) http: Http,
    pub(super) ipvs: Ipvs,
    pub(super) vrrp: Vec<Spanned<Vrrp>>,
    pub(super) vrrp_group: Vec<Spanned<super::vrrp::raw::Group>>,
    pub(super) virtual_server: Vec<Spanned<VirtualServer>>,
}

/// `[director]`.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Threads {
    pub(super) stuck_after: Field<Text>,
    pub(super) realtime_priority: Field<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Http {
    pub(super) listen: Field<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Ipvs {
    pub(super) on_stop: Field<String>,
    pub(super) timeouts: Timeouts,
    pub(super) conn_tab_bits: Field<i64>,
    pub(super) sysctl: BTreeMap<Spanned<String>, Spanned<toml::Value>>,
    pub(super) sync: Option<Spanned<Sync>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Timeouts {
    pub(super) tcp: Field<Text>,
    pub(super) tcp_fin: Field<Text>,
    pub(super) udp: Field<Text>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Sync {
    pub(super) vrrp: Field<String>,
    pub(super) role: Field<String>,
    pub(super) interface: Field<String>,
    pub(super) id: Field<i64>,
    pub(super) group: Field<String>,
    pub(super) port: Field<i64>,
    pub(super) ttl: Field<i64>,
    pub(super) maxlen: Field<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct VirtualServer {
    pub(super) address: Field<String>,
    pub(super) addresses: Field<Vec<Spanned<String>>>,
    pub(super) fwmark: Field<i64>,
    pub(super) family: Field<String>,
    pub(super) protocol: Field<String>,
    pub(super) scheduler: Field<String>,
    pub(super) scheduler_flags: Vec<Spanned<String>>,
    pub(super) one_packet: Field<bool>,
    pub(super) forwarding: Field<String>,
    pub(super) tunnel: Option<Spanned<Tunnel>>,
    pub(super) persistence: Field<Text>,
    pub(super) persistence_prefix: Field<Prefix>,
    pub(super) persistence_engine: Field<String>,
    pub(super) check: Option<Box<Check>>,
    pub(super) real_servers: Vec<Spanned<String>>,
    pub(super) real_server: Vec<Spanned<RealServer>>,
    pub(super) quorum: Field<i64>,
    pub(super) hysteresis: Field<i64>,
    pub(super) on_quorum_up: Field<Vec<String>>,
    pub(super) on_quorum_down: Field<Vec<String>>,
    pub(super) hook_timeout: Field<Text>,
    pub(super) hook_user: Field<String>,
    pub(super) on_failure: Field<String>,
    pub(super) slow_start: Field<Text>,
    pub(super) drain: Field<Text>,
    pub(super) sorry_server: Field<String>,
    pub(super) sorry_forwarding: Field<String>,
    pub(super) backup_server: Vec<Spanned<RealServer>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RealServer {
    pub(super) address: Field<String>,
    pub(super) weight: Field<i64>,
    pub(super) upper_threshold: Field<i64>,
    pub(super) lower_threshold: Field<i64>,
    pub(super) forwarding: Field<String>,
    pub(super) tunnel: Option<Spanned<Tunnel>>,
    pub(super) check: Option<Box<Check>>,
    pub(super) on_failure: Field<String>,
    pub(super) slow_start: Field<Text>,
    pub(super) drain: Field<Text>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Tunnel {
    #[serde(rename = "type")]
    pub(super) kind: Field<String>,
    pub(super) port: Field<i64>,
    pub(super) checksum: Field<String>,
}

#[derive(Default, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Check {
    #[serde(rename = "type")]
    pub(super) kind: Field<String>,
    pub(super) address: Field<String>,
    pub(super) port: Field<i64>,
    pub(super) path: Field<String>,
    pub(super) host: Field<String>,
    pub(super) status: Field<Status>,
    pub(super) interval: Field<Text>,
    pub(super) timeout: Field<Text>,
    pub(super) retries: Field<i64>,
    pub(super) retry_delay: Field<Text>,
    pub(super) rise: Field<i64>,
    pub(super) follow_weight: Field<bool>,
    pub(super) token_file: Field<String>,
    pub(super) tls: Option<Spanned<CheckTls>>,
}

#[derive(Default, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CheckTls {
    pub(super) ca: Field<String>,
    pub(super) name: Field<String>,
    pub(super) fingerprint: Field<String>,
}

/// A length of time as written: a string with a unit.
#[derive(Clone, Serialize)]
pub(super) struct Text(pub(super) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DurationText)
    }
}

struct DurationText;

impl Visitor<'_> for DurationText {
    type Value = Text;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a string with a unit, such as \"6s\" or \"100ms\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text(text.to_owned()))
    }
}

/// Which leading bits of an address count, as written: `24`, or an IPv4 netmask.
#[derive(Clone)]
pub(super) struct Prefix(pub(super) String);

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PrefixText)
    }
}

struct PrefixText;

impl Visitor<'_> for PrefixText {
    type Value = Prefix;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the length of a prefix, such as 24, or a netmask, such as \"255.255.255.0\"")
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<Prefix, E> {
        Ok(Prefix(n.to_string()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Prefix, E> {
        Ok(Prefix(text.to_owned()))
    }
}

/// An HTTP status as written: `200` or `"200-299"`.
#[derive(Clone)]
pub(super) struct Status(pub(super) String);

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StatusText)
    }
}

struct StatusText;

impl Visitor<'_> for StatusText {
    type Value = Status;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a status such as 200, or a range such as \"200-299\"")
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<Status, E> {
        match n {
            100..=599 => Ok(Status(n.to_string())),
            _ => Err(E::invalid_value(Unexpected::Signed(n), &self)),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Status, E> {
        Ok(Status(text.to_owned()))
    }
}
