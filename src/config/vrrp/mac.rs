//! `virtual_mac`, `virtual_mac_interface` and `[vrrp.announce]`.

use std::time::Duration;

use super::super::document::Document;
use super::super::values::{LONGEST_INTERFACE_NAME, duration, number};
use super::holdings::{Announce, VirtualMac};
use super::identity::interface_name;
use super::raw;
use crate::lvs::Family;
use crate::vrrp::Vrid;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// The hardware address of the virtual router, if it has one of its own.
pub(super) fn virtual_mac(
    document: &mut Document<'_>,
    raw: &raw::Vrrp,
    parent: Option<&str>,
    vrid: Option<Vrid>,
    family: Option<Family>,
) -> Option<Option<VirtualMac>> {
    let written = raw.virtual_mac_interface.as_ref();
    let name = written.map(|name| interface_name(document, name));
    if !raw.virtual_mac.as_ref().is_some_and(|it| *it.get_ref()) {
        if let Some(written) = written {
            let message = "names an interface that nothing needs";
            let mend = "add virtual_mac = true, or remove it";
            document.refuse(&written.span(), message, mend);
        }
        return Some(None);
    }
    let (vrid, family) = (vrid?, family?);
    let interface = match name {
        Some(name) => name?,
        None => default_name(parent?, vrid, family),
    };
    not_there_already(document, raw, &interface, parent)?;
    let mac = VirtualMac::address(family, vrid);
    Some(Some(VirtualMac { interface, mac }))
}

/// It is an interface that lvsd makes, and none that there must be without it.
fn not_there_already(
    document: &mut Document<'_>,
    raw: &raw::Vrrp,
    interface: &str,
    parent: Option<&str>,
) -> Option<()> {
    let mend = "choose a name that no interface of this host has, such as \"vip51\"";
    let refusal = match &raw.virtual_mac_interface {
        Some(written) if interface == "lo" => Some((written.span(), "is the loopback")),
        Some(written) if Some(interface) == parent => {
            Some((written.span(), "is the interface that it is put on"))
        }
        None if Some(interface) == parent => {
            let message = "its interface would have the name of the one below";
            let switch = raw.virtual_mac.as_ref()?;
            document.refuse(
                &switch.span(),
                message,
                "add virtual_mac_interface = \"vip51\"",
            );
            return None;
        }
        _ => None,
    };
    let Some((span, message)) = refusal else {
        return Some(());
    };
    document.refuse(&span, message, mend);
    None
}

/// `vrrp51.ens192`, and `vrrp51-6.ens192` of IPv6. Of a longer name the end is
/// kept, which is what tells the ports of one card apart.
fn default_name(parent: &str, vrid: Vrid, family: Family) -> String {
    let family = match family {
        Family::Ipv4 => "",
        Family::Ipv6 => "-6",
    };
    let head = format!("vrrp{}{family}.", vrid.get());
    let room = LONGEST_INTERFACE_NAME - head.len();
    // An interface name is ASCII.
    let tail = &parent[parent.len().saturating_sub(room)..];
    head + tail
}

/// How the addresses are announced.
pub(super) fn announce(document: &mut Document<'_>, raw: &raw::Vrrp) -> Option<Announce> {
    let raw = &raw.announce;
    let default = Announce::default();
    let repeat = number(document, &raw.repeat, default.repeat, 1..=60);
    let delay = duration(document, &raw.delay, default.delay, Duration::ZERO..=HOUR);
    let second = Duration::from_secs(1);
    let refresh = match &raw.refresh {
        None => Some(None),
        Some(_) => duration(document, &raw.refresh, second, second..=DAY).map(Some),
    };
    let shortest = Duration::from_micros(10);
    let interval = duration(document, &raw.interval, default.interval, shortest..=second);
    Some(Announce {
        repeat: repeat?,
        delay: delay?,
        refresh: refresh?,
        interval: interval?,
    })
}
