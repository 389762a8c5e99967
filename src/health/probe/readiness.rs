//! Asking the real-server agent.

use hyper::body::Bytes;
use tokio::net::TcpStream;

use super::{Outcome, http};
use crate::health::readiness::{PATH, Readiness, ReadinessState};

/// The longest answer that is read for its reasons.
const MAX_BODY: usize = 64 * 1024;
/// How much of the reasons is passed on, in characters.
const MAX_REASON: usize = 300;

/// Passes on status 200; reads anything else for what the agent has to say.
pub(super) async fn ask(stream: TcpStream, host: &str) -> Outcome {
    match http::get(stream, host, PATH, |status| {
        (status != 200).then_some(MAX_BODY)
    })
    .await
    {
        Ok((200, _)) => Outcome::Passed,
        Ok((status, body)) => judge(status, body.as_ref()),
        Err(outcome) => outcome,
    }
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
