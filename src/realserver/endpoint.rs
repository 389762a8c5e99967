//! What is answered over HTTP: readiness to the directors on TCP, everything to
//! people on the Unix socket, who may also change things there. Answers are made
//! when something changes, not when somebody asks.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot, watch};

use super::agent::Answer;
use super::askers::Askers;
use crate::config::realserver::Readiness;
use crate::health::readiness;
use crate::http::{HeaderMap, Method, Request, Response, StatusCode};
use crate::lvs::Prefixed;
use crate::status::realserver::{State, Status, metrics};
use crate::sys::clock;

/// Finished answers, and who may have them.
#[derive(Debug)]
pub struct Answers {
    ready: Response,
    status: Response,
    metrics: Response,
    draining: bool,
    allow: Option<Vec<Prefixed>>,
    /// The whole value of the header that must be there.
    authorization: Option<String>,
}

/// What people may change on the Unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// `POST /v1/drain`.
    Drain,
    /// `POST /v1/undrain`.
    Undrain,
    /// `POST /v1/reload`.
    Reload,
}

/// A wish, and where to tell that it was fulfilled, or why not.
pub type Asked = (Wish, oneshot::Sender<Result<(), String>>);

/// The paths of the wishes.
pub const DRAIN: &str = "/v1/drain";
/// The second one.
pub const UNDRAIN: &str = "/v1/undrain";
/// The third one.
pub const RELOAD: &str = "/v1/reload";

impl Answers {
    /// The answers for a snapshot.
    pub fn new(status: Status, readiness: &Readiness) -> Self {
        let whole = Response::json(StatusCode::OK, &status);
        let metrics = Response::text(StatusCode::OK, metrics::render(&status).trim_end());
        let draining = matches!(
            status.state,
            State::Draining | State::Drained | State::Stopping
        );
        let answer = Answer::from(status);
        let code = StatusCode::from_u16(answer.status());
        let code = code.unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        let token = readiness.token.as_ref();
        Self {
            ready: Response::json(code, &answer),
            status: whole,
            metrics,
            draining,
            allow: readiness.allow.clone(),
            authorization: token.map(|token| format!("Bearer {token}")),
        }
    }

    /// Why a peer is sent away; there is none on a Unix socket.
    fn refusal(&self, request: &Request) -> Option<Response> {
        let peer = request.peer?;
        if let Some(allowed) = &self.allow
            && !allowed.iter().any(|network| contains(*network, peer))
        {
            return Some(Response::text(
                StatusCode::FORBIDDEN,
                "not in readiness.allow",
            ));
        }
        let wanted = self.authorization.as_deref()?;
        (!is_authorized(&request.headers, wanted)).then(|| {
            Response::text(
                StatusCode::UNAUTHORIZED,
                "send the header Authorization: Bearer, with readiness.token",
            )
        })
    }

    fn answer(&self, request: &Request) -> Response {
        let response = match request.path.as_str() {
            readiness::PATH => self.ready.clone(),
            "/healthz" => Response::text(StatusCode::OK, "ok"),
            "/metrics" => self.metrics.clone(),
            // It tells more than a director needs.
            "/v1/status" if request.peer.is_none() => self.status.clone(),
            _ => return Response::not_found(),
        };
        match request.method {
            Method::GET | Method::HEAD => response,
            _ => Response::method_not_allowed(),
        }
    }
}

/// Tells whether an address is in a network.
fn contains(network: Prefixed, address: IpAddr) -> bool {
    let bits = |address: IpAddr| match address.to_canonical() {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 4),
        IpAddr::V6(v6) => (v6.to_bits(), 6),
    };
    let ((wanted, family), (found, of)) = (bits(network.address), bits(address));
    // Where the network is written as IPv4 within IPv6, its prefix counts from there.
    let mapped = network.address.is_ipv6() && family == 4;
    let len = u32::from(network.prefix_len).saturating_sub(if mapped { 96 } else { 0 });
    let differ = (wanted ^ found)
        .checked_shr(128 - len.min(128))
        .unwrap_or(0);
    family == of && differ == 0
}

/// Compares in a time that tells nothing about where the two differ.
fn is_authorized(headers: &HeaderMap, wanted: &str) -> bool {
    let Some(sent) = headers.get("authorization") else {
        return false;
    };
    let (sent, wanted) = (sent.as_bytes(), wanted.as_bytes());
    let differ = sent.iter().zip(wanted).fold(0, |all, (a, b)| all | (a ^ b));
    sent.len() == wanted.len() && differ == 0
}

/// What every listener needs to answer.
#[derive(Debug, Clone)]
pub struct Desk {
    /// The newest answers.
    pub answers: watch::Receiver<Arc<Answers>>,
    /// Who has asked for readiness.
    pub askers: Arc<Mutex<Askers>>,
    /// Where wishes go.
    pub wishes: mpsc::Sender<Asked>,
}

impl Desk {
    /// Answers a request.
    pub async fn answer(self, request: Request) -> Response {
        let newest = Arc::clone(&self.answers.borrow());
        if let Some(refusal) = newest.refusal(&request) {
            return refusal;
        }
        let wish = match request.path.as_str() {
            DRAIN => Some(Wish::Drain),
            UNDRAIN => Some(Wish::Undrain),
            RELOAD => Some(Wish::Reload),
            _ => None,
        };
        if let Some(wish) = wish.filter(|_| request.peer.is_none()) {
            return match request.method {
                Method::POST => self.ask(wish).await,
                _ => Response::method_not_allowed(),
            };
        }
        // Directors only: whoever watches from this host need not know before the VIPs go.
        if let Some(peer) = request.peer.filter(|peer| !peer.is_loopback())
            && request.path == readiness::PATH
        {
            let mut askers = self.askers.lock().unwrap_or_else(PoisonError::into_inner);
            askers.answered(peer, newest.draining, clock::now());
        }
        newest.answer(&request)
    }

    /// Passes a wish on, and answers with the status once it is fulfilled.
    async fn ask(self, wish: Wish) -> Response {
        let (done, doing) = oneshot::channel();
        let sent = self.wishes.send((wish, done)).await;
        match (sent, doing.await) {
            (Ok(()), Ok(Ok(()))) => self.answers.borrow().status.clone(),
            (Ok(()), Ok(Err(why))) => Response::text(StatusCode::CONFLICT, &why),
            (Err(_), _) | (_, Err(_)) => {
                Response::text(StatusCode::SERVICE_UNAVAILABLE, "the agent is stopping")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_a_network_of_its_family_only() {
        for (network, address, inside) in [
            ("192.168.1.51", "192.168.1.51", true),
            ("192.168.1.51", "192.168.1.52", false),
            ("192.168.1.0/24", "192.168.1.52", true),
            ("192.168.1.0/24", "192.168.2.52", false),
            ("192.168.1.77/24", "192.168.1.52", true),
            ("0.0.0.0/0", "10.0.0.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:9::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "10.0.0.1", false),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
            ("::ffff:10.0.0.0/104", "10.9.9.9", true),
        ] {
            let (network, address) = (network.parse().unwrap(), address.parse().unwrap());
            assert_eq!(contains(network, address), inside, "{network} {address}");
        }
    }

    #[test]
    fn only_the_whole_token_is_authorized() {
        let headers = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("authorization", value.parse().unwrap());
            headers
        };
        let wanted = "Bearer 0123456789";
        assert!(is_authorized(&headers(wanted), wanted));
        for wrong in [
            "",
            "Bearer",
            "Bearer 012345678",
            "Bearer 01234567899",
            "bearer 0123456789",
        ] {
            assert!(!is_authorized(&headers(wrong), wanted), "{wrong}");
        }
        assert!(!is_authorized(&HeaderMap::new(), wanted));
    }
}
