//! What happened lately, and those who follow what happens.
//!
//! Each line is made once and shared. Whoever reads too slowly loses the oldest
//! lines and is told how many: nobody waits for a reader, and a reader that
//! stopped takes no memory beyond what is kept anyway.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use hyper::body::Bytes;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::status::event::{Event, Missed, Record};
use crate::sys::clock;

/// So many lines are kept for those who come later.
const KEPT: usize = 1_000;

/// A reader may be so many lines behind.
const BEHIND: usize = 1_024;

/// So many may follow at a time.
const FOLLOWERS: usize = 32;

/// How often a reader to whom there is nothing to say gets an empty line: one
/// that has gone away is noticed then.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// The newest lines, and the way to those who follow.
#[derive(Debug)]
pub(super) struct Journal {
    seq: u64,
    kept: VecDeque<Bytes>,
    news: broadcast::Sender<Bytes>,
    places: Arc<Semaphore>,
}

/// What a reader asked for.
#[derive(Debug)]
pub(super) struct Follower {
    first: Option<Bytes>,
    news: Option<broadcast::Receiver<Bytes>>,
    _place: OwnedSemaphorePermit,
}

impl Journal {
    /// Empty.
    pub(super) fn new() -> Self {
        Self {
            seq: 0,
            kept: VecDeque::new(),
            news: broadcast::channel(BEHIND).0,
            places: Arc::new(Semaphore::new(FOLLOWERS)),
        }
    }

    /// Writes it down, and tells those who follow.
    pub(super) fn tell(&mut self, event: Event) {
        self.seq += 1;
        let record = Record {
            seq: self.seq,
            at: clock::wall(),
            event,
        };
        let Some(line) = line(&record) else { return };
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(line.clone());
        // Nobody follows.
        let _ = self.news.send(line);
    }

    /// The newest `last` lines, and from then on every one if `follow`; none:
    /// too many read already.
    pub(super) fn read(&self, last: usize, follow: bool) -> Option<Follower> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let skipped = self.kept.len().saturating_sub(last);
        let lines: Vec<_> = self.kept.iter().skip(skipped).cloned().collect();
        let first = Bytes::from(lines.concat());
        Some(Follower {
            first: (!first.is_empty()).then_some(first),
            news: follow.then(|| self.news.subscribe()),
            _place: place,
        })
    }
}

impl Follower {
    /// Its lines, one or several at a time; they end with the director.
    pub(super) fn lines(self) -> impl Stream<Item = Bytes> + Send {
        stream::unfold(self, |mut follower| async move {
            let line = follower.next().await?;
            Some((line, follower))
        })
    }

    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let news = self.news.as_mut()?;
        match timeout(HEARTBEAT, news.recv()).await {
            Ok(Ok(line)) => Some(line),
            Ok(Err(RecvError::Lagged(count))) => line(&Missed { count }),
            Ok(Err(RecvError::Closed)) => None,
            Err(_) => Some(Bytes::from_static(b"\n")),
        }
    }
}

fn line(value: &impl serde::Serialize) -> Option<Bytes> {
    let mut line = serde_json::to_vec(value).ok()?;
    line.push(b'\n');
    Some(line.into())
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    fn event(n: usize) -> Event {
        let error = n.to_string();
        Event::ReloadRefused { error }
    }

    fn records(lines: &[u8]) -> Vec<Record> {
        let lines = lines.split(|byte| *byte == b'\n');
        let lines = lines.filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }

    #[tokio::test]
    async fn the_newest_lines_are_kept_and_numbered() {
        let mut journal = Journal::new();
        for n in 1..=KEPT + 5 {
            journal.tell(event(n));
        }
        let mut lines = Box::pin(journal.read(usize::MAX, false).unwrap().lines());
        let told = records(&lines.next().await.unwrap());
        assert_eq!(lines.next().await, None);
        assert_eq!(told.len(), KEPT);
        assert_eq!((told[0].seq, told[0].event.clone()), (6, event(6)));
        let mut two = Box::pin(journal.read(2, false).unwrap().lines());
        let told = records(&two.next().await.unwrap());
        assert_eq!(
            told.iter().map(|it| it.seq).collect::<Vec<_>>(),
            [1004, 1005]
        );
    }

    #[tokio::test]
    async fn a_reader_that_is_too_slow_is_told_how_much_it_missed() {
        let mut journal = Journal::new();
        journal.tell(event(1));
        let mut lines = Box::pin(journal.read(10, true).unwrap().lines());
        for n in 2..=BEHIND + 8 {
            journal.tell(event(n));
        }
        assert_eq!(records(&lines.next().await.unwrap())[0].seq, 1);
        let missed: Missed = serde_json::from_slice(&lines.next().await.unwrap()).unwrap();
        assert_eq!(missed.count, 7);
        assert_eq!(records(&lines.next().await.unwrap())[0].seq, 9);
        drop(journal);
        assert_eq!(
            lines.count().await,
            BEHIND - 1,
            "what was told, and then the end"
        );
    }

    #[tokio::test]
    async fn places_for_readers_are_given_back() {
        let journal = Journal::new();
        let readers: Vec<_> = (0..FOLLOWERS)
            .map_while(|_| journal.read(0, true))
            .collect();
        assert_eq!(readers.len(), FOLLOWERS);
        assert!(journal.read(0, false).is_none());
        drop(readers);
        assert!(journal.read(0, false).is_some());
    }
}
