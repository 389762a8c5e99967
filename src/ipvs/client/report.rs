//! Messages of the kernel as values.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use netlink_packet_core::DecodeError;

use crate::ipvs::kernel::{
    Counters, Info, KernelRealServer, KernelVirtualServer, Rates, Timeouts, Version,
};
use crate::ipvs::table::{Persistence, RealServer, Settings};
use crate::ipvs::wire::{
    AF_INET, AF_INET6, Attribute, Counter, DestAttribute, IP_VS_CONN_F_DROUTE,
    IP_VS_CONN_F_FWD_MASK, IP_VS_CONN_F_LOCALNODE, IP_VS_CONN_F_TUNNEL,
    IP_VS_CONN_F_TUNNEL_TYPE_GRE, IP_VS_CONN_F_TUNNEL_TYPE_GUE, IP_VS_CONN_F_TUNNEL_TYPE_IPIP,
    IP_VS_SVC_F_ONEPACKET, IP_VS_SVC_F_PERSISTENT, IP_VS_SVC_F_SCHED1, IP_VS_SVC_F_SCHED2,
    IP_VS_SVC_F_SCHED3, IP_VS_TUNNEL_ENCAP_FLAG_CSUM, IP_VS_TUNNEL_ENCAP_FLAG_REMCSUM, InetAddress,
    Message, ServiceAttribute, StatsAttribute,
};
use crate::lvs::{
    Checksum, Family, Forwarding, PersistenceEngine, Protocol, RealServerId, Scheduler,
    SchedulerFlags, Tunnel, VirtualServerId, Weight,
};

/// Reads the answer to `GET_INFO`.
pub(super) fn info(message: &Message) -> Result<Info, DecodeError> {
    let (mut version, mut size) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            Attribute::InfoVersion(number) => version = Some(Version(*number)),
            Attribute::InfoConnTabSize(number) => size = Some(*number),
            _ => {}
        }
    }
    Ok(Info {
        version: version.ok_or("no IPVS_INFO_ATTR_VERSION")?,
        connection_table_size: size.ok_or("no IPVS_INFO_ATTR_CONN_TAB_SIZE")?,
    })
}

/// Reads the answer to `GET_CONFIG`. A timeout is absent where the kernel was
/// built without its protocol.
pub(super) fn timeouts(message: &Message) -> Result<Timeouts, DecodeError> {
    let mut timeouts = Timeouts {
        tcp: Duration::ZERO,
        tcp_fin: Duration::ZERO,
        udp: Duration::ZERO,
    };
    for attribute in &message.attributes {
        match attribute {
            Attribute::TimeoutTcp(seconds) => timeouts.tcp = secs(*seconds),
            Attribute::TimeoutTcpFin(seconds) => timeouts.tcp_fin = secs(*seconds),
            Attribute::TimeoutUdp(seconds) => timeouts.udp = secs(*seconds),
            _ => {}
        }
    }
    Ok(timeouts)
}

/// Reads one message of a dump of virtual servers: `None` if lvsd has no words
/// for its protocol.
pub(super) fn virtual_server(
    message: &Message,
) -> Result<Option<(VirtualServerId, KernelVirtualServer)>, DecodeError> {
    let attributes = message.service().ok_or("no IPVS_CMD_ATTR_SERVICE")?;
    let service = Service::of(attributes);
    let Some(id) = service.id()? else {
        return Ok(None);
    };
    let (counters, rates) = counted(service.stats);
    let has = |flag| service.flags & flag != 0;
    let persistence = Persistence {
        timeout: secs(service.timeout),
        prefix_len: prefix_len(id.family(), service.netmask),
        engine: service.engine.map(PersistenceEngine::reported),
    };
    let reported = KernelVirtualServer {
        settings: Settings {
            scheduler: Scheduler::reported(service.scheduler),
            scheduler_flags: SchedulerFlags([
                has(IP_VS_SVC_F_SCHED1),
                has(IP_VS_SVC_F_SCHED2),
                has(IP_VS_SVC_F_SCHED3),
            ]),
            one_packet: has(IP_VS_SVC_F_ONEPACKET),
            persistence: has(IP_VS_SVC_F_PERSISTENT).then_some(persistence),
        },
        counters,
        rates,
        real_servers: Default::default(),
    };
    Ok(Some((id, reported)))
}

/// Reads one message of a dump of real servers. `family` is the virtual
/// server's, which old kernels leave out.
pub(super) fn real_server(
    message: &Message,
    family: Family,
) -> Result<(RealServerId, KernelRealServer), DecodeError> {
    let attributes = message.dest().ok_or("no IPVS_CMD_ATTR_DEST")?;
    let dest = Dest::of(attributes, family);
    let (counters, rates) = counted(dest.stats);
    let reported = KernelRealServer {
        real_server: RealServer {
            forwarding: dest.forwarding(),
            weight: Weight::reported(dest.weight),
            upper_threshold: dest.upper,
            lower_threshold: dest.lower,
        },
        active_connections: dest.active,
        inactive_connections: dest.inactive,
        persistent_connections: dest.persistent,
        counters,
        rates,
    };
    Ok((dest.id()?, reported))
}

/// The attributes of a service by name.
#[derive(Default)]
struct Service<'m> {
    family: u16,
    protocol: u16,
    address: Option<InetAddress>,
    port: u16,
    fwmark: u32,
    scheduler: &'m str,
    flags: u32,
    timeout: u32,
    netmask: [u8; 4],
    engine: Option<&'m str>,
    stats: &'m [StatsAttribute],
}

impl<'m> Service<'m> {
    fn of(attributes: &'m [ServiceAttribute]) -> Self {
        let mut service = Self::default();
        for attribute in attributes {
            match attribute {
                ServiceAttribute::AddressFamily(family) => service.family = *family,
                ServiceAttribute::Protocol(protocol) => service.protocol = *protocol,
                ServiceAttribute::Address(address) => service.address = Some(*address),
                ServiceAttribute::Port(port) => service.port = *port,
                ServiceAttribute::Fwmark(mark) => service.fwmark = *mark,
                ServiceAttribute::SchedulerName(name) => service.scheduler = name,
                ServiceAttribute::Flags(flags) => service.flags = flags.flags,
                ServiceAttribute::Timeout(seconds) => service.timeout = *seconds,
                ServiceAttribute::Netmask(bytes) => service.netmask = *bytes,
                ServiceAttribute::PersistenceEngine(name) => service.engine = Some(name),
                // The 64-bit counters come second and win.
                ServiceAttribute::Stats(stats) if service.stats.is_empty() => {
                    service.stats = stats;
                }
                ServiceAttribute::Stats64(stats) => service.stats = stats,
                ServiceAttribute::Stats(_) | ServiceAttribute::Other(_) => {}
            }
        }
        service
    }

    fn id(&self) -> Result<Option<VirtualServerId>, DecodeError> {
        if let Some(mark) = NonZeroU32::new(self.fwmark) {
            let family = match self.family {
                AF_INET => Family::Ipv4,
                AF_INET6 => Family::Ipv6,
                other => return Err(format!("IPVS_SVC_ATTR_AF is {other}").into()),
            };
            return Ok(Some(VirtualServerId::Fwmark { family, mark }));
        }
        let protocol = match self.protocol {
            6 => Protocol::Tcp,
            17 => Protocol::Udp,
            132 => Protocol::Sctp,
            _ => return Ok(None),
        };
        let address = self.address.ok_or("no IPVS_SVC_ATTR_ADDR")?;
        let vip = address
            .of_family(self.family)
            .ok_or_else(|| format!("IPVS_SVC_ATTR_AF is {}", self.family))?;
        let address = SocketAddr::new(vip, self.port);
        Ok(Some(VirtualServerId::Address { protocol, address }))
    }
}

/// The attributes of a dest by name.
#[derive(Default)]
struct Dest<'m> {
    family: u16,
    address: Option<InetAddress>,
    port: u16,
    method: u32,
    weight: u32,
    upper: u32,
    lower: u32,
    active: u32,
    inactive: u32,
    persistent: u32,
    tunnel_type: u8,
    tunnel_port: u16,
    tunnel_flags: u16,
    stats: &'m [StatsAttribute],
}

impl<'m> Dest<'m> {
    fn of(attributes: &'m [DestAttribute], family: Family) -> Self {
        let mut dest = Self {
            family: match family {
                Family::Ipv4 => AF_INET,
                Family::Ipv6 => AF_INET6,
            },
            ..Self::default()
        };
        for attribute in attributes {
            match attribute {
                DestAttribute::AddressFamily(family) => dest.family = *family,
                DestAttribute::Address(address) => dest.address = Some(*address),
                DestAttribute::Port(port) => dest.port = *port,
                DestAttribute::ForwardingMethod(method) => dest.method = *method,
                DestAttribute::Weight(weight) => dest.weight = *weight,
                DestAttribute::UpperThreshold(count) => dest.upper = *count,
                DestAttribute::LowerThreshold(count) => dest.lower = *count,
                DestAttribute::ActiveConnections(count) => dest.active = *count,
                DestAttribute::InactiveConnections(count) => dest.inactive = *count,
                DestAttribute::PersistentConnections(count) => dest.persistent = *count,
                DestAttribute::Stats(stats) if dest.stats.is_empty() => dest.stats = stats,
                DestAttribute::Stats64(stats) => dest.stats = stats,
                DestAttribute::TunnelType(number) => dest.tunnel_type = *number,
                DestAttribute::TunnelPort(port) => dest.tunnel_port = *port,
                DestAttribute::TunnelFlags(flags) => dest.tunnel_flags = *flags,
                DestAttribute::Stats(_) | DestAttribute::Other(_) => {}
            }
        }
        dest
    }

    fn id(&self) -> Result<RealServerId, DecodeError> {
        let address = self.address.ok_or("no IPVS_DEST_ATTR_ADDR")?;
        let rip = address
            .of_family(self.family)
            .ok_or_else(|| format!("IPVS_DEST_ATTR_ADDR_FAMILY is {}", self.family))?;
        Ok(SocketAddr::new(rip, self.port))
    }

    /// What is none of the four is not offered by any tool; it counts as NAT, which
    /// is what the kernel's 0 means.
    fn forwarding(&self) -> Forwarding {
        match self.method & IP_VS_CONN_F_FWD_MASK {
            IP_VS_CONN_F_LOCALNODE => Forwarding::Local,
            IP_VS_CONN_F_TUNNEL => Forwarding::Tunnel(self.tunnel()),
            IP_VS_CONN_F_DROUTE => Forwarding::DirectRoute,
            _ => Forwarding::Nat,
        }
    }

    /// What a kernel before Linux 5.2 leaves out is 0, as it should be: it has only
    /// IP in IP. Flags that a tunnel has no use for are the kernel's to ignore.
    fn tunnel(&self) -> Tunnel {
        let has = |flag| self.tunnel_flags & flag != 0;
        let checksum = if has(IP_VS_TUNNEL_ENCAP_FLAG_REMCSUM) {
            Checksum::Remote
        } else if has(IP_VS_TUNNEL_ENCAP_FLAG_CSUM) {
            Checksum::Plain
        } else {
            Checksum::None
        };
        match (self.tunnel_type, NonZeroU16::new(self.tunnel_port)) {
            (IP_VS_CONN_F_TUNNEL_TYPE_IPIP, _) => Tunnel::Ipip,
            (IP_VS_CONN_F_TUNNEL_TYPE_GUE, Some(port)) => Tunnel::Gue { port, checksum },
            (IP_VS_CONN_F_TUNNEL_TYPE_GRE, _) => Tunnel::Gre {
                checksum: has(IP_VS_TUNNEL_ENCAP_FLAG_CSUM),
            },
            (number, _) => Tunnel::Other(number),
        }
    }
}

fn prefix_len(family: Family, netmask: [u8; 4]) -> u8 {
    let bits = match family {
        Family::Ipv4 => Ipv4Addr::from(netmask).to_bits().leading_ones(),
        Family::Ipv6 => u32::from_ne_bytes(netmask),
    };
    u8::try_from(bits).unwrap_or(u8::MAX)
}

fn secs(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

fn counted(stats: &[StatsAttribute]) -> (Counters, Rates) {
    let (mut counters, mut rates) = (Counters::default(), Rates::default());
    for attribute in stats {
        let StatsAttribute::Counted(counter, value) = attribute else {
            continue;
        };
        let field = match counter {
            Counter::Connections => &mut counters.connections,
            Counter::PacketsIn => &mut counters.packets_in,
            Counter::PacketsOut => &mut counters.packets_out,
            Counter::BytesIn => &mut counters.bytes_in,
            Counter::BytesOut => &mut counters.bytes_out,
            Counter::ConnectionRate => &mut rates.connections,
            Counter::PacketRateIn => &mut rates.packets_in,
            Counter::PacketRateOut => &mut rates.packets_out,
            Counter::ByteRateIn => &mut rates.bytes_in,
            Counter::ByteRateOut => &mut rates.bytes_out,
        };
        *field = (*value).into();
    }
    (counters, rates)
}
