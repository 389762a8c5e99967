//! The netlink socket: batches out, answers in, each matched by its sequence
//! number.

use std::fmt::Debug;
use std::io;

use netlink_packet_core::{
    DecodeError, Emitable, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkBuffer,
    NetlinkDeserializable, NetlinkPayload, NetlinkSerializable,
};
use netlink_packet_generic::{GenlFamily, GenlMessage};
use netlink_sys::protocols::NETLINK_GENERIC;
use nix::errno::Errno;

use crate::ipvs::wire::Message;
use crate::pulse::Pulse;
use crate::sys::netlink::{self, Messages, Netlink};

use super::BATCH_BYTES;
use super::error::KernelError;

/// Messages in a batch at most. Should each of them fail, the errors (768 bytes of
/// kernel memory each) fit even the receive buffer that a socket has by default,
/// twice `net.core.rmem_max` = 212,992.
const BATCH_MESSAGES: usize = 500;

/// Room for the answers to a batch, doubled by the kernel.
const RECEIVE_BUFFER: usize = 1024 * 1024;

/// Why an exchange failed.
#[derive(Debug)]
pub(super) enum LinkError {
    /// The system's socket calls.
    Io(io::Error),
    /// The kernel said no.
    Kernel(KernelError),
    /// What the kernel sent makes no sense.
    Malformed(DecodeError),
    /// Answers are missing.
    Lost,
    /// A dump is not consistent.
    Interrupted,
}

impl From<io::Error> for LinkError {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ENOBUFS | Errno::EAGAIN) => Self::Lost,
            _ => Self::Io(error),
        }
    }
}

impl From<DecodeError> for LinkError {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

/// A socket and the number of the family `IPVS`.
#[derive(Debug)]
pub(super) struct Link {
    socket: Netlink,
    family: u16,
    sequence: u32,
    /// Beats with each batch and each answer.
    pub(super) pulse: Pulse,
}

impl Link {
    pub(super) fn open() -> Result<Self, LinkError> {
        let socket = Netlink::open(NETLINK_GENERIC)?;
        socket.set_receive_buffer(RECEIVE_BUFFER)?;
        let mut link = Self {
            socket,
            family: 0,
            sequence: 0,
            pulse: Pulse::default(),
        };
        link.family = link.resolve_family()?;
        Ok(link)
    }

    /// Leaves behind whatever is still to come on the socket. Tells whether the
    /// family has another number now, as it has when the module was loaded anew.
    pub(super) fn reopen(&mut self) -> Result<bool, LinkError> {
        let before = self.family;
        let pulse = self.pulse.clone();
        *self = Self::open()?;
        self.pulse = pulse;
        Ok(self.family != before)
    }

    /// Sends a request and returns its one answer.
    pub(super) fn ask(&mut self, request: Message) -> Result<Message, LinkError> {
        let request = GenlMessage::from_payload(request);
        self.exchange(request, self.family)
    }

    /// Sends a request for a dump and hands each message to `each`.
    pub(super) fn dump(
        &mut self,
        request: &Message,
        mut each: impl FnMut(&Message) -> Result<(), DecodeError>,
    ) -> Result<(), LinkError> {
        let sequence = self.next_sequence();
        let mut request = GenlMessage::from_payload(request.clone());
        request.set_resolved_family_id(self.family);
        let mut batch = Batch::default();
        batch.push(request, NLM_F_REQUEST | NLM_F_DUMP, sequence);
        self.send(&batch.bytes)?;
        let mut interrupted = false;
        loop {
            for answer in self.receive::<Message>()? {
                let (header, payload) = answer?.into_parts();
                if header.sequence_number != sequence {
                    continue;
                }
                interrupted |= header.flags & NLM_F_DUMP_INTR != 0;
                match payload {
                    NetlinkPayload::InnerMessage(message) => each(&message.payload)?,
                    NetlinkPayload::Done(done) if done.code != 0 => {
                        return Err(LinkError::Kernel(KernelError::from_raw(done.code)));
                    }
                    NetlinkPayload::Done(_) if interrupted => return Err(LinkError::Interrupted),
                    NetlinkPayload::Done(_) => return Ok(()),
                    NetlinkPayload::Error(error) => {
                        return Err(LinkError::Kernel(KernelError::from_raw(error.raw_code())));
                    }
                    NetlinkPayload::Overrun(_) => return Err(LinkError::Lost),
                    _ => {}
                }
            }
        }
    }

    /// Sends requests that are answered by nothing but success or failure, and
    /// returns the failures by the index of their request.
    ///
    /// Only the last message of a batch asks for an acknowledgement: the kernel
    /// goes on behind a message that failed, and reports failures unasked.
    pub(super) fn perform(
        &mut self,
        requests: impl IntoIterator<Item = Message>,
    ) -> Result<Vec<(usize, KernelError)>, LinkError> {
        let mut failures = Vec::new();
        let mut performed = 0;
        let mut requests = requests.into_iter().peekable();
        let mut batch = Batch::default();
        while requests.peek().is_some() {
            batch.clear();
            let first = self.sequence.wrapping_add(1);
            while let Some(request) = requests.next_if(|next| batch.takes(next)) {
                let mut request = GenlMessage::from_payload(request);
                request.set_resolved_family_id(self.family);
                batch.push(request, NLM_F_REQUEST, self.next_sequence());
            }
            batch.ask_acknowledgement();
            self.send(&batch.bytes)?;
            let answers = self.acknowledgements(first, batch.messages)?;
            failures.extend(answers.map(|(index, error)| (performed + index, error)));
            performed += batch.messages;
        }
        Ok(failures)
    }

    /// Reads the answers to the batch of `count` messages that begins with
    /// number `first`, up to that of its last message.
    fn acknowledgements(
        &mut self,
        first: u32,
        count: usize,
    ) -> Result<impl Iterator<Item = (usize, KernelError)> + use<>, LinkError> {
        let mut failures = Vec::new();
        loop {
            for answer in self.receive::<Message>()? {
                let (header, payload) = answer?.into_parts();
                let index = header.sequence_number.wrapping_sub(first) as usize;
                let NetlinkPayload::Error(error) = payload else {
                    continue;
                };
                if index >= count {
                    continue;
                }
                if error.code.is_some() {
                    failures.push((index, KernelError::from_raw(error.raw_code())));
                }
                if index + 1 == count {
                    return Ok(failures.into_iter());
                }
            }
        }
    }

    /// Asks the generic netlink controller for the number of the family.
    fn resolve_family(&mut self) -> Result<u16, LinkError> {
        let request = netlink::family_request(Message::family_name());
        let answer = self.exchange(request, 0)?;
        Ok(netlink::family_id(&answer)?)
    }

    fn exchange<F>(&mut self, mut request: GenlMessage<F>, family: u16) -> Result<F, LinkError>
    where
        F: GenlFamily + Debug,
        GenlMessage<F>: NetlinkSerializable + NetlinkDeserializable,
    {
        request.set_resolved_family_id(family);
        let sequence = self.next_sequence();
        let mut batch = Batch::default();
        batch.push(request, NLM_F_REQUEST, sequence);
        self.send(&batch.bytes)?;
        loop {
            for answer in self.receive::<F>()? {
                let (header, payload) = answer?.into_parts();
                match payload {
                    _ if header.sequence_number != sequence => {}
                    NetlinkPayload::InnerMessage(message) => return Ok(message.payload),
                    NetlinkPayload::Error(error) => {
                        return Err(LinkError::Kernel(KernelError::from_raw(error.raw_code())));
                    }
                    _ => {}
                }
            }
        }
    }

    fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    fn send(&self, bytes: &[u8]) -> Result<(), LinkError> {
        self.pulse.beat();
        Ok(self.socket.send(bytes)?)
    }

    /// Waits for one datagram and reads its messages.
    fn receive<F>(&mut self) -> Result<Messages<'_, GenlMessage<F>>, LinkError>
    where
        F: Debug,
        GenlMessage<F>: NetlinkDeserializable,
    {
        self.pulse.beat();
        Ok(self.socket.receive()?)
    }
}

/// Messages that are sent together.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    messages: usize,
    /// Where the last message begins.
    last: usize,
}

impl Batch {
    fn clear(&mut self) {
        self.bytes.clear();
        self.messages = 0;
    }

    /// Whether there is room for one more; an empty batch takes any.
    fn takes(&self, next: &Message) -> bool {
        const HEADERS: usize = 16 + 4;
        self.messages == 0
            || self.messages < BATCH_MESSAGES
                && self.bytes.len() + HEADERS + next.buffer_len() <= BATCH_BYTES
    }

    fn push<I: NetlinkSerializable>(&mut self, inner: I, flags: u16, sequence: u32) {
        self.last = self.bytes.len();
        netlink::append(&mut self.bytes, inner, flags, sequence);
        self.messages += 1;
    }

    /// Makes the last message one that is answered even when it succeeds.
    fn ask_acknowledgement(&mut self) {
        NetlinkBuffer::new(&mut self.bytes[self.last..]).set_flags(NLM_F_REQUEST | NLM_F_ACK);
    }
}

#[cfg(test)]
mod tests;
