//! What systemd is told about this service, see sd_notify(3). Without
//! `NOTIFY_SOCKET` in the environment nothing is told to anybody.

use std::time::Duration;

use sd_notify::NotifyState;

/// The service is up, with a line for `systemctl status`.
pub fn ready(status: &str) {
    notify(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The configuration is being read again. [`ready`] ends it.
pub fn reloading() {
    // Type=notify-reload wants the time of the call along with RELOADING=1.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(_) => notify(&[NotifyState::Reloading]),
    }
}

/// The service has begun to stop; stopping takes at most `within`, whatever
/// `TimeoutStopSec` says.
pub fn stopping(status: &str, within: Duration) {
    let micros = u32::try_from(within.as_micros()).unwrap_or(u32::MAX);
    notify(&[
        NotifyState::Stopping,
        NotifyState::Status(status),
        NotifyState::ExtendTimeoutUsec(micros),
    ]);
}

/// The line that `systemctl status` shows.
pub fn status(status: &str) {
    notify(&[NotifyState::Status(status)]);
}

/// How often to call [`alive`]: half of `WatchdogSec`. None if it is not set.
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

/// Keeps the watchdog from killing this process. Call it from the loop whose
/// life is to be watched, not from a task of its own.
pub fn alive() {
    notify(&[NotifyState::Watchdog]);
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "cannot notify systemd");
    }
}
