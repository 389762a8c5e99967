//! The kernel's table over generic netlink: dump it, apply ops to it.
//!
//! [`Client`] blocks, though never for long: the kernel does what a message asks
//! before `sendmsg` returns. It deserves a thread of its own all the same.
//!
//! ```text
//! apply   --> op op op op ... op+ACK   (60 KB in one sendmsg)
//!         <-- error (op 3)             (only what failed is answered)
//!         <-- ack or error (last op)
//!
//! dump    --> GET_SERVICE+DUMP         <-- virtual servers ... done
//!         --> GET_DEST+DUMP (first)    <-- real servers ... done
//!         --> GET_DEST+DUMP (second)   <-- ...
//! ```
//!
//! A socket has one dump under way at a time, and the kernel ends each with a
//! datagram of its own, so a dump costs three system calls per virtual server.
//! Further sockets would not make them fewer.
//!
//! It decides nothing: a [`Refusal`] is handed to the caller, who dumps and
//! plans again when [`Refusal::is_stale`].

use std::sync::Arc;

use netlink_packet_core::DecodeError;

use super::kernel::{Info, KernelPool, KernelTable, Timeouts};
use super::plan::Op;
use super::wire::{Command, Message};
use crate::lvs::VirtualServerId;
use crate::pulse::Pulse;

mod daemon;
mod error;
mod link;
mod missing;
mod refusal;
mod report;
mod request;
mod whole;

pub use error::{Error, KernelError};
pub use missing::Module;
pub use refusal::Refusal;

use link::{Link, LinkError};

/// What is sent in one `sendmsg` at most. Each op of a batch may be answered by
/// an error, and all of them must fit the socket's receive buffer.
const BATCH_BYTES: usize = 60 * 1024;

/// How often a dump that others keep disturbing is begun again.
const DUMP_ATTEMPTS: usize = 5;

/// A connection to the IPVS of the network namespace it was opened in.
#[derive(Debug)]
pub struct Client {
    link: Link,
}

impl Client {
    /// Opens a socket and looks up the family `IPVS`, which makes the kernel load
    /// the module `ip_vs` if it can.
    pub fn open() -> Result<Self, Error> {
        let link = Link::open().map_err(|error| match error {
            LinkError::Kernel(source) => Error::Family { source },
            LinkError::Io(source) => Error::Socket { source },
            other => Error::from_link("open IPVS", other),
        })?;
        Ok(Self { link })
    }

    /// Has this pulse beat with each batch that is sent and each answer that comes: a
    /// large table takes its time, and a kernel that hangs has none.
    pub fn beat(&mut self, pulse: Pulse) {
        self.link.pulse = pulse;
    }

    /// The version of the kernel's IPVS and the size of its connection table.
    pub fn info(&mut self) -> Result<Info, Error> {
        let doing = "read the version of IPVS";
        let answer = self.ask(doing, request::plain(Command::GetInfo))?;
        report::info(&answer).map_err(|source| Error::Malformed { doing, source })
    }

    /// The timeouts of connections.
    pub fn timeouts(&mut self) -> Result<Timeouts, Error> {
        let doing = "read the connection timeouts";
        let answer = self.ask(doing, request::plain(Command::GetConfig))?;
        report::timeouts(&answer).map_err(|source| Error::Malformed { doing, source })
    }

    /// Sets the timeouts of connections, in whole seconds. One below a second
    /// stays as it is.
    pub fn set_timeouts(&mut self, timeouts: &Timeouts) -> Result<(), Error> {
        self.order(
            "set the connection timeouts",
            request::set_timeouts(timeouts),
        )
    }

    /// Reads every virtual and real server of this network namespace.
    ///
    /// The kernel offers no snapshot: what changes in the meantime may be in the
    /// result or not. Virtual servers that lvsd has no words for (a protocol other
    /// than TCP, UDP and SCTP) are left out.
    pub fn dump(&mut self) -> Result<KernelTable, Error> {
        self.dump_again(&KernelTable::default(), |_| true)
    }

    /// As [`Self::dump`], but reads the real servers only of the virtual servers
    /// that `picks` names: each costs three system calls. The others keep those that
    /// were there `before`. Pools that are as before are shared with it.
    pub fn dump_again(
        &mut self,
        before: &KernelTable,
        picks: impl Fn(&VirtualServerId) -> bool,
    ) -> Result<KernelTable, Error> {
        let mut table = KernelTable::default();
        self.dump_each(
            "read the virtual servers",
            &request::plain(Command::GetService),
            |message| {
                table
                    .virtual_servers
                    .extend(report::virtual_server(message)?);
                Ok(())
            },
        )?;
        for (id, virtual_server) in &mut table.virtual_servers {
            let before = before.virtual_servers.get(id);
            if let Some(before) = before {
                virtual_server.real_servers = Arc::clone(&before.real_servers);
            }
            if picks(id) {
                // One that was removed since it was listed will be missed the next time.
                let pool = self.real_servers(id)?;
                if pool != *virtual_server.real_servers {
                    virtual_server.real_servers = Arc::new(pool);
                }
            }
        }
        Ok(table)
    }

    /// Reads the real servers of one virtual server. There are none if it is not
    /// there: the kernel does not tell the two apart.
    pub fn real_servers(&mut self, id: &VirtualServerId) -> Result<KernelPool, Error> {
        let mut real_servers = Vec::new();
        let dumped = self.dump_each(
            "read the real servers",
            &request::real_servers(id),
            |message| {
                real_servers.push(report::real_server(message, id.family())?);
                Ok(())
            },
        );
        match dumped {
            Err(Error::Refused { source, .. }) if source.is_missing() => {}
            result => result?,
        }
        Ok(real_servers.into_iter().collect())
    }

    /// Performs ops in their order and tells which of them the kernel refused.
    ///
    /// A refusal stops nothing: the ops behind it are performed too. Ops on the
    /// real servers of a virtual server that could not be added fail with it and
    /// are not listed. [`Error::Lost`] leaves open what was done: dump again.
    pub fn apply(&mut self, ops: &[Op]) -> Result<Vec<Refusal>, Error> {
        let refused = self
            .link
            .perform(ops.iter().map(request::op))
            .map_err(|error| Error::from_link("change the virtual servers", error))?;
        let refusals = refused
            .into_iter()
            .filter_map(|(index, source)| Some(Refusal::new(*ops.get(index)?, source)))
            .collect();
        Ok(refusal::causes_only(refusals))
    }

    /// Sends one request that is answered by success or failure.
    fn order(&mut self, doing: &'static str, request: Message) -> Result<(), Error> {
        let refused = self
            .link
            .perform([request])
            .map_err(|error| Error::from_link(doing, error))?;
        match refused.into_iter().next() {
            None => Ok(()),
            Some((_, source)) => Err(Error::Refused { doing, source }),
        }
    }

    /// Sends one request that is answered by one message.
    fn ask(&mut self, doing: &'static str, request: Message) -> Result<Message, Error> {
        self.link
            .ask(request)
            .map_err(|error| Error::from_link(doing, error))
    }

    /// Dumps, beginning again when the kernel says that the table changed under
    /// way. `each` may therefore see an object twice.
    fn dump_each(
        &mut self,
        doing: &'static str,
        request: &Message,
        mut each: impl FnMut(&Message) -> Result<(), DecodeError>,
    ) -> Result<(), Error> {
        let mut attempts = 1;
        loop {
            let Err(error) = self.link.dump(request, &mut each) else {
                return Ok(());
            };
            // What remains of this dump would be in the way of the next.
            let reopened = self.link.reopen();
            let renumbered = reopened.map_err(|error| Error::from_link(doing, error))?;
            let disturbed = matches!(error, LinkError::Interrupted | LinkError::Lost);
            if attempts == DUMP_ATTEMPTS || !(disturbed || renumbered) {
                return Err(Error::from_link(doing, error));
            }
            attempts += 1;
        }
    }
}

#[cfg(test)]
mod tests;
