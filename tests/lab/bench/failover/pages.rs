//! A client that asks a site for its page every 10 ms, each time on a connection of its own and
//! whatever became of the request before.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::asking::EVERY;
use super::outage::Asked;
use crate::lab::client::{Url, request};
use crate::lab::room::in_net;
use crate::lab::wait::millis;
use crate::lab::{Host, Site};

/// How long an answer may take: less than a lost SYN needs to be sent again.
const LIMIT: Duration = millis(250);

/// As many as may wait at a time, and some more.
const WORKERS: u32 = 32;

/// Askers that take turns.
#[derive(Debug)]
pub(super) struct Pages {
    stop: Arc<AtomicBool>,
    /// Whether the page asked for last was there.
    well: Arc<AtomicBool>,
    workers: Vec<JoinHandle<Vec<Asked>>>,
}

impl Pages {
    pub(super) fn begin(client: &Host) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let well = Arc::new(AtomicBool::new(false));
        let begun = Instant::now();
        let workers = (0..WORKERS).map(|number| {
            let (stop, well) = (Arc::clone(&stop), Arc::clone(&well));
            in_net(client.room().net(), move || {
                ask(begun + EVERY * number, &stop, &well)
            })
        });
        Self {
            workers: workers.collect(),
            stop,
            well,
        }
    }

    pub(super) fn is_answered(&self) -> bool {
        self.well.load(Ordering::Relaxed)
    }

    pub(super) fn end(self) -> Vec<Asked> {
        self.stop.store(true, Ordering::Relaxed);
        let workers = self.workers.into_iter();
        let mut asked: Vec<_> = workers.flat_map(|worker| worker.join().unwrap()).collect();
        asked.sort_by_key(|it| it.at);
        asked
    }
}

/// One worker's turns.
fn ask(mut next: Instant, stop: &AtomicBool, well: &AtomicBool) -> Vec<Asked> {
    let url = Url::parse(&Site::url());
    let mut asked = Vec::new();
    loop {
        thread::sleep(next.saturating_duration_since(Instant::now()));
        if stop.load(Ordering::Relaxed) {
            return asked;
        }
        let at = Instant::now();
        let answer = request(&url, LIMIT);
        let answer = answer.is_ok().then(|| (Instant::now(), 0));
        well.store(answer.is_some(), Ordering::Relaxed);
        asked.push(Asked { at, answer });
        next += EVERY * WORKERS;
    }
}
