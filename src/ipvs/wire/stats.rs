//! `IPVS_*_ATTR_STATS` and `IPVS_*_ATTR_STATS64`: counters and rates.
//!
//! Both hold the same attributes. In the older one all but the two byte counters
//! are 32 bits wide and wrap; in the newer one all are 64 bits wide. A value
//! keeps the width it came with.

use netlink_packet_core::{
    DecodeError, DefaultNla, Nla, NlaBuffer, Parseable, parse_u32, parse_u64,
};

/// What is counted: `IPVS_STATS_ATTR_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Counter {
    /// `IPVS_STATS_ATTR_CONNS`: connections scheduled.
    Connections = 1,
    /// `IPVS_STATS_ATTR_INPKTS`: packets from clients.
    PacketsIn = 2,
    /// `IPVS_STATS_ATTR_OUTPKTS`: packets to clients, which only NAT sees.
    PacketsOut = 3,
    /// `IPVS_STATS_ATTR_INBYTES`.
    BytesIn = 4,
    /// `IPVS_STATS_ATTR_OUTBYTES`.
    BytesOut = 5,
    /// `IPVS_STATS_ATTR_CPS`: connections per second.
    ConnectionRate = 6,
    /// `IPVS_STATS_ATTR_INPPS`.
    PacketRateIn = 7,
    /// `IPVS_STATS_ATTR_OUTPPS`.
    PacketRateOut = 8,
    /// `IPVS_STATS_ATTR_INBPS`: bytes per second, not bits.
    ByteRateIn = 9,
    /// `IPVS_STATS_ATTR_OUTBPS`.
    ByteRateOut = 10,
}

impl Counter {
    /// Every counter, in the order of the kernel's attributes.
    pub const ALL: [Self; 10] = [
        Self::Connections,
        Self::PacketsIn,
        Self::PacketsOut,
        Self::BytesIn,
        Self::BytesOut,
        Self::ConnectionRate,
        Self::PacketRateIn,
        Self::PacketRateOut,
        Self::ByteRateIn,
        Self::ByteRateOut,
    ];

    fn of_kind(kind: u16) -> Option<Self> {
        let index = usize::from(kind).checked_sub(1)?;
        Self::ALL.get(index).copied()
    }
}

/// A number and its width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatsValue {
    /// 32 bits.
    Narrow(u32),
    /// 64 bits.
    Wide(u64),
}

impl From<StatsValue> for u64 {
    fn from(value: StatsValue) -> Self {
        match value {
            StatsValue::Narrow(number) => number.into(),
            StatsValue::Wide(number) => number,
        }
    }
}

/// `IPVS_STATS_ATTR_*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatsAttribute {
    /// A counter or a rate.
    Counted(Counter, StatsValue),
    /// One this module has no name for, or `IPVS_STATS_ATTR_PAD`, which aligns
    /// the next attribute where the processor needs it.
    Other(DefaultNla),
}

impl Nla for StatsAttribute {
    fn value_len(&self) -> usize {
        match self {
            Self::Counted(_, StatsValue::Narrow(_)) => size_of::<u32>(),
            Self::Counted(_, StatsValue::Wide(_)) => size_of::<u64>(),
            Self::Other(nla) => nla.value_len(),
        }
    }

    fn kind(&self) -> u16 {
        match self {
            Self::Counted(counter, _) => *counter as u16,
            Self::Other(nla) => nla.kind(),
        }
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        match self {
            Self::Counted(_, StatsValue::Narrow(number)) => {
                buffer.copy_from_slice(&number.to_ne_bytes());
            }
            Self::Counted(_, StatsValue::Wide(number)) => {
                buffer.copy_from_slice(&number.to_ne_bytes());
            }
            Self::Other(nla) => nla.emit_value(buffer),
        }
    }
}

impl<'nla> Parseable<NlaBuffer<&'nla [u8]>> for StatsAttribute {
    fn parse(nla: &NlaBuffer<&'nla [u8]>) -> Result<Self, DecodeError> {
        let Some(counter) = Counter::of_kind(nla.kind()) else {
            return DefaultNla::parse(nla).map(Self::Other);
        };
        let value = nla.value();
        let value = match value.len() {
            4 => StatsValue::Narrow(parse_u32(value)?),
            _ => StatsValue::Wide(parse_u64(value)?),
        };
        Ok(Self::Counted(counter, value))
    }
}
