//! The signals that administrators and systemd send.

use std::io;
use std::os::unix::net::UnixStream as Pipe;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::low_level::pipe;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tracing::info;

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
    /// What keepalived takes as a wish to write files of state and counters.
    ignored: UnixStream,
}

impl Signals {
    /// Takes over SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGUSR2, on a tokio runtime.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: bytes_of(&[SIGTERM, SIGINT])?,
            reload: bytes_of(&[SIGHUP])?,
            ignored: bytes_of(&[SIGUSR1, SIGUSR2])?,
        })
    }

    /// Waits for the next one that asks for something; one that does not is told
    /// in the log. Cancel-safe.
    pub async fn next(&mut self) -> Signal {
        let (mut terminate, mut reload, mut ignored) = ([0], [0], [0; 64]);
        loop {
            // The other ends stay open as long as the process lives, so that a read
            // ends with a byte.
            tokio::select! {
                biased;
                _ = self.terminate.read(&mut terminate) => return Signal::Terminate,
                _ = self.reload.read(&mut reload) => return Signal::Reload,
                _ = self.ignored.read(&mut ignored) => {
                    info!("SIGUSR1 and SIGUSR2 ask for nothing here: `lvsd status` tells state and counters");
                }
            }
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
        raise(signal::SIGUSR1).unwrap();
        raise(signal::SIGUSR2).unwrap();
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
