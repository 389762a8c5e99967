//! Threads that run before all others, and memory that is never swapped out.

use std::fs;
use std::io;

use nix::libc;
use nix::unistd::{Pid, gettid};
use rustix::mm::{MlockAllFlags, mlockall, munlockall};
use rustix::process::{Resource, getrlimit};

/// `CAP_IPC_LOCK` of `<linux/capability.h>`.
const IPC_LOCK: u32 = 14;

/// A thread of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thread(Pid);

impl Thread {
    /// The calling one.
    pub fn current() -> Self {
        Self(gettid())
    }

    /// Has it run under `SCHED_FIFO` with that priority, 1..=99, or as threads usually do.
    /// What it starts does not inherit that (`SCHED_RESET_ON_FORK`).
    ///
    /// Needs `CAP_SYS_NICE`, or an `RLIMIT_RTPRIO` of that priority.
    pub fn schedule(self, priority: Option<u8>) -> io::Result<()> {
        let policy = match priority {
            Some(_) => libc::SCHED_FIFO,
            None => libc::SCHED_OTHER,
        };
        let param = libc::sched_param {
            sched_priority: priority.unwrap_or(0).into(),
        };
        #[expect(unsafe_code, reason = "no crate in use has a safe binding of it")]
        // SAFETY: `param` lives through the call, which only reads it; a thread that is
        // gone is an error.
        let result = unsafe {
            // Whoever may not raise a priority may not take this flag away either.
            let policy = policy | libc::SCHED_RESET_ON_FORK;
            libc::sched_setscheduler(self.0.as_raw(), policy, &raw const param)
        };
        match result {
            0.. => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Keeps the memory of this process from being swapped out, page by page as each is used.
///
/// Needs `CAP_IPC_LOCK`, or an `RLIMIT_MEMLOCK` without limit: with any other, memory that
/// is needed later could not be had.
pub fn lock_memory() -> io::Result<()> {
    if getrlimit(Resource::Memlock).current.is_some() && !may_lock() {
        return Err(io::Error::from_raw_os_error(libc::EPERM));
    }
    Ok(mlockall(
        MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT,
    )?)
}

/// Takes [`lock_memory`] back.
pub fn unlock_memory() -> io::Result<()> {
    Ok(munlockall()?)
}

fn may_lock() -> bool {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|text| u64::from_str_radix(text.trim(), 16).ok());
    effective.is_some_and(|effective| effective >> IPC_LOCK & 1 == 1)
}
