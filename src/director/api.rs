//! What the director answers over HTTP: the same on its socket and, read-only,
//! on its port.

use hyper::{Method, StatusCode};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use super::control::{
    self, Changed, Fault, PlanWish, Planned, Refused, Reloaded, ServerWish, VrrpChanged, VrrpWish,
};
use super::events::Follower;
use super::settling::{Changing, Outcome, Reloading};
use crate::http::{self, Request, Response};
use crate::status::director::Director;
use crate::status::metrics;

/// The answer to something that may be refused.
pub(super) type Answer<T> = Result<T, Refused>;

/// A question to the task that knows everything, with the place for the answer.
#[derive(Debug)]
pub(super) enum Ask {
    /// A snapshot of everything.
    Status(oneshot::Sender<Box<Director>>),
    /// The newest events, so many of them, and those to come if that is true.
    Events(usize, bool, oneshot::Sender<Option<Follower>>),
    /// To read the file again.
    Reload(oneshot::Sender<Answer<Reloading>>),
    /// What a reload of another file would do.
    Plan(PlanWish, oneshot::Sender<Answer<Planned>>),
    /// To change a real server.
    Server(ServerWish, oneshot::Sender<Answer<Changing>>),
    /// What real servers are now that were changed.
    Changed(Outcome, oneshot::Sender<Vec<Changed>>),
    /// To move mastership.
    Vrrp(VrrpWish, oneshot::Sender<Answer<VrrpChanged>>),
}

/// What those who ask may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Ask, and change what runs: on the socket, whose mode says who that is.
    Control,
    /// Ask: on the port, where anybody may be.
    ReadOnly,
}

/// Answers one request; `asks` reaches the task that knows everything.
pub(super) async fn handle(
    request: Request,
    access: Access,
    asks: mpsc::Sender<Ask>,
) -> http::Answer {
    if request.path == control::EVENTS && access == Access::Control {
        return events(&request, &asks).await;
    }
    let response = match (request.path.as_str(), access) {
        (control::RELOAD | control::PLAN | control::SERVER | control::VRRP, Access::Control) => {
            command(&request, &asks).await
        }
        ("/v1/status" | "/metrics" | "/healthz" | "/readyz", _) => report(&request, &asks).await,
        _ => Response::not_found(),
    };
    response.into()
}

/// `?last=100&follow=true`; both may be left out.
async fn events(request: &Request, asks: &mpsc::Sender<Ask>) -> http::Answer {
    if request.method != Method::GET {
        return Response::method_not_allowed().into();
    }
    let (mut last, mut follow) = (control::LAST_EVENTS, false);
    let pairs = request.query.as_deref().unwrap_or_default().split('&');
    for pair in pairs.filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("last", number)) if number.parse::<usize>().is_ok() => {
                last = number.parse().unwrap_or(last);
            }
            Some(("follow", value @ ("true" | "false"))) => follow = value == "true",
            _ => {
                let text = format!("{pair}: write last=NUMBER or follow=true");
                return Response::text(StatusCode::BAD_REQUEST, &text).into();
            }
        }
    }
    match ask(asks, |reply| Ask::Events(last, follow, reply)).await {
        None => stopping().into(),
        Some(None) => Response::text(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many follow the events already; end one of them",
        )
        .into(),
        Some(Some(follower)) => http::Answer::Lines(Box::pin(follower.lines())),
    }
}

async fn report(request: &Request, asks: &mpsc::Sender<Ask>) -> Response {
    if request.method != Method::GET {
        return Response::method_not_allowed();
    }
    let Some(status) = ask(asks, Ask::Status).await else {
        return stopping();
    };
    match request.path.as_str() {
        "/metrics" => Response::text(StatusCode::OK, &metrics::render(&status)),
        "/healthz" => Response::text(StatusCode::OK, "ok\n"),
        "/readyz" => readiness(&status),
        _ => Response::json(StatusCode::OK, &*status),
    }
}

async fn command(request: &Request, asks: &mpsc::Sender<Ask>) -> Response {
    if request.method != Method::POST {
        return Response::method_not_allowed();
    }
    if request.path == control::RELOAD {
        let settled = match ask(asks, Ask::Reload).await {
            Some(Ok(reloading)) => Some(Ok(reloading.settled().await)),
            Some(Err(refused)) => Some(Err(refused)),
            None => None,
        };
        return answer::<Reloaded>(settled);
    }
    if request.path == control::PLAN {
        return match serde_json::from_slice::<PlanWish>(&request.body) {
            Ok(wish) => answer(ask(asks, |reply| Ask::Plan(wish, reply)).await),
            Err(error) => Response::text(StatusCode::BAD_REQUEST, &error.to_string()),
        };
    }
    if request.path == control::VRRP {
        return match serde_json::from_slice::<VrrpWish>(&request.body) {
            Ok(wish) => answer(ask(asks, |reply| Ask::Vrrp(wish, reply)).await),
            Err(error) => Response::text(StatusCode::BAD_REQUEST, &error.to_string()),
        };
    }
    match serde_json::from_slice::<ServerWish>(&request.body) {
        Ok(wish) => answer(change(wish, asks).await),
        Err(error) => Response::text(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

async fn change(wish: ServerWish, asks: &mpsc::Sender<Ask>) -> Option<Answer<Vec<Changed>>> {
    match ask(asks, |reply| Ask::Server(wish, reply)).await? {
        Ok(changing) => {
            let told = changing.settled().await;
            ask(asks, |reply| Ask::Changed(told, reply)).await.map(Ok)
        }
        Err(refused) => Some(Err(refused)),
    }
}

fn answer<T: Serialize>(answer: Option<Answer<T>>) -> Response {
    match answer {
        None => stopping(),
        Some(Ok(done)) => Response::json(StatusCode::OK, &done),
        Some(Err(refused)) => {
            let status = match refused.fault {
                Fault::Config => StatusCode::UNPROCESSABLE_ENTITY,
                Fault::Unknown => StatusCode::NOT_FOUND,
                Fault::Runtime => StatusCode::INTERNAL_SERVER_ERROR,
            };
            Response::json(status, &refused)
        }
    }
}

fn stopping() -> Response {
    Response::text(
        StatusCode::SERVICE_UNAVAILABLE,
        "the director is stopping\n",
    )
}

async fn ask<T>(
    asks: &mpsc::Sender<Ask>,
    question: impl FnOnce(oneshot::Sender<T>) -> Ask,
) -> Option<T> {
    let (reply, answer) = oneshot::channel();
    asks.send(question(reply)).await.ok()?;
    answer.await.ok()
}

/// Ready: nothing that this director is for fails on its own side.
fn readiness(status: &Director) -> Response {
    let faults = status.vrrp.iter().filter(|router| router.state == "fault");
    let faults = faults.map(|router| format!("{} is in fault: {}", router.name, router.cause));
    let ipvs = status
        .ipvs
        .error
        .iter()
        .chain(&status.ipvs.refused)
        .cloned();
    let problems: Vec<_> = faults.chain(ipvs).collect();
    if problems.is_empty() {
        Response::text(StatusCode::OK, "ready\n")
    } else {
        Response::text(
            StatusCode::SERVICE_UNAVAILABLE,
            &format!("{}\n", problems.join("\n")),
        )
    }
}
