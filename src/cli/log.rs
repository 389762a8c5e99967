//! Where log lines go.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Logs to standard error: for a terminal with time and colour, for the journal
/// without, since it has its own. `LVSD_LOG` chooses what, e.g. `debug` or
/// `lvsd::vrrp=debug`; without it `info`.
pub(super) fn start() {
    let filter = EnvFilter::try_from_env("LVSD_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // A second start in one process leaves the first one in place.
    let _ = match std::env::var_os("JOURNAL_STREAM") {
        Some(_) => log.without_time().try_init(),
        None => log.try_init(),
    };
}
