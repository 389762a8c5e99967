//! When the machine itself stood still: threads that run before everything else, one on each
//! processor, and how late they were nevertheless. Where they are late, a hypervisor gave the
//! processor to somebody else or the kernel did not let go of it; no program could have run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use lvsd::sys::realtime::Thread;

use crate::lab::wait::millis;

/// Before `realtime_priority = 50`.
const PRIORITY: u8 = 60;

/// How often each thread wants to run.
const EACH: Duration = millis(2);

/// Lateness worth keeping.
const NOTED: Duration = millis(2);

/// One time a thread was late: when it ran at last, since the epoch, and by how much.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stall {
    pub(super) ended: Duration,
    pub(super) late: Duration,
}

/// The threads, at work.
#[derive(Debug)]
pub(super) struct Watch {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<Stall>>>,
}

impl Watch {
    pub(super) fn begin() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let processors = thread::available_parallelism().unwrap().get();
        let threads = (0..processors).map(|processor| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || watch(processor, &stop))
        });
        Self {
            threads: threads.collect(),
            stop,
        }
    }

    /// All of them, on any processor.
    pub(super) fn end(self) -> Vec<Stall> {
        self.stop.store(true, Ordering::Relaxed);
        let threads = self.threads.into_iter();
        threads.flat_map(|thread| thread.join().unwrap()).collect()
    }
}

fn watch(processor: usize, stop: &AtomicBool) -> Vec<Stall> {
    let mut here = CpuSet::new();
    here.set(processor).unwrap();
    sched_setaffinity(Pid::from_raw(0), &here).unwrap();
    Thread::current().schedule(Some(PRIORITY)).unwrap();
    let mut stalls = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let due = Instant::now() + EACH;
        thread::sleep(EACH);
        let late = due.elapsed();
        if late > NOTED {
            let ended = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            let ended = ended.unwrap();
            stalls.push(Stall { ended, late });
        }
    }
    stalls
}

/// The longest.
pub(super) fn worst(stalls: &[Stall]) -> Duration {
    stalls
        .iter()
        .map(|stall| stall.late)
        .max()
        .unwrap_or_default()
}

/// The longest that ended within 100 ms before that moment, or just after it.
pub(super) fn before(stalls: &[Stall], moment: Duration) -> Duration {
    let near = stalls
        .iter()
        .filter(|stall| stall.ended + millis(100) > moment && stall.ended < moment + millis(20));
    near.map(|stall| stall.late).max().unwrap_or_default()
}
