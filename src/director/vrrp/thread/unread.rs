//! What a socket holds is read before a deadline that an advert in it would put off.
//!
//! In a flood there is always something to read, and other routers have deadlines too: it is
//! read in bursts, until the socket was empty once, or until more was read than it holds.

use std::time::Instant;

/// More than wait in a socket's buffer.
pub(super) const BACKLOG: usize = 16_384;

/// What a look into a socket came to.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::director::vrrp) struct Looked {
    /// So many packets were read.
    pub(super) packets: usize,
    /// The socket was empty then, or later.
    pub(super) empty_at: Option<Instant>,
}

/// How much was read since a deadline has come.
#[derive(Debug, Default)]
pub(in crate::director::vrrp) struct Unread {
    deadline: Option<Instant>,
    packets: usize,
}

impl Unread {
    /// Whether everything that came before the deadline has been read.
    pub(in crate::director::vrrp) fn is_nothing(
        &mut self,
        deadline: Instant,
        looked: Looked,
    ) -> bool {
        if self.deadline != Some(deadline) {
            self.deadline = Some(deadline);
            self.packets = 0;
        }
        self.packets += looked.packets;
        looked.empty_at.is_some_and(|at| at >= deadline) || self.packets > BACKLOG
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    fn looked(packets: usize, empty_at: Option<Instant>) -> Looked {
        Looked { packets, empty_at }
    }

    #[test]
    fn a_deadline_waits_until_its_socket_was_empty_once_after_it() {
        let deadline = crate::sys::clock::now();
        let mut unread = Unread::default();
        assert!(!unread.is_nothing(deadline, looked(64, None)));
        assert!(!unread.is_nothing(deadline, looked(3, Some(deadline - MOMENT))));
        assert!(unread.is_nothing(deadline, looked(0, Some(deadline))));
    }

    #[test]
    fn a_flood_puts_a_deadline_off_by_what_a_socket_holds_and_no_more() {
        let mut deadline = crate::sys::clock::now();
        let mut unread = Unread::default();
        for _ in 0..2 {
            let bursts = (1..).find(|_| unread.is_nothing(deadline, looked(64, None)));
            assert_eq!(bursts, Some(BACKLOG / 64 + 1));
            deadline += MOMENT;
        }
    }
}
