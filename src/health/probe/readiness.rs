//! Asking the real-server agent.

use std::net::SocketAddr;
use std::path::Path;

use hyper::body::Bytes;
use hyper::header::HeaderValue;
use tokio::net::TcpStream;

use super::{Outcome, http, tls, token};
use crate::health::readiness::{PATH, Readiness, ReadinessState};
use crate::health::{Agent, Share};

/// The longest answer that is read for its reasons.
const MAX_BODY: usize = 64 * 1024;
/// How much of the reasons is passed on, in characters.
const MAX_REASON: usize = 300;

/// Passes on status 200; reads anything else for what the agent has to say.
pub(super) async fn ask(stream: TcpStream, address: SocketAddr, agent: &Agent) -> Outcome {
    let asking = async {
        let secret = agent.token_file.as_deref().map(authorization).transpose()?;
        let host = address.to_string();
        let limit = |status| (status != 200 || agent.follow_weight).then_some(MAX_BODY);
        match &agent.tls {
            None => http::get(stream, &host, PATH, secret, limit).await,
            Some(trust) => {
                let stream = tls::greet(stream, address, trust).await?;
                http::get(stream, &host, PATH, secret, limit).await
            }
        }
    };
    match asking.await {
        Ok((200, body)) => ready(body.as_ref(), agent.follow_weight),
        Ok((401, _)) => Outcome::Failed(match &agent.token_file {
            Some(path) => format!("the agent refuses the token in {}", path.display()),
            None => "the agent wants a token, and check.token_file names none".to_owned(),
        }),
        Ok((status, body)) => judge(status, body.as_ref()),
        Err(outcome) => outcome,
    }
}

fn authorization(path: &Path) -> Result<HeaderValue, Outcome> {
    let token = token::read(path).map_err(Outcome::Undecided)?;
    HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|error| Outcome::Undecided(format!("cannot send the token: {error}")))
}

/// What a 200 says: the status counts, and the weight if it is one.
fn ready(body: Option<&Bytes>, follow_weight: bool) -> Outcome {
    let answer = body
        .filter(|_| follow_weight)
        .and_then(|body| serde_json::from_slice::<Readiness>(body).ok());
    let share = answer.and_then(|answer| Share::percent(answer.weight?));
    share.map_or(Outcome::Passed, Outcome::Wants)
}

/// What an answer other than 200 means. Only a 503 is the agent's own word.
fn judge(status: u16, body: Option<&Bytes>) -> Outcome {
    let readiness = body
        .filter(|_| status == 503)
        .and_then(|body| serde_json::from_slice::<Readiness>(body).ok());
    match readiness {
        Some(Readiness {
            state: ReadinessState::Draining,
            ..
        }) => Outcome::Draining,
        Some(Readiness { state, reasons, .. }) => Outcome::Failed(spoken(state, &reasons)),
        None => Outcome::Failed(format!("status {status}, expected 200")),
    }
}

/// The agent's reasons on one line, however many it sends.
fn spoken(state: ReadinessState, reasons: &[String]) -> String {
    if reasons.is_empty() {
        return match state {
            ReadinessState::Stopping => "the agent is stopping".to_owned(),
            _ => "the agent is not ready, and says not why".to_owned(),
        };
    }
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    let text = reasons.join("; ");
    let mut line: String = text.chars().take(MAX_REASON).map(printable).collect();
    if text.chars().nth(MAX_REASON).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weight_of_a_ready_agent_is_what_it_wants_if_that_is_followed() {
        let said = |body: &str| ready(Some(&Bytes::from(body.to_owned())), true);
        let with = |weight| format!(r#"{{"ready":true,"state":"ready","weight":{weight}}}"#);
        for percent in [0, 40, 100] {
            let wants = Outcome::Wants(Share::percent(percent).unwrap());
            assert_eq!(said(&with(i64::from(percent))), wants);
            let body = Bytes::from(with(i64::from(percent)));
            assert_eq!(ready(Some(&body), false), Outcome::Passed);
        }
        // What is no weight does not make a server that is ready less so.
        for weight in [101, 255, 256, -1] {
            assert_eq!(said(&with(weight)), Outcome::Passed, "{weight}");
        }
        assert_eq!(said("OK"), Outcome::Passed);
        assert_eq!(ready(None, true), Outcome::Passed);
    }

    #[test]
    fn draining_is_told_apart_from_not_ready() {
        assert_eq!(
            judged(503, r#"{"ready":false,"state":"draining","reasons":["x"]}"#),
            Outcome::Draining
        );
        assert_eq!(
            failure(
                503,
                r#"{"ready":false,"state":"not-ready","reasons":["VIP 192.168.1.200 is missing on lo","nginx: connection refused"]}"#
            ),
            "VIP 192.168.1.200 is missing on lo; nginx: connection refused"
        );
        assert_eq!(
            failure(503, r#"{"ready":false,"state":"stopping"}"#),
            "the agent is stopping"
        );
    }

    #[test]
    fn what_is_not_the_agents_word_counts_by_its_status_alone() {
        let draining = r#"{"ready":false,"state":"draining"}"#;
        assert_eq!(failure(500, draining), "status 500, expected 200");
        for garbage in [
            "",
            "{",
            "null",
            "[]",
            r#"{"state":"unheard-of","ready":false}"#,
            "\0\x7f",
        ] {
            assert_eq!(
                failure(503, garbage),
                "status 503, expected 200",
                "{garbage:?}"
            );
        }
        assert_eq!(
            judge(503, None),
            Outcome::Failed("status 503, expected 200".to_owned())
        );
    }

    #[test]
    fn reasons_become_one_line_of_bounded_length() {
        let reasons = vec!["line\none\x1b[31m".to_owned(), "é".repeat(1000)];
        let line = spoken(ReadinessState::NotReady, &reasons);
        assert!(line.starts_with("line one [31m; éé"), "{line}");
        assert_eq!(line.chars().count(), MAX_REASON + 1);
    }

    fn judged(status: u16, body: &str) -> Outcome {
        judge(status, Some(&Bytes::from(body.to_owned())))
    }

    fn failure(status: u16, body: &str) -> String {
        match judged(status, body) {
            Outcome::Failed(reason) => reason,
            other => panic!("{other:?}"),
        }
    }
}
