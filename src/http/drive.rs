//! Running a client's connection together with what is asked over it.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// Drives the connection for as long as the asking lasts. It has no task of its
/// own that could outlive the exchange: dropping this future closes it.
pub(crate) async fn drive<T>(connection: impl Future, asking: impl Future<Output = T>) -> T {
    let (mut connection, mut asking) = (pin!(connection), pin!(asking));
    let mut open = true;
    poll_fn(|context| {
        if open && connection.as_mut().poll(context).is_ready() {
            open = false;
        }
        // Also after the end: an answer may have come with it.
        match asking.as_mut().poll(context) {
            Poll::Pending => Poll::Pending,
            ready => ready,
        }
    })
    .await
}
