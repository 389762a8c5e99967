//! What is answered over HTTP: readiness to the directors on TCP, everything to
//! people on the Unix socket. Answers are made when something changes, not when
//! somebody asks.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::watch;

use super::agent::Answer;
use crate::health::readiness;
use crate::http::{Method, Request, Response, StatusCode};
use crate::status::realserver::Status;

/// Finished answers, and who may have them.
#[derive(Debug)]
pub struct Answers {
    ready: Response,
    status: Response,
    allow: Option<Vec<IpAddr>>,
}

impl Answers {
    /// The answers for a snapshot.
    pub fn new(status: Status, allow: Option<Vec<IpAddr>>) -> Self {
        let whole = Response::json(StatusCode::OK, &status);
        let answer = Answer::from(status);
        let code = StatusCode::from_u16(answer.status());
        let code = code.unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        Self {
            ready: Response::json(code, &answer),
            status: whole,
            allow,
        }
    }

    /// Tells whether a peer may ask; there is none on a Unix socket.
    fn allows(&self, peer: Option<IpAddr>) -> bool {
        match (&self.allow, peer) {
            (Some(allowed), Some(peer)) => allowed.iter().any(|ip| ip.to_canonical() == peer),
            _ => true,
        }
    }

    fn answer(&self, request: &Request) -> Response {
        if !self.allows(request.peer) {
            return Response::text(StatusCode::FORBIDDEN, "not in readiness.allow");
        }
        let response = match request.path.as_str() {
            readiness::PATH => self.ready.clone(),
            "/healthz" => Response::text(StatusCode::OK, "ok"),
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

/// A handler for [`serve`](crate::http::serve) that gives the newest answers.
pub fn handler(
    answers: watch::Receiver<Arc<Answers>>,
) -> impl Fn(Request) -> std::future::Ready<Response> + Send + Sync + 'static {
    move |request| {
        let newest = Arc::clone(&answers.borrow());
        std::future::ready(newest.answer(&request))
    }
}
