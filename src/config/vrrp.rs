//! `[[vrrp]]`: virtual routers as written.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;

use super::check::is_host;
use super::director::VrrpInstance;
use super::document::Document;
use super::raw;
use super::values::{duration, number};
use crate::lvs::Prefixed;
use crate::vrrp::{AuthPass, Priority, Settings, Version};

const DEFAULT_PRIORITY: i64 = 100;
const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);

/// Longest interface name: `IFNAMSIZ` of `<linux/if.h>` less its NUL.
const LONGEST_INTERFACE_NAME: usize = 15;

const NAME_INTERFACE: &str = "name the interface of the VIP's network, as `ip -br link` lists it";

/// Reads every virtual router, and what only shows when they are seen together.
pub(super) fn read(
    document: &mut Document<'_>,
    raw: &[Spanned<raw::Vrrp>],
) -> BTreeMap<String, VrrpInstance> {
    let mut instances = BTreeMap::new();
    let mut seen = Seen::default();
    for table in raw {
        let instance = instance(document, table.get_ref(), &table.span());
        seen.check(document, table);
        if let (Some(instance), Some(name)) = (instance, &table.get_ref().name) {
            instances.insert(name.get_ref().clone(), instance);
        }
    }
    instances
}

fn instance(
    document: &mut Document<'_>,
    raw: &raw::Vrrp,
    table: &Range<usize>,
) -> Option<VrrpInstance> {
    let name = document.require(
        table,
        raw.name.as_ref(),
        "name",
        "give it a name, such as \"VI_1\"",
    );
    if let Some(name) = name
        && (name.get_ref().is_empty()
            || !name.get_ref().bytes().all(|byte| byte.is_ascii_graphic()))
    {
        document.refuse(
            &name.span(),
            "not a name",
            "use letters, digits and punctuation, no spaces",
        );
    }
    let interface = interface(document, raw, table);
    let mend = "name the virtual router, 1..=255, the same on every director of the VIP";
    let vrid = document.require(
        table,
        raw.virtual_router_id.as_ref(),
        "virtual_router_id",
        mend,
    );
    let vrid = vrid.and_then(|vrid| {
        let n = u8::try_from(*vrid.get_ref()).unwrap_or(0);
        document.accept(&vrid.span(), n.try_into(), "must be 1..=255")
    });
    let priority = number(document, &raw.priority, DEFAULT_PRIORITY, 1..=255)
        .and_then(|n| u8::try_from(n).ok())
        .and_then(|n| Priority::try_from(n).ok());
    let version = version(document, raw);
    let advert_interval = interval(document, raw, version);
    let addresses = addresses(document, raw, table);
    name?;
    let addresses = addresses?;
    Some(VrrpInstance {
        interface: interface?,
        settings: Settings {
            vrid: vrid?,
            priority: priority?,
            version: version?,
            advert_interval: advert_interval?,
            preempt: raw
                .preempt
                .as_ref()
                .is_none_or(|preempt| *preempt.get_ref()),
            addresses: addresses.iter().map(|prefixed| prefixed.address).collect(),
        },
        addresses,
    })
}

fn interface(document: &mut Document<'_>, raw: &raw::Vrrp, table: &Range<usize>) -> Option<String> {
    let interface = document.require(table, raw.interface.as_ref(), "interface", NAME_INTERFACE)?;
    interface_name(document, interface)
}

/// The name of an interface, which need not be there yet.
pub(super) fn interface_name(
    document: &mut Document<'_>,
    interface: &Spanned<String>,
) -> Option<String> {
    let name = interface.get_ref();
    let legal = (1..=LONGEST_INTERFACE_NAME).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'/');
    let legal = legal.then(|| name.clone()).ok_or("not an interface name");
    document.accept(&interface.span(), legal, NAME_INTERFACE)
}

fn version(document: &mut Document<'_>, raw: &raw::Vrrp) -> Option<Version> {
    let version = number(document, &raw.version, 3, 2..=3)?;
    let auth = match &raw.auth_pass {
        None => None,
        Some(text) => {
            if version == 3 {
                let mend = "remove auth_pass, or write version = 2, as on the other directors";
                document.refuse(&text.span(), "VRRP version 3 has no authentication", mend);
                return None;
            }
            let auth = AuthPass::try_from(text.get_ref().as_str());
            let mend = "write 1 to 8 bytes, the same on every director";
            Some(document.accept(&text.span(), auth, mend)?)
        }
    };
    Some(if version == 2 {
        Version::V2 { auth }
    } else {
        Version::V3
    })
}

/// RFC 3768 §5.3.7: whole seconds in a byte. RFC 9568 §5.2.7: 12 bits of
/// centiseconds.
fn interval(
    document: &mut Document<'_>,
    raw: &raw::Vrrp,
    version: Option<Version>,
) -> Option<Duration> {
    let (range, unit) = match version? {
        Version::V2 { .. } => (Duration::from_secs(1)..=Duration::from_secs(255), 1_000),
        Version::V3 => (
            Duration::from_millis(10)..=Duration::from_millis(40_950),
            10,
        ),
    };
    let interval = duration(document, &raw.advert_interval, DEFAULT_INTERVAL, range)?;
    if interval.as_nanos() % (unit * 1_000_000) == 0 {
        return Some(interval);
    }
    let (message, mend) = match unit {
        1_000 => (
            "VRRP version 2 counts whole seconds",
            "write whole seconds, or version = 3",
        ),
        _ => (
            "VRRP version 3 counts hundredths of a second",
            "write a multiple of 10ms",
        ),
    };
    document.refuse(&raw.advert_interval.as_ref()?.span(), message, mend);
    None
}

fn addresses(
    document: &mut Document<'_>,
    raw: &raw::Vrrp,
    table: &Range<usize>,
) -> Option<Vec<Prefixed>> {
    let mend = "list the VIPs, as in [\"192.168.1.200\"]";
    let list = document.require(
        table,
        raw.virtual_addresses.as_ref(),
        "virtual_addresses",
        mend,
    )?;
    if list.get_ref().is_empty() || list.get_ref().len() > 255 {
        let message = "a virtual router has 1 to 255 addresses";
        document.refuse(&list.span(), message, mend);
        return None;
    }
    let addresses: Vec<_> = list
        .get_ref()
        .iter()
        .map(|text| address(document, text))
        .collect();
    addresses.into_iter().collect()
}

fn address(document: &mut Document<'_>, text: &Spanned<String>) -> Option<Prefixed> {
    let mend = "write an address such as \"192.168.1.200\" or \"192.168.1.200/24\"";
    let prefixed: Prefixed = document.accept(&text.span(), text.get_ref().parse(), mend)?;
    let refusal = match prefixed.address {
        IpAddr::V6(_) => Some((
            "this version speaks VRRP over IPv4 only",
            "use an IPv4 address",
        )),
        address if !is_host(address) || address.is_loopback() => {
            Some(("not the address of a host", mend))
        }
        _ if prefixed.prefix_len == 0 => Some(("not a host's prefix length", mend)),
        _ => None,
    };
    match refusal {
        None => Some(prefixed),
        Some((message, mend)) => {
            document.refuse(&text.span(), message, mend);
            None
        }
    }
}

/// What must be there once only, and where it was seen first.
#[derive(Default)]
struct Seen {
    names: HashMap<String, Range<usize>>,
    routers: HashMap<(String, i64), Range<usize>>,
    addresses: HashMap<IpAddr, Range<usize>>,
}

impl Seen {
    fn check(&mut self, document: &mut Document<'_>, table: &Spanned<raw::Vrrp>) {
        let raw = table.get_ref();
        if let Some(name) = &raw.name
            && let Some(first) = self.names.insert(name.get_ref().clone(), name.span())
        {
            let message = format!("this name is taken, {}", document.place(&first));
            document.refuse(
                &name.span(),
                message,
                "give each virtual router a name of its own",
            );
        }
        if let (Some(interface), Some(vrid)) = (&raw.interface, &raw.virtual_router_id) {
            let router = (interface.get_ref().clone(), *vrid.get_ref());
            if let Some(first) = self.routers.insert(router, vrid.span()) {
                let message = format!(
                    "interface {} has this virtual router already, {}",
                    interface.get_ref(),
                    document.place(&first)
                );
                document.refuse(&vrid.span(), message, "use another virtual_router_id");
            }
        }
        for text in raw.virtual_addresses.iter().flat_map(|list| list.get_ref()) {
            let Ok(prefixed) = text.get_ref().parse::<Prefixed>() else {
                continue;
            };
            if let Some(first) = self.addresses.insert(prefixed.address, text.span()) {
                let message = format!("this address is taken, {}", document.place(&first));
                document.refuse(
                    &text.span(),
                    message,
                    "give each address to one virtual router, once",
                );
            }
        }
    }
}
