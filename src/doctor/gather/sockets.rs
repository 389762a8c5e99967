//! Where TCP connections are accepted and datagrams of UDP received, from
//! `/proc/net/tcp`, `udp` and their like for IPv6.
//!
//! ```text
//!   sl  local_address rem_address   st tx_queue rx_queue …
//!    0: C801A8C0:0050 00000000:0000 0A 00000000:00000000 …
//! ```
//! An address is printed as numbers of 32 bits in the byte order of the machine.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use crate::sys::errno;

/// `TCP_LISTEN`.
const LISTEN: &str = "0A";

/// `TCP_CLOSE`: of UDP, a socket that is connected to nobody.
const UNCONNECTED: &str = "07";

/// Where connections are accepted.
pub(super) fn tcp(root: &Path, unseen: &mut Vec<String>) -> BTreeSet<SocketAddr> {
    look(root, ["proc/net/tcp", "proc/net/tcp6"], LISTEN, unseen)
}

/// Where datagrams are received.
pub(super) fn udp(root: &Path, unseen: &mut Vec<String>) -> BTreeSet<SocketAddr> {
    look(root, ["proc/net/udp", "proc/net/udp6"], UNCONNECTED, unseen)
}

fn look(
    root: &Path,
    files: [&str; 2],
    state: &str,
    unseen: &mut Vec<String>,
) -> BTreeSet<SocketAddr> {
    let mut sockets = BTreeSet::new();
    for file in files {
        let path = root.join(file);
        match fs::read_to_string(&path) {
            Ok(text) => sockets.extend(text.lines().filter_map(|line| parse(line, state))),
            // Without IPv6 the second is not there.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => unseen.push(format!("{}: {}", path.display(), errno::text(&error))),
        }
    }
    sockets
}

fn parse(line: &str, wanted: &str) -> Option<SocketAddr> {
    let mut words = line.split_whitespace().skip(1);
    let (local, state) = (words.next()?, words.nth(1)?);
    let (address, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    (state == wanted).then_some(SocketAddr::new(parse_address(address)?, port))
}

fn parse_address(digits: &str) -> Option<IpAddr> {
    let group = |from: usize| {
        let number = u32::from_str_radix(digits.get(from..from + 8)?, 16).ok()?;
        Some(number.to_ne_bytes())
    };
    match digits.len() {
        8 => Some(Ipv4Addr::from(group(0)?).into()),
        32 => {
            let groups = [group(0)?, group(8)?, group(16)?, group(24)?];
            let bytes: [u8; 16] = groups.concat().try_into().ok()?;
            Some(Ipv6Addr::from(bytes).to_canonical())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn listening_sockets_are_told_from_connections() {
        let line = |local: &str, state: &str| {
            let rest = "00000000:00000000 00:00000000";
            parse(
                &format!("   0: {local} 00000000:0000 {state} {rest}"),
                LISTEN,
            )
        };
        let expected = "192.168.1.200:80".parse().unwrap();
        assert_eq!(line("C801A8C0:0050", "0A"), Some(expected));
        assert_eq!(line("C801A8C0:0050", "01"), None);
        let expected = "[2001:db8::1]:443".parse().unwrap();
        assert_eq!(
            line("B80D0120000000000000000001000000:01BB", "0A"),
            Some(expected)
        );
        let expected = "[::]:80".parse().unwrap();
        assert_eq!(
            line("00000000000000000000000000000000:0050", "0A"),
            Some(expected)
        );
    }

    #[test]
    fn garbage_is_no_socket() {
        for text in [
            "",
            "  sl  local_address rem_address   st",
            "0: x 0 0A",
            "0: 00:é 0 0A",
        ] {
            assert_eq!(parse(text, LISTEN), None);
        }
    }
}
