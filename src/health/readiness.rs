//! What the real-server agent answers to `GET /ready`: the one definition for
//! the agent that writes it and the director that reads it.
//!
//! ```json
//! {"ready":false,"state":"not-ready","reasons":["VIP 192.168.1.200 is missing on lo"]}
//! ```
//! Status 200 when ready, else 503. A reader ignores fields it does not know.

use serde::{Deserialize, Serialize};

/// The path at which the agent answers.
pub const PATH: &str = "/ready";

/// The agent's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// Whether new connections are welcome.
    pub ready: bool,
    /// What the agent is doing.
    pub state: ReadinessState,
    /// What is missing; empty when ready.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// How much of its share of clients the server wants, 0..=100; none: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u8>,
}

/// What the agent is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadinessState {
    /// Everything is as it must be.
    Ready,
    /// Serves what it has and wants nothing new.
    Draining,
    /// Something is missing; see the reasons.
    NotReady,
    /// The agent is putting back what it changed.
    Stopping,
}

impl Readiness {
    /// An answer in which `ready` agrees with the state.
    pub fn new(state: ReadinessState, reasons: Vec<String>) -> Self {
        Self {
            ready: state == ReadinessState::Ready,
            state,
            reasons,
            weight: None,
        }
    }

    /// The same with a weight.
    pub fn with_weight(self, weight: Option<u8>) -> Self {
        Self { weight, ..self }
    }

    /// The HTTP status that goes with it.
    pub fn status(&self) -> u16 {
        if self.ready { 200 } else { 503 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_is_the_one_that_both_sides_agreed_on() {
        let reasons = vec!["VIP 192.168.1.200 is missing on lo".to_owned()];
        let readiness = Readiness::new(ReadinessState::NotReady, reasons);
        let json = r#"{"ready":false,"state":"not-ready","reasons":["VIP 192.168.1.200 is missing on lo"]}"#;
        assert_eq!(serde_json::to_string(&readiness).unwrap(), json);
        assert_eq!(serde_json::from_str::<Readiness>(json).unwrap(), readiness);
    }

    #[test]
    fn only_the_ready_state_is_ready() {
        use ReadinessState::{Draining, NotReady, Ready, Stopping};
        let status =
            [Ready, Draining, NotReady, Stopping].map(|s| Readiness::new(s, vec![]).status());
        assert_eq!(status, [200, 503, 503, 503]);
    }

    #[test]
    fn an_answer_of_a_newer_agent_is_understood() {
        let json = r#"{"ready":false,"state":"draining","until":"12:00"}"#;
        let readiness: Readiness = serde_json::from_str(json).unwrap();
        assert_eq!(readiness, Readiness::new(ReadinessState::Draining, vec![]));
    }
}
