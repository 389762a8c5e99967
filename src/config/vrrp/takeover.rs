//! How mastership is taken and given away.

use std::time::Duration;

use super::super::document::Document;
use super::super::values::duration;
use super::raw;
use crate::vrrp::{Priority, Takeover, Version};

/// The longest delay before a takeover, as long as keepalived allows.
const LONGEST_DELAY: Duration = Duration::from_secs(1_000);

/// The longest that a stop may wait for a successor.
const LONGEST_HANDOVER: Duration = Duration::from_secs(60);

/// How long a successor may take to have its addresses, once its time has come.
const ADDRESSES_WITHIN: Duration = Duration::from_secs(5);

/// Reads the keys; version and `advert_interval` are what a default depends on. `startup_delay`
/// is obeyed by an owner too.
pub(super) fn takeover(
    document: &mut Document<'_>,
    raw: &raw::Vrrp,
    (version, advert_interval): (Option<Version>, Option<Duration>),
    priority: Option<Priority>,
) -> Option<Takeover> {
    let delays = Duration::ZERO..=LONGEST_DELAY;
    let preempt_delay = duration(document, &raw.preempt_delay, Duration::ZERO, delays.clone());
    let startup_delay = duration(document, &raw.startup_delay, Duration::ZERO, delays);
    let handover_timeout = duration(
        document,
        &raw.handover_timeout,
        default_handover(version, advert_interval.unwrap_or_default()),
        Duration::ZERO..=LONGEST_HANDOVER,
    );
    if let (Some(delay), Some(preempt)) = (&raw.preempt_delay, &raw.preempt)
        && !preempt.get_ref()
    {
        let mend = "remove preempt_delay, or write preempt = true";
        document.refuse(&delay.span(), "without preempt there is no delay", mend);
    }
    if let (Some(written), Some(delay)) = (&raw.preempt_delay, preempt_delay)
        && priority == Some(Priority::OWNER)
        && !delay.is_zero()
    {
        // RFC 9568 §6.4.1: it is master as soon as it starts.
        let message = "an owner of the addresses (priority 255) takes them at once";
        let mend = "remove it, or write a lower priority, such as 254";
        document.refuse(&written.span(), message, mend);
    }
    Some(Takeover {
        preempt_delay: preempt_delay?,
        startup_delay: startup_delay?,
        handover_timeout: handover_timeout?,
    })
}

/// A backup that heard the resignation takes over within its skew time: less than
/// an advert interval, or a second in version 2. One that did not hear it needs
/// more than three intervals, and its group waits for it.
fn default_handover(version: Option<Version>, advert_interval: Duration) -> Duration {
    let longest_skew = match version {
        Some(Version::V2 { .. }) => Duration::from_secs(1),
        Some(Version::V3) | None => advert_interval,
    };
    let enough = Duration::from_secs(10).max(longest_skew + ADDRESSES_WITHIN);
    (4 * advert_interval).clamp(Duration::from_secs(1), enough)
}
