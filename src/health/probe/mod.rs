//! One attempt, one timeout, one outcome.
//!
//! Dropping the future ends the attempt and closes its connection.
//!
//! # How connections end
//! With a reset (`SO_LINGER` 0). The side that closes first otherwise keeps the
//! connection in TIME_WAIT for a minute: ten thousand checks every second would
//! be 600,000 of them here, beyond `tcp_max_tw_buckets`. Servers see a client
//! that went away before its request; nginx and haproxy log nothing at their
//! default levels.

mod fault;
mod http;
mod readiness;
mod tls;
mod token;

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::{Outcome, Probe};

/// Asks once, and says within `limit` what came of it.
pub async fn attempt(probe: &Probe, limit: Duration) -> Outcome {
    let mut expiry = pin!(sleep(limit));
    let stream = match connect(probe.address(), limit, expiry.as_mut()).await {
        Ok(stream) => stream,
        Err(outcome) => return outcome,
    };
    // Boxed: conversations take several kilobytes, and ten thousand attempts that wait for
    // their connection had better not take those yet.
    let asking: Pin<Box<dyn Future<Output = Outcome> + Send + '_>> = match probe {
        Probe::Tcp { .. } => return Outcome::Passed,
        Probe::Http { address, page } => Box::pin(async move {
            let host = page.host.clone().unwrap_or_else(|| address.to_string());
            http::ask(stream, &host, &page.path, page.status).await
        }),
        Probe::Readiness { address, agent } => Box::pin(readiness::ask(stream, *address, agent)),
    };
    tokio::select! {
        biased;
        outcome = asking => outcome,
        () = expiry => {
            Outcome::Failed(format!("connected, but no answer within {}", spoken(limit)))
        }
    }
}

async fn connect(
    address: SocketAddr,
    limit: Duration,
    expiry: Pin<&mut Sleep>,
) -> Result<TcpStream, Outcome> {
    let connected = tokio::select! {
        biased;
        connected = TcpStream::connect(address) => connected,
        () = expiry => {
            return Err(Outcome::Failed(format!("no answer within {}", spoken(limit))));
        }
    };
    let stream = connected.map_err(|error| fault::outcome(&error))?;
    if is_own(&stream) {
        return Err(Outcome::Failed("connection refused".to_owned()));
    }
    // If it cannot be set the close is merely less tidy.
    let _ = stream.set_zero_linger();
    Ok(stream)
}

/// Whether the connection has met itself: on a port of this host that nobody
/// listens on, the kernel may choose that very port to connect from.
fn is_own(stream: &TcpStream) -> bool {
    matches!((stream.local_addr(), stream.peer_addr()), (Ok(local), Ok(peer)) if local == peer)
}

/// `10 s`, `1500 ms`.
fn spoken(length: Duration) -> String {
    if length.subsec_nanos() == 0 {
        format!("{} s", length.as_secs())
    } else {
        format!("{} ms", length.as_millis())
    }
}

#[cfg(test)]
mod tests;
