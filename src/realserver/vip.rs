//! VIPs on `lo`, or on an interface of their own: where each one is, what forbids it, and what it is called.
//!
//! A VIP is a host address (/32 or /128) of scope global, as `ip address add`
//! and `ifconfig lo:0` make it. Scope host would keep the kernel from choosing it
//! as a source on a host whose NIC has no address, and otherwise changes nothing:
//! a server answers from the address it was asked at. So lvsd makes what the
//! scripts made, and either kind counts as there.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::lvs::{Family, Prefixed};
use crate::sys::address::{Address, MAX_LABEL_LEN, NewAddress};
use crate::sys::link::Link;
use crate::sys::sysctl::Key;

/// Where an address is on this host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// On its interface as a host address.
    pub bound: bool,
    /// Its label there, for IPv4.
    pub label: Option<String>,
    /// There with a shorter prefix, which makes this host take the whole
    /// network for its own.
    pub wider: Option<u8>,
    /// The other interfaces that have it: name and length of the prefix.
    pub elsewhere: Vec<(String, u8)>,
    /// What it is in a network that this host is in, and no host has: the network's
    /// own address, or its broadcast address.
    pub reserved: Option<(&'static str, Prefixed)>,
}

/// Finds a VIP among the addresses of this host.
pub fn locate(vip: IpAddr, interface: &str, links: &[Link], addresses: &[Address]) -> Place {
    let mut place = Place {
        reserved: addresses
            .iter()
            .find_map(|a| Some((reserved(vip, a.address)?, a.address))),
        ..Place::default()
    };
    for found in addresses.iter().filter(|a| a.address.address == vip) {
        let link = links.iter().find(|link| link.index == found.link);
        match link {
            Some(link) if link.name == interface => {
                if found.address == NewAddress::host(vip).address {
                    place.bound = true;
                    place.label.clone_from(&found.label);
                } else {
                    place.wider = Some(found.address.prefix_len);
                }
            }
            Some(link) => place
                .elsewhere
                .push((link.name.clone(), found.address.prefix_len)),
            // It went between the two lists; the kernel reports that too.
            None => {}
        }
    }
    place
}

/// What an address is in a network where it is no host's. IPv6 has no broadcast, and
/// the first address of a network is all its routers' (RFC 4291 §2.6.1); which network
/// that is, only a host in it knows.
pub fn reserved(address: IpAddr, network: Prefixed) -> Option<&'static str> {
    let whole = Family::of(network.address).host_prefix_len();
    // With one bit for hosts, both addresses are hosts' (RFC 3021, RFC 6164).
    if network.prefix_len + 1 >= whole || !network.contains(address) {
        return None;
    }
    let host = Prefixed { address, ..network };
    let is_first = host.network().address == address;
    match address {
        IpAddr::V4(_) if is_first => Some("the network's own address"),
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shr(network.prefix_len.into()).unwrap_or(0);
            (v4.to_bits() & mask == mask).then_some("the broadcast address")
        }
        IpAddr::V6(_) => is_first.then_some("the address of every router (subnet-router anycast)"),
    }
}

/// Why a VIP must not be taken as things are, each with the way out.
pub fn refusals(vip: IpAddr, wanted_on: &str, place: &Place) -> Vec<String> {
    let reserved = place.reserved.map(|(what, network)| {
        format!("VIP {vip} is {what} in {network}, where no host may have it; name another one")
    });
    let question = match vip {
        IpAddr::V4(_) => "ARP",
        IpAddr::V6(_) => "neighbour solicitations",
    };
    let elsewhere = place.elsewhere.iter().map(|(interface, len)| {
        format!(
            "VIP {vip} is on {interface}: this host answers {question} for it there, so clients would \
             bypass the directors; if it is this host's own address, name the one that clients \
             connect to, and else remove it there (ip address del {vip}/{len} dev {interface})"
        )
    });
    let wider = place.wider.map(|len| {
        format!(
            "VIP {vip} is on {wanted_on} as {vip}/{len}: this host takes every address of that \
             network for its own; make it a host address first ({mend})",
            mend = narrowing(
                Prefixed {
                    address: vip,
                    prefix_len: len
                },
                wanted_on,
                None
            ),
        )
    });
    reserved.into_iter().chain(elsewhere).chain(wider).collect()
}

/// The commands that make a VIP with the mask of a network a host address, without its
/// leaving the interface.
pub fn narrowing(wide: Prefixed, interface: &str, label: Option<&str>) -> String {
    let host = Prefixed::host(wide.address);
    let label = label.map_or_else(String::new, |label| format!(" label {label}"));
    format!("ip address add {host} dev {interface}{label}; ip address del {wide} dev {interface}")
}

/// Why a VIP must not be taken where these are the gateways of default routes.
pub fn gateway_refusal(vip: IpAddr, gateways: &BTreeSet<IpAddr>) -> Option<String> {
    gateways.contains(&vip).then(|| {
        format!(
            "VIP {vip} is this host's default gateway, which it would no longer reach with that \
             address of its own; name the address that clients connect to"
        )
    })
}

/// Why an interface cannot have VIPs, with the way out.
pub fn interface_refusal(name: &str, links: &[Link]) -> Option<String> {
    match links.iter().find(|link| link.name == name) {
        None => Some(format!(
            "there is no interface {name} to put the VIPs on: use interface = \"lo\", or make it \
             first (ip link add {name} type dummy)"
        )),
        Some(link) if link.loopback || link.noarp => None,
        Some(_) => Some(format!(
            "{name} speaks ARP, so that it would answer for the VIPs: use interface = \"lo\", or \
             one of type dummy"
        )),
    }
}

/// Why VIPs of IPv6 cannot be on an interface, with the way out. `off` reads
/// `net.ipv6.conf.NAME.disable_ipv6`; none: there is no such parameter.
pub fn ipv6_refusal(interface: &str, off: impl Fn(&str) -> Option<i32>) -> Option<String> {
    let key = |name: &str| Key::ipv6_conf(name, "disable_ipv6");
    let is_off = |name: &str| off(name).is_some_and(|value| value != 0);
    let (where_, name) = match off("all") {
        None => {
            return Some(
                "this kernel runs without IPv6: start it without ipv6.disable=1, and with the \
                 module ipv6"
                    .to_owned(),
            );
        }
        Some(_) if !is_off(interface) => return None,
        Some(_) if is_off("all") => ("every interface", "all"),
        Some(_) => (interface, interface),
    };
    let key = key(name);
    Some(format!(
        "IPv6 is off on {where_} ({key} = 1): sysctl -w {key}=0, and remove what sets it in \
         /etc/sysctl.conf and /etc/sysctl.d"
    ))
}

/// The address to add for the `nth` VIP of the configuration.
pub fn new_address(vip: IpAddr, interface: &str, nth: usize, addresses: &[Address]) -> NewAddress {
    let host = NewAddress::host(vip);
    match vip {
        IpAddr::V4(_) => NewAddress {
            label: free_label(interface, nth, addresses),
            ..host
        },
        // `lo` does no duplicate address detection; should that change, the VIP is
        // on the director too, and detection would fail. Deprecated: an IPv6 VIP
        // would otherwise be a candidate source for whatever this host sends.
        IpAddr::V6(_) => NewAddress {
            nodad: true,
            deprecated: true,
            ..host
        },
    }
}

/// The address to add so that one is as it was, once it is deleted.
pub fn same_address(listed: &Address) -> NewAddress {
    NewAddress {
        address: listed.address,
        label: listed.label.clone(),
        scope: listed.scope,
        nodad: listed.address.address.is_ipv6(),
        deprecated: listed.deprecated,
    }
}

/// An address that is to be added, as the kernel will list it.
pub fn as_listed(link: u32, new: &NewAddress) -> Address {
    Address {
        link,
        address: new.address,
        label: new.label.clone(),
        scope: new.scope,
        tentative: false,
        dad_failed: false,
        deprecated: new.deprecated,
        secondary: false,
    }
}

/// `lo:N` for the N-th VIP, or the next N that no other address has. The kernel
/// would take a label twice, ifconfig shows only one of the two.
fn free_label(interface: &str, nth: usize, addresses: &[Address]) -> Option<String> {
    (nth..nth + addresses.len() + 1)
        .map(|n| format!("{interface}:{n}"))
        .filter(|label| label.len() <= MAX_LABEL_LEN)
        .find(|label| addresses.iter().all(|a| a.label.as_ref() != Some(label)))
}

#[cfg(test)]
mod tests;
