//! What is asked of a running director over its socket, and what it answers.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::preflight;
use crate::lvs::{RealServerId, VirtualServerId, Weight};

/// `POST` here: a [`ServerWish`], answered by a list of [`Changed`].
pub const SERVER: &str = "/v1/server";

/// `POST` here: a [`VrrpWish`], answered by [`VrrpChanged`].
pub const VRRP: &str = "/v1/vrrp";

/// `POST` here, with an empty body: answered by [`Reloaded`].
pub const RELOAD: &str = "/v1/reload";

/// `POST` here: a [`PlanWish`], answered by [`Planned`].
pub const PLAN: &str = "/v1/plan";

/// `GET` here: the newest events, a JSON object a line, and those to come with
/// `?follow=true`.
pub const EVENTS: &str = "/v1/events";

/// So many of the newest events are told unless another number is asked for.
pub const LAST_EVENTS: usize = 100;

/// A wish for a real server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerWish {
    /// Which.
    pub target: Target,
    /// What.
    pub kind: WishKind,
}

/// What is to become of a real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WishKind {
    /// It takes no new connections, and is out when those it has are over.
    Drain {
        /// How long that may take; none: as configured.
        limit: Option<Duration>,
    },
    /// It is as configured again.
    Enable,
    /// It has this weight instead of the configured one.
    Weight(Weight),
}

/// `drain for at most 30s`, `enable`, `weight 3`: as after `lvsd server`.
impl fmt::Display for WishKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drain { limit: None } => f.write_str("drain"),
            Self::Drain { limit: Some(limit) } => {
                // The longest is a day.
                let limit = SignedDuration::try_from(*limit).unwrap_or(SignedDuration::MAX);
                write!(f, "drain for at most {limit:#}")
            }
            Self::Enable => f.write_str("enable"),
            Self::Weight(weight) => write!(f, "weight {weight}"),
        }
    }
}

/// Real servers by address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// RIP.
    pub address: IpAddr,
    /// Port; none: every port.
    pub port: Option<u16>,
    /// In this virtual server; none: in each that has it.
    pub virtual_server: Option<VirtualServerId>,
}

impl Target {
    /// Whether it is meant.
    pub fn matches(&self, rip: &RealServerId) -> bool {
        rip.ip() == self.address && self.port.is_none_or(|port| port == rip.port())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => RealServerId::new(self.address, port).fmt(f)?,
            None => self.address.fmt(f)?,
        }
        let of = self.virtual_server.iter();
        of.into_iter().try_for_each(|id| write!(f, " of {id}"))
    }
}

/// A real server that a wish was for, as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Of which virtual server.
    pub virtual_server: VirtualServerId,
    /// RIP and port.
    pub real_server: RealServerId,
    /// What it does now, as in status.
    pub state: String,
    /// The weight that the kernel is told; none: it is not in the table.
    pub weight: Option<u32>,
    /// What the kernel refuses of it, and is tried again.
    #[serde(default)]
    pub refused: Option<String>,
    /// What else the kernel may refuse cannot be known before that.
    #[serde(default)]
    pub pending: Option<Pending>,
}

/// What was waited for in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pending {
    /// The first answer of its check.
    Check,
    /// The kernel's table.
    Table,
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Check => "its check has not answered yet",
            Self::Table => "the kernel's table is being changed still",
        })
    }
}

/// `192.168.1.53:80 of tcp 192.168.1.200:80: draining, weight 0`. What is refused of it is
/// left to whoever tells it.
impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            virtual_server,
            real_server,
            state,
            weight,
            refused: _,
            pending,
        } = self;
        write!(f, "{real_server} of {virtual_server}: {state}")?;
        if let Some(weight) = weight {
            write!(f, ", weight {weight}")?;
        }
        match pending {
            Some(pending) => write!(f, "; {pending}"),
            None => Ok(()),
        }
    }
}

/// A wish for a virtual router, and all of its group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VrrpWish {
    /// Its name.
    pub name: String,
    /// What.
    pub kind: VrrpWishKind,
}

/// What is to become of mastership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VrrpWishKind {
    /// Others shall have it.
    Yield,
    /// It is as configured again, and taken back.
    Reclaim,
}

/// The virtual routers that a wish was for. What comes of it is in the status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VrrpChanged {
    /// Their names.
    pub names: Vec<String>,
}

/// A reload that was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// What the new file changes, a line each.
    pub changes: Vec<String>,
    /// What the kernel refuses now, a line each, and is tried again; also what it
    /// refused before and still does.
    #[serde(default)]
    pub refused: Vec<String>,
    /// The kernel's table was not changed yet when this was told.
    #[serde(default)]
    pub under_way: bool,
    /// Real servers that are not in it because their check had not answered yet: whether
    /// the kernel takes them is not known.
    #[serde(default)]
    pub unchecked: Vec<String>,
}

/// A file, and the question what a reload would do if it were the director's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanWish {
    /// What errors call it.
    pub file: PathBuf,
    /// What is in it.
    pub text: String,
}

/// What a file would change, a line each; all empty: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// What drains already, and goes on; no change.
    pub going_on: Vec<String>,
    /// What the kernel refuses now, of that which the file wants too; a reload tells it
    /// again, and is no change.
    #[serde(default)]
    pub refused: Vec<String>,
    /// In the configuration that runs, or, where none does, in the kernel's settings.
    pub changes: Vec<String>,
    /// In the kernel's table, at once.
    pub at_once: Vec<String>,
    /// There, when the checks that have no answer yet pass.
    pub checked: Vec<String>,
    /// There, when drains and slow starts are over.
    pub in_the_end: Vec<String>,
}

impl Planned {
    /// Whether anything would change.
    pub fn differs(&self) -> bool {
        let Self {
            going_on: _,
            refused: _,
            changes,
            at_once,
            checked,
            in_the_end,
        } = self;
        [changes, at_once, checked, in_the_end]
            .iter()
            .any(|lines| !lines.is_empty())
    }
}

/// Something that was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// What kind of refusal it is.
    pub fault: Fault,
    /// Why, for people.
    pub error: String,
}

/// Whose fault a refusal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The file cannot be used.
    Config,
    /// There is no such server.
    Unknown,
    /// It failed at run time.
    Runtime,
}

impl Refused {
    pub(super) fn config(error: String) -> Self {
        let fault = Fault::Config;
        Self { fault, error }
    }

    /// What this kernel says to a file of that text.
    pub(super) fn by_preflight(error: &preflight::Error, file: &Path, text: &str) -> Self {
        let told = error.of_file(file, text);
        match error.is_of_config() {
            true => Self::config(told),
            false => Self::runtime(told),
        }
    }

    pub(super) fn unknown(error: String) -> Self {
        let fault = Fault::Unknown;
        Self { fault, error }
    }

    pub(super) fn runtime(error: String) -> Self {
        let fault = Fault::Runtime;
        Self { fault, error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_told_in_the_operators_words() {
        let limit = Some(Duration::from_secs(90));
        for (kind, told) in [
            (WishKind::Weight(Weight::ZERO), "weight 0"),
            (WishKind::Enable, "enable"),
            (WishKind::Drain { limit: None }, "drain"),
            (WishKind::Drain { limit }, "drain for at most 1m 30s"),
        ] {
            assert_eq!(kind.to_string(), told);
        }
    }
}
