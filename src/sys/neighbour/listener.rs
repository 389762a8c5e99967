//! Hearing what the neighbours say of chosen addresses.

use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::num::NonZeroU32;

use socket2::{Domain, SockFilter, Socket, Type};

use super::{ETHERTYPE_ARP, FRAME_LEN, Mac, Statement, arp_probe, link_address, statement};
use crate::sys::bpf;

/// How many frames are read at once, before others get a turn.
const BURST: usize = 256;

/// Where the sender's IPv4 address is in the frame.
const SENDER_ADDRESS: u32 = 28;

/// Asks on one interface who has an address, and hears what is said of chosen
/// addresses: the kernel drops all other ARP, of which a large LAN has much.
/// Never blocks.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    interface: NonZeroU32,
    addresses: Vec<Ipv4Addr>,
}

impl Listener {
    /// Opens the socket in the network namespace of the calling thread. Needs
    /// `CAP_NET_RAW`.
    ///
    /// It is bound last: no frame comes before the filter.
    pub fn open(interface: NonZeroU32, addresses: Vec<Ipv4Addr>) -> io::Result<Self> {
        let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking(), None)?;
        attach(&socket, &addresses)?;
        socket.bind(&link_address(interface, ETHERTYPE_ARP)?)?;
        Ok(Self {
            socket,
            interface,
            addresses,
        })
    }

    /// The index of the interface it is bound to.
    pub fn interface(&self) -> NonZeroU32 {
        self.interface
    }

    /// Listens for these addresses from now on.
    pub fn listen_for(&mut self, addresses: Vec<Ipv4Addr>) -> io::Result<()> {
        if self.addresses != addresses {
            attach(&self.socket, &addresses)?;
            self.addresses = addresses;
        }
        Ok(())
    }

    /// Asks who has `address`. `mac` is the interface's own.
    pub fn probe(&self, mac: Mac, address: Ipv4Addr) -> io::Result<()> {
        let frame = arp_probe(mac, address);
        let to = link_address(self.interface, ETHERTYPE_ARP)?;
        self.socket.send_to(&frame, &to).map(drop)
    }

    /// What was said since the last call: a burst at most. An error ends the use
    /// of it.
    pub fn heard(&self) -> io::Result<Vec<Statement>> {
        let mut statements = Vec::new();
        for _ in 0..BURST {
            let mut frame = [0; FRAME_LEN];
            match (&self.socket).read(&mut frame) {
                Ok(len) => statements.extend(statement(&frame[..len])),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(statements)
    }
}

fn attach(socket: &Socket, addresses: &[Ipv4Addr]) -> io::Result<()> {
    match filter(addresses) {
        Some(program) => socket.attach_filter(&program),
        // Without a program to detach, the kernel says so.
        None => socket.detach_filter().or(Ok(())),
    }
}

/// The program that lets through the frames whose sender has one of the
/// addresses. None: there are more of them than a program can hold.
fn filter(addresses: &[Ipv4Addr]) -> Option<Vec<SockFilter>> {
    let mut program = vec![bpf::load_word(SENDER_ADDRESS)];
    for address in addresses {
        program.push(bpf::skip(address.to_bits(), 0, 1));
        program.push(bpf::accept());
    }
    program.push(bpf::reject());
    (program.len() <= bpf::MAX_INSTRUCTIONS).then_some(program)
}
