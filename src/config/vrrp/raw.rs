//! `[[vrrp]]` as written, a paragraph for each file that reads of it.

pub(super) mod holdings;

use serde::Deserialize;
use toml::Spanned;

use super::super::raw::{Field, Text};
pub(super) use holdings::Address;

/// `[[vrrp_group]]`.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Group {
    pub(in crate::config) name: Field<String>,
    pub(in crate::config) instances: Field<Vec<Spanned<String>>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Vrrp {
    // identity
    pub(in crate::config) name: Field<String>,
    pub(in crate::config) interface: Field<String>,
    pub(in crate::config) virtual_router_id: Field<i64>,
    // protocol
    pub(in crate::config) priority: Field<i64>,
    pub(in crate::config) version: Field<i64>,
    pub(in crate::config) auth_pass: Field<String>,
    pub(in crate::config) advert_interval: Field<Text>,
    pub(in crate::config) checksum: Field<String>,
    pub(in crate::config) preempt: Field<bool>,
    pub(in crate::config) accept: Field<bool>,
    // takeover
    pub(in crate::config) preempt_delay: Field<Text>,
    pub(in crate::config) startup_delay: Field<Text>,
    pub(in crate::config) handover_timeout: Field<Text>,
    // transport
    pub(in crate::config) source_address: Field<String>,
    pub(in crate::config) unicast_peers: Field<Vec<Spanned<String>>>,
    pub(in crate::config) unicast_min_ttl: Field<i64>,
    // track
    pub(in crate::config) track_interfaces: Vec<Spanned<String>>,
    pub(in crate::config) track: Vec<Spanned<Track>>,
    // hooks
    pub(in crate::config) on_master: Field<Vec<String>>,
    pub(in crate::config) on_backup: Field<Vec<String>>,
    pub(in crate::config) on_fault: Field<Vec<String>>,
    pub(in crate::config) on_stop: Field<Vec<String>>,
    pub(in crate::config) on_split_brain: Field<Vec<String>>,
    pub(in crate::config) hook_user: Field<String>,
    pub(in crate::config) hook_timeout: Field<Text>,
    // addresses
    pub(in crate::config) virtual_addresses: Field<Vec<Spanned<Address>>>,
    pub(in crate::config) extra_addresses: Option<Vec<Spanned<Address>>>,
    // mac
    pub(in crate::config) virtual_mac: Field<bool>,
    pub(in crate::config) virtual_mac_interface: Field<String>,
    pub(in crate::config) announce: holdings::Announce,
    // routing
    pub(in crate::config) route: Vec<Spanned<holdings::Route>>,
    pub(in crate::config) rule: Vec<Spanned<holdings::Rule>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Track {
    pub(in crate::config) name: Field<String>,
    pub(in crate::config) interface: Field<String>,
    pub(in crate::config) script: Field<Vec<String>>,
    pub(in crate::config) process: Field<String>,
    pub(in crate::config) cmdline: Field<String>,
    pub(in crate::config) file: Field<String>,
    pub(in crate::config) virtual_server: Field<String>,
    pub(in crate::config) weight: Field<i64>,
    pub(in crate::config) interval: Field<Text>,
    pub(in crate::config) timeout: Field<Text>,
    pub(in crate::config) rise: Field<i64>,
    pub(in crate::config) fall: Field<i64>,
    pub(in crate::config) user: Field<String>,
}
