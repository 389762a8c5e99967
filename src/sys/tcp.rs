//! The kernel's table of TCP connections, by `NETLINK_SOCK_DIAG`; where the kernel
//! lacks its module (`tcp_diag`), by `/proc/net/tcp` and `tcp6`, which takes longer.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkPayload};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, SocketId, StateFlags};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;

use super::netlink::{self, Netlink, malformed};
use crate::lvs::Family;

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
    match ask(family, &mut each) {
        // Nothing was handed on: it fails at once or not at all.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let file = match family {
                Family::Ipv4 => "/proc/thread-self/net/tcp",
                Family::Ipv6 => "/proc/thread-self/net/tcp6",
            };
            let table = match std::fs::read_to_string(file) {
                // IPv6 is switched off: there are none.
                Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
                other => other?,
            };
            table.lines().filter_map(local_of_line).for_each(each);
            Ok(())
        }
        other => other,
    }
}

/// The local address in a line of `/proc/net/tcp`, if data may still travel.
fn local_of_line(line: &str) -> Option<IpAddr> {
    /// `TCP_ESTABLISHED`, `TCP_SYN_RECV`, `TCP_FIN_WAIT1`, `TCP_CLOSE_WAIT`,
    /// `TCP_LAST_ACK` and `TCP_CLOSING` of `<net/tcp_states.h>`.
    const OPEN: [&str; 6] = ["01", "03", "04", "08", "09", "0B"];
    let mut words = line.split_whitespace();
    let (local, state) = (words.nth(1)?, words.nth(1)?);
    if !OPEN.contains(&state) {
        return None;
    }
    // Words of 32 bits, each in this host's own order.
    let (hex, _) = local.split_once(':')?;
    let word = |at: usize| {
        let digits = hex.get(8 * at..8 * at + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    match hex.len() {
        8 => Some(word(0)?.into()),
        32 => {
            let mut octets = [0; 16];
            for (at, part) in octets.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(at)?);
            }
            Some(octets.into())
        }
        _ => None,
    }
}

/// The same by netlink.
fn ask(family: Family, mut each: impl FnMut(IpAddr)) -> io::Result<()> {
    let mut socket = Netlink::open(NETLINK_SOCK_DIAG)?;
    let mut bytes = Vec::new();
    netlink::append(&mut bytes, request(family), NLM_F_REQUEST | NLM_F_DUMP, 0);
    socket.send(&bytes)?;
    loop {
        for answer in socket.receive()? {
            match answer.map_err(malformed)?.payload {
                NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response)) => {
                    each(response.header.socket_id.source_address);
                }
                // A kernel without the module ends the dump with an error.
                NetlinkPayload::Done(done) if done.code != 0 => {
                    return Err(io::Error::from_raw_os_error(done.code.saturating_abs()));
                }
                NetlinkPayload::Done(_) => return Ok(()),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                _ => {}
            }
        }
    }
}

fn request(family: Family) -> SockDiagMessage {
    let (number, socket_id) = match family {
        Family::Ipv4 => (AF_INET, SocketId::new_v4()),
        Family::Ipv6 => (AF_INET6, SocketId::new_v6()),
    };
    SockDiagMessage::InetRequest(InetRequest {
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
    })
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
    fn the_kernels_list_in_proc_says_the_same() {
        let address: IpAddr = "127.9.4.4".parse().unwrap();
        let listener = TcpListener::bind((address, 0)).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let table = std::fs::read_to_string("/proc/thread-self/net/tcp").unwrap();
        let found = table.lines().filter_map(local_of_line);
        assert_eq!(found.filter(|local| *local == address).count(), 1);
        let line = "0: 00000000000000000000000001000000:0050 0000:0000 01 0 0";
        assert_eq!(local_of_line(line), "::1".parse().ok());
        for garbage in ["", "0: x:0 y 01", "0: 1:0 y 01", "0: 0100007F:0050 z 0A"] {
            assert_eq!(local_of_line(garbage), None, "{garbage}");
        }
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
