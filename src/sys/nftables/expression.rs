//! The expressions that rules are made of: what is loaded, compared and done.

use netlink_packet_core::{DecodeError, DefaultNla};

use super::Count;
use super::message::{find, long_in, nested, number, number_in, parse, text, text_in};

/// `NFT_REG_1`, the only register that is used.
const REGISTER: u32 = 1;
/// `NFT_REG_VERDICT`.
const VERDICT: u32 = 0;

// NFTA_LIST_ELEM, NFTA_EXPR_*
pub(super) const LIST_ELEMENT: u16 = 1;
const NAME: u16 = 1;
const DATA: u16 = 2;

/// `NFTA_DATA_VALUE`.
pub(super) const VALUE: u16 = 1;
/// `NFTA_DATA_VERDICT`, in it `NFTA_VERDICT_CODE`.
const DATA_VERDICT: u16 = 2;
const CODE: u16 = 1;

/// An expression, on the one register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expression {
    /// Loads something about the packet: `NFT_META_*`.
    Meta(u32),
    /// Goes on if the register compares so: `NFT_CMP_*`.
    Compare(u32, Vec<u8>),
    /// Loads bytes of the packet.
    Payload {
        /// `NFT_PAYLOAD_*_HEADER`.
        base: u32,
        /// From here.
        offset: u32,
        /// So many.
        length: u32,
    },
    /// Goes on if the register is in the set.
    Lookup(Set),
    /// Counts.
    Counter,
    /// The end: `NF_DROP` or `NF_ACCEPT`.
    Immediate(u32),
    /// One that this program does not write.
    Foreign,
}

/// The sets of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Set {
    V4,
    V6,
}

impl Set {
    pub(super) const ALL: [Self; 2] = [Self::V4, Self::V6];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::V4 => "v4",
            Self::V6 => "v6",
        }
    }

    /// By which the messages of one batch know it.
    pub(super) fn id(self) -> u32 {
        match self {
            Self::V4 => 1,
            Self::V6 => 2,
        }
    }

    /// The length of its elements in bytes.
    pub(super) fn key_length(self) -> u32 {
        match self {
            Self::V4 => 4,
            Self::V6 => 16,
        }
    }
}

impl Expression {
    /// As an element of a rule's list.
    pub(super) fn encode(&self) -> DefaultNla {
        let (name, attributes) = match self {
            // NFTA_META_KEY, _DREG
            Self::Meta(key) => ("meta", vec![number(2, *key), number(1, REGISTER)]),
            // NFTA_CMP_SREG, _OP, _DATA
            Self::Compare(op, value) => {
                let value = super::message::bytes(VALUE, value);
                let attributes = vec![number(1, REGISTER), number(2, *op), nested(3, &[value])];
                ("cmp", attributes)
            }
            // NFTA_PAYLOAD_DREG, _BASE, _OFFSET, _LEN
            Self::Payload {
                base,
                offset,
                length,
            } => {
                let numbers = [REGISTER, *base, *offset, *length];
                let attributes = (1..).zip(numbers).map(|(kind, it)| number(kind, it));
                ("payload", attributes.collect())
            }
            // NFTA_LOOKUP_SREG, _SET, _SET_ID
            Self::Lookup(set) => {
                let attributes = vec![
                    number(2, REGISTER),
                    text(1, set.name()),
                    number(4, set.id()),
                ];
                ("lookup", attributes)
            }
            Self::Counter => ("counter", vec![]),
            // NFTA_IMMEDIATE_DREG, _DATA
            Self::Immediate(code) => {
                let verdict = nested(DATA_VERDICT, &[number(CODE, *code)]);
                ("immediate", vec![number(1, VERDICT), nested(2, &[verdict])])
            }
            Self::Foreign => ("", vec![]),
        };
        nested(LIST_ELEMENT, &[text(NAME, name), nested(DATA, &attributes)])
    }

    /// Reads an element of a rule's list, and what it has counted.
    pub(super) fn decode(element: &[u8]) -> Result<(Self, Count), DecodeError> {
        let element = parse(element)?;
        let name = text_in(find(&element, NAME).unwrap_or_default());
        let attributes = parse(find(&element, DATA).unwrap_or_default())?;
        let number = |kind| find(&attributes, kind).and_then(number_in);
        let on_register = |kind| number(kind) == Some(REGISTER);
        let mut count = Count::default();
        let read = match name {
            b"meta" if on_register(1) => number(2).map(Self::Meta),
            b"cmp" if on_register(1) => {
                let data = parse(find(&attributes, 3).unwrap_or_default())?;
                let value = find(&data, VALUE);
                number(2)
                    .zip(value)
                    .map(|(op, value)| Self::Compare(op, value.to_vec()))
            }
            b"payload" if on_register(1) => match (number(2), number(3), number(4)) {
                (Some(base), Some(offset), Some(length)) => Some(Self::Payload {
                    base,
                    offset,
                    length,
                }),
                _ => None,
            },
            // NFTA_LOOKUP_FLAGS: not "not in the set".
            b"lookup" if on_register(2) && number(5).unwrap_or(0) == 0 => {
                let name = text_in(find(&attributes, 1).unwrap_or_default());
                let mut sets = Set::ALL.into_iter();
                sets.find(|set| set.name().as_bytes() == name)
                    .map(Self::Lookup)
            }
            // NFTA_COUNTER_BYTES, _PACKETS
            b"counter" => {
                let long = |kind| find(&attributes, kind).and_then(long_in).unwrap_or(0);
                count = Count {
                    bytes: long(1),
                    packets: long(2),
                };
                Some(Self::Counter)
            }
            b"immediate" if number(1) == Some(VERDICT) => {
                let data = parse(find(&attributes, 2).unwrap_or_default())?;
                let verdict = parse(find(&data, DATA_VERDICT).unwrap_or_default())?;
                let code = find(&verdict, CODE).and_then(number_in);
                code.map(Self::Immediate)
            }
            _ => None,
        };
        Ok((read.unwrap_or(Self::Foreign), count))
    }
}
