//! The arithmetic of RFC 9568 §6.1 and RFC 3768 §6.1.

use std::time::Duration;

use super::{Priority, Version};

/// How long a backup waits beyond three missed adverts, so that the backup with
/// the highest priority moves first.
///
/// RFC 9568 §6.1 (version 3). Version 2 differs: RFC 3768 §6.1 counts
/// `(256 - priority) / 256` in seconds, whatever the advert interval.
pub fn skew_time(version: &Version, priority: Priority, master_interval: Duration) -> Duration {
    let unit = match version {
        Version::V2 { .. } => Duration::from_secs(1),
        Version::V3 => master_interval,
    };
    unit * (256 - u32::from(priority.get())) / 256
}

/// How long a backup hears nothing before it holds the master for dead: three
/// adverts and the skew time.
///
/// `master_interval` is the interval the master announced (version 3), or the
/// configured one.
pub fn master_down_interval(
    version: &Version,
    priority: Priority,
    master_interval: Duration,
) -> Duration {
    3 * master_interval + skew_time(version, priority, master_interval)
}

#[cfg(test)]
mod tests;
