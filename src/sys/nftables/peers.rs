//! The table that keeps IPVS out of what another director has balanced already, and of
//! what this host sends to itself.
//!
//! ```text
//! table inet lvsd-peers {
//!     set lan4 { type ether_addr . ipv4_addr; elements = { … } }
//!     set tunnel4 { type ifname . ipv4_addr; elements = { … } }
//!     set own4 { type ipv4_addr; elements = { … } }
//!     chain before-ipvs {
//!         type filter hook input priority 97; policy accept;
//!         ether saddr . ip daddr @lan4 counter ip protocol set ip protocol ^ 192
//!         iifname . ip daddr @tunnel4 counter ip protocol set ip protocol ^ 192
//!         iifname "lo" ip daddr @own4 ip protocol set ip protocol ^ 192
//!     }
//!     chain after-ipvs {
//!         type filter hook input priority 100; policy accept;
//!         (the same without counters)
//!     }
//!     chain own-before-ipvs {
//!         type filter hook output priority -100; policy accept;
//!         oifname "lo" ip daddr @own4 ip protocol set ip protocol ^ 192
//!     }
//!     chain own-after-ipvs {
//!         type filter hook output priority -97; policy accept;
//!         (the same)
//!     }
//! }
//! ```
//!
//! IPv6 has sets and rules of the same kind, with `ip6 daddr` and `ip6 nexthdr`. (`nft list`
//! shows time to live and protocol of IPv4, which are one word of the checksum, for `ip
//! protocol`: `@nh,64,16 set @nh,64,16 ^ 0xc0`.)
//!
//! IPVS has the priorities 98 and 99 of the hook `input`, -99 and -98 of `output`, and leaves
//! alone what is of a protocol that it does not know. XOR with 192 makes such a number of each
//! that it does know: TCP 6, UDP 17, SCTP 132, ICMP 1 and 58, ESP 50, AH 51; and of each that
//! may begin an IPv6 packet. Nobody else looks between the two: the packet arrives as it was
//! sent.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::expression::{Expression, LINK_HEADER, NETWORK_HEADER};
use super::layout::{Chain, Element, Hook, Layout};
use super::set::Set;
use crate::sys::neighbour::Mac;

/// The table's name. Nobody else has one that is called so.
pub const TABLE: &str = "lvsd-peers";

/// Around IPVS, which has `NF_IP_PRI_NAT_SRC`, 100, minus 2 and minus 1.
const INPUT: [i32; 2] = [97, 100];
/// Around IPVS, which has `NF_IP_PRI_NAT_DST`, -100, plus 1 and plus 2.
const OUTPUT: [i32; 2] = [-100, -97];

/// What no protocol number that IPVS knows has in common with another one.
const FLIPPED: u8 = 0xC0;

/// `IFNAMSIZ`: names are filled up with NULs to this length.
const NAME: usize = 16;

/// Where packets come from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// This hardware address sent the frame.
    Lan(Mac),
    /// This device unpacked them.
    Device(String),
    /// This host itself.
    Here,
}

/// Packets from there to an address.
pub type Pair = (Origin, IpAddr);

/// The pairs as elements of their sets.
pub(super) fn elements(pairs: &BTreeSet<Pair>) -> BTreeSet<Element> {
    let element = |(origin, to): &Pair| {
        let (mut key, v4, v6) = match origin {
            Origin::Here => (vec![], Set::OwnV4, Set::OwnV6),
            Origin::Lan(mac) => {
                let key = [mac.as_slice(), &[0; 2]].concat();
                (key, Set::LanV4, Set::LanV6)
            }
            Origin::Device(name) => {
                let mut key = name.as_bytes().to_vec();
                key.resize(NAME, 0);
                (key, Set::TunnelV4, Set::TunnelV6)
            }
        };
        match to {
            IpAddr::V4(to) => {
                key.extend(to.octets());
                (v4, key)
            }
            IpAddr::V6(to) => {
                key.extend(to.octets());
                (v6, key)
            }
        }
    };
    pairs.iter().map(element).collect()
}

/// The same, back again.
pub(super) fn pairs(elements: &BTreeSet<Element>) -> BTreeSet<Pair> {
    elements.iter().filter_map(pair).collect()
}

fn pair((set, key): &Element) -> Option<Pair> {
    let (from, to) = key.split_at_checked(key.len().checked_sub(set.address_length() as usize)?)?;
    let to = match set.address_length() {
        4 => IpAddr::from(<[u8; 4]>::try_from(to).ok()?),
        _ => IpAddr::from(<[u8; 16]>::try_from(to).ok()?),
    };
    let origin = match set {
        Set::LanV4 | Set::LanV6 => Origin::Lan(*from.first_chunk()?),
        Set::OwnV4 | Set::OwnV6 => Origin::Here,
        _ => {
            let name = from.split(|byte| *byte == 0).next().unwrap_or_default();
            Origin::Device(String::from_utf8_lossy(name).into_owned())
        }
    };
    Some((origin, to))
}

/// The table.
pub(super) fn layout() -> Layout {
    const OWN: &[Set] = &[Set::OwnV4, Set::OwnV6];
    const ALL: &[Set] = &[
        Set::LanV4,
        Set::LanV6,
        Set::TunnelV4,
        Set::TunnelV6,
        Set::OwnV4,
        Set::OwnV6,
    ];
    let chain = |name, hook, priority, sets: &[Set], counts| Chain {
        name,
        hook,
        priority,
        rules: sets.iter().map(|set| rule(*set, hook, counts)).collect(),
    };
    let [before, after] = INPUT;
    let [own_before, own_after] = OUTPUT;
    Layout {
        name: TABLE,
        sets: ALL,
        chains: vec![
            chain("before-ipvs", Hook::Input, before, ALL, true),
            chain("after-ipvs", Hook::Input, after, ALL, false),
            chain("own-before-ipvs", Hook::Output, own_before, OWN, false),
            chain("own-after-ipvs", Hook::Output, own_after, OWN, false),
        ],
    }
}

/// `counts` what others sent.
fn rule(set: Set, hook: Hook, counts: bool) -> Vec<Expression> {
    use Expression::{Compare, Counter, Lookup, Meta};
    // NFT_META_NFPROTO, _IIFTYPE, _IIFNAME, _OIFNAME; NFT_CMP_EQ; ARPHRD_ETHER.
    let (family_of, type_of) = (15, 8);
    let name_of = if hook == Hook::Input { 6 } else { 7 };
    let equal = 0;
    let ethernet = 1_u16.to_ne_bytes().to_vec();
    let (family, destination) = match set.address_length() {
        4 => (2, 16),
        _ => (10, 24),
    };
    let mut rule = vec![Meta(family_of), Compare(equal, vec![family])];
    // The address goes behind what is there: NFT_REG32_02, NFT_REG_2.
    let (behind, is_own) = match set {
        Set::TunnelV4 | Set::TunnelV6 => {
            rule.push(Meta(name_of));
            (2, false)
        }
        Set::LanV4 | Set::LanV6 => {
            rule.extend([Meta(type_of), Compare(equal, ethernet)]);
            rule.push(load(LINK_HEADER, 6, 6, 1));
            (10, false)
        }
        _ => {
            let mut lo = b"lo".to_vec();
            lo.resize(NAME, 0);
            rule.extend([Meta(name_of), Compare(equal, lo)]);
            (1, true)
        }
    };
    let length = set.address_length();
    rule.push(load(NETWORK_HEADER, destination, length, behind));
    rule.push(Lookup(set));
    rule.extend((counts && !is_own).then_some(Counter));
    rule.extend(flipped(length == 4));
    rule
}

/// Turns the number of the protocol round.
fn flipped(is_ipv4: bool) -> [Expression; 3] {
    // IPv4: the time to live comes along, as a checksum is of pairs of bytes.
    let (offset, bits, checksum) = match is_ipv4 {
        true => (8, vec![0, FLIPPED], Some(10)),
        false => (6, vec![FLIPPED], None),
    };
    let length = u32::from(is_ipv4) + 1;
    let write = Expression::Write {
        offset,
        length,
        checksum,
    };
    [
        load(NETWORK_HEADER, offset, length, 1),
        Expression::Flip(bits),
        write,
    ]
}

fn load(base: u32, offset: u32, length: u32, register: u32) -> Expression {
    Expression::Payload {
        base,
        offset,
        length,
        register,
    }
}
