//! The server: many short exchanges, none of which can hold anything for long.
//!
//! ```text
//!  serve ──accept──▶ one task per connection ──▶ handler
//!    │                 ends with the exchange,
//!    └─shutdown──▶ waits `grace`, then aborts what is left
//! ```
//! A connection carries one exchange and is then closed, so a client holds a
//! place for [`Limits::exchange`] at most, whether it is silent, drips its
//! request or never reads its answer. One address holds at most
//! [`Limits::connections_per_peer`] places. Lines that go on ([`Answer::Lines`])
//! have no such end; whoever offers them limits how many may read.

mod peers;

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use http_body_util::{BodyExt, Either, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use self::peers::Peers;
use super::tls::Identity;
use super::{Answer, Request, Response, StatusCode, UnixSocket};

/// How long to leave a listener alone that cannot accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What clients may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; further ones wait in the kernel's backlog.
    pub connections: usize,
    /// Connections of one IP address at a time; further ones are closed.
    pub connections_per_peer: usize,
    /// From the connection to the end of the request's head.
    pub head: Duration,
    /// The head's size.
    pub head_bytes: usize,
    /// From the head to the end of the request's body.
    pub body: Duration,
    /// The body's size; a longer one is answered 413.
    pub body_bytes: usize,
    /// From the connection to its end, handler included.
    pub exchange: Duration,
    /// What running exchanges are given on shutdown.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            connections_per_peer: 32,
            head: Duration::from_secs(5),
            head_bytes: 16 * 1024,
            body: Duration::from_secs(5),
            body_bytes: 64 * 1024,
            exchange: Duration::from_secs(30),
            grace: Duration::from_secs(1),
        }
    }
}

/// Where requests come from.
#[derive(Debug)]
pub enum Listener {
    /// A TCP port.
    Tcp(TcpListener),
    /// A TCP port at which clients speak TLS.
    Tls(TcpListener, Identity),
    /// A Unix socket, removed when serving ends.
    Unix(UnixSocket),
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl From<UnixSocket> for Listener {
    fn from(socket: UnixSocket) -> Self {
        Self::Unix(socket)
    }
}

enum Connected {
    Tcp(TcpStream),
    Tls(TcpStream, Identity),
    Unix(UnixStream),
}

impl Listener {
    async fn accept(&self) -> io::Result<(Connected, Option<IpAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Connected::Tcp(stream), Some(peer.ip().to_canonical())))
            }
            Self::Tls(listener, identity) => {
                let (stream, peer) = listener.accept().await?;
                let stream = Connected::Tls(stream, identity.clone());
                Ok((stream, Some(peer.ip().to_canonical())))
            }
            Self::Unix(socket) => {
                let (stream, _) = socket.listener.accept().await?;
                Ok((Connected::Unix(stream), None))
            }
        }
    }
}

/// Answers requests until `shutdown` completes.
///
/// A handler that panics costs its own connection only. Dropping the returned
/// future closes the listener and every connection at once.
pub async fn serve<H, F>(
    listener: impl Into<Listener>,
    limits: Limits,
    handler: H,
    shutdown: impl Future<Output = ()>,
) where
    H: Fn(Request) -> F + Send + Sync + 'static,
    F: Future<Output: Into<Answer>> + Send + 'static,
{
    let listener = listener.into();
    let grace = limits.grace;
    let mut exchanges = JoinSet::new();
    let accepting = accept_all(&listener, limits, Arc::new(handler), &mut exchanges);
    tokio::select! {
        () = accepting => {}
        () = shutdown => {}
    }
    drop(listener);
    // The error means that some outlasted the grace; dropping the set aborts them.
    let _ = timeout(grace, async {
        while exchanges.join_next().await.is_some() {}
    })
    .await;
}

/// Accepts forever; each connection gets a place first, then a task.
async fn accept_all<H, F>(
    listener: &Listener,
    limits: Limits,
    handler: Arc<H>,
    exchanges: &mut JoinSet<()>,
) where
    H: Fn(Request) -> F + Send + Sync + 'static,
    F: Future<Output: Into<Answer>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(limits.connections));
    let peers = Peers::new(limits.connections_per_peer);
    let limits = Arc::new(limits);
    loop {
        while exchanges.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let (stream, peer) = accept_one(listener).await;
        let Some(seat) = peers.admit(peer) else {
            debug!(?peer, "HTTP connection closed: too many from this address");
            continue;
        };
        let (limits, handler) = (Arc::clone(&limits), Arc::clone(&handler));
        exchanges.spawn(async move {
            let _held = (place, seat);
            match stream {
                Connected::Tcp(stream) => exchange(stream, peer, &limits, handler).await,
                Connected::Unix(stream) => exchange(stream, peer, &limits, handler).await,
                Connected::Tls(stream, identity) => {
                    match timeout(limits.head, identity.greet(stream)).await {
                        Ok(Ok(stream)) => exchange(stream, peer, &limits, handler).await,
                        Ok(Err(error)) => debug!(?peer, %error, "TLS handshake failed"),
                        Err(_) => debug!(?peer, "TLS handshake took too long"),
                    }
                }
            }
        });
    }
}

/// Waits for a connection, however long the listener is unable to accept one.
async fn accept_one(listener: &Listener) -> (Connected, Option<IpAddr>) {
    let mut failing = false;
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                // Once per streak: out of file descriptors lasts a while.
                if !failing {
                    warn!(%error, "cannot accept an HTTP connection");
                }
                failing = true;
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// One request, one response, one end.
async fn exchange<S, H, F>(stream: S, peer: Option<IpAddr>, limits: &Limits, handler: Arc<H>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Fn(Request) -> F,
    F: Future<Output: Into<Answer>>,
{
    let goes_on = Flag::default();
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let (handler, goes_on) = (Arc::clone(&handler), &goes_on);
        async move {
            let answer = match read(request, peer, limits).await {
                Ok(request) => handler(request).await.into(),
                Err(refusal) => refusal.into(),
            };
            if let Answer::Lines(_) = &answer {
                goes_on.set(true);
            }
            Ok::<_, Infallible>(to_wire(answer))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .half_close(true)
        .header_read_timeout(limits.head)
        .max_header_size(limits.head_bytes)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let mut ended = timeout(limits.exchange, connection.as_mut()).await;
    if ended.is_err() && goes_on.is_set() {
        ended = Ok(connection.await);
    }
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(?peer, %error, "HTTP exchange failed"),
        Err(_) => debug!(?peer, "HTTP exchange took too long"),
    }
}

/// Reads the whole request, or says what is wrong with it.
async fn read(
    request: hyper::Request<Incoming>,
    peer: Option<IpAddr>,
    limits: &Limits,
) -> Result<Request, Response> {
    let (head, body) = request.into_parts();
    let collected = timeout(limits.body, Limited::new(body, limits.body_bytes).collect());
    let body = match collected.await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return Err(Response::text(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body too long",
            ));
        }
        Ok(Err(_)) => return Err(Response::text(StatusCode::BAD_REQUEST, "body is malformed")),
        Err(_) => {
            return Err(Response::text(
                StatusCode::REQUEST_TIMEOUT,
                "body came too slowly",
            ));
        }
    };
    Ok(Request {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: head.headers,
        peer,
        body,
    })
}

/// Whether an answer goes on beyond the limit of an exchange.
#[derive(Default)]
struct Flag(AtomicBool);

impl Flag {
    fn set(&self, value: bool) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

type Frames = StreamBody<Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>>>;

fn to_wire(answer: Answer) -> hyper::Response<Either<Full<Bytes>, Frames>> {
    let (status, content_type, body) = match answer {
        Answer::Whole(response) => (
            response.status,
            response.content_type,
            Either::Left(Full::new(response.body)),
        ),
        Answer::Lines(lines) => {
            let frames = lines.map(|line| Ok(Frame::data(line)));
            let frames: Frames = StreamBody::new(Box::pin(frames));
            (
                StatusCode::OK,
                "application/x-ndjson",
                Either::Right(frames),
            )
        }
    };
    let mut wire = hyper::Response::new(body);
    *wire.status_mut() = status;
    if let Ok(content_type) = HeaderValue::from_str(content_type) {
        wire.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    wire
}

#[cfg(test)]
mod tests;
