//! A netlink socket to the kernel that waits for its answers, and how messages lie in
//! what is sent and received.
//!
//! Which answer belongs to which request, and which is the last, is for those who
//! know the family: IPVS, nf_tables, `fou`, `NETLINK_SOCK_DIAG`. Links, addresses and
//! routes go by [`rtnetlink`](super::rtnetlink).

use std::fmt::Debug;
use std::io;
use std::marker::PhantomData;

use netlink_packet_core::{
    DecodeError, NetlinkBuffer, NetlinkDeserializable, NetlinkHeader, NetlinkMessage,
    NetlinkPayload, NetlinkSerializable,
};
use netlink_packet_generic::GenlMessage;
use netlink_packet_generic::ctrl::nlas::GenlCtrlAttrs;
use netlink_packet_generic::ctrl::{GenlCtrl, GenlCtrlCmd};
use netlink_sys::{Socket, SocketAddr};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::TimeVal;

/// Room for one datagram. The kernel fills dumps up to 32 KB when it is offered
/// that much.
const RECEIVE_BYTES: usize = 32 * 1024;

/// The kernel answers before `sendmsg` returns, so an answer that is not there
/// by then is lost; this only keeps a thread from hanging.
const ANSWER_TIMEOUT_SECONDS: i64 = 5;

/// A socket that talks to the kernel of the network namespace it was opened in, and to
/// nobody else.
#[derive(Debug)]
pub struct Netlink {
    socket: Socket,
    received: Vec<u8>,
}

impl Netlink {
    /// Opens a socket of a protocol: `NETLINK_*` of `<linux/netlink.h>`.
    pub fn open(protocol: isize) -> io::Result<Self> {
        let mut socket = Socket::new(protocol)?;
        // Errors need not carry the message they answer: the sequence number tells.
        socket.set_cap_ack(true)?;
        let patience = TimeVal::new(ANSWER_TIMEOUT_SECONDS, 0);
        setsockopt(&socket, sockopt::ReceiveTimeout, &patience)?;
        socket.bind_auto()?;
        // Port 0 is the kernel; connected, the socket takes nothing from others.
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self {
            socket,
            received: Vec::with_capacity(RECEIVE_BYTES),
        })
    }

    /// Makes room for answers, in bytes that the kernel doubles: beyond the system's
    /// limit if this process may, else as much as it allows.
    pub fn set_receive_buffer(&self, bytes: usize) -> io::Result<()> {
        setsockopt(&self.socket, sockopt::RcvBufForce, &bytes)
            .or_else(|_| setsockopt(&self.socket, sockopt::RcvBuf, &bytes))?;
        Ok(())
    }

    /// Sends one message or several.
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        loop {
            match self.socket.send(bytes, 0) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result.map(drop),
            }
        }
    }

    /// Waits for one datagram and reads its messages. An answer that does not come is
    /// `EAGAIN`; `ENOBUFS` tells that answers did not fit the socket's buffer.
    pub fn receive<I: NetlinkDeserializable>(&mut self) -> io::Result<Messages<'_, I>> {
        self.received.clear();
        loop {
            match self.socket.recv(&mut self.received, 0) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => {
                    result?;
                    return Ok(Messages::of(&self.received));
                }
            }
        }
    }
}

/// The messages of a datagram. They end at the first that cannot be read.
#[derive(Debug)]
pub struct Messages<'a, I> {
    rest: &'a [u8],
    kind: PhantomData<fn() -> I>,
}

impl<'a, I> Messages<'a, I> {
    /// Those that these bytes hold.
    pub fn of(datagram: &'a [u8]) -> Self {
        Self {
            rest: datagram,
            kind: PhantomData,
        }
    }
}

impl<I: NetlinkDeserializable> Iterator for Messages<'_, I> {
    type Item = Result<NetlinkMessage<I>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let message = NetlinkMessage::deserialize(self.rest);
        // `NLMSG_ALIGN`: each message begins at a multiple of four bytes.
        let length = match NetlinkBuffer::new_checked(self.rest) {
            Ok(header) if message.is_ok() => (header.length() as usize).next_multiple_of(4),
            _ => self.rest.len(),
        };
        self.rest = self.rest.get(length..).unwrap_or_default();
        Some(message)
    }
}

/// Writes a message behind those that are there. Attributes are padded to four bytes,
/// so the next message is aligned too.
pub fn append<I: NetlinkSerializable>(bytes: &mut Vec<u8>, inner: I, flags: u16, sequence: u32) {
    let payload = NetlinkPayload::InnerMessage(inner);
    let mut message = NetlinkMessage::new(NetlinkHeader::default(), payload);
    message.header.flags = flags;
    message.header.sequence_number = sequence;
    message.finalize();
    let start = bytes.len();
    bytes.resize(start + message.buffer_len(), 0);
    message.serialize(&mut bytes[start..]);
}

/// The question for the number of a generic netlink family. Asking makes newer
/// kernels load its module.
pub fn family_request(name: &str) -> GenlMessage<GenlCtrl> {
    GenlMessage::from_payload(GenlCtrl {
        cmd: GenlCtrlCmd::GetFamily,
        nlas: vec![GenlCtrlAttrs::FamilyName(name.to_owned())],
    })
}

/// The number in the answer to [`family_request`].
pub fn family_id(answer: &GenlCtrl) -> Result<u16, DecodeError> {
    let mut attributes = answer.nlas.iter();
    attributes
        .find_map(|attribute| match attribute {
            GenlCtrlAttrs::FamilyId(id) => Some(*id),
            _ => None,
        })
        .ok_or_else(|| DecodeError::from("no CTRL_ATTR_FAMILY_ID"))
}

/// An answer that makes no sense, as an error of the socket.
pub fn malformed(error: DecodeError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_is_read_to_its_end_or_to_its_first_bad_message() {
        let mut datagram = Vec::new();
        for sequence in 1..=3 {
            append(&mut datagram, family_request("IPVS"), 0, sequence);
        }
        let read = |bytes: &[u8]| -> Vec<Option<u32>> {
            Messages::<GenlMessage<GenlCtrl>>::of(bytes)
                .map(|message| Some(message.ok()?.header.sequence_number))
                .collect()
        };
        assert_eq!(read(&datagram), [Some(1), Some(2), Some(3)]);
        let cut = &datagram[..datagram.len() - 1];
        assert_eq!(read(cut), [Some(1), Some(2), None]);
        assert_eq!(read(&[0; 64]), [None]);
        assert_eq!(read(&[]), []);
    }

    #[test]
    fn the_number_of_a_family_is_asked_for_by_its_name() {
        let mut socket = Netlink::open(netlink_sys::protocols::NETLINK_GENERIC).unwrap();
        let mut bytes = Vec::new();
        // The controller itself: every kernel has it, with a number that is fixed.
        append(&mut bytes, family_request("nlctrl"), 1, 7);
        socket.send(&bytes).unwrap();
        let answer = socket.receive::<GenlMessage<GenlCtrl>>().unwrap().next();
        let answer = answer.unwrap().unwrap();
        assert_eq!(answer.header.sequence_number, 7);
        let NetlinkPayload::InnerMessage(answer) = answer.payload else {
            panic!("{answer:?}");
        };
        assert_eq!(family_id(&answer.payload).unwrap(), 0x10);
    }
}
