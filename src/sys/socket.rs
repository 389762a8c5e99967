//! Raw sockets of one IP protocol on one interface, for either family.

mod frames;
mod ipv4;
mod ipv6;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::libc;
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

pub use frames::Frames;
pub use ipv4::RawV4;
pub use ipv6::{Packet, RawV6};

/// How the traffic of raw sockets leaves: `TC_PRIO_INTERACTIVE` of
/// `<linux/pkt_sched.h>`, the first band of the default queue and the highest
/// that needs no privilege.
const PRIORITY_INTERACTIVE: u32 = 6;

/// How much may wait to be read, in bytes of kernel memory: some thousand short
/// packets, so that what matters is not lost in a flood between two looks.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Opens a socket in the network namespace of the calling thread, on the
/// interface of that name. Needs `CAP_NET_RAW`.
///
/// | option | why |
/// |---|---|
/// | `SO_BINDTODEVICE` | packets of other interfaces are other sockets' |
/// | `SO_PRIORITY` | a full send queue does not delay it |
/// | `SO_RCVBUFFORCE` | see [`RECEIVE_BUFFER`]; without `CAP_NET_ADMIN` it stays as it is |
fn open(domain: Domain, protocol: u8, interface: &str) -> io::Result<Socket> {
    let protocol = Protocol::from(i32::from(protocol));
    let socket = Socket::new(domain, Type::RAW.nonblocking(), Some(protocol))?;
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.set_priority(PRIORITY_INTERACTIVE)?;
    // A smaller buffer works too, only not as long.
    let _ = setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER);
    Ok(socket)
}

/// `SO_MEMINFO` of `<asm/socket.h>`: what the socket's buffers hold, and what they could
/// not hold.
#[derive(Debug, Clone, Copy)]
struct MemInfo;

/// `SK_MEMINFO_VARS` of `<linux/sock_diag.h>`.
type MemInfoVars = [u32; 9];

/// `SK_MEMINFO_DROPS`, the last of them.
const DROPS: usize = 8;

nix::getsockopt_impl!(
    MemInfo,
    libc::SOL_SOCKET,
    libc::SO_MEMINFO,
    MemInfoVars,
    sockopt::GetStruct<MemInfoVars>
);

/// How many packets the kernel has dropped because the socket was full, since it was
/// opened; it wraps. Linux 4.12; before, 0.
fn dropped(socket: &Socket) -> u32 {
    getsockopt(socket, MemInfo).map_or(0, |info| info[DROPS])
}

/// None where there is nothing to read.
fn unless_would_block<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

impl RawV4 {
    /// How many packets were dropped because nobody read in time; it wraps.
    pub fn dropped(&self) -> u32 {
        dropped(&self.socket)
    }
}

impl RawV6 {
    /// How many packets were dropped because nobody read in time; it wraps.
    pub fn dropped(&self) -> u32 {
        dropped(&self.socket)
    }
}

impl AsFd for RawV4 {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsFd for RawV6 {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests;
