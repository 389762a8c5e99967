//! UDP ports that the kernel unpacks by itself (generic netlink family `fou`).
//!
//! ```text
//!  nlmsghdr | genlmsghdr cmd, version 1 | FOU_ATTR_PORT (2, network order) | …
//! ```

use std::io;

use netlink_packet_core::{
    DecodeError, DefaultNla, Emitable, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage,
    NetlinkPayload, Nla, NlasIterator, Parseable, ParseableParametrized,
};
use netlink_packet_generic::ctrl::nlas::GenlCtrlAttrs;
use netlink_packet_generic::ctrl::{GenlCtrl, GenlCtrlCmd};
use netlink_packet_generic::{GenlFamily, GenlHeader, GenlMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_GENERIC};

/// `FOU_GENL_NAME` and `FOU_GENL_VERSION` of `<linux/fou.h>`.
const NAME: &str = "fou";
const VERSION: u8 = 1;

/// `FOU_CMD_*`.
const ADD: u8 = 1;
const DEL: u8 = 2;
const GET: u8 = 3;

/// `FOU_ATTR_*`.
const ATTR_PORT: u16 = 1;
const ATTR_AF: u16 = 2;
const ATTR_TYPE: u16 = 4;

/// `FOU_ENCAP_GUE`.
const ENCAP_GUE: u8 = 2;
/// `AF_INET`.
const AF_INET: u8 = 2;

/// Room for one datagram of a dump.
const RECEIVE_BYTES: usize = 32 * 1024;

/// A message of the family: a command and its attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Message {
    command: u8,
    attributes: Vec<DefaultNla>,
}

impl GenlFamily for Message {
    fn family_name() -> &'static str {
        NAME
    }

    fn command(&self) -> u8 {
        self.command
    }

    fn version(&self) -> u8 {
        VERSION
    }
}

impl Emitable for Message {
    fn buffer_len(&self) -> usize {
        self.attributes.as_slice().buffer_len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        self.attributes.as_slice().emit(buffer);
    }
}

impl ParseableParametrized<[u8], GenlHeader> for Message {
    fn parse_with_param(buffer: &[u8], header: GenlHeader) -> Result<Self, DecodeError> {
        let attributes = NlasIterator::new(buffer)
            .map(|nla| DefaultNla::parse(&nla?))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            command: header.cmd,
            attributes,
        })
    }
}

/// The UDP ports at which the kernel unpacks GUE. None: the module `fou` is not
/// loaded.
pub fn gue_ports() -> io::Result<Option<Vec<u16>>> {
    let mut socket = open()?;
    let Some(family) = family(&mut socket)? else {
        return Ok(None);
    };
    let message = Message {
        command: GET,
        attributes: Vec::new(),
    };
    let answers = exchange(&mut socket, family, message, NLM_F_DUMP)?;
    Ok(Some(answers.iter().filter_map(gue_port).collect()))
}

/// Has the kernel unpack GUE at this UDP port of IPv4.
pub fn add_gue(port: u16) -> io::Result<()> {
    change(ADD, port, vec![byte(ATTR_TYPE, ENCAP_GUE)])
}

/// Has it unpack nothing there.
pub fn delete_gue(port: u16) -> io::Result<()> {
    change(DEL, port, Vec::new())
}

fn change(command: u8, port: u16, more: Vec<DefaultNla>) -> io::Result<()> {
    let mut socket = open()?;
    let family = family(&mut socket)?
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the module fou is not loaded"))?;
    let mut attributes = vec![
        DefaultNla::new(ATTR_PORT, port.to_be_bytes().to_vec()),
        byte(ATTR_AF, AF_INET),
    ];
    attributes.extend(more);
    let message = Message {
        command,
        attributes,
    };
    exchange(&mut socket, family, message, NLM_F_ACK).map(drop)
}

fn byte(attribute: u16, value: u8) -> DefaultNla {
    DefaultNla::new(attribute, vec![value])
}

fn gue_port(message: &Message) -> Option<u16> {
    let value = |wanted: u16| {
        let found = message.attributes.iter().find(|nla| nla.kind() == wanted)?;
        let mut bytes = vec![0; found.value_len()];
        found.emit_value(&mut bytes);
        Some(bytes)
    };
    let [high, low] = value(ATTR_PORT)?.try_into().ok()?;
    (value(ATTR_TYPE)? == [ENCAP_GUE]).then(|| u16::from_be_bytes([high, low]))
}

fn open() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_GENERIC)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    Ok(socket)
}

/// The number of the family. Asking for it makes newer kernels load the module.
fn family(socket: &mut Socket) -> io::Result<Option<u16>> {
    let request = GenlCtrl {
        cmd: GenlCtrlCmd::GetFamily,
        nlas: vec![GenlCtrlAttrs::FamilyName(NAME.to_owned())],
    };
    let id = GenlCtrl::family_id(&request);
    match exchange(socket, id, request, 0) {
        Ok(answers) => Ok(answers
            .iter()
            .flat_map(|answer| &answer.nlas)
            .find_map(|attribute| match attribute {
                GenlCtrlAttrs::FamilyId(id) => Some(*id),
                _ => None,
            })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sends a request and returns the answers: all of a dump, one or none else.
fn exchange<T>(socket: &mut Socket, family: u16, request: T, flags: u16) -> io::Result<Vec<T>>
where
    T: GenlFamily + Emitable + Clone + std::fmt::Debug + ParseableParametrized<[u8], GenlHeader>,
{
    let mut generic = GenlMessage::from_payload(request);
    generic.set_resolved_family_id(family);
    let mut message = NetlinkMessage::from(generic);
    message.header.flags = NLM_F_REQUEST | flags;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    let mut answers = Vec::new();
    let mut buffer = Vec::with_capacity(RECEIVE_BYTES);
    loop {
        buffer.clear();
        socket.recv(&mut buffer, 0)?;
        let mut rest = buffer.as_slice();
        while !rest.is_empty() {
            let answer = NetlinkMessage::<GenlMessage<T>>::deserialize(rest)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            let length = usize::try_from(answer.header.length).unwrap_or(usize::MAX);
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            match answer.payload {
                NetlinkPayload::InnerMessage(message) => {
                    answers.push(message.payload);
                    if flags == 0 {
                        return Ok(answers);
                    }
                }
                NetlinkPayload::Done(_) => return Ok(answers),
                NetlinkPayload::Error(error) if error.code.is_none() => return Ok(answers),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ports_of_gue_are_found_in_what_the_kernel_lists() {
        let listed = |kind: u8| Message {
            command: GET,
            attributes: vec![
                DefaultNla::new(ATTR_PORT, vec![0x17, 0xc0]),
                byte(ATTR_TYPE, kind),
            ],
        };
        assert_eq!(gue_port(&listed(ENCAP_GUE)), Some(6080));
        assert_eq!(gue_port(&listed(1)), None, "foo over UDP");
        let garbled = Message {
            command: GET,
            attributes: vec![DefaultNla::new(ATTR_PORT, vec![1])],
        };
        assert_eq!(gue_port(&garbled), None);
    }

    #[test]
    fn a_kernel_without_the_module_has_no_ports() {
        // With or without: it must not be an error.
        assert!(gue_ports().is_ok());
    }
}
