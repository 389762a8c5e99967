//! `IPVS_CMD_ATTR_SERVICE`: a virtual server.
//!
//! A service is named by family and either fwmark or protocol, address and port.
//! To add or to edit one the kernel wants scheduler, flags, timeout and netmask
//! besides; its dumps add the statistics, once in 32 bits and once in 64.

use netlink_packet_core::{
    DecodeError, DefaultNla, Emitable, ErrorContext, Nla, NlaBuffer, Parseable, parse_string,
    parse_u16, parse_u16_be, parse_u32,
};

use super::{InetAddress, StatsAttribute, emit_string, parse_nested};

const IPVS_SVC_ATTR_AF: u16 = 1;
const IPVS_SVC_ATTR_PROTOCOL: u16 = 2;
const IPVS_SVC_ATTR_ADDR: u16 = 3;
const IPVS_SVC_ATTR_PORT: u16 = 4;
const IPVS_SVC_ATTR_FWMARK: u16 = 5;
const IPVS_SVC_ATTR_SCHED_NAME: u16 = 6;
const IPVS_SVC_ATTR_FLAGS: u16 = 7;
const IPVS_SVC_ATTR_TIMEOUT: u16 = 8;
const IPVS_SVC_ATTR_NETMASK: u16 = 9;
const IPVS_SVC_ATTR_STATS: u16 = 10;
const IPVS_SVC_ATTR_PE_NAME: u16 = 11;
const IPVS_SVC_ATTR_STATS64: u16 = 12;

/// A client keeps its real server.
pub const IP_VS_SVC_F_PERSISTENT: u32 = 0x0001;
/// The service is in the kernel's hash table; the kernel's own business.
pub const IP_VS_SVC_F_HASHED: u32 = 0x0002;
/// Each UDP datagram is scheduled by itself.
pub const IP_VS_SVC_F_ONEPACKET: u32 = 0x0004;
/// First flag of the scheduler: fallback of `sh` and `mh`.
pub const IP_VS_SVC_F_SCHED1: u32 = 0x0008;
/// Second flag of the scheduler: `sh` and `mh` hash the port too.
pub const IP_VS_SVC_F_SCHED2: u32 = 0x0010;
/// Third flag of the scheduler; none uses it.
pub const IP_VS_SVC_F_SCHED3: u32 = 0x0020;

/// `struct ip_vs_flags`: in a request, the flags under `mask` become `flags` and
/// the others stay; in a dump `mask` is all ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ServiceFlags {
    /// `IP_VS_SVC_F_*`.
    pub flags: u32,
    /// Which of them count.
    pub mask: u32,
}

impl ServiceFlags {
    const LEN: usize = 8;

    fn parse(value: &[u8]) -> Result<Self, DecodeError> {
        let (flags, mask) = value
            .split_at_checked(4)
            .ok_or_else(|| DecodeError::invalid_number(Self::LEN, value.len()))?;
        Ok(Self {
            flags: parse_u32(flags)?,
            mask: parse_u32(mask)?,
        })
    }

    fn emit(self, buffer: &mut [u8]) {
        buffer[..4].copy_from_slice(&self.flags.to_ne_bytes());
        buffer[4..].copy_from_slice(&self.mask.to_ne_bytes());
    }
}

/// `IPVS_SVC_ATTR_*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceAttribute {
    /// `IPVS_SVC_ATTR_AF`: `AF_INET` or `AF_INET6`.
    AddressFamily(u16),
    /// `IPVS_SVC_ATTR_PROTOCOL`: `IPPROTO_*`.
    Protocol(u16),
    /// `IPVS_SVC_ATTR_ADDR`: the VIP.
    Address(InetAddress),
    /// `IPVS_SVC_ATTR_PORT`: 0 stands for every port.
    Port(u16),
    /// `IPVS_SVC_ATTR_FWMARK`.
    Fwmark(u32),
    /// `IPVS_SVC_ATTR_SCHED_NAME`.
    SchedulerName(String),
    /// `IPVS_SVC_ATTR_FLAGS`.
    Flags(ServiceFlags),
    /// `IPVS_SVC_ATTR_TIMEOUT`: of persistence, in seconds.
    Timeout(u32),
    /// `IPVS_SVC_ATTR_NETMASK`: of persistence. IPv4: the mask in network order;
    /// IPv6: the length of the prefix in host order.
    Netmask([u8; 4]),
    /// `IPVS_SVC_ATTR_STATS`.
    Stats(Vec<StatsAttribute>),
    /// `IPVS_SVC_ATTR_PE_NAME`: the persistence engine, such as `sip`.
    PersistenceEngine(String),
    /// `IPVS_SVC_ATTR_STATS64`, since Linux 4.1.
    Stats64(Vec<StatsAttribute>),
    /// One this module has no name for.
    Other(DefaultNla),
}

impl Nla for ServiceAttribute {
    fn value_len(&self) -> usize {
        match self {
            Self::AddressFamily(_) | Self::Protocol(_) | Self::Port(_) => size_of::<u16>(),
            Self::Address(_) => InetAddress::LEN,
            Self::Fwmark(_) | Self::Timeout(_) | Self::Netmask(_) => size_of::<u32>(),
            Self::SchedulerName(text) | Self::PersistenceEngine(text) => text.len() + 1,
            Self::Flags(_) => ServiceFlags::LEN,
            Self::Stats(nested) | Self::Stats64(nested) => nested.as_slice().buffer_len(),
            Self::Other(nla) => nla.value_len(),
        }
    }

    fn kind(&self) -> u16 {
        match self {
            Self::AddressFamily(_) => IPVS_SVC_ATTR_AF,
            Self::Protocol(_) => IPVS_SVC_ATTR_PROTOCOL,
            Self::Address(_) => IPVS_SVC_ATTR_ADDR,
            Self::Port(_) => IPVS_SVC_ATTR_PORT,
            Self::Fwmark(_) => IPVS_SVC_ATTR_FWMARK,
            Self::SchedulerName(_) => IPVS_SVC_ATTR_SCHED_NAME,
            Self::Flags(_) => IPVS_SVC_ATTR_FLAGS,
            Self::Timeout(_) => IPVS_SVC_ATTR_TIMEOUT,
            Self::Netmask(_) => IPVS_SVC_ATTR_NETMASK,
            Self::Stats(_) => IPVS_SVC_ATTR_STATS,
            Self::PersistenceEngine(_) => IPVS_SVC_ATTR_PE_NAME,
            Self::Stats64(_) => IPVS_SVC_ATTR_STATS64,
            Self::Other(nla) => nla.kind(),
        }
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        match self {
            Self::AddressFamily(number) | Self::Protocol(number) => {
                buffer.copy_from_slice(&number.to_ne_bytes());
            }
            Self::Address(address) => buffer.copy_from_slice(&address.0),
            Self::Port(port) => buffer.copy_from_slice(&port.to_be_bytes()),
            Self::Fwmark(number) | Self::Timeout(number) => {
                buffer.copy_from_slice(&number.to_ne_bytes());
            }
            Self::Netmask(bytes) => buffer.copy_from_slice(bytes),
            Self::SchedulerName(text) | Self::PersistenceEngine(text) => emit_string(buffer, text),
            Self::Flags(flags) => flags.emit(buffer),
            Self::Stats(nested) | Self::Stats64(nested) => nested.as_slice().emit(buffer),
            Self::Other(nla) => nla.emit_value(buffer),
        }
    }
}

impl<'nla> Parseable<NlaBuffer<&'nla [u8]>> for ServiceAttribute {
    fn parse(nla: &NlaBuffer<&'nla [u8]>) -> Result<Self, DecodeError> {
        let value = nla.value();
        Ok(match nla.kind() {
            IPVS_SVC_ATTR_AF => Self::AddressFamily(parse_u16(value).context("IPVS_SVC_ATTR_AF")?),
            IPVS_SVC_ATTR_PROTOCOL => {
                Self::Protocol(parse_u16(value).context("IPVS_SVC_ATTR_PROTOCOL")?)
            }
            IPVS_SVC_ATTR_ADDR => {
                Self::Address(InetAddress::parse(value).context("IPVS_SVC_ATTR_ADDR")?)
            }
            IPVS_SVC_ATTR_PORT => Self::Port(parse_u16_be(value).context("IPVS_SVC_ATTR_PORT")?),
            IPVS_SVC_ATTR_FWMARK => Self::Fwmark(parse_u32(value).context("IPVS_SVC_ATTR_FWMARK")?),
            IPVS_SVC_ATTR_SCHED_NAME => {
                Self::SchedulerName(parse_string(value).context("IPVS_SVC_ATTR_SCHED_NAME")?)
            }
            IPVS_SVC_ATTR_FLAGS => {
                Self::Flags(ServiceFlags::parse(value).context("IPVS_SVC_ATTR_FLAGS")?)
            }
            IPVS_SVC_ATTR_TIMEOUT => {
                Self::Timeout(parse_u32(value).context("IPVS_SVC_ATTR_TIMEOUT")?)
            }
            IPVS_SVC_ATTR_NETMASK => {
                let number = parse_u32(value).context("IPVS_SVC_ATTR_NETMASK")?;
                Self::Netmask(number.to_ne_bytes())
            }
            IPVS_SVC_ATTR_STATS => Self::Stats(parse_nested(value).context("IPVS_SVC_ATTR_STATS")?),
            IPVS_SVC_ATTR_PE_NAME => {
                Self::PersistenceEngine(parse_string(value).context("IPVS_SVC_ATTR_PE_NAME")?)
            }
            IPVS_SVC_ATTR_STATS64 => {
                Self::Stats64(parse_nested(value).context("IPVS_SVC_ATTR_STATS64")?)
            }
            _ => Self::Other(DefaultNla::parse(nla)?),
        })
    }
}
