//! Waking a thread that sleeps in `poll`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use nix::sys::eventfd::{EfdFlags, EventFd};

/// An eventfd, which any clone can signal. Signals add up until they are taken.
#[derive(Debug, Clone)]
pub struct Wakeup {
    event: Arc<EventFd>,
}

impl Wakeup {
    /// Opens one, not signalled.
    pub fn new() -> io::Result<Self> {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let event = EventFd::from_value_and_flags(0, flags)?;
        Ok(Self {
            event: Arc::new(event),
        })
    }

    /// Makes the descriptor readable. Never blocks; a descriptor that cannot
    /// count further is readable already.
    pub fn signal(&self) {
        let _ = self.event.write(1);
    }

    /// Makes the descriptor unreadable until the next signal.
    pub fn take(&self) {
        let _ = self.event.read();
    }
}

impl AsFd for Wakeup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    fn is_readable(wakeup: &Wakeup) -> bool {
        let mut fds = [PollFd::new(wakeup.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).unwrap() == 1
    }

    #[test]
    fn a_signal_stays_until_it_is_taken_and_several_are_one() {
        let wakeup = Wakeup::new().unwrap();
        assert!(!is_readable(&wakeup));
        let other = wakeup.clone();
        other.signal();
        wakeup.signal();
        assert!(is_readable(&wakeup));
        wakeup.take();
        assert!(!is_readable(&wakeup));
        wakeup.take();
    }
}
