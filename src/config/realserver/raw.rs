//! A real server's file as written.

use serde::Deserialize;
use toml::Spanned;

use crate::config::raw::{Check, Field, Text};

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Agent {
    pub(super) vips: Vec<Spanned<String>>,
    pub(super) interface: Field<String>,
    pub(super) forwarding: Field<String>,
    pub(super) tunnel: Option<Spanned<Tunnel>>,
    pub(super) gateways: Field<Vec<Spanned<String>>>,
    pub(super) drain: Field<Text>,
    pub(super) watch_arp: Field<bool>,
    pub(super) readiness: Readiness,
    pub(super) service: Vec<Spanned<Service>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Tunnel {
    #[serde(rename = "type")]
    pub(super) kind: Field<String>,
    pub(super) port: Field<i64>,
    pub(super) checksum: Field<String>,
    pub(super) local: Field<String>,
    pub(super) mss: Field<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Readiness {
    pub(super) listen: Field<String>,
    pub(super) allow: Option<Vec<Spanned<String>>>,
    pub(super) token: Field<String>,
    pub(super) certificate: Field<String>,
    pub(super) key: Field<String>,
    pub(super) max_connections: Field<i64>,
    pub(super) timeout: Field<Text>,
    pub(super) weight: Option<Spanned<Weight>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Weight {
    pub(super) source: Field<String>,
    pub(super) full: Field<i64>,
    pub(super) empty: Field<i64>,
    pub(super) least: Field<i64>,
    pub(super) path: Field<String>,
    pub(super) command: Field<Vec<String>>,
    pub(super) interval: Field<Text>,
    pub(super) timeout: Field<Text>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Service {
    pub(super) name: Field<String>,
    pub(super) internal: Field<bool>,
    pub(super) check: Option<Spanned<Check>>,
}
