//! The route netlink socket: one for requests, one for what the kernel reports
//! of its own accord. [`address`](super::address), [`link`](super::link),
//! [`route`] and [`rule`] say what can be asked.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::{Stream, StreamExt, TryStreamExt};
use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::route::RouteMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::libc;
use rtnetlink::MulticastGroup;
use tokio::task::AbortHandle;

use super::address::{Address, from_message as address_from};
use super::link::{Link, from_message as link_from};
use super::{route, rule};
use crate::lvs::Family;

/// What a request to the kernel came to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The socket could not be opened.
    #[error("cannot open the route netlink socket")]
    Open(#[source] io::Error),
    /// The kernel refused a request.
    #[error("cannot {what}")]
    Refused {
        /// What was attempted, on which object.
        what: String,
        /// The kernel's reason.
        #[source]
        cause: io::Error,
    },
}

impl Error {
    /// Tells that the object was there already.
    pub fn is_exists(&self) -> bool {
        matches!(self, Self::Refused { cause, .. } if cause.kind() == io::ErrorKind::AlreadyExists)
    }

    /// Tells that this process may not: `EPERM`, `EACCES`.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Refused { cause, .. } if cause.kind() == io::ErrorKind::PermissionDenied)
    }

    /// Tells that there was no such object: for an address `EADDRNOTAVAIL`, for a
    /// link `ENODEV`, for a route `ESRCH`, for a rule `ENOENT`.
    pub fn is_not_found(&self) -> bool {
        const ABSENT: [i32; 4] = [libc::EADDRNOTAVAIL, libc::ENODEV, libc::ESRCH, libc::ENOENT];
        matches!(self, Self::Refused { cause, .. }
            if cause.raw_os_error().is_some_and(|errno| ABSENT.contains(&errno)))
    }

    /// Tells that no route leads to an address: `ENETUNREACH`, `EHOSTUNREACH`.
    pub fn is_unreachable(&self) -> bool {
        use io::ErrorKind::{HostUnreachable, NetworkUnreachable};
        matches!(self, Self::Refused { cause, .. }
            if matches!(cause.kind(), HostUnreachable | NetworkUnreachable))
    }

    pub(super) fn refused(what: String, error: rtnetlink::Error) -> Self {
        let cause = match error {
            rtnetlink::Error::NetlinkError(message) => message.to_io(),
            rtnetlink::Error::RequestFailed => {
                io::Error::new(io::ErrorKind::BrokenPipe, "the netlink socket is closed")
            }
            other => io::Error::other(other),
        };
        Self::Refused { what, cause }
    }
}

/// A route netlink socket for requests. Dropping the last clone closes it.
#[derive(Debug, Clone)]
pub struct Rtnetlink {
    pub(super) handle: rtnetlink::Handle,
}

impl Rtnetlink {
    /// Opens the socket in the network namespace of the calling thread, and
    /// spawns the task that serves it on the current tokio runtime.
    ///
    /// The kernel checks requests strictly there, and so it heeds filters; one
    /// before 4.20 lists everything instead.
    pub fn open() -> Result<Self, Error> {
        let (connection, handle, _) = rtnetlink::new_connection_with_strict_check()
            .or_else(|_| rtnetlink::new_connection())
            .map_err(Error::Open)?;
        tokio::spawn(connection);
        Ok(Self { handle })
    }

    /// The routes that the kernel answers with: one, or all that the request's filter
    /// leaves. `what` is the attempt in words.
    pub(super) async fn routes_for(
        &self,
        request: RouteMessage,
        what: impl FnOnce() -> String,
    ) -> Result<Vec<RouteMessage>, Error> {
        let answers = self.handle.route().get(request).execute();
        let routes = answers.try_collect().await;
        routes.map_err(|error| Error::refused(what(), error))
    }

    /// Sends a request that the kernel answers with yes or no. `what` is the
    /// attempt in words.
    pub(super) async fn ask(
        &self,
        message: RouteNetlinkMessage,
        flags: u16,
        what: impl FnOnce() -> String,
    ) -> Result<(), Error> {
        let mut request = NetlinkMessage::from(message);
        request.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        let mut answers = match self.handle.clone().request(request) {
            Ok(answers) => answers,
            Err(error) => return Err(Error::refused(what(), error)),
        };
        while let Some(answer) = answers.next().await {
            if let NetlinkPayload::Error(error) = answer.payload
                && error.code.is_some()
            {
                let error = rtnetlink::Error::NetlinkError(error);
                return Err(Error::refused(what(), error));
            }
        }
        Ok(())
    }
}

/// Something that the kernel reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A link is new or changed: state, name, hardware address, …
    Link(Link),
    /// A link is gone.
    LinkGone {
        /// Its index.
        index: u32,
        /// Its last name.
        name: String,
    },
    /// An address is new or changed.
    Address(Address),
    /// An address is gone.
    AddressGone {
        /// The index of the link it was on.
        link: u32,
        /// The address.
        address: IpAddr,
        /// The netlink port that asked for it, which most programs give the number of
        /// their process; 0: the kernel itself, or an ioctl.
        by: u32,
    },
    /// A route that lvsd had added is gone.
    RouteGone,
    /// A rule that lvsd had added is gone.
    RuleGone,
    /// The kernel had more to report than the socket held: look at everything again.
    Overrun,
}

/// The changes of links and addresses of the namespace it was opened in, and of
/// lvsd's own routes and rules, from then on. Ends only if the socket breaks.
#[derive(Debug)]
pub struct Changes {
    messages: Messages,
    ready: VecDeque<Change>,
    task: AbortHandle,
}

const ADDRESSES: [MulticastGroup; 3] = [
    MulticastGroup::Link,
    MulticastGroup::Ipv4Ifaddr,
    MulticastGroup::Ipv6Ifaddr,
];

const ROUTES: [MulticastGroup; 4] = [
    MulticastGroup::Ipv4Route,
    MulticastGroup::Ipv6Route,
    MulticastGroup::Ipv4Rule,
    MulticastGroup::Ipv6Rule,
];

type Messages = Pin<Box<dyn MessageStream>>;

trait MessageStream:
    Stream<Item = (NetlinkMessage<RouteNetlinkMessage>, netlink_sys::SocketAddr)>
    + Send
    + std::fmt::Debug
{
}
impl<T> MessageStream for T where
    T: Stream<Item = (NetlinkMessage<RouteNetlinkMessage>, netlink_sys::SocketAddr)>
        + Send
        + std::fmt::Debug
{
}

impl Changes {
    /// Subscribes to links and addresses. Whatever is listed after this returned
    /// misses nothing.
    pub fn subscribe() -> Result<Self, Error> {
        Self::subscribe_to(&ADDRESSES)
    }

    /// Subscribes to routes and rules as well. A host that speaks BGP has many.
    pub fn subscribe_with_routes() -> Result<Self, Error> {
        Self::subscribe_to(&[ADDRESSES.as_slice(), &ROUTES].concat())
    }

    fn subscribe_to(groups: &[MulticastGroup]) -> Result<Self, Error> {
        let (connection, _, messages) =
            rtnetlink::new_multicast_connection(groups).map_err(Error::Open)?;
        Ok(Self {
            messages: Box::pin(messages),
            ready: VecDeque::new(),
            task: tokio::spawn(connection).abort_handle(),
        })
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stream for Changes {
    type Item = Change;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Change>> {
        loop {
            if let Some(change) = self.ready.pop_front() {
                return Poll::Ready(Some(change));
            }
            match ready!(self.messages.as_mut().poll_next(cx)) {
                Some((message, _)) => {
                    let by = message.header.port_number;
                    self.ready.extend(change_from(message.payload, by));
                }
                None => return Poll::Ready(None),
            }
        }
    }
}

/// A family by the kernel's number.
pub(super) fn address_family(family: Family) -> AddressFamily {
    match family {
        Family::Ipv4 => AddressFamily::Inet,
        Family::Ipv6 => AddressFamily::Inet6,
    }
}

fn change_from(payload: NetlinkPayload<RouteNetlinkMessage>, by: u32) -> Option<Change> {
    match payload {
        NetlinkPayload::Overrun(_) => Some(Change::Overrun),
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(message)) => {
            Some(Change::Link(link_from(&message)))
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(message)) => {
            let link = link_from(&message);
            Some(Change::LinkGone {
                index: link.index,
                name: link.name,
            })
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewAddress(message)) => {
            address_from(&message).map(Change::Address)
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelAddress(message)) => {
            address_from(&message).map(|gone| Change::AddressGone {
                link: gone.link,
                address: gone.address.address,
                by,
            })
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelRoute(message)) => {
            route::is_ours(&message).then_some(Change::RouteGone)
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelRule(message)) => {
            rule::is_ours(&message).then_some(Change::RuleGone)
        }
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests;
