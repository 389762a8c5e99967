//! The expressions that rules are made of: what is loaded, compared and done.

use netlink_packet_core::{DecodeError, DefaultNla};

use super::Count;
use super::message::{find, long_in, nested, number, number_in, parse, text, text_in};
use super::set::Set;

/// `NFT_REG_1`: what is compared, looked up and written begins here.
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

/// `NFT_PAYLOAD_LL_HEADER`.
pub(super) const LINK_HEADER: u32 = 0;
/// `NFT_PAYLOAD_NETWORK_HEADER`.
pub(super) const NETWORK_HEADER: u32 = 1;
/// `NFT_PAYLOAD_TRANSPORT_HEADER`.
pub(super) const TRANSPORT_HEADER: u32 = 2;

// NFT_PAYLOAD_CSUM_*
const CHECKSUM_NONE: u32 = 0;
const CHECKSUM_INET: u32 = 1;

/// `NFT_BITWISE_BOOL`; kernels before 5.6 know no other and do not tell.
const BITWISE_BOOL: u32 = 0;

/// An expression.
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
        /// Into this register: the first, or one behind what is there.
        register: u32,
    },
    /// Turns round those bits of the register that are set here.
    Flip(Vec<u8>),
    /// Writes the register to the network header.
    Write {
        /// From here.
        offset: u32,
        /// So many bytes.
        length: u32,
        /// Where the header's checksum is, which follows.
        checksum: Option<u32>,
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
                register,
            } => {
                let numbers = [*register, *base, *offset, *length];
                let attributes = (1..).zip(numbers).map(|(kind, it)| number(kind, it));
                ("payload", attributes.collect())
            }
            // NFTA_BITWISE_SREG, _DREG, _LEN, _MASK, _XOR: the mask leaves all.
            Self::Flip(bits) => {
                let data =
                    |kind, value: &[u8]| nested(kind, &[super::message::bytes(VALUE, value)]);
                let length = u32::try_from(bits.len()).unwrap_or(u32::MAX);
                let mut attributes = (1..)
                    .zip([REGISTER, REGISTER, length])
                    .map(|(kind, it)| number(kind, it))
                    .collect::<Vec<_>>();
                attributes.push(data(4, &vec![0xFF; bits.len()]));
                attributes.push(data(5, bits));
                ("bitwise", attributes)
            }
            Self::Write {
                offset,
                length,
                checksum,
            } => {
                // NFTA_PAYLOAD_SREG, _BASE, _OFFSET, _LEN, _CSUM_TYPE, _CSUM_OFFSET, _CSUM_FLAGS:
                // that of the segment does not follow.
                let kind_of_sum = checksum.map_or(CHECKSUM_NONE, |_| CHECKSUM_INET);
                let attributes = [
                    (5, REGISTER),
                    (2, NETWORK_HEADER),
                    (3, *offset),
                    (4, *length),
                    (6, kind_of_sum),
                    (7, checksum.unwrap_or(0)),
                    (8, 0),
                ];
                let attributes = attributes.map(|(kind, it)| number(kind, it));
                ("payload", attributes.into())
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
            b"payload" if on_register(5) => write_in(&number),
            b"payload" => match (number(1), number(2), number(3), number(4)) {
                (Some(register), Some(base), Some(offset), Some(length)) => Some(Self::Payload {
                    base,
                    offset,
                    length,
                    register,
                }),
                _ => None,
            },
            b"bitwise" if on_register(1) && on_register(2) => {
                let data = |kind| parse(find(&attributes, kind).unwrap_or_default());
                let (mask, bits) = (data(4)?, data(5)?);
                let is_flip = number(6).unwrap_or(0) == BITWISE_BOOL
                    && find(&mask, VALUE).is_some_and(|mask| mask.iter().all(|it| *it == 0xFF));
                let bits = find(&bits, VALUE).filter(|_| is_flip);
                bits.map(|bits| Self::Flip(bits.to_vec()))
            }
            // NFTA_LOOKUP_FLAGS: not "not in the set".
            b"lookup" if on_register(2) && number(5).unwrap_or(0) == 0 => {
                let name = text_in(find(&attributes, 1).unwrap_or_default());
                Set::named(name).map(Self::Lookup)
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

/// A payload expression that writes, if it is one of ours.
fn write_in(number: &impl Fn(u16) -> Option<u32>) -> Option<Expression> {
    let ours = number(2) == Some(NETWORK_HEADER) && number(8).unwrap_or(0) == 0;
    let (offset, length) = number(3).zip(number(4)).filter(|_| ours)?;
    let checksum = match number(6).unwrap_or(CHECKSUM_NONE) {
        CHECKSUM_NONE => None,
        _ => number(7),
    };
    Some(Expression::Write {
        offset,
        length,
        checksum,
    })
}
