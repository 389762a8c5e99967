//! `realtime_priority`: the threads that must not wait for a busy host.

use std::io;

use crate::sys::realtime::{self, Thread};

/// Why it could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The scheduler refuses.
    #[error("cannot run VRRP with realtime_priority = {priority}")]
    Schedule {
        /// The priority.
        priority: u8,
        /// Why.
        source: io::Error,
    },
    /// Memory cannot be locked.
    #[error("cannot keep VRRP's memory from being swapped out, as realtime_priority wants")]
    Memory(#[source] io::Error),
}

impl Error {
    /// The way out.
    pub(super) fn mend(&self) -> String {
        match self {
            Self::Schedule { priority, .. } => format!(
                "give lvsd CAP_SYS_NICE, or in its unit LimitRTPRIO={priority} without \
                 RestrictRealtime; or leave realtime_priority out"
            ),
            Self::Memory(_) => "give lvsd CAP_IPC_LOCK, or in its unit LimitMEMLOCK=infinity; \
                                or leave realtime_priority out"
                .to_owned(),
        }
    }
}

/// The threads, and what they run with.
#[derive(Debug)]
pub(super) struct Realtime {
    threads: Vec<Thread>,
    /// As it was set last.
    pub(super) priority: Option<u8>,
}

impl Realtime {
    /// Threads that run as all others.
    pub(super) fn of(threads: Vec<Thread>) -> Self {
        Self {
            threads,
            priority: None,
        }
    }

    /// Has them run with that priority.
    pub(super) fn set(&mut self, priority: Option<u8>) -> Result<(), Error> {
        if priority == self.priority {
            return Ok(());
        }
        let changed = self.change(priority);
        self.priority = priority.filter(|_| changed.is_ok());
        if changed.is_err() {
            // What was done of it is taken back; that needs no privilege.
            let _ = self.change(None);
        }
        changed
    }

    fn change(&self, priority: Option<u8>) -> Result<(), Error> {
        match priority {
            Some(_) => realtime::lock_memory().map_err(Error::Memory)?,
            None => realtime::unlock_memory().map_err(Error::Memory)?,
        }
        let mut threads = self.threads.iter();
        threads.try_for_each(|thread| {
            thread.schedule(priority).map_err(|source| Error::Schedule {
                priority: priority.unwrap_or(0),
                source,
            })
        })
    }
}
