//! What the operator changed at run time.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Configured;
use super::one::role;
use crate::config::changes;
use crate::lvs::{RealServerId, VirtualServerId, Weight};

/// A wish of the operator for one real server of one virtual server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Override {
    /// It leaves, and stays out.
    Drain {
        /// How long its connections may take; none: as configured.
        limit: Option<Duration>,
    },
    /// It has this weight instead of the configured one.
    Weight(Weight),
}

/// `drained`, `weight 5`.
impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drain { .. } => f.write_str("drained"),
            Self::Weight(weight) => write!(f, "weight {weight}"),
        }
    }
}

/// An override with what it overrides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    virtual_server: VirtualServerId,
    real_server: RealServerId,
    #[serde(rename = "override")]
    wish: Override,
    /// The server as configured when the override was made: its role, and what the file
    /// says of it. Once it is configured otherwise the override is over. None: the
    /// configuration no longer had it, and it was let go.
    configured: Option<String>,
}

/// What an override is about.
type Of = (VirtualServerId, RealServerId);

/// Every override; at most one for each real server of each virtual server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Kept>", into = "Vec<Kept>")]
pub struct Overrides(BTreeMap<Of, Kept>);

impl Overrides {
    /// The override of a server, if there is one.
    pub fn get(&self, id: &VirtualServerId, rip: &RealServerId) -> Option<&Override> {
        if self.0.is_empty() {
            return None;
        }
        let kept = self.0.get(&(*id, *rip));
        let kept = kept.filter(|kept| kept.configured.is_some());
        kept.map(|kept| &kept.wish)
    }

    /// Those that were let go although the configuration no longer had them, each with
    /// how long its connections may take, if not as it was configured.
    pub(super) fn let_go(&self) -> impl Iterator<Item = (&Of, Option<Duration>)> {
        let gone = self.0.iter().filter(|(_, kept)| kept.configured.is_none());
        gone.filter_map(|(of, kept)| match kept.wish {
            Override::Drain { limit } => Some((of, limit)),
            Override::Weight(_) => None,
        })
    }

    /// Remembers that one of these is to go.
    pub(super) fn remember_let_go(&mut self, of: Of, limit: Option<Duration>) {
        let kept = Kept {
            virtual_server: of.0,
            real_server: of.1,
            wish: Override::Drain { limit },
            configured: None,
        };
        self.0.insert(of, kept);
    }

    /// Forgets those of them that are no more.
    pub(super) fn retain_let_go(&mut self, is_there: impl Fn(&Of) -> bool) {
        self.0
            .retain(|of, kept| kept.configured.is_some() || is_there(of));
    }

    /// Sets it, or takes it away; nothing happens to a server that is not
    /// configured.
    pub fn set(
        &mut self,
        configured: &Configured,
        id: VirtualServerId,
        rip: RealServerId,
        wish: Option<Override>,
    ) {
        let Some(as_configured) = as_configured(configured, &id, &rip) else {
            return;
        };
        let Some(wish) = wish else {
            self.0.remove(&(id, rip));
            return;
        };
        let kept = Kept {
            virtual_server: id,
            real_server: rip,
            wish,
            configured: Some(as_configured),
        };
        self.0.insert((id, rip), kept);
    }

    /// Forgets those of servers that are gone, or configured otherwise than when
    /// the override was made, in whatever respect.
    pub(super) fn retain_configured(&mut self, configured: &Configured) {
        self.0
            .retain(|(id, rip), kept| as_configured(configured, id, rip) == kept.configured);
    }
}

/// A server's role and what the file says of it; none: it is not configured.
fn as_configured(
    configured: &Configured,
    id: &VirtualServerId,
    rip: &RealServerId,
) -> Option<String> {
    let pool = configured.get(id)?;
    let (role, server) = (role(pool, rip)?, pool.server(rip)?);
    let text = changes::real_server(rip, server);
    Some(format!("{}\n{text}", role.as_str()))
}

impl From<Vec<Kept>> for Overrides {
    fn from(kept: Vec<Kept>) -> Self {
        let keyed = |kept: Kept| ((kept.virtual_server, kept.real_server), kept);
        Self(kept.into_iter().map(keyed).collect())
    }
}

impl From<Overrides> for Vec<Kept> {
    fn from(overrides: Overrides) -> Self {
        overrides.0.into_values().collect()
    }
}
