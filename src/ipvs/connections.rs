//! The kernel's connection table, one line at a time.
//!
//! `/proc/net/ip_vs_conn` is the only place where the kernel lists connections;
//! generic netlink has no command for them. A table may hold a million, so
//! [`each`] keeps one line and nothing else. The list is no snapshot: the kernel
//! goes on after each 4 KB by counting from the start again, over the connections of
//! all namespaces, so what comes or goes meanwhile repeats or hides some.
//!
//! ```text
//! Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
//! TCP C0A8010A 8888 C0A801C8 0050 C0A80135 0050 ESTABLISHED     898
//! UDP C0A8010A 0000 C0A801C8 13C4 C0A80135 13C4 NONE             59 sip 4711@example.org
//! ```
//!
//! IPv4 addresses are eight hexadecimal digits, IPv6 addresses eight groups; a
//! connection from IPv6 to an IPv4 real server has both.

use std::io::{self, BufRead, Read as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use crate::lvs::{Family, Protocol, VirtualServerId};

/// Where the kernel lists the connections of a process's network namespace.
pub const PATH: &str = "/proc/net/ip_vs_conn";

/// The longest line that is looked at. The kernel's are below 500 bytes, 255 of
/// them the data of a persistence engine.
const LONGEST_LINE: u64 = 4096;

/// A connection, or the template that binds a client to its real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection<'line> {
    /// Its protocol.
    pub protocol: ConnectionProtocol,
    /// The client. Port 0 in a template.
    pub source: SocketAddr,
    /// VIP and port; in a template of a firewall mark see [`Self::mark`].
    pub virtual_address: SocketAddr,
    /// RIP and port.
    pub real_server: SocketAddr,
    /// The kernel's word for its state, such as `ESTABLISHED`.
    pub state: &'line str,
    /// When it is forgotten unless another packet comes.
    pub expires: Duration,
    /// Name and data of the persistence engine.
    pub engine: Option<(&'line str, &'line str)>,
}

/// The protocol of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionProtocol {
    /// One that virtual servers have.
    Of(Protocol),
    /// None: a template of a firewall mark binds a client whatever it speaks.
    Any,
}

impl ConnectionProtocol {
    /// `tcp`, `udp`, `sctp`, `ip`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Of(Protocol::Tcp) => "tcp",
            Self::Of(Protocol::Udp) => "udp",
            Self::Of(Protocol::Sctp) => "sctp",
            Self::Any => "ip",
        }
    }
}

impl Connection<'_> {
    /// Whether it is no connection but the memory of persistence: who was sent
    /// where, and shall be sent there again.
    pub fn is_template(&self) -> bool {
        self.source.port() == 0 && matches!(self.state, "NONE" | "ASSURED")
    }

    /// The firewall mark of a template that belongs to one. The kernel keeps the
    /// mark where the VIP would be.
    pub fn mark(&self) -> Option<NonZeroU32> {
        if self.protocol != ConnectionProtocol::Any {
            return None;
        }
        let bits = match self.virtual_address.ip() {
            IpAddr::V4(address) => address.to_bits(),
            IpAddr::V6(address) => u32::try_from(address.to_bits() >> 96).ok()?,
        };
        NonZeroU32::new(bits)
    }

    /// Whether it was scheduled by this virtual server. Of a firewall mark only
    /// the templates can be told: its connections do not carry it.
    pub fn is_of(&self, id: &VirtualServerId) -> bool {
        let ConnectionProtocol::Of(protocol) = self.protocol else {
            let family = Family::of(self.source.ip());
            return self
                .mark()
                .is_some_and(|mark| *id == VirtualServerId::Fwmark { family, mark });
        };
        match id {
            VirtualServerId::Fwmark { .. } => false,
            VirtualServerId::Address {
                protocol: wanted,
                address,
            } => {
                protocol == *wanted
                    && self.virtual_address.ip() == address.ip()
                    && (address.port() == 0 || address.port() == self.virtual_address.port())
            }
        }
    }
}

/// Reads one line of the kernel's list: `None` for the heading and for whatever
/// else is no connection.
pub fn parse(line: &str) -> Option<Connection<'_>> {
    let mut rest = line;
    let protocol = match word(&mut rest)? {
        "IP" => ConnectionProtocol::Any,
        "TCP" => ConnectionProtocol::Of(Protocol::Tcp),
        "UDP" => ConnectionProtocol::Of(Protocol::Udp),
        "SCTP" => ConnectionProtocol::Of(Protocol::Sctp),
        _ => return None,
    };
    let mut socket = || {
        let address = address(word(&mut rest)?)?;
        let port = word(&mut rest).filter(|digits| digits.len() == 4)?;
        Some(SocketAddr::new(
            address,
            u16::from_str_radix(port, 16).ok()?,
        ))
    };
    let (source, virtual_address, real_server) = (socket()?, socket()?, socket()?);
    let state = word(&mut rest)?;
    let expires = Duration::from_secs(word(&mut rest)?.parse::<u32>().ok()?.into());
    let engine = word(&mut rest).map(|name| (name, rest.trim()));
    Some(Connection {
        protocol,
        source,
        virtual_address,
        real_server,
        state,
        expires,
        engine,
    })
}

/// Hands each connection to `each` and returns how many lines, the heading
/// apart, were none.
///
/// # Errors
/// Those of reading, and those of `each`, which end it.
pub fn each(
    mut list: impl BufRead,
    mut each: impl FnMut(&Connection<'_>) -> io::Result<()>,
) -> io::Result<u64> {
    let mut unknown = 0;
    let mut line = Vec::new();
    loop {
        line.clear();
        list.by_ref()
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(unknown);
        }
        let text = String::from_utf8_lossy(&line);
        match parse(&text) {
            Some(connection) => each(&connection)?,
            None if text.starts_with("Pro ") || text.trim().is_empty() => {}
            None => unknown += 1,
        }
    }
}

/// Takes the next word off a line.
fn word<'line>(rest: &mut &'line str) -> Option<&'line str> {
    let trimmed = rest.trim_start();
    let end = trimmed.find(char::is_whitespace).unwrap_or(trimmed.len());
    let (word, behind) = trimmed.split_at(end);
    *rest = behind;
    (!word.is_empty()).then_some(word)
}

fn address(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return text.parse().ok().map(IpAddr::V6);
    }
    let digits = Some(text).filter(|text| text.len() == 8)?;
    let bits = u32::from_str_radix(digits, 16).ok()?;
    Some(Ipv4Addr::from_bits(bits).into())
}

#[cfg(test)]
mod tests;
