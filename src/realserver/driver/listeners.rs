//! The ports and sockets that answer, and how they are replaced.

use std::net::SocketAddr;

use futures_util::FutureExt;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::error;

use crate::config::realserver::Readiness;
use crate::http::{BindError, Identity, Limits, Listener, TlsError, UnixSocket, bind_tcp, serve};
use crate::realserver::endpoint::Desk;

/// What listens.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    control: Option<Server>,
    public: Option<Server>,
    /// What the public one proves itself with.
    identity: Option<Identity>,
}

/// A listener's task, and how to end it.
#[derive(Debug)]
struct Server {
    task: JoinHandle<()>,
    end: oneshot::Sender<()>,
}

/// The certificate that a configuration names, read.
pub(in crate::realserver) fn load_identity(
    readiness: &Readiness,
) -> Result<Option<Identity>, TlsError> {
    let read = |tls: &crate::config::realserver::Tls| Identity::read(&tls.certificate, &tls.key);
    readiness.tls.as_ref().map(read).transpose()
}

impl Listeners {
    /// Answers people on the Unix socket.
    pub(super) fn control(&mut self, socket: UnixSocket, desk: &Desk) {
        self.control = Some(Server::spawn(socket, Limits::default(), desk));
    }

    /// Answers directors.
    pub(super) fn public(
        &mut self,
        listener: TcpListener,
        identity: Option<Identity>,
        readiness: &Readiness,
        desk: &Desk,
    ) {
        self.identity.clone_from(&identity);
        let listener = match identity {
            Some(identity) => Listener::Tls(listener, identity),
            None => Listener::Tcp(listener),
        };
        self.public = Some(Server::spawn(listener, limits(readiness), desk));
    }

    /// Answers directors as another configuration says, or, where that cannot be, as
    /// before. Where the two are in each other's way, the old listener ends before the
    /// new one begins; else only when that is there.
    pub(super) async fn renew(
        &mut self,
        old: &Readiness,
        new: &Readiness,
        identity: Option<Identity>,
        desk: &Desk,
    ) -> Result<(), BindError> {
        let same_place = old.listen == new.listen;
        // A certificate may be another one in the same file.
        if same_place && limits(old) == limits(new) && old.tls.is_none() && new.tls.is_none() {
            return Ok(());
        }
        if overlap(old.listen, new.listen) {
            self.end_public().await;
        }
        match bind_tcp(new.listen) {
            Ok(free) => {
                self.end_public().await;
                self.public(free, identity, new, desk);
                Ok(())
            }
            Err(refused) => {
                self.take_back(old, desk);
                Err(refused)
            }
        }
    }

    /// Answers as before, if that has ended.
    fn take_back(&mut self, old: &Readiness, desk: &Desk) {
        if self.public.is_some() {
            return;
        }
        match bind_tcp(old.listen) {
            Ok(free) => self.public(free, self.identity.clone(), old, desk),
            Err(error) => error!(%error, "nobody answers the directors any more"),
        }
    }

    async fn end_public(&mut self) {
        if let Some(old) = self.public.take() {
            old.stop().await;
        }
    }

    /// Ends all of it, the socket's lock last.
    pub(super) async fn stop(&mut self) {
        for server in [self.public.take(), self.control.take()]
            .into_iter()
            .flatten()
        {
            server.stop().await;
        }
    }
}

/// Whether the kernel would not let both listen.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let everywhere = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && (one.ip() == other.ip() || everywhere)
}

/// How many connections one address may have, of so many: one client that holds them
/// all leaves room for the others.
fn per_address(most: usize) -> usize {
    let default = Limits::default().connections_per_peer;
    (most / 4).max(2).min(default)
}

/// What clients of the readiness endpoint may take.
fn limits(readiness: &Readiness) -> Limits {
    let default = Limits::default();
    Limits {
        connections: readiness.max_connections,
        connections_per_peer: per_address(readiness.max_connections),
        head: default.head.min(readiness.timeout),
        body: default.body.min(readiness.timeout),
        // Directors ask; nobody has anything to send.
        body_bytes: 1024,
        exchange: readiness.timeout,
        ..default
    }
}

impl Server {
    fn spawn(listener: impl Into<Listener>, limits: Limits, desk: &Desk) -> Self {
        let (end, ended) = oneshot::channel::<()>();
        let (listener, desk) = (listener.into(), desk.clone());
        let task = tokio::spawn(async move {
            // Dropping the other end ends it, too.
            let shutdown = ended.map(|_| ());
            let handler = move |request| desk.clone().answer(request);
            serve(listener, limits, handler, shutdown).await;
        });
        Self { task, end }
    }

    async fn stop(self) {
        drop(self.end);
        if let Err(error) = self.task.await {
            error!(%error, "an HTTP listener ended badly");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_gets_a_quarter_of_the_connections_and_two_at_least() {
        let given = [1, 2, 8, 12, 64, 256, 65_535].map(per_address);
        assert_eq!(given, [2, 2, 2, 3, 16, 32, 32]);
    }
}
