//! HTTP/1.1 for the sockets and ports that lvsd itself offers and asks:
//! bounded in every direction, one exchange per connection.
//!
//! Routes and what they answer belong to the callers. Probes of real servers
//! are in [`crate::health::probe`].

mod bind;
mod client;
mod drive;
mod server;
mod tls;

use std::net::IpAddr;
use std::pin::Pin;

use futures_util::Stream;

pub use bind::{BindError, UnixSocket, bind_tcp, bind_unix};
pub use client::{ClientError, Reply, follow, get, post};
pub(crate) use drive::drive;
pub use hyper::body::Bytes;
pub use hyper::{HeaderMap, Method, StatusCode};
use serde::Serialize;
pub use server::{Limits, Listener, serve};
pub use tls::{Identity, TlsError};

/// A whole request, body included.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: Method,
    /// The path as it was sent, with the leading slash and without the query.
    pub path: String,
    /// What followed the `?`, undecoded.
    pub query: Option<String>,
    /// The header fields.
    pub headers: HeaderMap,
    /// Who asks; `None` on a Unix socket. An IPv4 address is never IPv4-mapped.
    pub peer: Option<IpAddr>,
    /// The body, at most [`Limits::body_bytes`] long.
    pub body: Bytes,
}

/// A whole response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
}

/// What a handler answers: a whole response, or lines that go on.
pub enum Answer {
    /// All of it.
    Whole(Response),
    /// Status 200, and one JSON document a line, until the stream or the
    /// connection ends. It is asked for more only when the client has taken what
    /// there was.
    Lines(Lines),
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(response) => response.fmt(f),
            Self::Lines(_) => f.write_str("Lines"),
        }
    }
}

/// Lines that go on.
pub type Lines = Pin<Box<dyn Stream<Item = Bytes> + Send>>;

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self::Whole(response)
    }
}

impl Response {
    /// A line or a page of plain text; a newline is added.
    pub fn text(status: StatusCode, text: &str) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body: Bytes::from(format!("{text}\n")),
        }
    }

    /// A value as JSON. One that cannot be serialized becomes status 500.
    pub fn json<T: Serialize + ?Sized>(status: StatusCode, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self {
                status,
                content_type: "application/json",
                body: Bytes::from(body),
            },
            Err(error) => Self::text(
                StatusCode::INTERNAL_SERVER_ERROR,
                &format!("cannot write the answer as JSON: {error}"),
            ),
        }
    }

    /// 404: no such path.
    pub fn not_found() -> Self {
        Self::text(StatusCode::NOT_FOUND, "no such path")
    }

    /// 405: the path exists, the method does not apply.
    pub fn method_not_allowed() -> Self {
        Self::text(
            StatusCode::METHOD_NOT_ALLOWED,
            "method not allowed on this path",
        )
    }
}
