//! The kernel's table of TCP connections, by `NETLINK_SOCK_DIAG`.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, SocketId, StateFlags};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_SOCK_DIAG};

use crate::lvs::Family;

/// Room for one datagram of a dump.
const RECEIVE_BYTES: usize = 32 * 1024;

/// How many connections each of these addresses of this host has in which data may
/// still travel: established, or half closed, or closed with data on its way.
///
/// Blocks for as long as the kernel takes to walk its table.
pub fn connections(addresses: &[IpAddr]) -> io::Result<BTreeMap<IpAddr, usize>> {
    let mut counts: BTreeMap<IpAddr, usize> =
        addresses.iter().map(|address| (*address, 0)).collect();
    for family in [Family::Ipv4, Family::Ipv6] {
        if addresses.iter().any(|a| Family::of(*a) == family) {
            dump(family, |local| {
                if let Some(count) = counts.get_mut(&local.to_canonical()) {
                    *count += 1;
                }
            })?;
        }
    }
    // A socket for both families has IPv4 connections too, in the table of IPv6.
    if addresses.iter().all(IpAddr::is_ipv4) && !addresses.is_empty() {
        dump(Family::Ipv6, |local| {
            if let Some(count) = counts.get_mut(&local.to_canonical()) {
                *count += 1;
            }
        })?;
    }
    Ok(counts)
}

/// Hands on the local address of each connection of that family.
fn dump(family: Family, mut each: impl FnMut(IpAddr)) -> io::Result<()> {
    let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&request(family), 0)?;
    let mut buffer = Vec::with_capacity(RECEIVE_BYTES);
    loop {
        buffer.clear();
        socket.recv(&mut buffer, 0)?;
        let mut rest = buffer.as_slice();
        while !rest.is_empty() {
            let message = NetlinkMessage::<SockDiagMessage>::deserialize(rest)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            match message.payload {
                NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response)) => {
                    each(response.header.socket_id.source_address);
                }
                NetlinkPayload::Done(_) => return Ok(()),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                _ => {}
            }
            // Messages are aligned to four bytes.
            let length = usize::try_from(message.header.length).unwrap_or(usize::MAX);
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
    }
}

fn request(family: Family) -> Vec<u8> {
    let (number, socket_id) = match family {
        Family::Ipv4 => (AF_INET, SocketId::new_v4()),
        Family::Ipv6 => (AF_INET6, SocketId::new_v6()),
    };
    let request = InetRequest {
        family: number,
        protocol: IPPROTO_TCP,
        extensions: ExtensionFlags::empty(),
        states: StateFlags::ESTABLISHED
            | StateFlags::SYN_RECV
            | StateFlags::FIN_WAIT1
            | StateFlags::CLOSE_WAIT
            | StateFlags::CLOSING
            | StateFlags::LAST_ACK,
        socket_id,
    };
    let mut message = NetlinkMessage::from(SockDiagMessage::InetRequest(request));
    message.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn the_connections_of_an_address_are_counted_until_both_ends_are_closed() {
        let address: IpAddr = "127.9.4.2".parse().unwrap();
        let count = || connections(&[address]).unwrap()[&address];
        let listener = TcpListener::bind((address, 0)).unwrap();
        assert_eq!(count(), 0, "listening is no connection");
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        // The client's own end is 127.0.0.1.
        assert_eq!(count(), 1);
        drop(client);
        assert_eq!(count(), 1, "half closed");
        drop(server);
        assert_eq!(count(), 0);
    }

    #[test]
    fn ipv4_connections_of_a_socket_for_both_families_are_counted() {
        let address: IpAddr = "127.9.4.3".parse().unwrap();
        let listener = TcpListener::bind("[::]:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let _client = TcpStream::connect((address, port)).unwrap();
        assert_eq!(connections(&[address]).unwrap()[&address], 1);
    }
}
