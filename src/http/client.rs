//! Asking a running lvsd over its Unix socket.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::drive;

/// How long a whole exchange may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The longest answer: the status of ten thousand real servers, many times over.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error(
        "cannot reach {path}: {why}\n    \
         is lvsd {role} running? `systemctl status lvsd-{role}`",
        path = .path.display()
    )]
    NotRunning {
        /// The socket.
        path: PathBuf,
        /// The role, after the name of the socket.
        role: String,
        /// Whether the file is missing or deserted.
        why: &'static str,
    },
    /// The file's mode does not let us in.
    #[error(
        "cannot reach {path}: permission denied\n    \
         ask as root, or as a member of the socket's group",
        path = .0.display()
    )]
    Denied(PathBuf),
    /// Any other fault of the connection.
    #[error("cannot reach {path}", path = .path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// It listens, and does not answer.
    #[error(
        "no answer on {path} within {} s\n    \
         it runs and is stuck, or was stopped by a signal: see its log, `ps -C lvsd -o pid,stat,cmd` \
         (T: stopped, kill -CONT it), and restart it if it stays so",
        TIMEOUT.as_secs(), path = .0.display()
    )]
    Timeout(PathBuf),
    /// The exchange broke off.
    #[error("cannot ask {path} for {request}", path = .path.display())]
    Exchange {
        /// The socket.
        path: PathBuf,
        /// What was asked for.
        request: String,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// An answer, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: hyper::StatusCode,
    /// The body.
    pub body: Bytes,
}

/// Asks for a path, which may have a query.
pub async fn get(socket: &Path, path: &str) -> Result<Reply, ClientError> {
    within(TIMEOUT, socket, Method::GET, path, Bytes::new()).await
}

/// Posts a JSON body to a path.
pub async fn post(socket: &Path, path: &str, json: impl Into<Bytes>) -> Result<Reply, ClientError> {
    within(TIMEOUT, socket, Method::POST, path, json.into()).await
}

/// Asks for lines that go on, and hands on what comes until there is no more or
/// `each` says that it is enough.
///
/// Returns the whole answer instead where its status is not 200.
pub async fn follow(
    socket: &Path,
    path: &str,
    mut each: impl FnMut(Bytes) -> ControlFlow<()>,
) -> Result<Option<Reply>, ClientError> {
    let fault = |source: BoxError| ClientError::Exchange {
        path: socket.to_owned(),
        request: format!("GET {path}"),
        source,
    };
    let stream = UnixStream::connect(socket);
    let stream = stream.await.map_err(|e| unreachable(socket, e))?;
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| fault(error.into()))?;
    let asking = async {
        let request = Request::get(path).header(HOST, "localhost");
        let request = request.body(Full::new(Bytes::new()))?;
        let response = match timeout(TIMEOUT, sender.send_request(request)).await {
            Ok(response) => response?,
            Err(_) => return Err("no answer in time".into()),
        };
        let status = response.status();
        let mut body = response.into_body();
        if status != hyper::StatusCode::OK {
            let body = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
            return Ok(Some(Reply { status, body }));
        }
        while let Some(frame) = body.frame().await {
            if let Ok(lines) = frame?.into_data()
                && each(lines).is_break()
            {
                break;
            }
        }
        Ok(None)
    };
    drive(connection, asking).await.map_err(fault)
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

async fn within(
    limit: Duration,
    socket: &Path,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<Reply, ClientError> {
    let asking = async {
        let stream = UnixStream::connect(socket)
            .await
            .map_err(|e| unreachable(socket, e))?;
        let request = format!("{method} {path}");
        exchange(stream, method, path, body)
            .await
            .map_err(|source| ClientError::Exchange {
                path: socket.to_owned(),
                request,
                source,
            })
    };
    match timeout(limit, asking).await {
        Ok(answer) => answer,
        Err(_) => Err(ClientError::Timeout(socket.to_owned())),
    }
}

fn unreachable(socket: &Path, source: io::Error) -> ClientError {
    let path = socket.to_owned();
    let why = match source.kind() {
        io::ErrorKind::PermissionDenied => return ClientError::Denied(path),
        io::ErrorKind::NotFound => "no such socket",
        io::ErrorKind::ConnectionRefused => "connection refused",
        _ => return ClientError::Connect { path, source },
    };
    let role = socket
        .file_stem()
        .map(|s| s.to_string_lossy().into_owned())
        .unwrap_or_default();
    ClientError::NotRunning { path, role, why }
}

async fn exchange(
    stream: UnixStream,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<Reply, Box<dyn std::error::Error + Send + Sync>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "localhost");
    if !body.is_empty() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let request = request.body(Full::new(body))?;
    let asking = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER)
            .collect()
            .await?
            .to_bytes();
        Ok(Reply { status, body })
    };
    drive(connection, asking).await
}

#[cfg(test)]
mod tests;
