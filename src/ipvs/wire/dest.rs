//! `IPVS_CMD_ATTR_DEST`: a real server.
//!
//! A dest is named by address and port, and by its family, which may differ from
//! the service's when packets are tunnelled (Linux 3.18). To add or to edit one
//! the kernel wants forwarding method, weight and both thresholds besides.

use netlink_packet_core::{
    DecodeError, DefaultNla, Emitable, ErrorContext, Nla, NlaBuffer, Parseable, parse_u8,
    parse_u16, parse_u16_be, parse_u32,
};

use super::{InetAddress, StatsAttribute, parse_nested};

const IPVS_DEST_ATTR_ADDR: u16 = 1;
const IPVS_DEST_ATTR_PORT: u16 = 2;
const IPVS_DEST_ATTR_FWD_METHOD: u16 = 3;
const IPVS_DEST_ATTR_WEIGHT: u16 = 4;
const IPVS_DEST_ATTR_U_THRESH: u16 = 5;
const IPVS_DEST_ATTR_L_THRESH: u16 = 6;
const IPVS_DEST_ATTR_ACTIVE_CONNS: u16 = 7;
const IPVS_DEST_ATTR_INACT_CONNS: u16 = 8;
const IPVS_DEST_ATTR_PERSIST_CONNS: u16 = 9;
const IPVS_DEST_ATTR_STATS: u16 = 10;
const IPVS_DEST_ATTR_ADDR_FAMILY: u16 = 11;
const IPVS_DEST_ATTR_STATS64: u16 = 12;
const IPVS_DEST_ATTR_TUN_TYPE: u16 = 13;
const IPVS_DEST_ATTR_TUN_PORT: u16 = 14;
const IPVS_DEST_ATTR_TUN_FLAGS: u16 = 15;

/// The bits of [`DestAttribute::ForwardingMethod`] that hold the method.
pub const IP_VS_CONN_F_FWD_MASK: u32 = 0x0007;
/// Network address translation.
pub const IP_VS_CONN_F_MASQ: u32 = 0;
/// The director itself.
pub const IP_VS_CONN_F_LOCALNODE: u32 = 1;
/// Tunnelling.
pub const IP_VS_CONN_F_TUNNEL: u32 = 2;
/// Direct routing.
pub const IP_VS_CONN_F_DROUTE: u32 = 3;

/// IP in IP.
pub const IP_VS_CONN_F_TUNNEL_TYPE_IPIP: u8 = 0;
/// Generic UDP encapsulation.
pub const IP_VS_CONN_F_TUNNEL_TYPE_GUE: u8 = 1;
/// Generic routing encapsulation.
pub const IP_VS_CONN_F_TUNNEL_TYPE_GRE: u8 = 2;

/// GUE and GRE carry a checksum.
pub const IP_VS_TUNNEL_ENCAP_FLAG_CSUM: u16 = 1;
/// GUE carries a remote checksum offload.
pub const IP_VS_TUNNEL_ENCAP_FLAG_REMCSUM: u16 = 2;

/// `IPVS_DEST_ATTR_*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DestAttribute {
    /// `IPVS_DEST_ATTR_ADDR`: the RIP.
    Address(InetAddress),
    /// `IPVS_DEST_ATTR_PORT`.
    Port(u16),
    /// `IPVS_DEST_ATTR_FWD_METHOD`: `IP_VS_CONN_F_*` under
    /// [`IP_VS_CONN_F_FWD_MASK`].
    ForwardingMethod(u32),
    /// `IPVS_DEST_ATTR_WEIGHT`: refused from 2^31 up.
    Weight(u32),
    /// `IPVS_DEST_ATTR_U_THRESH`: 0 is no limit.
    UpperThreshold(u32),
    /// `IPVS_DEST_ATTR_L_THRESH`: not above the upper one.
    LowerThreshold(u32),
    /// `IPVS_DEST_ATTR_ACTIVE_CONNS`.
    ActiveConnections(u32),
    /// `IPVS_DEST_ATTR_INACT_CONNS`.
    InactiveConnections(u32),
    /// `IPVS_DEST_ATTR_PERSIST_CONNS`.
    PersistentConnections(u32),
    /// `IPVS_DEST_ATTR_STATS`.
    Stats(Vec<StatsAttribute>),
    /// `IPVS_DEST_ATTR_ADDR_FAMILY`: absent before Linux 3.18, then the service's.
    AddressFamily(u16),
    /// `IPVS_DEST_ATTR_STATS64`, since Linux 4.1.
    Stats64(Vec<StatsAttribute>),
    /// `IPVS_DEST_ATTR_TUN_TYPE`: `IP_VS_CONN_F_TUNNEL_TYPE_*`, since Linux 5.2.
    TunnelType(u8),
    /// `IPVS_DEST_ATTR_TUN_PORT`: of GUE.
    TunnelPort(u16),
    /// `IPVS_DEST_ATTR_TUN_FLAGS`: `IP_VS_TUNNEL_ENCAP_FLAG_*`.
    TunnelFlags(u16),
    /// One this module has no name for.
    Other(DefaultNla),
}

impl Nla for DestAttribute {
    fn value_len(&self) -> usize {
        match self {
            Self::Address(_) => InetAddress::LEN,
            Self::TunnelType(_) => size_of::<u8>(),
            Self::Port(_) | Self::AddressFamily(_) | Self::TunnelPort(_) | Self::TunnelFlags(_) => {
                size_of::<u16>()
            }
            Self::ForwardingMethod(_)
            | Self::Weight(_)
            | Self::UpperThreshold(_)
            | Self::LowerThreshold(_)
            | Self::ActiveConnections(_)
            | Self::InactiveConnections(_)
            | Self::PersistentConnections(_) => size_of::<u32>(),
            Self::Stats(nested) | Self::Stats64(nested) => nested.as_slice().buffer_len(),
            Self::Other(nla) => nla.value_len(),
        }
    }

    fn kind(&self) -> u16 {
        match self {
            Self::Address(_) => IPVS_DEST_ATTR_ADDR,
            Self::Port(_) => IPVS_DEST_ATTR_PORT,
            Self::ForwardingMethod(_) => IPVS_DEST_ATTR_FWD_METHOD,
            Self::Weight(_) => IPVS_DEST_ATTR_WEIGHT,
            Self::UpperThreshold(_) => IPVS_DEST_ATTR_U_THRESH,
            Self::LowerThreshold(_) => IPVS_DEST_ATTR_L_THRESH,
            Self::ActiveConnections(_) => IPVS_DEST_ATTR_ACTIVE_CONNS,
            Self::InactiveConnections(_) => IPVS_DEST_ATTR_INACT_CONNS,
            Self::PersistentConnections(_) => IPVS_DEST_ATTR_PERSIST_CONNS,
            Self::Stats(_) => IPVS_DEST_ATTR_STATS,
            Self::AddressFamily(_) => IPVS_DEST_ATTR_ADDR_FAMILY,
            Self::Stats64(_) => IPVS_DEST_ATTR_STATS64,
            Self::TunnelType(_) => IPVS_DEST_ATTR_TUN_TYPE,
            Self::TunnelPort(_) => IPVS_DEST_ATTR_TUN_PORT,
            Self::TunnelFlags(_) => IPVS_DEST_ATTR_TUN_FLAGS,
            Self::Other(nla) => nla.kind(),
        }
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        match self {
            Self::Address(address) => buffer.copy_from_slice(&address.0),
            Self::TunnelType(number) => buffer.copy_from_slice(&number.to_ne_bytes()),
            Self::Port(port) | Self::TunnelPort(port) => {
                buffer.copy_from_slice(&port.to_be_bytes());
            }
            Self::AddressFamily(number) | Self::TunnelFlags(number) => {
                buffer.copy_from_slice(&number.to_ne_bytes());
            }
            Self::ForwardingMethod(number)
            | Self::Weight(number)
            | Self::UpperThreshold(number)
            | Self::LowerThreshold(number)
            | Self::ActiveConnections(number)
            | Self::InactiveConnections(number)
            | Self::PersistentConnections(number) => {
                buffer.copy_from_slice(&number.to_ne_bytes());
            }
            Self::Stats(nested) | Self::Stats64(nested) => nested.as_slice().emit(buffer),
            Self::Other(nla) => nla.emit_value(buffer),
        }
    }
}

impl<'nla> Parseable<NlaBuffer<&'nla [u8]>> for DestAttribute {
    fn parse(nla: &NlaBuffer<&'nla [u8]>) -> Result<Self, DecodeError> {
        let value = nla.value();
        Ok(match nla.kind() {
            IPVS_DEST_ATTR_ADDR => {
                Self::Address(InetAddress::parse(value).context("IPVS_DEST_ATTR_ADDR")?)
            }
            IPVS_DEST_ATTR_PORT => Self::Port(parse_u16_be(value).context("IPVS_DEST_ATTR_PORT")?),
            IPVS_DEST_ATTR_FWD_METHOD => {
                Self::ForwardingMethod(parse_u32(value).context("IPVS_DEST_ATTR_FWD_METHOD")?)
            }
            IPVS_DEST_ATTR_WEIGHT => {
                Self::Weight(parse_u32(value).context("IPVS_DEST_ATTR_WEIGHT")?)
            }
            IPVS_DEST_ATTR_U_THRESH => {
                Self::UpperThreshold(parse_u32(value).context("IPVS_DEST_ATTR_U_THRESH")?)
            }
            IPVS_DEST_ATTR_L_THRESH => {
                Self::LowerThreshold(parse_u32(value).context("IPVS_DEST_ATTR_L_THRESH")?)
            }
            IPVS_DEST_ATTR_ACTIVE_CONNS => {
                Self::ActiveConnections(parse_u32(value).context("IPVS_DEST_ATTR_ACTIVE_CONNS")?)
            }
            IPVS_DEST_ATTR_INACT_CONNS => {
                Self::InactiveConnections(parse_u32(value).context("IPVS_DEST_ATTR_INACT_CONNS")?)
            }
            IPVS_DEST_ATTR_PERSIST_CONNS => Self::PersistentConnections(
                parse_u32(value).context("IPVS_DEST_ATTR_PERSIST_CONNS")?,
            ),
            IPVS_DEST_ATTR_STATS => {
                Self::Stats(parse_nested(value).context("IPVS_DEST_ATTR_STATS")?)
            }
            IPVS_DEST_ATTR_ADDR_FAMILY => {
                Self::AddressFamily(parse_u16(value).context("IPVS_DEST_ATTR_ADDR_FAMILY")?)
            }
            IPVS_DEST_ATTR_STATS64 => {
                Self::Stats64(parse_nested(value).context("IPVS_DEST_ATTR_STATS64")?)
            }
            IPVS_DEST_ATTR_TUN_TYPE => {
                Self::TunnelType(parse_u8(value).context("IPVS_DEST_ATTR_TUN_TYPE")?)
            }
            IPVS_DEST_ATTR_TUN_PORT => {
                Self::TunnelPort(parse_u16_be(value).context("IPVS_DEST_ATTR_TUN_PORT")?)
            }
            IPVS_DEST_ATTR_TUN_FLAGS => {
                Self::TunnelFlags(parse_u16(value).context("IPVS_DEST_ATTR_TUN_FLAGS")?)
            }
            _ => Self::Other(DefaultNla::parse(nla)?),
        })
    }
}
