//! Listening sockets, with errors that say how to mend them.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, UnixListener};
use tracing::info;

/// Connections the kernel holds until they are accepted.
const BACKLOG: i32 = 1024;

/// Why nothing can listen there.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The port is in use.
    #[error(
        "cannot listen on {0}: port taken\n    \
         another process listens there: `ss -ltnp 'sport = :{port}'`",
        port = .0.port()
    )]
    PortTaken(SocketAddr),
    /// No interface has the address.
    #[error(
        "cannot listen on {0}: no interface of this host has that address\n    \
         see those it has with `ip -br address`"
    )]
    NotLocal(SocketAddr),
    /// A port below 1024 without the right to it.
    #[error(
        "cannot listen on {0}: permission denied\n    \
         ports below 1024 need CAP_NET_BIND_SERVICE; choose a higher one or run as root"
    )]
    Privileged(SocketAddr),
    /// Any other fault of a TCP socket.
    #[error("cannot listen on {address}")]
    Tcp {
        /// Where.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// Somebody answers on, or has locked, the socket.
    #[error(
        "cannot listen on {path}: another lvsd {role} is running\n    \
         stop it first (`systemctl stop lvsd-{role}`), or give this one its own --runtime-dir",
        path = .path.display()
    )]
    AlreadyRunning {
        /// The socket.
        path: PathBuf,
        /// The role, after the name of the socket.
        role: String,
    },
    /// Something that is not a socket lies there.
    #[error(
        "cannot listen on {path}: there is something that is not a socket\n    \
         move it away, or choose another --runtime-dir",
        path = .0.display()
    )]
    NotASocket(PathBuf),
    /// The lock is another user's.
    #[error(
        "cannot lock {path}: permission denied\n    \
         it is another user's: run as that user (root, if it was started as root before), remove \
         the file if no lvsd runs there, or name another place with --runtime-dir",
        path = .0.display()
    )]
    LockDenied(PathBuf),
    /// Any other fault of a Unix socket.
    #[error("cannot {attempt} {path}", path = .path.display())]
    Unix {
        /// What was attempted.
        attempt: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Listens on a TCP port; port 0 takes a free one. `[::]` is every address of both
/// families, and of IPv4 alone where there is no IPv6.
///
/// Needs a tokio runtime around it.
pub fn bind_tcp(address: SocketAddr) -> Result<TcpListener, BindError> {
    match listen(address) {
        Err(error) if lacks_ipv6(address, &error) => {
            let ipv4 = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port());
            info!(at = %ipv4, "there is no IPv6 here: listening by IPv4 alone");
            listen(ipv4).map_err(|source| fault(ipv4, source))
        }
        other => other.map_err(|source| fault(address, source)),
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // A restart must not wait for the TIME_WAIT of its predecessor's connections.
    socket.set_reuse_address(true)?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        // Whatever `net.ipv6.bindv6only` says.
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Whether every address was meant, and it failed since there are none of IPv6: the
/// kernel was started with `ipv6.disable=1`, or systemd keeps the family from the unit.
fn lacks_ipv6(address: SocketAddr, error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        && matches!(errno, Some(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL))
}

fn fault(address: SocketAddr, source: io::Error) -> BindError {
    match source.kind() {
        ErrorKind::AddrInUse => BindError::PortTaken(address),
        ErrorKind::AddrNotAvailable => BindError::NotLocal(address),
        ErrorKind::PermissionDenied => BindError::Privileged(address),
        _ => BindError::Tcp { address, source },
    }
}

/// A listening Unix socket that nobody else of its name can replace.
///
/// The lock beside it (`director.lock` for `director.sock`) ends with the
/// process, however that ends. Dropping this removes the socket file; the lock
/// file stays, since removing it would let two processes lock different files.
#[derive(Debug)]
pub struct UnixSocket {
    pub(super) listener: UnixListener,
    path: PathBuf,
    _lock: Flock<File>,
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        // Best effort: a file left behind is replaced by the next start.
        let _ = fs::remove_file(&self.path);
    }
}

/// Listens on a Unix socket of mode 0660, making its directory if need be.
///
/// A socket file that nobody listens on is replaced. One that answers, or whose
/// lock is held, is [`BindError::AlreadyRunning`]; the role in that text is the
/// name of the file without `.sock`. Needs a tokio runtime around it.
pub fn bind_unix(path: &Path) -> Result<UnixSocket, BindError> {
    make_directory(path)?;
    let lock = lock(path)?;
    refuse_unless_stale(path)?;
    // Bound under another name and then renamed: there is no moment in which the
    // path has wider permissions, or in which nothing is there.
    let fresh = path.with_extension("new");
    let fault = |attempt, source| BindError::Unix {
        attempt,
        path: path.to_owned(),
        source,
    };
    match fs::remove_file(&fresh) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            return Err(fault("replace what a crash left beside", source));
        }
        _ => {}
    }
    let listener = UnixListener::bind(&fresh).map_err(|e| fault("listen on", e))?;
    fs::set_permissions(&fresh, Permissions::from_mode(0o660))
        .map_err(|e| fault("set the mode of", e))?;
    fs::rename(&fresh, path).map_err(|e| fault("put the socket at", e))?;
    Ok(UnixSocket {
        listener,
        path: path.to_owned(),
        _lock: lock,
    })
}

fn make_directory(path: &Path) -> Result<(), BindError> {
    let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) else {
        return Ok(());
    };
    let made = DirBuilder::new().recursive(true).mode(0o755).create(parent);
    made.map_err(|source| BindError::Unix {
        attempt: "make the directory",
        path: parent.to_owned(),
        source,
    })
}

fn lock(path: &Path) -> Result<Flock<File>, BindError> {
    let lock = path.with_extension("lock");
    let fault = |source: io::Error| match source.kind() {
        ErrorKind::PermissionDenied => BindError::LockDenied(lock.clone()),
        _ => BindError::Unix {
            attempt: "lock",
            path: lock.clone(),
            source,
        },
    };
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&lock)
        .map_err(fault)?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        Errno::EWOULDBLOCK => already_running(path),
        other => fault(other.into()),
    })
}

/// Fails if the path holds anything but a socket nobody listens on.
fn refuse_unless_stale(path: &Path) -> Result<(), BindError> {
    match UnixStream::connect(path) {
        Ok(_) => Err(already_running(path)),
        Err(error) => match error.kind() {
            ErrorKind::NotFound => Ok(()),
            ErrorKind::ConnectionRefused if is_socket(path) => Ok(()),
            ErrorKind::ConnectionRefused => Err(BindError::NotASocket(path.to_owned())),
            // Its backlog is full: busy, but alive.
            ErrorKind::WouldBlock => Err(already_running(path)),
            _ => Err(BindError::Unix {
                attempt: "find out who listens on",
                path: path.to_owned(),
                source: error,
            }),
        },
    }
}

fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket())
}

fn already_running(path: &Path) -> BindError {
    let role = path
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned());
    BindError::AlreadyRunning {
        path: path.to_owned(),
        role: role.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
