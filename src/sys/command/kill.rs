//! Ends a program and everything that descends from it.
//!
//! ```text
//!  look ─▶ stop who is new ─┐ until nobody is new and all are still
//!   ▲                       │
//!   └───────────────────────┘─▶ kill all ─▶ wait ─▶ look again: nobody left?
//! ```
//! A stopped process forks no more and stays the parent of its children, so
//! nobody slips away while the others are sought. Processes are held by pidfds:
//! a number that is used again never leads to somebody else. The leader is
//! reaped by the caller, later, so that its number and its session's stay its own.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::thread::sleep;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tracing::warn;

use super::descent::{self, Kin};
use super::mark::Mark;

/// So often it is looked whether all stand still; one that waits in the kernel
/// may not for long.
const LOOKS: u64 = 40;

/// The longest pause between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// So often all that is found is killed.
const ROUNDS: usize = 5;

/// How long one that was killed is given to be gone, in milliseconds.
const DYING: u8 = 200;

/// Kills the leader of a session of its own, which is not reaped yet, and what
/// descends from it, by its mark too where one is given. Takes milliseconds, more only if a process waits in the kernel.
pub(super) fn descent_of(leader: Pid, mark: Option<&Mark>) {
    let mut left = Vec::new();
    for _ in 0..ROUNDS {
        let held = stop(leader, mark);
        kill(&held);
        // Whatever `/proc` does not show.
        let _ = rustix::process::kill_process_group(leader, Signal::KILL);
        left = living(leader, mark);
        if left.is_empty() {
            return;
        }
    }
    for kin in left {
        let (pid, name) = (kin.pid, kin.name);
        warn!(
            pid,
            name, "cannot end what a script has started: kill it, and see docs/vrrp.md (CAP_KILL)"
        );
    }
}

type Held = BTreeMap<(i32, u64), OwnedFd>;

/// Everything that descends from the leader, stopped if that is possible.
fn stop(leader: Pid, mark: Option<&Mark>) -> Held {
    let mut held = Held::new();
    for look in 0..LOOKS {
        let mut still = true;
        for kin in living(leader, mark) {
            if let Entry::Vacant(entry) = held.entry((kin.pid, kin.started)) {
                // One that has ended, or may not be stopped, is not waited for.
                let Ok(process) = hold(&kin) else {
                    continue;
                };
                if pidfd_send_signal(&process, Signal::STOP).is_ok() {
                    entry.insert(process);
                    still = false;
                }
            } else if !kin.is_still() {
                still = false;
            }
        }
        if still {
            break;
        }
        sleep(PAUSE.min(Duration::from_millis(1 + look)));
    }
    held
}

fn kill(held: &Held) {
    for process in held.values() {
        // It may have ended by itself.
        let _ = pidfd_send_signal(process, Signal::KILL);
    }
    for process in held.values() {
        // Readable when it has ended.
        let mut end = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
        let _ = poll(&mut end, PollTimeout::from(DYING));
    }
}

/// The process itself, not another that has its number now.
fn hold(kin: &Kin) -> io::Result<OwnedFd> {
    let pid = Pid::from_raw(kin.pid).ok_or_else(|| io::Error::other("it has no number"))?;
    let process = pidfd_open(pid, PidfdFlags::empty())?;
    match look_at(&kin.pid.to_string()) {
        Some(now) if now.started == kin.started => Ok(process),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

/// Who descends from the leader and has not ended.
fn living(leader: Pid, mark: Option<&Mark>) -> Vec<Kin> {
    let all = look();
    let is_marked = |kin: &Kin| mark.is_some_and(|mark| mark.is_on(kin.pid));
    let found = descent::of(leader.as_raw_nonzero().get(), &all, is_marked);
    let living = found.into_iter().filter(|kin| !kin.has_ended());
    living.cloned().collect()
}

/// Every process there is, as far as `/proc` shows them.
fn look() -> Vec<Kin> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let numbers = names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    numbers.filter_map(|pid| look_at(&pid)).collect()
}

fn look_at(pid: &str) -> Option<Kin> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    Kin::parse(&String::from_utf8_lossy(&stat))
}
