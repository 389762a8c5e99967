//! Runs scenarios, some side by side, and leaves their outcomes for the machine.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, RwLock, mpsc};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use super::results::Outcome;
use super::scenario::{Lab, Needs, Scenario};
use super::wait::{secs, within};
use super::{scenarios, systemd};

/// How many scenarios run at a time unless `LVSD_LAB_JOBS` says otherwise: they mostly wait,
/// yet user-mode Linux has one processor for all of them, and as many kernels run side by side
/// as this machine has processors (`LVSD_LAB_BOOTS`).
const JOBS: usize = 3;

/// What a panicking thread said, until somebody asks.
static PANICS: Mutex<Option<HashMap<ThreadId, String>>> = Mutex::new(None);

/// Runs what the plan in the shared directory names, one scenario a line.
pub(crate) fn main() -> ExitCode {
    panic::set_hook(Box::new(|info| {
        let text = info.to_string();
        PANICS
            .lock()
            .unwrap()
            .get_or_insert_default()
            .insert(thread::current().id(), text);
    }));
    let out = out();
    println!("lab: up");
    let queue: VecDeque<_> = plan().iter().map(|name| scenarios::find(name)).collect();
    let queue = Arc::new(Mutex::new(queue));
    // Shared by all, or held by one that is to be alone.
    let room = Arc::new(RwLock::new(()));
    let jobs = std::env::var("LVSD_LAB_JOBS")
        .ok()
        .and_then(|text| text.parse().ok());
    let workers: Vec<_> = (0..jobs.unwrap_or(JOBS).max(1))
        .map(|_| {
            let (queue, room, out) = (Arc::clone(&queue), Arc::clone(&room), out.clone());
            thread::spawn(move || {
                loop {
                    let Some(scenario) = queue.lock().unwrap().pop_front() else {
                        return;
                    };
                    let stands = "nobody panics in the room";
                    let _alone = scenario.alone.then(|| room.write().expect(stands));
                    let _shared = (!scenario.alone).then(|| room.read().expect(stands));
                    println!("lab: begins {}", scenario.name);
                    let outcome = run(scenario);
                    println!("lab: ended {}", scenario.name);
                    outcome
                        .save(&out, scenario.name)
                        .expect("the shared directory is writable");
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().expect("a worker survives its scenarios");
    }
    // A scenario that never ended still has its thread: it ends here.
    std::process::exit(0)
}

/// The names of the scenarios to run.
pub(super) fn plan() -> Vec<String> {
    let plan = fs::read_to_string(out().join("plan")).expect("the machine left a plan");
    plan.lines().map(str::to_owned).collect()
}

/// The directory shared with the machine.
pub(super) fn out() -> PathBuf {
    std::env::var_os("LAB_OUT")
        .expect("started inside a lab")
        .into()
}

pub(super) fn live() -> bool {
    std::env::var_os("LAB_LIVE").is_some()
}

/// Runs one scenario within its limit, and ends whatever it started.
fn run(scenario: &'static Scenario) -> Outcome {
    let begun = Instant::now();
    let lab = Lab::open(&PathBuf::from("/run/lab").join(scenario.name), live());
    let (done, ended) = mpsc::channel();
    let site = lab.clone();
    thread::spawn(move || {
        let result = panic::catch_unwind(AssertUnwindSafe(|| (scenario.run)(&site)));
        let _ = done.send(result.map_err(|panic| said(&*panic)));
    });
    let limit = within(scenario.limit).limit();
    let result = ended
        .recv_timeout(limit)
        .unwrap_or_else(|_| Err(format!("not finished within {} s", limit.as_secs())));
    let took = begun.elapsed();
    let report = match result {
        Ok(()) => lab.narration(),
        Err(ref why) => {
            let (lab, systemd) = (lab.clone(), matches!(scenario.needs, Needs::Systemd(_)));
            let known = bounded(secs(60), move || {
                let journal = if systemd {
                    systemd::journal()
                } else {
                    String::new()
                };
                lab.describe() + &journal
            });
            format!("{why}\n\n{known}")
        }
    };
    bounded(secs(60), move || {
        lab.close();
        String::new()
    });
    Outcome {
        passed: result.is_ok(),
        took,
        report,
    }
}

/// Runs something that a broken scenario might make hang.
fn bounded(limit: Duration, work: impl FnOnce() -> String + Send + 'static) -> String {
    let (done, ended) = mpsc::channel();
    thread::spawn(move || {
        let text =
            panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| said(&*panic));
        let _ = done.send(text);
    });
    ended
        .recv_timeout(limit)
        .unwrap_or_else(|_| "(and describing it hung)".to_owned())
}

/// What this thread said when it panicked.
fn said(panic: &(dyn Any + Send)) -> String {
    let kept = PANICS
        .lock()
        .unwrap()
        .get_or_insert_default()
        .remove(&thread::current().id());
    let payload = || {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("a panic")
            .to_owned()
    };
    kept.unwrap_or_else(payload)
}
