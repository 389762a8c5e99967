//! `[director]`: how the director's own threads are run and watched.

use std::time::Duration;

use toml::Table;

use super::document::Document;
use super::raw;
use super::show::Keys;
use super::values::{duration, number, show_duration};

/// Every part beats twice a second and is looked at once: less would be noise.
const SHORTEST: Duration = Duration::from_secs(3);

/// How long a part may be silent unless told otherwise: less than the `WatchdogSec` of
/// the unit, so that mastership is resigned before the watchdog kills.
const STUCK_AFTER: Duration = Duration::from_secs(10);

/// How the director's own threads are run and watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threads {
    /// How long the checks, the core or the IPVS thread may stand still before this host
    /// must not be master; none: for ever.
    pub stuck_after: Option<Duration>,
    /// The threads of VRRP and of the virtual addresses run before all others, with this
    /// priority of `SCHED_FIFO`; none: as all others.
    pub realtime_priority: Option<u8>,
}

impl Default for Threads {
    fn default() -> Self {
        Self {
            stuck_after: Some(STUCK_AFTER),
            realtime_priority: None,
        }
    }
}

/// Reads the table.
pub(super) fn read(document: &mut Document<'_>, raw: &raw::Threads) -> Option<Threads> {
    let range = Duration::ZERO..=Duration::from_secs(3_600);
    let stuck_after = duration(document, &raw.stuck_after, STUCK_AFTER, range);
    if let (Some(field), Some(limit)) = (&raw.stuck_after, stuck_after)
        && !limit.is_zero()
        && limit < SHORTEST
    {
        let shortest = show_duration(SHORTEST);
        let mend = format!("write \"{shortest}\" or more, or \"0s\" to switch it off");
        document.refuse(&field.span(), "too short", mend);
    }
    let realtime_priority = match &raw.realtime_priority {
        None => Some(None),
        field => number(document, field, 1_u8, 1..=99).map(Some),
    };
    Some(Threads {
        stuck_after: stuck_after.map(|limit| Some(limit).filter(|limit| !limit.is_zero()))?,
        realtime_priority: realtime_priority?,
    })
}

/// Writes it back.
pub(super) fn show(threads: &Threads) -> Table {
    let limit = threads.stuck_after.unwrap_or_default();
    let keys = Keys::default().set("stuck_after", show_duration(limit));
    match threads.realtime_priority {
        Some(priority) => keys.set("realtime_priority", i64::from(priority)).0,
        None => keys.0,
    }
}

#[cfg(test)]
mod tests;
