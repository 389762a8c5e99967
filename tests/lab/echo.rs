//! Connections that stay open: a server that echoes lines, and somebody who talks to it.

use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::host::Host;
use super::room::in_net;
use super::wait::{millis, secs};

/// How long an answer may take: TCP repeats what was lost, each time later.
const LIMIT: Duration = secs(30);

/// Echoes lines until it is dropped.
#[derive(Debug)]
pub(crate) struct Echo(Arc<AtomicBool>);

/// An open connection to an [`Echo`].
#[derive(Debug)]
pub(crate) struct Talk {
    stream: BufReader<TcpStream>,
    said: u32,
}

impl Host {
    /// Echoes the lines of every connection to this port.
    pub(crate) fn echo(&self, port: u16) -> Echo {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        in_net(self.room().net(), move || {
            let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap();
            listener.set_nonblocking(true).unwrap();
            while !stopped.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        let stopped = Arc::clone(&stopped);
                        thread::spawn(move || serve(stream, &stopped));
                    }
                    Err(_) => thread::sleep(millis(10)),
                }
            }
        });
        Echo(stop)
    }

    /// Opens a connection to an echo server, such as `192.168.1.200:7`.
    #[track_caller]
    pub(crate) fn talk(&self, server: &str) -> Talk {
        let address = server.parse().unwrap();
        let connected = in_net(self.room().net(), move || {
            TcpStream::connect_timeout(&address, secs(5))
        });
        let stream = connected.join().unwrap();
        let stream = stream.unwrap_or_else(|error| panic!("{server}: {error}"));
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Talk {
            stream: BufReader::new(stream),
            said: 0,
        }
    }
}

impl Talk {
    /// The port that it comes from.
    pub(crate) fn port(&self) -> u16 {
        self.stream.get_ref().local_addr().unwrap().port()
    }

    /// Says a line, and waits until it comes back.
    pub(crate) fn say(&mut self) -> Result<Duration, String> {
        let begun = Instant::now();
        self.said += 1;
        let line = format!("line {}\n", self.said);
        let mut answer = String::new();
        let exchanged = self
            .stream
            .get_mut()
            .write_all(line.as_bytes())
            .and_then(|()| self.stream.read_line(&mut answer));
        match exchanged {
            Ok(_) if answer == line => Ok(begun.elapsed()),
            Ok(_) => Err(format!("said {line:?}, heard {answer:?}")),
            Err(error) => Err(format!("line {}: {error}", self.said)),
        }
    }

    /// Says a line every 50 ms for a time; returns the longest wait for an answer.
    pub(crate) fn say_for(&mut self, time: Duration) -> Result<Duration, String> {
        let begun = Instant::now();
        let mut longest = Duration::ZERO;
        while begun.elapsed() < time {
            longest = longest.max(self.say()?);
            thread::sleep(millis(50));
        }
        Ok(longest)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn serve(stream: TcpStream, stopped: &AtomicBool) {
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(millis(200))).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while !stopped.load(Ordering::Relaxed) {
        match reader.read_line(&mut line) {
            Ok(0) => return,
            Ok(_) => {
                if writer.write_all(line.as_bytes()).is_err() {
                    return;
                }
                line.clear();
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
    }
}
