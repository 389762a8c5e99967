//! A virtual router back to its table, every default written out.

use toml::Table;

use super::super::director::VrrpInstance;
use super::super::show::{Keys, shortest, texts};
use super::super::values::show_duration;
use crate::vrrp::Version;
use crate::vrrp::transport::{Reach, Transport};

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
    let addresses: Vec<_> = instance
        .addresses
        .iter()
        .map(|it| shortest(&it.address))
        .collect();
    let keys = keys
        .set_text("advert_interval", show_duration(settings.advert_interval))
        .set("preempt", settings.preempt);
    transport(keys, &instance.transport)
        .set("virtual_addresses", texts(&addresses))
        .0
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
