//! How virtual and real servers are written on the command line.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;

use crate::cli::Failure;
use crate::lvs::{Forwarding, PersistenceEngine, RealServerId, Scheduler, VirtualServerId, Weight};

/// A virtual server that must be named.
#[derive(Debug, Args)]
pub(super) struct OneVirtualServer {
    /// tcp, udp or sctp; fwmark for marked packets of IPv4, fwmark6 of IPv6.
    #[arg(value_name = "PROTOCOL")]
    kind: String,

    /// Address and port, such as 192.168.1.200:80 or [2001:db8::1]:53, where port 0
    /// stands for every port; the mark of a fwmark.
    #[arg(value_name = "VIP:PORT")]
    address: String,
}

impl OneVirtualServer {
    pub(super) fn id(&self) -> Result<VirtualServerId, Failure> {
        virtual_server(&self.kind, &self.address)
    }
}

/// A virtual server that may be named.
#[derive(Debug, Args)]
pub(super) struct SomeVirtualServer {
    /// Only this virtual server: tcp, udp, sctp, fwmark or fwmark6, and then …
    #[arg(value_name = "PROTOCOL", requires = "address")]
    kind: Option<String>,

    /// … its address and port, or its mark.
    #[arg(value_name = "VIP:PORT")]
    address: Option<String>,
}

impl SomeVirtualServer {
    pub(super) fn id(&self) -> Result<Option<VirtualServerId>, Failure> {
        match (&self.kind, &self.address) {
            (Some(kind), Some(address)) => virtual_server(kind, address).map(Some),
            _ => Ok(None),
        }
    }
}

/// Reads the two words that name a virtual server.
pub(super) fn virtual_server(kind: &str, address: &str) -> Result<VirtualServerId, Failure> {
    let text = format!("{kind} {address}");
    text.parse().map_err(|why| {
        Failure::Usage(format!(
            "virtual server \"{text}\": {why}\n    \
             write it as: tcp 192.168.1.200:80, udp [2001:db8::1]:53, fwmark 7 or fwmark6 7"
        ))
    })
}

/// Real servers that may be named.
#[derive(Debug, Args)]
pub(super) struct RealServers {
    /// A real server of it; may be given several times. Without a port it has the
    /// virtual server's.
    #[arg(
        long = "real-server",
        value_name = "RIP[:PORT]",
        help_heading = "Options of a real server"
    )]
    addresses: Vec<RealServerAddress>,
}

impl RealServers {
    /// Whether the command is about real servers at all.
    pub(super) fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }

    /// With the port of their virtual server where they name none.
    pub(super) fn of(&self, id: &VirtualServerId) -> Vec<RealServerId> {
        let port = match id {
            VirtualServerId::Address { address, .. } => address.port(),
            // The port that the packet came for.
            VirtualServerId::Fwmark { .. } => 0,
        };
        let with_port = |address: &RealServerAddress| match address {
            RealServerAddress::Whole(address) => *address,
            RealServerAddress::Portless(ip) => SocketAddr::new(*ip, port),
        };
        self.addresses.iter().map(with_port).collect()
    }
}

/// RIP and perhaps port.
#[derive(Debug, Clone, Copy)]
pub(super) enum RealServerAddress {
    /// With its port.
    Whole(SocketAddr),
    /// Without.
    Portless(IpAddr),
}

impl RealServerAddress {
    /// Whether this is what a connection leads to.
    pub(super) fn is(&self, real_server: SocketAddr) -> bool {
        match self {
            Self::Whole(address) => *address == real_server,
            Self::Portless(ip) => *ip == real_server.ip(),
        }
    }
}

impl FromStr for RealServerAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let whole = text.parse().map(Self::Whole);
        whole
            .or_else(|_| bare.unwrap_or(text).parse().map(Self::Portless))
            .map_err(|_| "expected RIP or RIP:PORT, in numbers")
    }
}

/// A value that can be taken away again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Switched<T> {
    /// `off`.
    Off,
    /// Anything else.
    On(T),
}

impl<T> Switched<T> {
    pub(super) fn on(self) -> Option<T> {
        match self {
            Self::Off => None,
            Self::On(value) => Some(value),
        }
    }
}

/// Reads `60s`, `1h`, or `off`.
pub(super) fn persistence(text: &str) -> Result<Switched<Duration>, String> {
    match text {
        "off" => Ok(Switched::Off),
        _ => seconds(text).map(Switched::On),
    }
}

/// Reads a length of time in whole seconds.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    const MEND: &str = "write a number with a unit, such as 60s or 15m";
    let length: SignedDuration = text.parse().map_err(|_| MEND)?;
    let length = Duration::try_from(length).map_err(|_| MEND)?;
    if length.subsec_nanos() != 0 || length.is_zero() {
        return Err("the kernel counts whole seconds, from 1 up".to_owned());
    }
    if u32::try_from(length.as_secs()).is_err() {
        return Err("too long for the kernel".to_owned());
    }
    Ok(length)
}

/// Reads the name of a scheduler.
pub(super) fn scheduler(text: &str) -> Result<Scheduler, String> {
    Scheduler::known(text).ok_or_else(|| {
        let names: Vec<_> = Scheduler::ALL.iter().map(Scheduler::name).collect();
        format!("use one of: {}", names.join(" "))
    })
}

/// Reads `dr`, `nat` or `tun`.
pub(super) fn forwarding(text: &str) -> Result<Forwarding, String> {
    match text {
        "dr" => Ok(Forwarding::DirectRoute),
        "nat" => Ok(Forwarding::Nat),
        "tun" => Ok(Forwarding::IPIP),
        _ => Err("use dr, nat or tun".to_owned()),
    }
}

/// Reads a weight.
pub(super) fn weight(text: &str) -> Result<Weight, String> {
    let number = text.parse::<u32>().ok();
    number
        .and_then(|number| Weight::try_from(number).ok())
        .ok_or_else(|| "must be 0..=65535".to_owned())
}

/// Reads `24` or `255.255.255.0`.
pub(super) fn prefix_len(text: &str) -> Result<u8, String> {
    let bits = match text.parse::<Ipv4Addr>() {
        Err(_) => text.parse().ok(),
        Ok(mask) => {
            let bits = mask.to_bits();
            (bits.count_ones() == bits.leading_ones()).then_some(bits.leading_ones())
        }
    };
    bits.and_then(|bits| u8::try_from(bits).ok())
        .filter(|bits| (1..=128).contains(bits))
        .ok_or_else(|| "write a number of bits, or a mask like 255.255.255.0".to_owned())
}

/// Reads `sip`, or `off`.
pub(super) fn engine(text: &str) -> Result<Switched<PersistenceEngine>, String> {
    match text {
        "off" => Ok(Switched::Off),
        "sip" => Ok(Switched::On(PersistenceEngine::Sip)),
        _ => Err("use sip or off".to_owned()),
    }
}

/// Reads `on` or `off`.
pub(super) fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("use on or off".to_owned()),
    }
}
