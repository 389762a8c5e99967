//! Changes on their way to a reader, who may be slow: the newest of each check
//! is kept, never a queue of old ones.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::health::checks::{Change, CheckId};

#[derive(Debug, Default)]
struct Pending {
    changes: BTreeMap<CheckId, Change>,
    closed: bool,
}

#[derive(Debug, Default)]
struct Shared {
    pending: Mutex<Pending>,
    arrived: Notify,
}

impl Shared {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end that the runner holds; dropping it ends the changes.
#[derive(Debug)]
pub(super) struct Sender(Arc<Shared>);

/// The changes of verdicts.
#[derive(Debug)]
pub struct Changes(Arc<Shared>);

pub(super) fn channel() -> (Sender, Changes) {
    let shared = Arc::new(Shared::default());
    (Sender(Arc::clone(&shared)), Changes(shared))
}

impl Sender {
    pub(super) fn send(&self, id: CheckId, change: Change) {
        let mut pending = self.0.pending();
        // Whoever has not read the older change still knows the state before it.
        let from = pending
            .changes
            .get(&id)
            .map_or(change.from, |unread| unread.from);
        pending.changes.insert(id, Change { from, ..change });
        self.0.arrived.notify_one();
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.0.pending().closed = true;
        self.0.arrived.notify_one();
    }
}

impl Changes {
    /// Waits for changes and takes all there are, at most one per check: the
    /// state that was last read, and the newest verdict. `None` after the runner
    /// has stopped. Cancel-safe.
    pub async fn next(&mut self) -> Option<Vec<Change>> {
        loop {
            {
                let mut pending = self.0.pending();
                if !pending.changes.is_empty() {
                    return Some(std::mem::take(&mut pending.changes).into_values().collect());
                }
                if pending.closed {
                    return None;
                }
            }
            self.0.arrived.notified().await;
        }
    }
}
