//! Being told that somebody changed the rules of nf_tables, lvsd included.

use std::io;

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_NETFILTER;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::Error;

/// `NFNLGRP_NFTABLES`.
const GROUP: u32 = 7;

/// Hears of each change in the network namespace that it was opened in, from then on.
#[derive(Debug)]
pub struct Watch {
    socket: AsyncFd<Socket>,
}

impl Watch {
    /// Opens it, on the current tokio runtime.
    ///
    /// # Errors
    /// What the kernel lacks.
    pub fn open() -> Result<Self, Error> {
        let opened = listening().and_then(readable);
        let socket = opened.map_err(|cause| Error::new("listen to nf_tables", cause))?;
        Ok(Self { socket })
    }

    /// Waits until something was changed. Cancel-safe. What the socket could not hold was a
    /// change too.
    ///
    /// # Errors
    /// The socket is of no more use.
    pub async fn changed(&self) -> io::Result<()> {
        loop {
            let mut ready = self.socket.readable().await?;
            if ready.try_io(|socket| drain(socket.get_ref())).is_ok() {
                return Ok(());
            }
        }
    }
}

fn listening() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.set_non_blocking(true)?;
    socket.bind_auto()?;
    socket.add_membership(GROUP)?;
    Ok(socket)
}

#[expect(
    unsafe_code,
    reason = "tokio cannot know that a descriptor stays the same one"
)]
fn readable(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    // SAFETY: a `Socket` is one open descriptor from beginning to end, and the `AsyncFd`
    // owns it.
    Ok(unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }?)
}

/// Reads all there is, of which only matters that it was something; `WouldBlock`: it was not.
fn drain(socket: &Socket) -> io::Result<()> {
    let mut outcome = Err(io::ErrorKind::WouldBlock.into());
    let mut datagram = Vec::with_capacity(4096);
    loop {
        datagram.clear();
        match socket.recv(&mut datagram, 0) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return outcome,
            // `ENOBUFS` tells that there was more than the socket held.
            Ok(_) | Err(_) => outcome = Ok(()),
        }
    }
}
