//! Tables of lvsd's own in nf_tables, which it makes, changes and removes as a whole by
//! netlink messages of its own: the program `nft` need not be there. Other tables are not
//! touched.
//!
//! [`table`] draws the one by which packets to some addresses of this host are dropped, if
//! they come as far as its sockets, [`peers`] the one that keeps IPVS out of what another
//! director has balanced.

mod expression;
mod found;
mod layout;
mod message;
pub mod peers;
mod set;
mod table;
mod watch;

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkPayload};
use netlink_sys::protocols::NETLINK_NETFILTER;
use nix::errno::Errno;

use super::netlink::{self, Netlink, malformed};
pub use found::Found;
use layout::{Element, Layout};
use message::{BATCH_BEGIN, BATCH_END, Message};
pub use table::TABLE;
pub use watch::Watch;

/// How often a dump is begun again that somebody else's change spoilt.
const ATTEMPTS: usize = 3;

/// What a rule has counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Bytes, from the IP header on.
    pub bytes: u64,
}

/// Why the filter could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel was built without it, or has not the module.
    #[error("this kernel has no nf_tables")]
    Unknown(#[source] io::Error),
    /// The kernel refused, or the socket failed.
    #[error("cannot {what}")]
    Refused {
        /// What was attempted.
        what: &'static str,
        /// Why not.
        #[source]
        cause: io::Error,
    },
}

impl Error {
    fn new(what: &'static str, cause: io::Error) -> Self {
        let errno = cause.raw_os_error().map(Errno::from_raw);
        match errno {
            // No nfnetlink; no nf_tables; no family inet; no such expression or chain.
            Some(
                Errno::EPROTONOSUPPORT | Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT | Errno::ENOENT,
            ) => Self::Unknown(cause),
            _ => Self::Refused { what, cause },
        }
    }
}

/// A socket to nf_tables, of the network namespace that it was opened in.
#[derive(Debug)]
pub struct Nftables {
    socket: Netlink,
    sequence: u32,
}

impl Nftables {
    /// Opens it. A kernel without nf_tables may tell so only when it is asked.
    pub fn open() -> Result<Self, Error> {
        let socket = Netlink::open(NETLINK_NETFILTER);
        Ok(Self {
            socket: socket.map_err(|cause| Error::new("open nf_tables", cause))?,
            sequence: 0,
        })
    }

    /// Has the kernel try to make the table, and undo it.
    ///
    /// # Errors
    /// What the kernel lacks.
    pub fn check() -> Result<(), Error> {
        let any = [
            IpAddr::from([192, 0, 2, 1]),
            IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]),
        ];
        let elements = table::elements(&any.into());
        let messages = table::layout().changes(&Found::Damaged, &elements);
        let outcome = Self::open()?.transact(messages, false);
        outcome.map_err(|cause| Error::new("try the table inet lvsd of nf_tables", cause))
    }

    /// What the kernel has of the table that drops.
    pub fn look(&mut self) -> Result<Found<IpAddr>, Error> {
        let found = self.find(&table::layout());
        let found = found.map(|found| found.translated(table::addresses));
        found.map_err(|cause| Error::new("read the table inet lvsd of nf_tables", cause))
    }

    /// Turns what was found into a table for these addresses, at once or not at all;
    /// no address, no table.
    pub fn hold(&mut self, found: &Found<IpAddr>, wanted: &BTreeSet<IpAddr>) -> Result<(), Error> {
        let found = found.translated(table::elements);
        let outcome = self.make(&table::layout(), &found, &table::elements(wanted));
        outcome.map_err(|cause| Error::new("change the table inet lvsd of nf_tables", cause))
    }

    /// What the kernel has of the table that hides from IPVS.
    pub fn look_at_peers(&mut self) -> Result<Found<peers::Pair>, Error> {
        let found = self.find(&peers::layout());
        let found = found.map(|found| found.translated(peers::pairs));
        found.map_err(|cause| Error::new("read the table inet lvsd-peers of nf_tables", cause))
    }

    /// Turns what was found into a table for these pairs, at once or not at all; no pair,
    /// no table.
    pub fn hold_peers(
        &mut self,
        found: &Found<peers::Pair>,
        wanted: &BTreeSet<peers::Pair>,
    ) -> Result<(), Error> {
        let found = found.translated(peers::elements);
        let outcome = self.make(&peers::layout(), &found, &peers::elements(wanted));
        outcome.map_err(|cause| Error::new("change the table inet lvsd-peers of nf_tables", cause))
    }

    /// The names of the tables that are not lvsd's.
    pub fn foreign_tables(&mut self) -> Result<Vec<String>, Error> {
        let tables = self.dump(&Message::get_tables());
        let tables = tables.map_err(|cause| Error::new("list the tables of nf_tables", cause))?;
        let names = tables.iter().filter_map(layout::name_of_table);
        let foreign = names.filter(|name| ![TABLE, peers::TABLE].contains(&name.as_str()));
        Ok(foreign.collect())
    }

    fn make(
        &mut self,
        layout: &Layout,
        found: &Found<Element>,
        wanted: &BTreeSet<Element>,
    ) -> io::Result<()> {
        match layout.changes(found, wanted) {
            messages if messages.is_empty() => Ok(()),
            messages => self.transact(messages, true),
        }
    }

    fn find(&mut self, layout: &Layout) -> io::Result<Found<Element>> {
        let Some(table) = absent(self.ask(layout.get_table(), NLM_F_ACK))? else {
            return Ok(Found::Absent);
        };
        if !table.first().is_some_and(layout::is_awake) {
            return Ok(Found::Damaged);
        }
        let mut counted = Count::default();
        for chain in &layout.chains {
            let found = absent(self.ask(layout.get_chain(chain), NLM_F_ACK))?.unwrap_or_default();
            let in_place = match found.first() {
                Some(found) => chain.is_in_place(found).map_err(malformed)?,
                None => false,
            };
            if !in_place {
                return Ok(Found::Damaged);
            }
            let rules = self.dump(&layout.get_rules(chain))?;
            let Some(count) = chain.is_whole(&rules).map_err(malformed)? else {
                return Ok(Found::Damaged);
            };
            counted.packets += count.packets;
            counted.bytes += count.bytes;
        }
        let mut elements = BTreeSet::new();
        for set in layout.sets {
            match absent(self.dump(&layout.get_elements(*set)))? {
                Some(found) => {
                    elements.extend(layout::elements_in(*set, &found).map_err(malformed)?);
                }
                None => return Ok(Found::Damaged),
            }
        }
        Ok(Found::Whole {
            held: elements,
            counted,
        })
    }

    /// Sends messages as one batch. Not `for_good`: the kernel only tries.
    fn transact(&mut self, messages: Vec<Message>, for_good: bool) -> io::Result<()> {
        let begin = Message::batch(BATCH_BEGIN);
        let end = for_good.then(|| Message::batch(BATCH_END));
        let first = self.sequence.wrapping_add(1);
        let last = first.wrapping_add(u32::try_from(messages.len()).unwrap_or(u32::MAX));
        let mut bytes = Vec::new();
        for message in [begin].into_iter().chain(messages).chain(end) {
            self.sequence = self.sequence.wrapping_add(1);
            let ack = if self.sequence == last { NLM_F_ACK } else { 0 };
            let flags = NLM_F_REQUEST | message.flags() | ack;
            netlink::append(&mut bytes, message, flags, self.sequence);
        }
        self.socket.send(&bytes)?;
        loop {
            for answer in self.socket.receive::<Message>()? {
                let (header, payload) = answer.map_err(malformed)?.into_parts();
                if let NetlinkPayload::Error(error) = payload {
                    if error.code.is_some() {
                        return Err(error.to_io());
                    }
                    if header.sequence_number == last {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// A dump that nobody changed meanwhile.
    fn dump(&mut self, request: &Message) -> io::Result<Vec<Message>> {
        let mut outcome = self.ask(request.clone(), NLM_F_DUMP);
        for _ in 1..ATTEMPTS {
            match &outcome {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    outcome = self.ask(request.clone(), NLM_F_DUMP);
                }
                _ => break,
            }
        }
        outcome
    }

    /// Sends a request and collects its answers: those of a dump to their end,
    /// any other up to its acknowledgement.
    fn ask(&mut self, request: Message, flags: u16) -> io::Result<Vec<Message>> {
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        let mut bytes = Vec::new();
        netlink::append(&mut bytes, request, NLM_F_REQUEST | flags, sequence);
        self.socket.send(&bytes)?;
        let mut answers = Vec::new();
        let mut interrupted = false;
        loop {
            for answer in self.socket.receive()? {
                let (header, payload) = answer.map_err(malformed)?.into_parts();
                if header.sequence_number != sequence {
                    continue;
                }
                interrupted |= header.flags & NLM_F_DUMP_INTR != 0;
                match payload {
                    NetlinkPayload::InnerMessage(message) => answers.push(message),
                    NetlinkPayload::Error(error) if error.code.is_some() => {
                        return Err(error.to_io());
                    }
                    NetlinkPayload::Done(_) if interrupted => {
                        return Err(io::ErrorKind::Interrupted.into());
                    }
                    NetlinkPayload::Error(_) | NetlinkPayload::Done(_) => return Ok(answers),
                    _ => {}
                }
            }
        }
    }
}

/// None: there is no such thing.
fn absent(outcome: io::Result<Vec<Message>>) -> io::Result<Option<Vec<Message>>> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        outcome => outcome.map(Some),
    }
}

#[cfg(test)]
mod tests;
