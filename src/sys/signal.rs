//! The signals that administrators and systemd send.

use std::io;
use std::os::unix::net::UnixStream as Pipe;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

/// A signal, by what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM or SIGINT: stop.
    Terminate,
    /// SIGHUP: read the configuration again.
    Reload,
}

/// The signals of this process. From [`Signals::listen`] on none of them ends it
/// by itself.
#[derive(Debug)]
pub struct Signals {
    terminate: UnixStream,
    reload: UnixStream,
}

impl Signals {
    /// Takes over SIGTERM, SIGINT and SIGHUP, on a tokio runtime.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: bytes_of(&[SIGTERM, SIGINT])?,
            reload: bytes_of(&[SIGHUP])?,
        })
    }

    /// Waits for the next one. Cancel-safe.
    pub async fn next(&mut self) -> Signal {
        let (mut terminate, mut reload) = ([0], [0]);
        // The other ends stay open as long as the process lives, so that a read
        // ends with a byte.
        tokio::select! {
            _ = self.terminate.read(&mut terminate) => Signal::Terminate,
            _ = self.reload.read(&mut reload) => Signal::Reload,
        }
    }
}

/// A stream that gets a byte whenever one of the signals arrives.
fn bytes_of(signals: &[i32]) -> io::Result<UnixStream> {
    let (read, write) = Pipe::pair()?;
    for signal in signals {
        pipe::register(*signal, write.try_clone()?)?;
    }
    read.set_nonblocking(true)?;
    UnixStream::from_std(read)
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::{self, raise};

    use super::*;

    #[tokio::test]
    async fn each_signal_is_told_by_what_it_asks_for() {
        let mut signals = Signals::listen().unwrap();
        for (sent, told) in [
            (signal::SIGHUP, Signal::Reload),
            (signal::SIGTERM, Signal::Terminate),
            (signal::SIGINT, Signal::Terminate),
        ] {
            raise(sent).unwrap();
            assert_eq!(signals.next().await, told);
        }
    }
}
