//! The director: wiring of threads and tasks, order of start and stop.
//!
//! ```text
//!             SIGHUP SIGTERM       GET /v1/status
//!                   │                  │
//!   health runner ──▶    core task   ◀─┘
//!    (tasks)  changes │  │        │
//!       wanted table  │  │        └─ instances ─▶ [lvsd-vrrp] ◀─ links ─┐
//!                     ▼  │ timeouts,               │      │             │
//!                 [ipvs] │ sync daemons     status │      │ claims      │
//!                        ├──▶ [lvsd-settings] ◀────┘      └───▶ [lvsd-vips]
//!                        └──▶ [lvsd-peers]
//! ```
//! Only the core task knows them all. Each thread, in brackets, follows the newest of
//! what is wanted and tells what it sees through a watch that never blocks it.

mod api;
mod balancer;
pub mod control;
mod core;
mod events;
mod handle;
mod hooks;
mod local;
mod module;
mod peers;
pub mod plan;
mod preflight;
mod readiness;
mod realtime;
mod reconcile;
mod settings;
mod settling;
mod snapshot;
mod summary;
mod sysctls;
mod track;
pub mod vips;
pub mod vrrp;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::director::DirectorConfig;
use crate::http::{self, Limits};
use crate::sys::signal::Signals;

use self::api::Access;
use self::core::Core;

/// Name of the director's socket in the runtime directory.
pub const SOCKET: &str = "director.sock";

/// So much may be sent to the socket: `lvsd plan` sends a file, and those of ten
/// thousand virtual servers have some megabytes.
const LONGEST_WISH: usize = 64 * 1024 * 1024;

/// Whoever may open the socket is on this host and has its question ready: a silent one
/// takes a place no longer than this.
const SOCKET_HEAD: Duration = Duration::from_secs(1);

/// Which virtual servers are lvsd's, in the runtime directory.
pub const OWNED_FILE: &str = "director-ipvs.json";

/// Kernel parameters as they were, in the runtime directory.
const SYSCTLS_FILE: &str = "director-sysctl.json";

/// IPVS timeouts as they were, in the runtime directory.
const SETTINGS_FILE: &str = "director-settings.json";

/// Whether a table of nf_tables is lvsd's, in the runtime directory.
const PEERS_FILE: &str = "director-peers.json";

/// What the operator changed at run time, in the runtime directory.
pub const OVERRIDES_FILE: &str = "director-overrides.json";

/// Why the director could not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The runtime directory could not be made.
    #[error("cannot create the runtime directory {}", path.display())]
    RuntimeDir {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A socket or port is not to be had.
    #[error(transparent)]
    Bind(#[from] http::BindError),
    /// A thread that talks to IPVS could not start.
    #[error(transparent)]
    Ipvs(#[from] IpvsError),
    /// The kernel cannot do what is configured.
    #[error(transparent)]
    Preflight(#[from] preflight::Error),
    /// VRRP could not start.
    #[error("cannot start the VRRP thread")]
    Vrrp(#[source] std::io::Error),
    /// The keeper of the VIPs could not start.
    #[error(transparent)]
    Vips(#[from] vips::Error),
    /// A kernel parameter that nothing works without could not be set.
    #[error(transparent)]
    Sysctls(#[from] sysctls::Error),
    /// What an earlier run kept of the operator's wishes cannot be read.
    #[error(transparent)]
    Overrides(#[from] crate::sys::state_file::Error),
    /// Threads cannot run as they should.
    #[error(transparent)]
    Realtime(#[from] realtime::Error),
    /// Signals could not be taken over.
    #[error("cannot listen for signals")]
    Signals(#[source] std::io::Error),
    /// A thread ended that must not end.
    #[error("the {0} thread has failed; its last words are in the log above")]
    Thread(&'static str),
}

impl Error {
    /// What is said of the file, of that text, if it asks for what cannot be had
    /// here: a reload refuses it with the same words.
    pub fn of_file(&self, path: &Path, text: &str) -> Option<String> {
        match self {
            Self::Preflight(error) if error.is_of_config() => Some(error.of_file(path, text)),
            _ => None,
        }
    }

    /// The way out, if there is one to tell.
    pub fn mend(&self) -> Option<String> {
        match self {
            Self::RuntimeDir { .. } => {
                Some("run as root, or name another place with --runtime-dir".to_owned())
            }
            Self::Preflight(error) => error.mend(),
            Self::Realtime(error) => Some(error.mend()),
            Self::Ipvs(IpvsError::Kernel(error)) => error.hint().map(str::to_owned),
            Self::Vips(vips::Error::Announce(_)) => {
                Some("run as root, or with CAP_NET_RAW and CAP_NET_ADMIN".to_owned())
            }
            Self::Vips(vips::Error::Elsewhere { there, .. }) => Some(format!(
                "take it off there: ip address del {} dev {}",
                there.address, there.interface
            )),
            Self::Sysctls(sysctls::Error::Sysctl { key, value, .. }) => Some(format!(
                "run as root, or set it before: sysctl -w {key}={value}"
            )),
            _ => None,
        }
    }
}

/// Why a thread that talks to IPVS could not start.
#[derive(Debug, thiserror::Error)]
pub enum IpvsError {
    /// There is no IPVS here.
    #[error(transparent)]
    Kernel(#[from] crate::ipvs::client::Error),
    /// What an earlier run left cannot be read.
    #[error(transparent)]
    StateFile(#[from] crate::sys::state_file::Error),
    /// The thread could not be made.
    #[error("cannot start a thread that talks to IPVS")]
    Thread(#[from] std::io::Error),
}

/// Runs until it is told to stop, then takes back what it did.
///
/// `path` is read again on SIGHUP.
///
/// # Errors
/// What kept it from starting, or a thread that failed. Everything that was
/// done by then has been taken back.
pub async fn run(config: DirectorConfig, path: PathBuf, runtime_dir: PathBuf) -> Result<(), Error> {
    let signals = Signals::listen().map_err(Error::Signals)?;
    std::fs::create_dir_all(&runtime_dir).map_err(|source| Error::RuntimeDir {
        path: runtime_dir.clone(),
        source,
    })?;
    // The socket first: whoever holds it is the only director of this directory.
    let socket = http::bind_unix(&runtime_dir.join(SOCKET))?;
    let port = http::bind_tcp(config.http_listen)?;
    let (asks_tx, asks) = tokio::sync::mpsc::channel(16);
    let (stopped_tx, stopped) = tokio::sync::watch::channel(());
    let serve = |listener: http::Listener, access: Access| {
        let limits = limits(access);
        let asks = asks_tx.clone();
        let mut stopped = stopped.clone();
        tokio::spawn(http::serve(
            listener,
            limits,
            move |request| api::handle(request, access, asks.clone()),
            // An error means that the sender is gone, which says the same.
            async move { drop(stopped.changed().await) },
        ))
    };
    vips::refuse_held_elsewhere(&config.vrrp, &runtime_dir).await?;
    let core = Core::start(config, path, &runtime_dir).await?;
    let servers = [
        serve(socket.into(), Access::Control),
        serve(port.into(), Access::ReadOnly),
    ];
    let outcome = core.run(signals, asks).await;
    drop(stopped_tx);
    for server in servers {
        // A server that panicked has said so; there is nothing left to do for it.
        let _ = server.await;
    }
    outcome
}

/// What clients of a listener may take.
fn limits(access: Access) -> Limits {
    let limits = Limits::default();
    match access {
        Access::ReadOnly => limits,
        Access::Control => Limits {
            body_bytes: LONGEST_WISH,
            head: SOCKET_HEAD,
            ..limits
        },
    }
}

/// Waits for a thread's end.
async fn join(name: &str, thread: std::thread::JoinHandle<()>) {
    let joined = tokio::task::spawn_blocking(move || thread.join()).await;
    if !matches!(joined, Ok(Ok(()))) {
        tracing::error!(name, "a thread had failed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Answer;

    /// Whoever may open the socket is on this host, and has its question ready.
    #[tokio::test]
    async fn clients_that_are_silent_do_not_keep_others_from_the_socket_for_long() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(SOCKET);
        let socket = http::bind_unix(&path).unwrap();
        let places = 4;
        let limits = Limits {
            connections: places,
            ..limits(Access::Control)
        };
        let handler =
            |_| async { Answer::from(http::Response::text(http::StatusCode::OK, "here")) };
        let serving = tokio::spawn(http::serve(socket, limits, handler, std::future::pending()));
        let mut silent = Vec::new();
        for _ in 0..places {
            silent.push(tokio::net::UnixStream::connect(&path).await.unwrap());
        }
        let asked = crate::sys::clock::now();
        let reply = http::get(&path, "/v1/status").await.unwrap();
        assert_eq!(&reply.body[..], b"here\n");
        let waited = crate::sys::clock::now() - asked;
        assert!(waited < Duration::from_secs(4), "{waited:?}");
        serving.abort();
    }
}
