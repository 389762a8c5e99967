//! Asking who has an address of IPv6, and hearing the answers.

use std::io::{self, Read};
use std::net::Ipv6Addr;
use std::num::NonZeroU32;

use socket2::{Domain, SockFilter, Socket, Type};

use super::advertisement::{ICMPV6, NEIGHBOUR_ADVERTISEMENT, advertised, solicitation};
use super::{ADVERTISEMENT_LEN, ETHERTYPE_IPV6, Mac, Statement, link_address};
use crate::sys::bpf;

/// How many frames are read at once, before others get a turn.
const BURST: usize = 256;

/// Asks on one interface, and hears every advertisement that reaches this host there.
/// Never blocks.
#[derive(Debug)]
pub struct Solicitor {
    socket: Socket,
    interface: NonZeroU32,
}

impl Solicitor {
    /// Opens the socket in the network namespace of the calling thread. Needs
    /// `CAP_NET_RAW`.
    ///
    /// It is bound last: no frame comes before the filter.
    pub fn open(interface: NonZeroU32) -> io::Result<Self> {
        let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking(), None)?;
        socket.attach_filter(&filter())?;
        socket.bind(&link_address(interface, ETHERTYPE_IPV6)?)?;
        Ok(Self { socket, interface })
    }

    /// Asks who has `address`. `mac` is the interface's own, `source` an address there.
    pub fn ask(&self, mac: Mac, source: Ipv6Addr, address: Ipv6Addr) -> io::Result<()> {
        let frame = solicitation(mac, source, address);
        let to = link_address(self.interface, ETHERTYPE_IPV6)?;
        self.socket.send_to(&frame, &to).map(drop)
    }

    /// What was said since the last call: a burst at most. An error ends the use of it.
    pub fn heard(&self) -> io::Result<Vec<Statement>> {
        let mut statements = Vec::new();
        for _ in 0..BURST {
            let mut frame = [0; ADVERTISEMENT_LEN];
            match (&self.socket).read(&mut frame) {
                Ok(len) => statements.extend(advertised(&frame[..len])),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(statements)
    }
}

/// Lets through neighbour advertisements.
fn filter() -> [SockFilter; 6] {
    /// Where the next header and the kind of message are in the frame.
    const NEXT_HEADER: u32 = 20;
    const KIND: u32 = 54;
    [
        bpf::load_byte(NEXT_HEADER),
        bpf::skip(ICMPV6.into(), 0, 3),
        bpf::load_byte(KIND),
        bpf::skip(NEIGHBOUR_ADVERTISEMENT.into(), 0, 1),
        bpf::accept(),
        bpf::reject(),
    ]
}
