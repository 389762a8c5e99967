//! How the director's own threads are run and watched.

use tracing::warn;

use super::Core;
use crate::director::Error;
use crate::director::vrrp::Command;
use crate::pulse::Part;
use crate::sys::systemd;

impl Core {
    /// Has VRRP run with the configured priority, and watch the others for as long as
    /// configured.
    pub(super) fn apply_threads(&mut self) -> Result<(), Error> {
        let threads = self.config.threads;
        self.realtime.set(threads.realtime_priority)?;
        self.vrrp
            .commands
            .send(Command::StuckAfter(threads.stuck_after));
        Ok(())
    }

    /// Addresses that the VIP thread does not take off are taken off by the next start: the
    /// watchdog is left to see to that.
    pub(super) fn feed_watchdog(&self) {
        let status = self.vrrp.status.borrow();
        let vips = status.parts.get(&Part::Vips);
        if vips.is_none_or(|part| part.stuck.is_none()) {
            systemd::alive();
        }
    }

    /// A watchdog that kills before mastership is given up leaves a backup to wait for the
    /// silence of this host.
    pub(super) fn warn_of_watchdog(&self) {
        let watchdog = systemd::watchdog_interval().map(|half| half * 2);
        if let (Some(limit), Some(watchdog)) = (self.config.threads.stuck_after, watchdog)
            && watchdog <= limit
        {
            warn!(
                ?watchdog,
                stuck_after = ?limit,
                "the unit's watchdog would kill lvsd before it can give mastership up: make \
                 WatchdogSec longer than stuck_after"
            );
        }
    }
}
