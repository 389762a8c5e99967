//! What the table is made of, what was found of it, and the way from one to the
//! other.
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

use netlink_packet_core::{DecodeError, DefaultNla};

use super::Count;
use super::expression::{Expression, LIST_ELEMENT, Set, VALUE};
use super::message::{
    Kind, Message, bytes, find, nested, number, number_in, parse, text, text_in, value,
};

/// The table's name. Nobody else has one that is called so.
pub const TABLE: &str = "lvsd";
const CHAIN: &str = "input";

/// `NF_INET_LOCAL_IN`.
const HOOK: u32 = 1;
/// After `NF_IP_PRI_NAT_SRC`, 100, from which IPVS counts back.
const PRIORITY: u32 = 150;

const NF_DROP: u32 = 0;
const NF_ACCEPT: u32 = 1;

/// Elements in one message: an attribute is shorter than 64 KiB.
const ELEMENTS: usize = 1_000;

/// What the kernel has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Found {
    /// No such table.
    #[default]
    Absent,
    /// A table that does something else.
    Damaged,
    /// The table as it is made, with these addresses.
    Whole {
        /// Packets to them are dropped.
        addresses: BTreeSet<IpAddr>,
        /// What was dropped since it was made.
        dropped: Count,
    },
}

impl Found {
    /// Whether packets to an address are dropped for sure.
    pub fn has(&self, address: IpAddr) -> bool {
        match self {
            Self::Whole { addresses, .. } => addresses.contains(&address),
            Self::Absent | Self::Damaged => false,
        }
    }

    /// What was dropped; none: nothing is.
    pub fn dropped(&self) -> Option<Count> {
        match self {
            Self::Whole { dropped, .. } => Some(*dropped),
            Self::Absent | Self::Damaged => None,
        }
    }

    /// Whether it is as the other one but for what it counted.
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Whole { addresses, .. },
                Self::Whole {
                    addresses: others, ..
                },
            ) => addresses == others,
            _ => self == other,
        }
    }
}

/// The messages that turn what was found into a table for these addresses, all
/// or none of them to be done; none at all where nothing is to do.
pub(super) fn changes(found: &Found, wanted: &BTreeSet<IpAddr>) -> Vec<Message> {
    match found {
        Found::Absent if wanted.is_empty() => vec![],
        _ if wanted.is_empty() => gone(),
        Found::Whole { addresses, .. } => {
            let more = wanted.difference(addresses).copied().collect();
            let less = addresses.difference(wanted).copied().collect();
            let added = elements(Kind::NewElements, &more, false);
            added
                .chain(elements(Kind::DeleteElements, &less, false))
                .collect()
        }
        Found::Absent | Found::Damaged => {
            let whole = made(wanted);
            gone().into_iter().chain(whole).collect()
        }
    }
}

/// No table, whether there is one or not.
fn gone() -> Vec<Message> {
    let table = || vec![text(1, TABLE)];
    vec![
        Message::new(Kind::NewTable, vec![text(1, TABLE), number(2, 0)]),
        Message::new(Kind::DeleteTable, table()),
    ]
}

/// The whole table, where there is none.
pub(super) fn made(addresses: &BTreeSet<IpAddr>) -> impl Iterator<Item = Message> + use<> {
    // NFTA_TABLE_NAME, _FLAGS
    let table = Message::new(Kind::NewTable, vec![text(1, TABLE), number(2, 0)]);
    let elements: Vec<_> = elements(Kind::NewElements, addresses, true).collect();
    let rules = rules().map(|rule| {
        let expressions: Vec<_> = rule.iter().map(Expression::encode).collect();
        // NFTA_RULE_TABLE, _CHAIN, _EXPRESSIONS
        let attributes = vec![text(1, TABLE), text(2, CHAIN), nested(4, &expressions)];
        Message::new(Kind::NewRule, attributes)
    });
    [table]
        .into_iter()
        .chain(Set::ALL.map(set))
        .chain(elements)
        .chain([chain()])
        .chain(rules)
}

fn set(set: Set) -> Message {
    // Numbers by which nft calls the types of elements: ipv4_addr and ipv6_addr.
    let key_type = match set {
        Set::V4 => 7,
        Set::V6 => 8,
    };
    // By which nft knows their byte order: a type, a length, a number of this host.
    let [a, b, c, d] = 2_u32.to_ne_bytes();
    let attributes = vec![
        // NFTA_SET_TABLE, _NAME, _FLAGS, _KEY_TYPE, _KEY_LEN, _ID, _USERDATA
        text(1, TABLE),
        text(2, set.name()),
        number(3, 0),
        number(4, key_type),
        number(5, set.key_length()),
        number(10, set.id()),
        bytes(13, &[0, 4, a, b, c, d]),
    ];
    Message::new(Kind::NewSet, attributes)
}

/// Elements to add or to take out; `anew`: of sets that the same batch makes.
fn elements(
    kind: Kind,
    addresses: &BTreeSet<IpAddr>,
    anew: bool,
) -> impl Iterator<Item = Message> + use<> {
    let (v4, v6): (Vec<_>, Vec<_>) = addresses.iter().copied().partition(IpAddr::is_ipv4);
    let of = move |set: Set, addresses: Vec<IpAddr>| {
        let chunks: Vec<Vec<IpAddr>> = addresses.chunks(ELEMENTS).map(<[_]>::to_vec).collect();
        chunks.into_iter().map(move |chunk| {
            let elements: Vec<_> = chunk.iter().map(element).collect();
            // NFTA_SET_ELEM_LIST_TABLE, _SET, _SET_ID, _ELEMENTS
            let mut attributes = vec![text(1, TABLE), text(2, set.name())];
            attributes.extend(anew.then(|| number(4, set.id())));
            attributes.push(nested(3, &elements));
            Message::new(kind, attributes)
        })
    };
    of(Set::V4, v4).chain(of(Set::V6, v6))
}

fn element(address: &IpAddr) -> DefaultNla {
    let key = match address {
        IpAddr::V4(address) => bytes(VALUE, &address.octets()),
        IpAddr::V6(address) => bytes(VALUE, &address.octets()),
    };
    // NFTA_SET_ELEM_KEY
    nested(LIST_ELEMENT, &[nested(1, &[key])])
}

fn chain() -> Message {
    // NFTA_HOOK_HOOKNUM, _PRIORITY
    let hook = nested(4, &[number(1, HOOK), number(2, PRIORITY)]);
    // NFTA_CHAIN_TABLE, _NAME, _TYPE, _POLICY, _HOOK
    let attributes = vec![
        text(1, TABLE),
        text(3, CHAIN),
        text(7, "filter"),
        number(5, NF_ACCEPT),
        hook,
    ];
    Message::new(Kind::NewChain, attributes)
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
    };
    let (ipv4, ipv6) = (family(2), family(10));
    let to = |set: Set, offset| {
        let destination = load(1, offset, set.key_length());
        [destination, Lookup(set), Counter, Immediate(NF_DROP)]
    };
    let neighbours = [
        Meta(protocol_of),
        Compare(equal, vec![58]),
        load(2, 0, 1),
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

/// Asks for the table.
pub(super) fn get_table() -> Message {
    Message::new(Kind::GetTable, vec![text(1, TABLE)])
}

/// Asks for the chain.
pub(super) fn get_chain() -> Message {
    Message::new(Kind::GetChain, vec![text(1, TABLE), text(3, CHAIN)])
}

/// Asks for its rules.
pub(super) fn get_rules() -> Message {
    Message::new(Kind::GetRule, vec![text(1, TABLE), text(2, CHAIN)])
}

/// Asks for the elements of a set.
pub(super) fn get_elements(set: Set) -> Message {
    let attributes = vec![text(1, TABLE), text(2, set.name())];
    Message::new(Kind::GetElements, attributes)
}

/// Whether the table is not asleep.
pub(super) fn is_awake(table: &Message) -> bool {
    number_of(table, 2) == Some(0)
}

/// Whether the chain is asked where and when it should be.
pub(super) fn is_in_place(chain: &Message) -> Result<bool, DecodeError> {
    let of = |kind| attribute(chain, kind);
    let hook = of(4).unwrap_or_default();
    let hook = parse(&hook)?;
    let number = |kind| find(&hook, kind).and_then(number_in);
    Ok(number(1) == Some(HOOK)
        && number(2) == Some(PRIORITY)
        && number_of(chain, 5) == Some(NF_ACCEPT)
        && of(7).is_some_and(|kind| text_in(&kind) == b"filter"))
}

/// Whether these are all the rules, and what they have dropped.
pub(super) fn are_whole(found: &[Message]) -> Result<Option<Count>, DecodeError> {
    let mut dropped = Count::default();
    let mut read = Vec::new();
    for rule in found.iter().filter(|it| it.is(Kind::NewRule)) {
        let list = attribute(rule, 4).unwrap_or_default();
        let mut expressions = Vec::new();
        for (_, element) in parse(&list)? {
            let (expression, count) = Expression::decode(element)?;
            dropped.packets += count.packets;
            dropped.bytes += count.bytes;
            expressions.push(expression);
        }
        read.push(expressions);
    }
    Ok(rules().eq(read).then_some(dropped))
}

/// The addresses in messages that list elements.
pub(super) fn addresses_in(messages: &[Message]) -> Result<BTreeSet<IpAddr>, DecodeError> {
    let mut addresses = BTreeSet::new();
    for message in messages.iter().filter(|it| it.is(Kind::NewElements)) {
        let list = attribute(message, 3).unwrap_or_default();
        for (_, element) in parse(&list)? {
            let element = parse(element)?;
            let key = parse(find(&element, 1).unwrap_or_default())?;
            addresses.extend(find(&key, VALUE).and_then(address_in));
        }
    }
    Ok(addresses)
}

fn address_in(key: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(key).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(key).map(IpAddr::from))
        .ok()
}

fn attribute(message: &Message, kind: u16) -> Option<Vec<u8>> {
    use netlink_packet_core::{NLA_TYPE_MASK, Nla};
    let mut attributes = message.attributes.iter();
    let found = attributes.find(|it| it.kind() & NLA_TYPE_MASK == kind);
    found.map(value)
}

fn number_of(message: &Message, kind: u16) -> Option<u32> {
    number_in(&attribute(message, kind)?)
}
