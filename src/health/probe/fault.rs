//! What an error of a socket says, and whose fault it is.

use std::io;

use nix::errno::Errno;

use super::Outcome;

/// An error of a probe's socket as an outcome.
pub(super) fn outcome(error: &io::Error) -> Outcome {
    let Some(errno) = error.raw_os_error().map(Errno::from_raw) else {
        return Outcome::Failed(error.to_string().to_lowercase());
    };
    let text = describe(errno);
    if is_local(errno) {
        Outcome::Undecided(text)
    } else {
        Outcome::Failed(text)
    }
}

fn describe(errno: Errno) -> String {
    match errno {
        Errno::ECONNREFUSED => "connection refused".to_owned(),
        Errno::ECONNRESET | Errno::EPIPE | Errno::ECONNABORTED => "connection reset".to_owned(),
        Errno::EHOSTUNREACH => "no route to host".to_owned(),
        Errno::ENETUNREACH => "network unreachable".to_owned(),
        Errno::EHOSTDOWN => "host is down".to_owned(),
        Errno::ETIMEDOUT => "connection timed out".to_owned(),
        Errno::EMFILE => "too many open files".to_owned(),
        Errno::ENFILE => "too many open files in the system".to_owned(),
        Errno::EADDRNOTAVAIL => "no local port or address is free".to_owned(),
        Errno::EPERM | Errno::EACCES => "not permitted by this host".to_owned(),
        other => other.desc().to_lowercase(),
    }
}

/// Whether the attempt failed for want of something here, rather than there.
///
/// A missing route is not among them: traffic could not be forwarded either.
fn is_local(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::EMFILE
            | Errno::ENFILE
            | Errno::ENOBUFS
            | Errno::ENOMEM
            | Errno::EADDRNOTAVAIL
            | Errno::EADDRINUSE
            | Errno::EAGAIN
            | Errno::EAFNOSUPPORT
            // A rule of this host's own firewall or routing table.
            | Errno::EPERM
            | Errno::EACCES
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_of_the_server_has_its_own_reason() {
        for (errno, reason) in [
            (Errno::ECONNREFUSED, "connection refused"),
            (Errno::ECONNRESET, "connection reset"),
            (Errno::EHOSTUNREACH, "no route to host"),
            (Errno::ENETUNREACH, "network unreachable"),
            (Errno::ETIMEDOUT, "connection timed out"),
            (Errno::EPROTO, "protocol error"),
        ] {
            assert_eq!(outcome(&errno.into()), Outcome::Failed(reason.to_owned()));
        }
    }

    #[test]
    fn a_fault_of_this_host_decides_nothing() {
        for errno in [
            Errno::EMFILE,
            Errno::ENOBUFS,
            Errno::EADDRNOTAVAIL,
            Errno::EPERM,
        ] {
            let outcome = outcome(&errno.into());
            assert!(matches!(outcome, Outcome::Undecided(_)), "{outcome:?}");
        }
    }
}
