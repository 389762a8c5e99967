//! The table of virtual routers whose accept mode is off: packets to some addresses
//! are dropped.
//!
//! ```text
//! table inet lvsd {
//!     set v4 { type ipv4_addr; elements = { … } }
//!     set v6 { type ipv6_addr; elements = { … } }
//!     chain input {
//!         type filter hook input priority 150; policy accept;
//!         ip daddr @v4 counter drop
//!         meta nfproto ipv6 icmpv6 type 135-136 accept
//!         ip6 daddr @v6 counter drop
//!     }
//! }
//! ```
//!
//! Priority 150 is after IPVS (98 and 99 of the same hook), which takes what it
//! balances out of the kernel's path: only the rest comes so far.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::expression::{Expression, NETWORK_HEADER, TRANSPORT_HEADER};
use super::layout::{Chain, Element, Hook, Layout};
use super::set::Set;

/// The table's name. Nobody else has one that is called so.
pub const TABLE: &str = "lvsd";

/// After `NF_IP_PRI_NAT_SRC`, 100, from which IPVS counts back.
const PRIORITY: i32 = 150;

const NF_DROP: u32 = 0;
const NF_ACCEPT: u32 = 1;

/// The addresses as elements of their sets.
pub(super) fn elements(addresses: &BTreeSet<IpAddr>) -> BTreeSet<Element> {
    let element = |address: &IpAddr| match address {
        IpAddr::V4(address) => (Set::V4, address.octets().to_vec()),
        IpAddr::V6(address) => (Set::V6, address.octets().to_vec()),
    };
    addresses.iter().map(element).collect()
}

/// The same, back again.
pub(super) fn addresses(elements: &BTreeSet<Element>) -> BTreeSet<IpAddr> {
    elements.iter().filter_map(address_of).collect()
}

fn address_of((_, key): &Element) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(key.as_slice()).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(key.as_slice()).map(IpAddr::from))
        .ok()
}

/// The table.
pub(super) fn layout() -> Layout {
    Layout {
        name: TABLE,
        sets: &[Set::V4, Set::V6],
        chains: vec![Chain {
            name: "input",
            hook: Hook::Input,
            priority: PRIORITY,
            rules: rules().collect(),
        }],
    }
}

/// RFC 9568 §6.1: packets to the addresses are dropped, but neighbour
/// solicitations and advertisements are not.
fn rules() -> impl Iterator<Item = Vec<Expression>> {
    use Expression::{Compare, Counter, Immediate, Lookup, Meta, Payload};
    // NFT_META_NFPROTO, _L4PROTO; NFT_CMP_EQ, _LTE, _GTE.
    let (family_of, protocol_of) = (15, 16);
    let (equal, at_most, at_least) = (0, 3, 5);
    let family = move |number| [Meta(family_of), Compare(equal, vec![number])];
    let load = |base, offset, length| Payload {
        base,
        offset,
        length,
        register: 1,
    };
    let (ipv4, ipv6) = (family(2), family(10));
    let to = |set: Set, offset| {
        let destination = load(NETWORK_HEADER, offset, set.key_length());
        [destination, Lookup(set), Counter, Immediate(NF_DROP)]
    };
    let neighbours = [
        Meta(protocol_of),
        Compare(equal, vec![58]),
        load(TRANSPORT_HEADER, 0, 1),
        Compare(at_least, vec![135]),
        Compare(at_most, vec![136]),
        Immediate(NF_ACCEPT),
    ];
    let rules = [
        ipv4.into_iter().chain(to(Set::V4, 16)).collect(),
        ipv6.clone().into_iter().chain(neighbours).collect(),
        ipv6.into_iter().chain(to(Set::V6, 24)).collect(),
    ];
    rules.into_iter()
}
