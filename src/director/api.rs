//! What the director answers over HTTP: the same on its socket and, read-only,
//! on its port.

use hyper::{Method, StatusCode};
use tokio::sync::{mpsc, oneshot};

use crate::http::{Request, Response};
use crate::status::director::Director;
use crate::status::metrics;

/// A wish for a snapshot, with the place to put it.
pub(super) type Ask = oneshot::Sender<Box<Director>>;

/// Answers one request; `asks` reaches the task that knows everything.
pub(super) async fn handle(request: Request, asks: mpsc::Sender<Ask>) -> Response {
    if request.method != Method::GET {
        return Response::method_not_allowed();
    }
    let path = request.path.as_str();
    if !matches!(path, "/v1/status" | "/metrics" | "/healthz" | "/readyz") {
        return Response::not_found();
    }
    let Some(status) = ask(&asks).await else {
        return Response::text(
            StatusCode::SERVICE_UNAVAILABLE,
            "the director is stopping\n",
        );
    };
    match path {
        "/metrics" => Response::text(StatusCode::OK, &metrics::render(&status)),
        "/healthz" => Response::text(StatusCode::OK, "ok\n"),
        "/readyz" => readiness(&status),
        _ => Response::json(StatusCode::OK, &*status),
    }
}

async fn ask(asks: &mpsc::Sender<Ask>) -> Option<Box<Director>> {
    let (reply, answer) = oneshot::channel();
    asks.send(reply).await.ok()?;
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
