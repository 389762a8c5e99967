//! `IPVS_CMD_ATTR_DAEMON`: a connection sync daemon, of which a namespace may
//! run one as master and one as backup.

use std::net::{Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{
    DecodeError, DefaultNla, ErrorContext, Nla, NlaBuffer, Parseable, parse_ipv6, parse_string,
    parse_u8, parse_u16, parse_u32, parse_u32_be,
};

use super::emit_string;

const IPVS_DAEMON_ATTR_STATE: u16 = 1;
const IPVS_DAEMON_ATTR_MCAST_IFN: u16 = 2;
const IPVS_DAEMON_ATTR_SYNC_ID: u16 = 3;
const IPVS_DAEMON_ATTR_SYNC_MAXLEN: u16 = 4;
const IPVS_DAEMON_ATTR_MCAST_GROUP: u16 = 5;
const IPVS_DAEMON_ATTR_MCAST_GROUP6: u16 = 6;
const IPVS_DAEMON_ATTR_MCAST_PORT: u16 = 7;
const IPVS_DAEMON_ATTR_MCAST_TTL: u16 = 8;

/// The daemon is stopped.
pub const IP_VS_STATE_NONE: u32 = 0;
/// The daemon sends.
pub const IP_VS_STATE_MASTER: u32 = 1;
/// The daemon receives.
pub const IP_VS_STATE_BACKUP: u32 = 2;

/// `IPVS_DAEMON_ATTR_*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DaemonAttribute {
    /// `IPVS_DAEMON_ATTR_STATE`: `IP_VS_STATE_*`.
    State(u32),
    /// `IPVS_DAEMON_ATTR_MCAST_IFN`: the interface.
    Interface(String),
    /// `IPVS_DAEMON_ATTR_SYNC_ID`: 0..=255; a backup takes only its own.
    SyncId(u32),
    /// `IPVS_DAEMON_ATTR_SYNC_MAXLEN`: bytes of UDP payload, since Linux 4.3.
    MaxLength(u16),
    /// `IPVS_DAEMON_ATTR_MCAST_GROUP`.
    Group(Ipv4Addr),
    /// `IPVS_DAEMON_ATTR_MCAST_GROUP6`.
    Group6(Ipv6Addr),
    /// `IPVS_DAEMON_ATTR_MCAST_PORT`: in host order, unlike the other ports.
    Port(u16),
    /// `IPVS_DAEMON_ATTR_MCAST_TTL`.
    Ttl(u8),
    /// One this module has no name for.
    Other(DefaultNla),
}

impl Nla for DaemonAttribute {
    fn value_len(&self) -> usize {
        match self {
            Self::State(_) | Self::SyncId(_) | Self::Group(_) => size_of::<u32>(),
            Self::Interface(name) => name.len() + 1,
            Self::MaxLength(_) | Self::Port(_) => size_of::<u16>(),
            Self::Group6(_) => size_of::<u128>(),
            Self::Ttl(_) => size_of::<u8>(),
            Self::Other(nla) => nla.value_len(),
        }
    }

    fn kind(&self) -> u16 {
        match self {
            Self::State(_) => IPVS_DAEMON_ATTR_STATE,
            Self::Interface(_) => IPVS_DAEMON_ATTR_MCAST_IFN,
            Self::SyncId(_) => IPVS_DAEMON_ATTR_SYNC_ID,
            Self::MaxLength(_) => IPVS_DAEMON_ATTR_SYNC_MAXLEN,
            Self::Group(_) => IPVS_DAEMON_ATTR_MCAST_GROUP,
            Self::Group6(_) => IPVS_DAEMON_ATTR_MCAST_GROUP6,
            Self::Port(_) => IPVS_DAEMON_ATTR_MCAST_PORT,
            Self::Ttl(_) => IPVS_DAEMON_ATTR_MCAST_TTL,
            Self::Other(nla) => nla.kind(),
        }
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        match self {
            Self::State(number) | Self::SyncId(number) => {
                buffer.copy_from_slice(&number.to_ne_bytes());
            }
            Self::Interface(name) => emit_string(buffer, name),
            Self::MaxLength(number) | Self::Port(number) => {
                buffer.copy_from_slice(&number.to_ne_bytes());
            }
            Self::Group(group) => buffer.copy_from_slice(&group.octets()),
            Self::Group6(group) => buffer.copy_from_slice(&group.octets()),
            Self::Ttl(ttl) => buffer.copy_from_slice(&ttl.to_ne_bytes()),
            Self::Other(nla) => nla.emit_value(buffer),
        }
    }
}

impl<'nla> Parseable<NlaBuffer<&'nla [u8]>> for DaemonAttribute {
    fn parse(nla: &NlaBuffer<&'nla [u8]>) -> Result<Self, DecodeError> {
        let value = nla.value();
        Ok(match nla.kind() {
            IPVS_DAEMON_ATTR_STATE => {
                Self::State(parse_u32(value).context("IPVS_DAEMON_ATTR_STATE")?)
            }
            IPVS_DAEMON_ATTR_MCAST_IFN => {
                Self::Interface(parse_string(value).context("IPVS_DAEMON_ATTR_MCAST_IFN")?)
            }
            IPVS_DAEMON_ATTR_SYNC_ID => {
                Self::SyncId(parse_u32(value).context("IPVS_DAEMON_ATTR_SYNC_ID")?)
            }
            IPVS_DAEMON_ATTR_SYNC_MAXLEN => {
                Self::MaxLength(parse_u16(value).context("IPVS_DAEMON_ATTR_SYNC_MAXLEN")?)
            }
            IPVS_DAEMON_ATTR_MCAST_GROUP => {
                let bits = parse_u32_be(value).context("IPVS_DAEMON_ATTR_MCAST_GROUP")?;
                Self::Group(Ipv4Addr::from_bits(bits))
            }
            IPVS_DAEMON_ATTR_MCAST_GROUP6 => {
                let octets = parse_ipv6(value).context("IPVS_DAEMON_ATTR_MCAST_GROUP6")?;
                Self::Group6(Ipv6Addr::from(octets))
            }
            IPVS_DAEMON_ATTR_MCAST_PORT => {
                Self::Port(parse_u16(value).context("IPVS_DAEMON_ATTR_MCAST_PORT")?)
            }
            IPVS_DAEMON_ATTR_MCAST_TTL => {
                Self::Ttl(parse_u8(value).context("IPVS_DAEMON_ATTR_MCAST_TTL")?)
            }
            _ => Self::Other(DefaultNla::parse(nla)?),
        })
    }
}
