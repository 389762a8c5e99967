//! Generic netlink messages of the family `IPVS`: attributes to bytes and back.
//!
//! ```text
//!  0        16       20                                   4-byte aligned
//!  +--------+--------+--------------------------------------------+
//!  |nlmsghdr|genlmsg | attributes of the first level              |
//!  |        |hdr     |                                            |
//!  | len    | cmd    | IPVS_CMD_ATTR_SERVICE { IPVS_SVC_ATTR_* }  |
//!  | type = | version|   IPVS_SVC_ATTR_STATS { IPVS_STATS_ATTR_* }|
//!  | family | = 1    | IPVS_CMD_ATTR_DEST    { IPVS_DEST_ATTR_* } |
//!  | flags  |        |   IPVS_DEST_ATTR_STATS { ... }             |
//!  | seq    |        | IPVS_CMD_ATTR_DAEMON  { IPVS_DAEMON_ATTR_* }|
//!  | pid    |        | IPVS_CMD_ATTR_TIMEOUT_*                    |
//!  +--------+--------+--------------------------------------------+
//!
//!  attribute:  | len (2) | type (2) | value (len - 4) | padding to 4 |
//! ```
//!
//! Numbers are in host order except addresses, ports and the IPv4 netmask, which
//! are in network order. The reply to `GET_SERVICE` is `NEW_SERVICE`, to
//! `GET_DEST` `NEW_DEST`, to `GET_DAEMON` `NEW_DAEMON`, to `GET_CONFIG`
//! `SET_CONFIG` and to `GET_INFO` `SET_INFO`.
//!
//! The kernel says *service* and *dest* for virtual server and real server, and
//! so does this module, whose names are those of `<linux/ip_vs.h>`. What it does
//! not know is kept as it came ([`DefaultNla`]); what is too short or too long
//! for its type is a [`DecodeError`]. Sockets and meaning are left to
//! [`crate::ipvs::client`].

use netlink_packet_core::{
    DecodeError, DefaultNla, Emitable, ErrorContext, Nla, NlaBuffer, NlasIterator, Parseable,
    ParseableParametrized, parse_u32,
};
use netlink_packet_generic::{GenlFamily, GenlHeader};

mod address;
mod daemon;
mod dest;
mod service;
mod stats;

pub use address::{AF_INET, AF_INET6, InetAddress};
pub use daemon::{DaemonAttribute, IP_VS_STATE_BACKUP, IP_VS_STATE_MASTER, IP_VS_STATE_NONE};
pub use dest::{
    DestAttribute, IP_VS_CONN_F_DROUTE, IP_VS_CONN_F_FWD_MASK, IP_VS_CONN_F_LOCALNODE,
    IP_VS_CONN_F_MASQ, IP_VS_CONN_F_TUNNEL, IP_VS_CONN_F_TUNNEL_TYPE_GRE,
    IP_VS_CONN_F_TUNNEL_TYPE_GUE, IP_VS_CONN_F_TUNNEL_TYPE_IPIP, IP_VS_TUNNEL_ENCAP_FLAG_CSUM,
    IP_VS_TUNNEL_ENCAP_FLAG_REMCSUM,
};
pub use service::{
    IP_VS_SVC_F_HASHED, IP_VS_SVC_F_ONEPACKET, IP_VS_SVC_F_PERSISTENT, IP_VS_SVC_F_SCHED1,
    IP_VS_SVC_F_SCHED2, IP_VS_SVC_F_SCHED3, ServiceAttribute, ServiceFlags,
};
pub use stats::{Counter, StatsAttribute, StatsValue};

/// Name of the generic netlink family.
pub const IPVS_GENL_NAME: &str = "IPVS";
/// Version of the generic netlink family.
pub const IPVS_GENL_VERSION: u8 = 1;

const IPVS_CMD_ATTR_SERVICE: u16 = 1;
const IPVS_CMD_ATTR_DEST: u16 = 2;
const IPVS_CMD_ATTR_DAEMON: u16 = 3;
const IPVS_CMD_ATTR_TIMEOUT_TCP: u16 = 4;
const IPVS_CMD_ATTR_TIMEOUT_TCP_FIN: u16 = 5;
const IPVS_CMD_ATTR_TIMEOUT_UDP: u16 = 6;

const IPVS_INFO_ATTR_VERSION: u16 = 1;
const IPVS_INFO_ATTR_CONN_TAB_SIZE: u16 = 2;

/// What a message asks for, or what it answers: `IPVS_CMD_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Command {
    /// `IPVS_CMD_NEW_SERVICE`: adds a virtual server; also describes one in a dump.
    NewService = 1,
    /// `IPVS_CMD_SET_SERVICE`: edits a virtual server.
    SetService = 2,
    /// `IPVS_CMD_DEL_SERVICE`: removes a virtual server with its real servers.
    DelService = 3,
    /// `IPVS_CMD_GET_SERVICE`: asks for one virtual server, or dumps all.
    GetService = 4,
    /// `IPVS_CMD_NEW_DEST`: adds a real server; also describes one in a dump.
    NewDest = 5,
    /// `IPVS_CMD_SET_DEST`: edits a real server.
    SetDest = 6,
    /// `IPVS_CMD_DEL_DEST`: removes a real server.
    DelDest = 7,
    /// `IPVS_CMD_GET_DEST`: dumps the real servers of one virtual server.
    GetDest = 8,
    /// `IPVS_CMD_NEW_DAEMON`: starts a connection sync daemon.
    NewDaemon = 9,
    /// `IPVS_CMD_DEL_DAEMON`: stops a connection sync daemon.
    DelDaemon = 10,
    /// `IPVS_CMD_GET_DAEMON`: dumps the connection sync daemons.
    GetDaemon = 11,
    /// `IPVS_CMD_SET_CONFIG`: sets the timeouts.
    SetConfig = 12,
    /// `IPVS_CMD_GET_CONFIG`: asks for the timeouts.
    GetConfig = 13,
    /// `IPVS_CMD_SET_INFO`: the answer to [`Self::GetInfo`], never a request.
    SetInfo = 14,
    /// `IPVS_CMD_GET_INFO`: asks for version and connection table size.
    GetInfo = 15,
    /// `IPVS_CMD_ZERO`: zeroes the counters of one virtual server, or all.
    Zero = 16,
    /// `IPVS_CMD_FLUSH`: removes every virtual server.
    Flush = 17,
}

impl Command {
    /// Every command.
    pub const ALL: [Self; 17] = [
        Self::NewService,
        Self::SetService,
        Self::DelService,
        Self::GetService,
        Self::NewDest,
        Self::SetDest,
        Self::DelDest,
        Self::GetDest,
        Self::NewDaemon,
        Self::DelDaemon,
        Self::GetDaemon,
        Self::SetConfig,
        Self::GetConfig,
        Self::SetInfo,
        Self::GetInfo,
        Self::Zero,
        Self::Flush,
    ];
}

impl From<Command> for u8 {
    fn from(command: Command) -> Self {
        command as u8
    }
}

impl TryFrom<u8> for Command {
    type Error = DecodeError;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        Self::ALL
            .into_iter()
            .find(|command| u8::from(*command) == number)
            .ok_or_else(|| DecodeError::from(format!("unknown IPVS command {number}")))
    }
}

/// An attribute of the first level: `IPVS_CMD_ATTR_*`, or `IPVS_INFO_ATTR_*` in
/// a message of [`Command::SetInfo`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// `IPVS_CMD_ATTR_SERVICE`.
    Service(Vec<ServiceAttribute>),
    /// `IPVS_CMD_ATTR_DEST`.
    Dest(Vec<DestAttribute>),
    /// `IPVS_CMD_ATTR_DAEMON`.
    Daemon(Vec<DaemonAttribute>),
    /// `IPVS_CMD_ATTR_TIMEOUT_TCP`: seconds; in a request 0 leaves it as it is.
    TimeoutTcp(u32),
    /// `IPVS_CMD_ATTR_TIMEOUT_TCP_FIN`: seconds, as above.
    TimeoutTcpFin(u32),
    /// `IPVS_CMD_ATTR_TIMEOUT_UDP`: seconds, as above.
    TimeoutUdp(u32),
    /// `IPVS_INFO_ATTR_VERSION`: `0x010201` is 1.2.1.
    InfoVersion(u32),
    /// `IPVS_INFO_ATTR_CONN_TAB_SIZE`: buckets of the connection table.
    InfoConnTabSize(u32),
    /// One this module has no name for.
    Other(DefaultNla),
}

impl Nla for Attribute {
    fn value_len(&self) -> usize {
        match self {
            Self::Service(nested) => nested.as_slice().buffer_len(),
            Self::Dest(nested) => nested.as_slice().buffer_len(),
            Self::Daemon(nested) => nested.as_slice().buffer_len(),
            Self::TimeoutTcp(_)
            | Self::TimeoutTcpFin(_)
            | Self::TimeoutUdp(_)
            | Self::InfoVersion(_)
            | Self::InfoConnTabSize(_) => size_of::<u32>(),
            Self::Other(nla) => nla.value_len(),
        }
    }

    fn kind(&self) -> u16 {
        match self {
            Self::Service(_) => IPVS_CMD_ATTR_SERVICE,
            Self::Dest(_) => IPVS_CMD_ATTR_DEST,
            Self::Daemon(_) => IPVS_CMD_ATTR_DAEMON,
            Self::TimeoutTcp(_) => IPVS_CMD_ATTR_TIMEOUT_TCP,
            Self::TimeoutTcpFin(_) => IPVS_CMD_ATTR_TIMEOUT_TCP_FIN,
            Self::TimeoutUdp(_) => IPVS_CMD_ATTR_TIMEOUT_UDP,
            Self::InfoVersion(_) => IPVS_INFO_ATTR_VERSION,
            Self::InfoConnTabSize(_) => IPVS_INFO_ATTR_CONN_TAB_SIZE,
            Self::Other(nla) => nla.kind(),
        }
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        match self {
            Self::Service(nested) => nested.as_slice().emit(buffer),
            Self::Dest(nested) => nested.as_slice().emit(buffer),
            Self::Daemon(nested) => nested.as_slice().emit(buffer),
            Self::TimeoutTcp(number)
            | Self::TimeoutTcpFin(number)
            | Self::TimeoutUdp(number)
            | Self::InfoVersion(number)
            | Self::InfoConnTabSize(number) => buffer.copy_from_slice(&number.to_ne_bytes()),
            Self::Other(nla) => nla.emit_value(buffer),
        }
    }
}

impl Attribute {
    fn parse(command: Command, nla: &NlaBuffer<&[u8]>) -> Result<Self, DecodeError> {
        let value = nla.value();
        Ok(match (command, nla.kind()) {
            (Command::SetInfo, IPVS_INFO_ATTR_VERSION) => {
                Self::InfoVersion(parse_u32(value).context("IPVS_INFO_ATTR_VERSION")?)
            }
            (Command::SetInfo, IPVS_INFO_ATTR_CONN_TAB_SIZE) => {
                Self::InfoConnTabSize(parse_u32(value).context("IPVS_INFO_ATTR_CONN_TAB_SIZE")?)
            }
            (Command::SetInfo, _) => Self::Other(DefaultNla::parse(nla)?),
            (_, IPVS_CMD_ATTR_SERVICE) => {
                Self::Service(parse_nested(value).context("IPVS_CMD_ATTR_SERVICE")?)
            }
            (_, IPVS_CMD_ATTR_DEST) => {
                Self::Dest(parse_nested(value).context("IPVS_CMD_ATTR_DEST")?)
            }
            (_, IPVS_CMD_ATTR_DAEMON) => {
                Self::Daemon(parse_nested(value).context("IPVS_CMD_ATTR_DAEMON")?)
            }
            (_, IPVS_CMD_ATTR_TIMEOUT_TCP) => {
                Self::TimeoutTcp(parse_u32(value).context("IPVS_CMD_ATTR_TIMEOUT_TCP")?)
            }
            (_, IPVS_CMD_ATTR_TIMEOUT_TCP_FIN) => {
                Self::TimeoutTcpFin(parse_u32(value).context("IPVS_CMD_ATTR_TIMEOUT_TCP_FIN")?)
            }
            (_, IPVS_CMD_ATTR_TIMEOUT_UDP) => {
                Self::TimeoutUdp(parse_u32(value).context("IPVS_CMD_ATTR_TIMEOUT_UDP")?)
            }
            _ => Self::Other(DefaultNla::parse(nla)?),
        })
    }
}

/// A request or an answer, without the two headers that come before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What is asked or answered.
    pub command: Command,
    /// Attributes of the first level, in the order of the bytes.
    pub attributes: Vec<Attribute>,
}

impl Message {
    /// The attributes of the first service in the message.
    pub fn service(&self) -> Option<&[ServiceAttribute]> {
        self.attributes
            .iter()
            .find_map(|attribute| match attribute {
                Attribute::Service(nested) => Some(nested.as_slice()),
                _ => None,
            })
    }

    /// The attributes of the first dest in the message.
    pub fn dest(&self) -> Option<&[DestAttribute]> {
        self.attributes
            .iter()
            .find_map(|attribute| match attribute {
                Attribute::Dest(nested) => Some(nested.as_slice()),
                _ => None,
            })
    }

    /// The attributes of the first sync daemon in the message.
    pub fn daemon(&self) -> Option<&[DaemonAttribute]> {
        self.attributes
            .iter()
            .find_map(|attribute| match attribute {
                Attribute::Daemon(nested) => Some(nested.as_slice()),
                _ => None,
            })
    }
}

impl GenlFamily for Message {
    fn family_name() -> &'static str {
        IPVS_GENL_NAME
    }

    fn command(&self) -> u8 {
        self.command.into()
    }

    fn version(&self) -> u8 {
        IPVS_GENL_VERSION
    }
}

impl Emitable for Message {
    fn buffer_len(&self) -> usize {
        self.attributes.as_slice().buffer_len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        self.attributes.as_slice().emit(buffer);
    }
}

impl ParseableParametrized<[u8], GenlHeader> for Message {
    fn parse_with_param(buffer: &[u8], header: GenlHeader) -> Result<Self, DecodeError> {
        let command = Command::try_from(header.cmd)?;
        let attributes = NlasIterator::new(buffer)
            .map(|nla| Attribute::parse(command, &nla?))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            command,
            attributes,
        })
    }
}

/// Parses the attributes within an attribute.
fn parse_nested<A>(value: &[u8]) -> Result<Vec<A>, DecodeError>
where
    A: for<'nla> Parseable<NlaBuffer<&'nla [u8]>>,
{
    NlasIterator::new(value)
        .map(|nla| A::parse(&nla?))
        .collect()
}

/// Writes text and the NUL that the kernel ends it with.
fn emit_string(buffer: &mut [u8], text: &str) {
    let (characters, nul) = buffer.split_at_mut(text.len());
    characters.copy_from_slice(text.as_bytes());
    nul.fill(0);
}

#[cfg(test)]
mod tests;
