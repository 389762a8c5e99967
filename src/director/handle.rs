//! A thread that follows what is wanted, and reports.

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::watch;

use super::{IpvsError, join};

/// A handle on it.
#[derive(Debug)]
pub(super) struct Handle<W, R> {
    name: &'static str,
    wanted: watch::Sender<W>,
    report: watch::Receiver<Arc<R>>,
    thread: JoinHandle<()>,
}

impl<W: PartialEq, R: Default> Handle<W, R> {
    /// Has it started, with what is wanted first. It ends when the handle is gone.
    pub(super) fn spawn(
        name: &'static str,
        first: W,
        start: impl FnOnce(
            watch::Receiver<W>,
            watch::Sender<Arc<R>>,
        ) -> Result<JoinHandle<()>, IpvsError>,
    ) -> Result<Self, IpvsError> {
        let (wanted, wanted_rx) = watch::channel(first);
        let (report_tx, report) = watch::channel(Arc::default());
        Ok(Self {
            name,
            wanted,
            report,
            thread: start(wanted_rx, report_tx)?,
        })
    }

    /// Replaces what is wanted.
    pub(super) fn want(&self, wanted: W) {
        self.wanted.send_if_modified(|current| {
            let changed = *current != wanted;
            *current = wanted;
            changed
        });
    }

    /// The newest report.
    pub(super) fn report(&self) -> Arc<R> {
        Arc::clone(&self.report.borrow())
    }

    /// Whether the thread has ended, which it does only when it is told to.
    pub(super) fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Ends it, after what was wanted last.
    pub(super) async fn end(self) {
        drop(self.wanted);
        join(self.name, self.thread).await;
    }
}
