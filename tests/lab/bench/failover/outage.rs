//! What a client saw of a change of master, and the rows that tell it.

use std::time::{Duration, Instant};

use crate::lab::bench::figures::Spread;
use crate::lab::bench::precise;

/// One question.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) at: Instant,
    /// When the answer was there, and from which director if that is known.
    pub(super) answer: Option<(Instant, u8)>,
}

impl Asked {
    pub(super) fn at(at: Instant) -> Self {
        Self { at, answer: None }
    }
}

/// One change, as the client saw it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outage {
    /// The longest time between two answers.
    pub(super) gap: Duration,
    /// Questions without an answer in time.
    pub(super) failed: usize,
    /// From the change until the other director served; none: nothing was to change.
    pub(super) moved: Option<Duration>,
}

impl Outage {
    pub(super) fn of(asked: &[Asked], moved: Option<Duration>) -> Self {
        let mut answers: Vec<_> = asked.iter().filter_map(|it| Some(it.answer?.0)).collect();
        answers.sort_unstable();
        let gaps = answers.windows(2).map(|pair| pair[1] - pair[0]);
        Self {
            gap: gaps.max().unwrap_or_default(),
            failed: asked.iter().filter(|it| it.answer.is_none()).count(),
            moved,
        }
    }
}

/// The same change, many times.
#[derive(Debug, Clone, Default)]
pub(super) struct Outages(Vec<Outage>);

pub(super) const HEAD: [&str; 9] = [
    "gap: median",
    "p99",
    "worst",
    "failed: median",
    "p99",
    "worst",
    "rounds with a failure",
    "moved after: median",
    "worst",
];

impl Outages {
    pub(super) fn add(&mut self, outage: Outage) {
        self.0.push(outage);
    }

    /// The cells of a row under [`HEAD`]; dashes where nothing was measured.
    pub(super) fn cells(&self) -> Vec<String> {
        if self.0.is_empty() {
            return vec!["–".to_owned(); HEAD.len()];
        }
        let gaps = Spread::of(self.0.iter().map(|it| it.gap));
        let failed = Spread::of(self.0.iter().map(|it| it.failed));
        let moved: Vec<_> = self.0.iter().filter_map(|it| it.moved).collect();
        let moved = (!moved.is_empty()).then(|| Spread::of(moved.iter().copied()));
        let moved = |what: fn(&Spread<Duration>) -> Duration| {
            let moved = moved.as_ref();
            moved.map_or_else(|| "–".to_owned(), |spread| precise(what(spread)))
        };
        let with_failures = self.0.iter().filter(|it| it.failed > 0).count();
        let time = precise;
        vec![
            time(gaps.median),
            time(gaps.p99),
            time(gaps.worst),
            failed.median.to_string(),
            failed.p99.to_string(),
            failed.worst.to_string(),
            format!("{with_failures} of {}", self.0.len()),
            moved(|it| it.median),
            moved(|it| it.worst),
        ]
    }
}
