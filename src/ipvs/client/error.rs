//! What can go wrong between lvsd and the kernel's IPVS.

use std::fmt;
use std::io;

use netlink_packet_core::DecodeError;
use nix::errno::Errno;
use thiserror::Error;

use super::link::LinkError;

/// Why IPVS could not be read or changed.
#[derive(Debug, Error)]
pub enum Error {
    /// No netlink socket.
    #[error("cannot open IPVS: netlink socket")]
    Socket {
        /// The system's reason.
        source: io::Error,
    },
    /// The kernel has no IPVS, or does not let lvsd look for it.
    #[error("cannot open IPVS: generic netlink family \"IPVS\"")]
    Family {
        /// The kernel's reason.
        source: KernelError,
    },
    /// The kernel refused to answer.
    #[error("cannot {doing}")]
    Refused {
        /// What was attempted.
        doing: &'static str,
        /// The kernel's reason.
        source: KernelError,
    },
    /// The socket failed.
    #[error("cannot {doing}: netlink socket")]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// The kernel's answer makes no sense.
    #[error("cannot {doing}: answer of the kernel")]
    Malformed {
        /// What was attempted.
        doing: &'static str,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// Answers did not fit the receive buffer, or did not come. What was asked
    /// for may be done or not: dump again.
    #[error("cannot {doing}: the kernel's answer was lost")]
    Lost {
        /// What was attempted.
        doing: &'static str,
    },
    /// The table changed during every attempt to read it.
    #[error("cannot {doing}: the table keeps changing")]
    Unsteady {
        /// What was attempted.
        doing: &'static str,
    },
}

impl Error {
    /// The way out, if there is one to tell.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Family { source } if source.is_missing() => {
                Some("load the kernel module first: modprobe ip_vs")
            }
            Self::Family { source } | Self::Refused { source, .. }
                if source.errno() == Errno::EPERM =>
            {
                Some("run as root, or with CAP_NET_ADMIN in this network namespace")
            }
            _ => None,
        }
    }

    pub(super) fn from_link(doing: &'static str, error: LinkError) -> Self {
        match error {
            LinkError::Io(source) => Self::Io { doing, source },
            LinkError::Kernel(source) => Self::Refused { doing, source },
            LinkError::Malformed(source) => Self::Malformed { doing, source },
            LinkError::Lost => Self::Lost { doing },
            LinkError::Interrupted => Self::Unsteady { doing },
        }
    }
}

/// The kernel's answer to something it did not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub struct KernelError(Errno);

impl KernelError {
    pub(super) fn from_raw(errno: i32) -> Self {
        Self(Errno::from_raw(errno.saturating_abs()))
    }

    /// Its number.
    pub fn errno(&self) -> Errno {
        self.0
    }

    /// Whether the kernel says that something is not there.
    pub fn is_missing(&self) -> bool {
        matches!(self.0, Errno::ENOENT | Errno::ESRCH)
    }
}

impl From<Errno> for KernelError {
    fn from(errno: Errno) -> Self {
        Self(errno)
    }
}

/// `no such file or directory`
impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.desc().to_lowercase())
    }
}
