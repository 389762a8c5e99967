//! A clock that moves when everything on it waits.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use crate::health::runner::timer::Timer;
use crate::health::verdict::Moment;
use crate::sys::clock;

/// How often every ready task is polled before all are taken to wait: a chain of
/// driver, attempt and driver needs three.
const ROUNDS: usize = 8;

#[derive(Debug)]
struct Inner {
    now: Moment,
    sleepers: BTreeMap<Instant, Vec<Waker>>,
}

#[derive(Debug, Clone)]
pub(super) struct VirtualTime(Arc<Mutex<Inner>>);

impl VirtualTime {
    pub(super) fn start() -> Self {
        let now = Moment {
            at: clock::now(),
            wall: clock::wall(),
        };
        Self(Arc::new(Mutex::new(Inner {
            now,
            sleepers: BTreeMap::new(),
        })))
    }

    pub(super) fn sleep(&self, length: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.sleep_until(self.now().at + length)
    }

    /// Polls the future to its end and moves the time along; on a runtime of one
    /// thread only. Panics when everything waits and nobody for the time.
    pub(super) async fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        loop {
            for _ in 0..ROUNDS {
                let polled = poll_fn(|context| Poll::Ready(future.as_mut().poll(context)));
                if let Poll::Ready(value) = polled.await {
                    return value;
                }
                tokio::task::yield_now().await;
            }
            let mut inner = self.0.lock().unwrap();
            let (at, wakers) = inner
                .sleepers
                .pop_first()
                .expect("somebody waits for the time");
            inner.now.at = inner.now.at.max(at);
            drop(inner);
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    /// Lets everything on this clock run for a while.
    pub(super) async fn run_for(&self, length: Duration) {
        self.run(self.sleep(length)).await;
    }
}

impl Timer for VirtualTime {
    fn now(&self) -> Moment {
        self.0.lock().unwrap().now
    }

    fn sleep_until(&self, at: Instant) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let inner = Arc::clone(&self.0);
        Box::pin(poll_fn(move |context| {
            let mut inner = inner.lock().unwrap();
            if inner.now.at >= at {
                return Poll::Ready(());
            }
            let sleepers = inner.sleepers.entry(at).or_default();
            if !sleepers
                .iter()
                .any(|waker| waker.will_wake(context.waker()))
            {
                sleepers.push(context.waker().clone());
            }
            Poll::Pending
        }))
    }
}
