//! The rules of a pool: quorum, sorry server and backup pool, and what becomes
//! of servers that fail, recover or leave.

use std::time::Duration;

use super::director::RealServer;
use crate::lvs::{RealServerId, Servers};

/// How long a server may take to finish its connections unless told otherwise.
pub const DRAIN: Duration = Duration::from_secs(30);

/// How long a hook may run unless told otherwise.
pub const HOOK_TIMEOUT: Duration = Duration::from_secs(10);

/// What a virtual server does when its pool changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The sum of the weights of usable servers with which the pool serves.
    pub quorum: u32,
    /// How far the sum must be above the quorum to gain it, and below to lose it.
    pub hysteresis: u32,
    /// Run when the quorum is gained: a program and its arguments.
    pub on_quorum_up: Option<Vec<String>>,
    /// Run when it is lost.
    pub on_quorum_down: Option<Vec<String>>,
    /// How long a hook may run.
    pub hook_timeout: Duration,
    /// Who runs them; none: whoever runs lvsd.
    pub hook_user: Option<String>,
    /// What serves when neither the pool nor the backup pool can.
    pub sorry_server: Option<(RealServerId, RealServer)>,
    /// What serves instead of a pool without quorum.
    pub backup_servers: Servers<RealServer>,
}

/// The rules of a virtual server that names none.
impl Default for Rules {
    fn default() -> Self {
        Self {
            quorum: 1,
            hysteresis: 0,
            on_quorum_up: None,
            on_quorum_down: None,
            hook_timeout: HOOK_TIMEOUT,
            hook_user: None,
            sorry_server: None,
            backup_servers: Servers::new(),
        }
    }
}

/// What becomes of one real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conduct {
    /// What becomes of it when it fails.
    pub on_failure: OnFailure,
    /// How long its weight takes to grow after a recovery; none: no time.
    pub slow_start: Option<Duration>,
    /// How long its connections may take to end when it leaves. Zero: it leaves
    /// at once.
    pub drain: Duration,
}

impl Default for Conduct {
    fn default() -> Self {
        Self {
            on_failure: OnFailure::Remove,
            slow_start: None,
            drain: DRAIN,
        }
    }
}

/// What becomes of a server that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// It is taken out of the table; its connections are cut.
    Remove,
    /// It stays at weight 0; the kernel goes on sending it what it has.
    Quiesce,
}

impl OnFailure {
    /// The word of the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Remove => "remove",
            Self::Quiesce => "quiesce",
        }
    }
}

impl std::str::FromStr for OnFailure {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "remove" => Ok(Self::Remove),
            "quiesce" => Ok(Self::Quiesce),
            _ => Err("unknown choice"),
        }
    }
}
