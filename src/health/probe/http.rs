//! `GET path`, and what the status says.

use std::error::Error;
use std::io;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONNECTION, HOST, HeaderValue, USER_AGENT};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::{Outcome, fault};
use crate::http::drive;

/// How the probe introduces itself, for the servers' access logs.
const AGENT: &str = concat!("lvsd/", env!("CARGO_PKG_VERSION"));
/// The longest head of an answer.
const MAX_HEAD: usize = 16 * 1024;

/// Passes if the status lies within `expected`, both ends inclusive.
pub(super) async fn ask(
    stream: TcpStream,
    host: &str,
    path: &str,
    expected: (u16, u16),
) -> Outcome {
    match get(stream, host, path, None, |_| None).await {
        Ok((status, _)) if (expected.0..=expected.1).contains(&status) => Outcome::Passed,
        Ok((status, _)) => {
            Outcome::Failed(format!("status {status}, expected {}", range(expected)))
        }
        Err(outcome) => outcome,
    }
}

fn range((first, last): (u16, u16)) -> String {
    if first == last {
        first.to_string()
    } else {
        format!("{first}-{last}")
    }
}

/// Sends the request, with this authorization if there is one, and returns the status, with the body if `limit` of the
/// status is its longest length and the body keeps to it.
pub(super) async fn get(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    host: &str,
    path: &str,
    authorization: Option<HeaderValue>,
    limit: impl Fn(u16) -> Option<usize>,
) -> Result<(u16, Option<Bytes>), Outcome> {
    let mut request = hyper::Request::get(path)
        .header(HOST, host)
        .header(USER_AGENT, AGENT)
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| Outcome::Undecided(format!("cannot ask for {path}: {error}")))?;
    if let Some(mut secret) = authorization {
        secret.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, secret);
    }
    let mut builder = http1::Builder::new();
    builder.max_header_size(MAX_HEAD);
    let (mut sender, connection) = builder
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|e| refused(&e))?;
    let asking = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|e| refused(&e))?;
        let status = response.status().as_u16();
        let body = match limit(status) {
            Some(limit) => Limited::new(response.into_body(), limit)
                .collect()
                .await
                .ok(),
            None => None,
        };
        Ok((status, body.map(|body| body.to_bytes())))
    };
    drive(connection, asking).await
}

/// Why there is no answer, in the operator's words.
fn refused(error: &hyper::Error) -> Outcome {
    if error.is_parse_too_large() {
        return Outcome::Failed(format!("head of the answer exceeds {MAX_HEAD} bytes"));
    }
    if error.is_parse() {
        return Outcome::Failed("answer is not HTTP".to_owned());
    }
    match error
        .source()
        .and_then(|cause| cause.downcast_ref::<io::Error>())
    {
        Some(cause) => fault::outcome(cause),
        None => Outcome::Failed("connection closed without an answer".to_owned()),
    }
}
