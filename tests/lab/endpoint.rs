//! Clients that choose their source address or keep their connections, and servers of what
//! nginx does not speak: UDP and SCTP.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::host::Host;
use super::room::in_net;
use super::wait::secs;

/// How long a connection or an answer may take.
const LIMIT: Duration = secs(2);

/// `IPPROTO_SCTP`.
const SCTP: i32 = 132;

/// A connection that stays open, and what the server said on it.
#[derive(Debug)]
pub(crate) struct Held {
    /// Keeps the connection.
    pub(crate) socket: Socket,
    pub(crate) body: String,
}

impl Host {
    /// Asks over HTTP from one of the host's addresses, and keeps the connection.
    pub(crate) fn hold_from(&self, source: &str, server: &str) -> Result<Held, String> {
        let (source, server): (IpAddr, SocketAddr) =
            (source.parse().unwrap(), server.parse().unwrap());
        let attempt = move || -> std::io::Result<Held> {
            let mut socket = Socket::new(Domain::for_address(server), Type::STREAM, None)?;
            socket.bind(&SocketAddr::new(source, 0).into())?;
            socket.connect_timeout(&server.into(), LIMIT)?;
            socket.set_read_timeout(Some(LIMIT))?;
            socket.write_all(b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n")?;
            let body = body(&mut socket)?;
            Ok(Held { socket, body })
        };
        let held = in_net(self.room().net(), attempt).join().unwrap();
        held.map_err(|error| format!("{source} to {server}: {error}"))
    }

    /// Asks over HTTP from one of the host's addresses.
    #[track_caller]
    pub(crate) fn get_from(&self, source: &str, server: &str) -> String {
        self.hold_from(source, server).unwrap().body
    }

    /// Asks from one of the host's addresses this often, keeping every connection.
    #[track_caller]
    pub(crate) fn hold(&self, times: usize, source: &str, server: &str) -> Vec<Held> {
        (0..times)
            .map(|_| self.hold_from(source, server).unwrap())
            .collect()
    }

    /// Sends datagrams from one address and port, and returns the answer to each.
    #[track_caller]
    pub(crate) fn datagrams(
        &self,
        source: &str,
        server: &str,
        payloads: &[Vec<u8>],
    ) -> Vec<Vec<u8>> {
        let (source, server): (SocketAddr, SocketAddr) =
            (source.parse().unwrap(), server.parse().unwrap());
        let payloads = payloads.to_vec();
        let attempt = move || -> std::io::Result<Vec<Vec<u8>>> {
            let socket = UdpSocket::bind(source)?;
            socket.set_read_timeout(Some(LIMIT))?;
            let mut answers = Vec::new();
            for payload in payloads {
                socket.send_to(&payload, server)?;
                let mut answer = [0; 2048];
                let (length, _) = socket.recv_from(&mut answer)?;
                answers.push(answer[..length].to_vec());
            }
            Ok(answers)
        };
        let answers = in_net(self.room().net(), attempt).join().unwrap();
        answers.unwrap_or_else(|error| panic!("{}: {source} to {server}: {error}", self.name()))
    }

    /// Answers each datagram to this address with a text, for as long as the lab is up.
    pub(crate) fn udp_server(&self, address: &str, body: &str) {
        let (address, body): (SocketAddr, _) = (address.parse().unwrap(), body.to_owned());
        let socket = in_net(self.room().net(), move || UdpSocket::bind(address));
        let socket = socket.join().unwrap().unwrap();
        std::thread::spawn(move || {
            let mut question = [0; 2048];
            while let Ok((_, from)) = socket.recv_from(&mut question) {
                let _ = socket.send_to(body.as_bytes(), from);
            }
        });
    }

    /// Greets on each SCTP association to this address, for as long as the lab is up.
    pub(crate) fn sctp_server(&self, address: &str, body: &str) {
        let (address, body): (SocketAddr, _) = (address.parse().unwrap(), body.to_owned());
        let listen = move || -> std::io::Result<Socket> {
            let socket = Socket::new(
                Domain::for_address(address),
                Type::STREAM,
                Some(Protocol::from(SCTP)),
            )?;
            socket.bind(&address.into())?;
            socket.listen(16)?;
            Ok(socket)
        };
        let listener = in_net(self.room().net(), listen).join().unwrap().unwrap();
        std::thread::spawn(move || {
            while let Ok((mut socket, _)) = listener.accept() {
                let _ = socket.write_all(body.as_bytes());
            }
        });
    }

    /// The greeting of an SCTP server.
    #[track_caller]
    pub(crate) fn sctp(&self, server: &str) -> String {
        let server: SocketAddr = server.parse().unwrap();
        let attempt = move || -> std::io::Result<String> {
            let mut socket = Socket::new(
                Domain::for_address(server),
                Type::STREAM,
                Some(Protocol::from(SCTP)),
            )?;
            socket.set_write_timeout(Some(LIMIT))?;
            socket.set_read_timeout(Some(LIMIT))?;
            socket.connect(&SockAddr::from(server))?;
            let mut greeting = [0; 64];
            let length = socket.read(&mut greeting)?;
            let text = String::from_utf8_lossy(&greeting[..length]);
            Ok(text.trim().to_owned())
        };
        let greeting = in_net(self.room().net(), attempt).join().unwrap();
        greeting.unwrap_or_else(|error| panic!("{}: sctp to {server}: {error}", self.name()))
    }
}

/// Reads one answer, which says how long it is or ends with a line.
fn body(socket: &mut Socket) -> std::io::Result<String> {
    let mut answer = Vec::new();
    let mut part = [0; 1024];
    loop {
        let length = socket.read(&mut part)?;
        answer.extend_from_slice(&part[..length]);
        let text = String::from_utf8_lossy(&answer);
        if let Some((_, body)) = text.split_once("\r\n\r\n")
            && (body.ends_with('\n') || length == 0)
        {
            return Ok(body.trim().to_owned());
        }
        if length == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}
