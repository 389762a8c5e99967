//! Messages of nf_tables and their attributes, as bytes.
//!
//! ```text
//! nlmsghdr | family (1) | version 0 (1) | resource (2, big endian) | attributes
//! ```
//!
//! Constants bear the names of `linux/netfilter/nf_tables.h` and `nfnetlink.h`.
//! Numbers within attributes are big endian.

use netlink_packet_core::{
    DecodeError, DefaultNla, Emitable, NLA_F_NESTED, NLA_HEADER_SIZE, NetlinkDeserializable,
    NetlinkHeader, NetlinkSerializable, Nla, NlaBuffer, NlasIterator,
};

/// `NFNL_SUBSYS_NFTABLES`.
pub(super) const SUBSYSTEM: u16 = 10;

/// `NFNL_MSG_BATCH_BEGIN`: the kernel does what follows as a whole or not at all.
pub(super) const BATCH_BEGIN: u16 = 0x10;
/// `NFNL_MSG_BATCH_END`: without it, the kernel only tries, and undoes it.
pub(super) const BATCH_END: u16 = 0x11;

/// `NFPROTO_INET`: IPv4 and IPv6 in one table.
const INET: u8 = 1;
/// `AF_UNSPEC`, as batches have it.
const UNSPECIFIED: u8 = 0;

const HEADER: usize = 4;

/// What a message is about: `NFT_MSG_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    NewTable = 0,
    GetTable = 1,
    DeleteTable = 2,
    NewChain = 3,
    GetChain = 4,
    NewRule = 6,
    GetRule = 7,
    NewSet = 9,
    NewElements = 12,
    GetElements = 13,
    DeleteElements = 14,
}

impl Kind {
    /// As a netlink message's type.
    pub(super) fn message_type(self) -> u16 {
        SUBSYSTEM << 8 | self as u16
    }
}

/// A message without its netlink header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    message_type: u16,
    family: u8,
    resource: u16,
    pub(super) attributes: Vec<DefaultNla>,
}

impl Message {
    pub(super) fn new(kind: Kind, attributes: Vec<DefaultNla>) -> Self {
        Self {
            message_type: kind.message_type(),
            family: INET,
            resource: 0,
            attributes,
        }
    }

    /// Asks for the tables of every family.
    pub(super) fn get_tables() -> Self {
        Self {
            family: UNSPECIFIED,
            ..Self::new(Kind::GetTable, Vec::new())
        }
    }

    /// The begin or the end of a batch.
    pub(super) fn batch(message_type: u16) -> Self {
        Self {
            message_type,
            family: UNSPECIFIED,
            resource: SUBSYSTEM,
            attributes: Vec::new(),
        }
    }

    /// The netlink flags that a request to make something needs beside
    /// `NLM_F_REQUEST`: `NLM_F_CREATE`, for a rule `NLM_F_APPEND` too.
    pub(super) fn flags(&self) -> u16 {
        use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE};
        const CREATES: [Kind; 4] = [
            Kind::NewTable,
            Kind::NewChain,
            Kind::NewSet,
            Kind::NewElements,
        ];
        let is = |kind: Kind| self.message_type == kind.message_type();
        if is(Kind::NewRule) {
            NLM_F_CREATE | NLM_F_APPEND
        } else if CREATES.into_iter().any(is) {
            NLM_F_CREATE
        } else {
            0
        }
    }

    pub(super) fn is(&self, kind: Kind) -> bool {
        self.message_type == kind.message_type()
    }
}

impl NetlinkSerializable for Message {
    fn message_type(&self) -> u16 {
        self.message_type
    }

    fn buffer_len(&self) -> usize {
        HEADER + self.attributes.as_slice().buffer_len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        buffer[0] = self.family;
        buffer[1] = 0;
        buffer[2..HEADER].copy_from_slice(&self.resource.to_be_bytes());
        self.attributes.as_slice().emit(&mut buffer[HEADER..]);
    }
}

impl NetlinkDeserializable for Message {
    type Error = DecodeError;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, DecodeError> {
        let (head, attributes) = payload
            .split_first_chunk::<HEADER>()
            .ok_or_else(|| DecodeError::from("a message of nf_tables without its header"))?;
        let attributes = parse(attributes)?;
        Ok(Self {
            message_type: header.message_type,
            family: head[0],
            resource: u16::from_be_bytes([head[2], head[3]]),
            attributes: attributes
                .into_iter()
                .map(|(kind, value)| DefaultNla::new(kind, value.to_vec()))
                .collect(),
        })
    }
}

pub(super) fn bytes(kind: u16, value: &[u8]) -> DefaultNla {
    DefaultNla::new(kind, value.to_vec())
}

pub(super) fn number(kind: u16, value: u32) -> DefaultNla {
    bytes(kind, &value.to_be_bytes())
}

/// Ends with a NUL.
pub(super) fn text(kind: u16, value: &str) -> DefaultNla {
    let mut value = value.as_bytes().to_vec();
    value.push(0);
    DefaultNla::new(kind, value)
}

pub(super) fn nested(kind: u16, attributes: &[DefaultNla]) -> DefaultNla {
    let mut value = vec![0; attributes.buffer_len()];
    attributes.emit(&mut value);
    DefaultNla::new(kind | NLA_F_NESTED, value)
}

/// The attributes in some bytes, by their numbers without flags.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<(u16, &[u8])>, DecodeError> {
    let attributes = NlasIterator::new(bytes);
    attributes
        .map(|attribute| {
            let attribute: NlaBuffer<&[u8]> = attribute?;
            let (kind, end) = (attribute.kind(), usize::from(attribute.length()));
            // The iterator has seen that it is as long as it says.
            let value = attribute.into_inner().get(NLA_HEADER_SIZE..end);
            Ok((kind, value.unwrap_or_default()))
        })
        .collect()
}

/// The value of an attribute among those that were parsed.
pub(super) fn find<'a>(attributes: &[(u16, &'a [u8])], kind: u16) -> Option<&'a [u8]> {
    let mut of_kind = attributes.iter().filter(|(found, _)| *found == kind);
    of_kind.next().map(|(_, value)| *value)
}

/// A number of four bytes.
pub(super) fn number_in(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(value.try_into().ok()?))
}

/// A number of eight bytes.
pub(super) fn long_in(value: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(value.try_into().ok()?))
}

/// A text without its NUL.
pub(super) fn text_in(value: &[u8]) -> &[u8] {
    value.strip_suffix(&[0]).unwrap_or(value)
}

/// The value of an attribute as it is in a message.
pub(super) fn value(attribute: &DefaultNla) -> Vec<u8> {
    let mut value = vec![0; attribute.value_len()];
    attribute.emit_value(&mut value);
    value
}
