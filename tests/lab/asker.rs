//! Requests in the background, and the report on them.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::client::{Answer, Url, request};
use super::room::in_net;

/// Asks until stopped.
#[derive(Debug)]
pub(crate) struct Asker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Asked>>>,
}

/// One request of an [`Asker`].
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// When it was made.
    pub(crate) at: Instant,
    /// When its answer, or its failure, was there.
    pub(crate) done: Instant,
    pub(crate) result: Result<Answer, String>,
}

/// What became of an [`Asker`]'s requests.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) asked: Vec<Asked>,
}

impl Asker {
    pub(super) fn start(net: Arc<File>, url: Url, every: Duration, limit: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = in_net(net, move || {
            let mut asked = Vec::new();
            let mut next = Instant::now();
            while !stopped.load(Ordering::Relaxed) {
                let at = Instant::now();
                let result = request(&url, limit);
                asked.push(Asked {
                    at,
                    done: Instant::now(),
                    result,
                });
                // A late request is not made up for: the next one keeps its distance.
                next = (next + every).max(Instant::now());
                thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            asked
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }

    /// Stops asking and reports.
    pub(crate) fn stop(mut self) -> Report {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("an asker is stopped once");
        Report {
            asked: thread.join().expect("asking does not panic"),
        }
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Report {
    /// Requests that got no answer, with when (since the first request) and why.
    pub(crate) fn failures(&self) -> Vec<String> {
        let Some(begun) = self.asked.first().map(|asked| asked.at) else {
            return Vec::new();
        };
        let failure = |asked: &Asked| {
            let why = asked.result.as_ref().err()?;
            Some(format!(
                "at {:.3} s: {why}",
                asked.at.duration_since(begun).as_secs_f64()
            ))
        };
        self.asked.iter().filter_map(failure).collect()
    }

    /// Answers by body, without white space at its ends.
    pub(crate) fn answers(&self) -> BTreeMap<String, usize> {
        self.answers_since(None)
    }

    /// Answers by body to requests made since this moment.
    pub(crate) fn answers_since(&self, moment: Option<Instant>) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for asked in self
            .asked
            .iter()
            .filter(|asked| moment.is_none_or(|moment| asked.at >= moment))
        {
            if let Ok(answer) = &asked.result {
                *counts.entry(answer.body.trim().to_owned()).or_default() += 1;
            }
        }
        counts
    }

    /// The longest time without an answer: between two answers that follow each other, or from
    /// the first request to the first answer, or from the last answer to the end.
    pub(crate) fn longest_gap(&self) -> Duration {
        let (Some(first), Some(last)) = (self.asked.first(), self.asked.last()) else {
            return Duration::ZERO;
        };
        let answered = self
            .asked
            .iter()
            .filter(|asked| asked.result.is_ok())
            .map(|asked| asked.done);
        let mut moments = vec![first.at];
        moments.extend(answered);
        moments.push(last.done);
        moments
            .windows(2)
            .map(|pair| pair[1].duration_since(pair[0]))
            .max()
            .unwrap_or_default()
    }
}
