//! The real-server agent: the VIP on `lo`, ARP that is silent about it, and an
//! endpoint that tells the directors whether to send clients.
//!
//! ```text
//!  rtnetlink changes ─┐                       ┌─▶ kernel: addresses, sysctls
//!  every second ──────┤                       ├─▶ journal: what was there before
//!  signals ───────────┼─▶ driver ─▶ Agent ────┤
//!  drain deadline ────┤   (loop)    (pure)    └─▶ answers ─▶ /ready on TCP
//!  verdicts ──────────┘                                      /v1/status on the socket
//! ```
//! One loop on one thread. [`agent`] decides, [`kernel`] looks and acts; start,
//! drift, reload and stop take the same way. A VIP that was on `lo` before the
//! first start is used, and left there at the stop where the host keeps silent about
//! it without lvsd: what lvsd did not create it removes only to keep ARP quiet.

pub mod adopt;
pub mod agent;
pub mod askers;
mod driver;
pub mod endpoint;
pub mod gateway;
pub mod journal;
pub mod kernel;
pub mod leaks;
pub mod mss;
mod once;
pub mod preflight;
mod services;
pub mod sysctl;
pub mod tunnel;
pub mod vip;
mod weight;

use std::io;
use std::path::{Path, PathBuf};

use crate::config::realserver::RealServerConfig;
use crate::http::{BindError, TlsError, bind_tcp, bind_unix};
use crate::sys::rtnetlink::{Changes, Rtnetlink};
use crate::sys::signal::Signals;
use crate::sys::state_file;

use driver::Driver;
use journal::{Journal, Store};
use kernel::Kernel;
pub use once::{one_shot, undo};

/// Why the agent did not start or did not stop cleanly.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The signals of this process could not be taken over.
    #[error("cannot listen to signals")]
    Signals(#[source] io::Error),
    /// The readiness endpoint or the control socket.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The certificate of the readiness endpoint.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Something about this host forbids to start; nothing was changed.
    #[error("{}", .0.join("\n"))]
    Refused(Vec<String>),
    /// What an earlier run left is unreadable; nothing was changed.
    #[error(transparent)]
    Journal(#[from] state_file::Error),
    /// The kernel could not be asked; nothing was changed.
    #[error(transparent)]
    Kernel(#[from] kernel::Error),
    /// Something could not be set up; what was is undone.
    #[error("cannot start: {}", .0.join("; "))]
    Start(Vec<String>),
    /// Something could not be put back; the journal remembers it.
    #[error("cannot put everything back: {}; `lvsd realserver --undo` tries again", .0.join("; "))]
    Stop(Vec<String>),
}

/// What is done once somebody else's work has been taken over; none: it is not.
pub type Taken<'a> = Option<&'a dyn Fn()>;

/// Name of the agent's socket in the runtime directory.
pub const SOCKET: &str = "realserver.sock";

/// Name of the file with what was there before the first start.
pub(crate) const JOURNAL: &str = "realserver.json";

/// Runs the agent until a signal stops it. Nothing is changed unless everything
/// it needs is there; `reload` reads the configuration again on SIGHUP. With `taken`
/// what others left becomes lvsd's, see [`adopt`](mod@adopt); it is told once that is so.
///
/// Needs a tokio runtime with one thread. What must survive a crash is kept in
/// `runtime_dir`, as are the control socket and the lock against a second agent.
pub async fn run(
    config: RealServerConfig,
    runtime_dir: PathBuf,
    taken: Taken<'_>,
    reload: impl Fn() -> Result<RealServerConfig, String>,
) -> Result<(), Error> {
    let signals = Signals::listen().map_err(Error::Signals)?;
    check_privilege()?;
    let identity = driver::load_identity(&config.readiness)?;
    let control = bind_unix(&runtime_dir.join(SOCKET))?;
    let public = bind_tcp(config.readiness.listen)?;
    // Before the first look, so that no change falls between the two.
    let changes = Changes::subscribe().map_err(kernel::Error::from)?;
    let (kernel, journal) = open(runtime_dir)?;
    let adopt = taken.is_some();
    let mut driver = Driver::start(config, journal, kernel, changes, adopt).await?;
    driver.serve(control, public, identity);
    if let Some(taken) = taken {
        taken();
    }
    driver.run(signals, reload).await
}

fn check_privilege() -> Result<(), Error> {
    let lacking = preflight::check(Path::new("/proc"));
    match lacking.is_empty() {
        true => Ok(()),
        false => Err(Error::Refused(lacking)),
    }
}

/// The kernel, and what an earlier run left.
fn open(runtime_dir: PathBuf) -> Result<(Kernel, Journal), Error> {
    let store = Store::new(runtime_dir.join(JOURNAL));
    let journal = store.load()?;
    let netlink = Rtnetlink::open().map_err(kernel::Error::from)?;
    Ok((Kernel::new(netlink, store, runtime_dir), journal))
}
