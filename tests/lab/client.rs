//! Asking a site over HTTP/1.1, from a host, one connection per request.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::asker::Asker;
use super::host::Host;
use super::room::in_net;
use super::wait::{secs, within};

/// How long a request may take unless said otherwise.
const LIMIT: Duration = secs(2);

/// An answer to a request.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) took: Duration,
}

/// A request's address: `http://192.168.1.200:80/path`, no names.
#[derive(Debug, Clone)]
pub(super) struct Url {
    host: String,
    server: SocketAddr,
    path: String,
}

impl Host {
    /// Makes one request, within 2 s; the error says what failed and when.
    pub(crate) fn get(&self, url: &str) -> Result<Answer, String> {
        let url = Url::parse(url);
        in_net(self.room().net(), move || request(&url, LIMIT))
            .join()
            .unwrap()
    }

    /// Makes this many requests one after the other, which must all be answered, and counts the
    /// answers by body (without white space at its ends).
    #[track_caller]
    pub(crate) fn ask(&self, times: usize, url: &str) -> BTreeMap<String, usize> {
        let url = Url::parse(url);
        let answers = in_net(self.room().net(), move || {
            (0..times)
                .map(|_| request(&url, LIMIT))
                .collect::<Result<Vec<_>, _>>()
        });
        let answers = answers
            .join()
            .unwrap()
            .unwrap_or_else(|why| panic!("{}: {why}", self.name()));
        let mut counts = BTreeMap::new();
        for answer in answers {
            *counts.entry(answer.body.trim().to_owned()).or_default() += 1;
        }
        counts
    }

    /// Asks again and again, once in `every`, until stopped; a request may take 1 s.
    pub(crate) fn load(&self, url: &str, every: Duration) -> Asker {
        self.load_within(url, every, within(secs(1)).limit())
    }

    /// As [`Host::load`], with another limit for each request.
    pub(crate) fn load_within(&self, url: &str, every: Duration, limit: Duration) -> Asker {
        Asker::start(self.room().net(), Url::parse(url), every, limit)
    }
}

impl Url {
    pub(super) fn parse(url: &str) -> Self {
        let rest = url.strip_prefix("http://").expect("an http:// address");
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let server = host.parse().or_else(|_| format!("{host}:80").parse());
        let server = server.unwrap_or_else(|_| panic!("{host}: not an address"));
        Self {
            host: host.to_owned(),
            server,
            path: format!("/{path}"),
        }
    }
}

/// Makes one request on a connection of its own.
pub(super) fn request(url: &Url, limit: Duration) -> Result<Answer, String> {
    let begun = Instant::now();
    let attempt = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&url.server, limit)?;
        let left = || {
            limit
                .saturating_sub(begun.elapsed())
                .max(Duration::from_millis(1))
        };
        stream.set_write_timeout(Some(left()))?;
        let Url { host, path, .. } = url;
        stream.write_all(
            format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes(),
        )?;
        let mut answer = Vec::new();
        let mut part = [0; 4096];
        loop {
            stream.set_read_timeout(Some(left()))?;
            match stream.read(&mut part)? {
                0 => return Ok(answer),
                length => answer.extend_from_slice(&part[..length]),
            }
        }
    };
    let outcome = attempt();
    let took = begun.elapsed();
    let answer = outcome.map_err(|error| format!("{}: {error} after {took:.1?}", url.server))?;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text
        .split_once("\r\n\r\n")
        .ok_or_else(|| format!("{}: closed without an answer after {took:.1?}", url.server))?;
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.ok_or_else(|| format!("{}: not HTTP: {head}", url.server))?;
    Ok(Answer {
        status,
        body: body.to_owned(),
        took,
    })
}
