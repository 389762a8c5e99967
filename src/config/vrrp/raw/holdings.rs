//! Tables of their own below `[[vrrp]]`, as written.

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use toml::Spanned;

use super::super::super::raw::{Field, Text};

/// An address: text, or a table with more.
#[derive(Clone)]
pub(in crate::config) enum Address {
    Text(String),
    Table(AddressTable),
}

#[derive(Default, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct AddressTable {
    pub(in crate::config) address: Field<String>,
    pub(in crate::config) label: Field<String>,
    pub(in crate::config) interface: Field<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Announce {
    pub(in crate::config) repeat: Field<i64>,
    pub(in crate::config) delay: Field<Text>,
    pub(in crate::config) refresh: Field<Text>,
    pub(in crate::config) interval: Field<Text>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Route {
    pub(in crate::config) to: Field<String>,
    pub(in crate::config) via: Field<String>,
    pub(in crate::config) dev: Field<String>,
    pub(in crate::config) src: Field<String>,
    pub(in crate::config) table: Field<i64>,
    pub(in crate::config) metric: Field<i64>,
    pub(in crate::config) scope: Field<String>,
    #[serde(rename = "type")]
    pub(in crate::config) kind: Field<String>,
    pub(in crate::config) mtu: Field<i64>,
    pub(in crate::config) advmss: Field<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Rule {
    pub(in crate::config) priority: Field<i64>,
    pub(in crate::config) from: Field<String>,
    pub(in crate::config) to: Field<String>,
    pub(in crate::config) fwmark: Field<i64>,
    pub(in crate::config) iif: Field<String>,
    pub(in crate::config) oif: Field<String>,
    pub(in crate::config) table: Field<i64>,
    pub(in crate::config) family: Field<String>,
}

impl Address {
    /// The address as written, and where; none: a table without one.
    pub(in crate::config) fn written(
        entry: &Spanned<Self>,
    ) -> Option<(&str, std::ops::Range<usize>)> {
        match entry.get_ref() {
            Self::Text(text) => Some((text, entry.span())),
            Self::Table(table) => {
                let text = table.address.as_ref()?;
                Some((text.get_ref(), text.span()))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AddressVisitor)
    }
}

struct AddressVisitor;

impl<'de> Visitor<'de> for AddressVisitor {
    type Value = Address;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an address such as \"192.168.1.200\", or a table with one")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Address, E> {
        Ok(Address::Text(text.to_owned()))
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Address, M::Error> {
        AddressTable::deserialize(MapAccessDeserializer::new(map)).map(Address::Table)
    }
}
