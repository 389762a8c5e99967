//! VIPs on `lo`: where each one is, what forbids it, and what it is called.
//!
//! A VIP is a host address (/32 or /128) of scope global, as `ip address add`
//! and `ifconfig lo:0` make it. Scope host would keep the kernel from choosing it
//! as a source on a host whose NIC has no address, and otherwise changes nothing:
//! a server answers from the address it was asked at. So lvsd makes what the
//! scripts made, and either kind counts as there.

use std::net::IpAddr;

use crate::sys::address::{Address, MAX_LABEL_LEN, NewAddress};
use crate::sys::link::Link;

/// Where an address is on this host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// On `lo` as a host address.
    pub on_lo: bool,
    /// Its label there, for IPv4.
    pub label: Option<String>,
    /// On `lo` with a shorter prefix, which makes this host take the whole
    /// network for its own.
    pub wider_on_lo: Option<u8>,
    /// The other interfaces that have it: name and length of the prefix.
    pub elsewhere: Vec<(String, u8)>,
}

/// Finds a VIP among the addresses of this host.
pub fn locate(vip: IpAddr, links: &[Link], addresses: &[Address]) -> Place {
    let mut place = Place::default();
    for found in addresses.iter().filter(|a| a.address.address == vip) {
        let link = links.iter().find(|link| link.index == found.link);
        match link {
            Some(link) if link.loopback && link.name == "lo" => {
                if found.address == NewAddress::host(vip).address {
                    place.on_lo = true;
                    place.label.clone_from(&found.label);
                } else {
                    place.wider_on_lo = Some(found.address.prefix_len);
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

/// Why a VIP must not be taken as things are, each with the way out.
pub fn refusals(vip: IpAddr, place: &Place) -> Vec<String> {
    let elsewhere = place.elsewhere.iter().map(|(interface, len)| {
        format!(
            "VIP {vip} is on {interface}: this host answers ARP for it there, so clients would \
             bypass the directors; remove it first (ip address del {vip}/{len} dev {interface})"
        )
    });
    let wider = place.wider_on_lo.map(|len| {
        format!(
            "VIP {vip} is on lo as {vip}/{len}: this host takes every address of that network \
             for its own; remove it first (ip address del {vip}/{len} dev lo)"
        )
    });
    elsewhere.chain(wider).collect()
}

/// The address to add for the `nth` VIP of the configuration.
pub fn new_address(vip: IpAddr, nth: usize, addresses: &[Address]) -> NewAddress {
    let host = NewAddress::host(vip);
    match vip {
        IpAddr::V4(_) => NewAddress {
            label: free_label(nth, addresses),
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
fn free_label(nth: usize, addresses: &[Address]) -> Option<String> {
    (nth..nth + addresses.len() + 1)
        .map(|n| format!("lo:{n}"))
        .filter(|label| label.len() <= MAX_LABEL_LEN)
        .find(|label| addresses.iter().all(|a| a.label.as_ref() != Some(label)))
}

#[cfg(test)]
mod tests;
