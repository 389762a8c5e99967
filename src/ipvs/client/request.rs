//! Ops and questions as messages to the kernel.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::ipvs::kernel::Timeouts;
use crate::ipvs::plan::Op;
use crate::ipvs::table::{Persistence, RealServer, Settings};
use crate::ipvs::wire::{
    AF_INET, AF_INET6, Attribute, Command, DestAttribute, IP_VS_CONN_F_DROUTE,
    IP_VS_CONN_F_LOCALNODE, IP_VS_CONN_F_MASQ, IP_VS_CONN_F_TUNNEL, IP_VS_CONN_F_TUNNEL_TYPE_GRE,
    IP_VS_CONN_F_TUNNEL_TYPE_GUE, IP_VS_SVC_F_ONEPACKET, IP_VS_SVC_F_PERSISTENT,
    IP_VS_SVC_F_SCHED1, IP_VS_SVC_F_SCHED2, IP_VS_SVC_F_SCHED3, IP_VS_TUNNEL_ENCAP_FLAG_CSUM,
    IP_VS_TUNNEL_ENCAP_FLAG_REMCSUM, Message, ServiceAttribute, ServiceFlags,
};
use crate::lvs::{Checksum, Family, Forwarding, Protocol, RealServerId, Tunnel, VirtualServerId};

/// A message of nothing but its command.
pub(super) fn plain(command: Command) -> Message {
    Message {
        command,
        attributes: Vec::new(),
    }
}

/// Asks for the real servers of a virtual server.
pub(super) fn real_servers(id: &VirtualServerId) -> Message {
    of_service(Command::GetDest, identity(id))
}

/// A message that is about a virtual server and says no more of it.
pub(super) fn virtual_server(command: Command, id: &VirtualServerId) -> Message {
    of_service(command, identity(id))
}

/// Asks to set the timeouts.
pub(super) fn set_timeouts(timeouts: &Timeouts) -> Message {
    Message {
        command: Command::SetConfig,
        attributes: vec![
            Attribute::TimeoutTcp(seconds(timeouts.tcp)),
            Attribute::TimeoutTcpFin(seconds(timeouts.tcp_fin)),
            Attribute::TimeoutUdp(seconds(timeouts.udp)),
        ],
    }
}

/// Asks for one change.
pub(super) fn op(op: &Op) -> Message {
    match op {
        Op::AddVirtualServer(id, settings) => {
            of_service(Command::NewService, whole_service(id, settings))
        }
        Op::SetVirtualServer(id, settings) => {
            of_service(Command::SetService, whole_service(id, settings))
        }
        Op::RemoveVirtualServer(id) => of_service(Command::DelService, identity(id)),
        Op::AddRealServer(id, rip, real_server) => {
            of_dest(Command::NewDest, id, whole_dest(rip, real_server))
        }
        Op::SetRealServer(id, rip, real_server) => {
            of_dest(Command::SetDest, id, whole_dest(rip, real_server))
        }
        Op::RemoveRealServer(id, rip) => of_dest(Command::DelDest, id, dest_identity(rip)),
    }
}

fn of_service(command: Command, service: Vec<ServiceAttribute>) -> Message {
    Message {
        command,
        attributes: vec![Attribute::Service(service)],
    }
}

fn of_dest(command: Command, id: &VirtualServerId, dest: Vec<DestAttribute>) -> Message {
    Message {
        command,
        attributes: vec![Attribute::Service(identity(id)), Attribute::Dest(dest)],
    }
}

fn identity(id: &VirtualServerId) -> Vec<ServiceAttribute> {
    let family = ServiceAttribute::AddressFamily(address_family(id.family()));
    match id {
        VirtualServerId::Address { protocol, address } => vec![
            family,
            ServiceAttribute::Protocol(protocol_number(*protocol)),
            ServiceAttribute::Address(address.ip().into()),
            ServiceAttribute::Port(address.port()),
        ],
        VirtualServerId::Fwmark { mark, .. } => {
            vec![family, ServiceAttribute::Fwmark(mark.get())]
        }
    }
}

fn whole_service(id: &VirtualServerId, settings: &Settings) -> Vec<ServiceAttribute> {
    // Without persistence the kernel still wants a netmask, and for IPv6 a legal one.
    let persistence = settings
        .persistence
        .unwrap_or_else(|| Persistence::of_clients(Duration::ZERO, id.family()));
    let mut service = identity(id);
    service.extend([
        ServiceAttribute::SchedulerName(settings.scheduler.name().to_owned()),
        // Every flag is lvsd's to set, so none that somebody else set stays.
        ServiceAttribute::Flags(ServiceFlags {
            flags: service_flags(settings),
            mask: u32::MAX,
        }),
        ServiceAttribute::Timeout(seconds(persistence.timeout)),
        ServiceAttribute::Netmask(netmask(id.family(), persistence.prefix_len)),
    ]);
    // An engine that is not named is taken away.
    let engine = persistence.engine.map(|engine| engine.name().to_owned());
    service.extend(engine.map(ServiceAttribute::PersistenceEngine));
    service
}

fn service_flags(settings: &Settings) -> u32 {
    let [first, second, third] = settings.scheduler_flags.0;
    let flags = [
        (settings.persistence.is_some(), IP_VS_SVC_F_PERSISTENT),
        (settings.one_packet, IP_VS_SVC_F_ONEPACKET),
        (first, IP_VS_SVC_F_SCHED1),
        (second, IP_VS_SVC_F_SCHED2),
        (third, IP_VS_SVC_F_SCHED3),
    ];
    let set = flags.into_iter().filter(|(set, _)| *set);
    set.fold(0, |flags, (_, flag)| flags | flag)
}

fn dest_identity(rip: &RealServerId) -> Vec<DestAttribute> {
    vec![
        DestAttribute::Address(rip.ip().into()),
        DestAttribute::Port(rip.port()),
        DestAttribute::AddressFamily(address_family(Family::of(rip.ip()))),
    ]
}

fn whole_dest(rip: &RealServerId, real_server: &RealServer) -> Vec<DestAttribute> {
    let mut dest = dest_identity(rip);
    dest.extend([
        DestAttribute::ForwardingMethod(forwarding_method(real_server.forwarding)),
        DestAttribute::Weight(real_server.weight.get()),
        DestAttribute::UpperThreshold(real_server.upper_threshold),
        DestAttribute::LowerThreshold(real_server.lower_threshold),
    ]);
    // What is left out becomes 0 in the kernel: IP in IP without flags.
    if let Forwarding::Tunnel(tunnel) = real_server.forwarding {
        dest.extend(tunnel_attributes(tunnel));
    }
    dest
}

fn tunnel_attributes(tunnel: Tunnel) -> Vec<DestAttribute> {
    match tunnel {
        Tunnel::Ipip => vec![],
        Tunnel::Gue { port, checksum } => vec![
            DestAttribute::TunnelType(IP_VS_CONN_F_TUNNEL_TYPE_GUE),
            DestAttribute::TunnelPort(port.get()),
            DestAttribute::TunnelFlags(match checksum {
                Checksum::None => 0,
                Checksum::Plain => IP_VS_TUNNEL_ENCAP_FLAG_CSUM,
                Checksum::Remote => IP_VS_TUNNEL_ENCAP_FLAG_REMCSUM,
            }),
        ],
        Tunnel::Gre { checksum } => vec![
            DestAttribute::TunnelType(IP_VS_CONN_F_TUNNEL_TYPE_GRE),
            DestAttribute::TunnelFlags(match checksum {
                false => 0,
                true => IP_VS_TUNNEL_ENCAP_FLAG_CSUM,
            }),
        ],
        Tunnel::Other(number) => vec![DestAttribute::TunnelType(number)],
    }
}

fn address_family(family: Family) -> u16 {
    match family {
        Family::Ipv4 => AF_INET,
        Family::Ipv6 => AF_INET6,
    }
}

/// `IPPROTO_*` of `<netinet/in.h>`.
fn protocol_number(protocol: Protocol) -> u16 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
    }
}

fn forwarding_method(forwarding: Forwarding) -> u32 {
    match forwarding {
        Forwarding::Nat => IP_VS_CONN_F_MASQ,
        Forwarding::Local => IP_VS_CONN_F_LOCALNODE,
        Forwarding::Tunnel(_) => IP_VS_CONN_F_TUNNEL,
        Forwarding::DirectRoute => IP_VS_CONN_F_DROUTE,
    }
}

fn netmask(family: Family, prefix_len: u8) -> [u8; 4] {
    match family {
        Family::Ipv4 => {
            let host_bits = 32 - u32::from(prefix_len.min(32));
            let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
            Ipv4Addr::from_bits(mask).octets()
        }
        Family::Ipv6 => u32::from(prefix_len).to_ne_bytes(),
    }
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
