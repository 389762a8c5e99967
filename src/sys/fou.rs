//! UDP ports that the kernel unpacks by itself (generic netlink family `fou`).
//!
//! ```text
//!  nlmsghdr | genlmsghdr cmd, version 1 | FOU_ATTR_PORT (2, network order) | …
//! ```

use std::io;

use netlink_packet_core::{
    DecodeError, DefaultNla, Emitable, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkDeserializable,
    NetlinkPayload, NetlinkSerializable, Nla, NlasIterator, Parseable, ParseableParametrized,
};
use netlink_packet_generic::{GenlFamily, GenlHeader, GenlMessage};
use netlink_sys::protocols::NETLINK_GENERIC;

use super::netlink::{self, Netlink, malformed};

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
    let mut socket = Netlink::open(NETLINK_GENERIC)?;
    let Some(family) = family(&mut socket)? else {
        return Ok(None);
    };
    let request = request(family, GET, Vec::new());
    let answers = exchange(&mut socket, request, NLM_F_DUMP)?;
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
    let mut socket = Netlink::open(NETLINK_GENERIC)?;
    let family = family(&mut socket)?
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the module fou is not loaded"))?;
    let mut attributes = vec![
        DefaultNla::new(ATTR_PORT, port.to_be_bytes().to_vec()),
        byte(ATTR_AF, AF_INET),
    ];
    attributes.extend(more);
    let request = request(family, command, attributes);
    exchange(&mut socket, request, NLM_F_ACK).map(drop)
}

fn request(family: u16, command: u8, attributes: Vec<DefaultNla>) -> GenlMessage<Message> {
    let mut request = GenlMessage::from_payload(Message {
        command,
        attributes,
    });
    request.set_resolved_family_id(family);
    request
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

/// The number of the family. None: the kernel knows none of that name.
fn family(socket: &mut Netlink) -> io::Result<Option<u16>> {
    match exchange(socket, netlink::family_request(NAME), 0) {
        Ok(answers) => {
            let id = answers.first().map(netlink::family_id).transpose();
            id.map_err(malformed)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sends a request and returns the answers: all of a dump, one or none else.
fn exchange<T>(socket: &mut Netlink, request: GenlMessage<T>, flags: u16) -> io::Result<Vec<T>>
where
    T: std::fmt::Debug,
    GenlMessage<T>: NetlinkSerializable + NetlinkDeserializable,
{
    let mut bytes = Vec::new();
    netlink::append(&mut bytes, request, NLM_F_REQUEST | flags, 0);
    socket.send(&bytes)?;
    let mut answers = Vec::new();
    loop {
        for answer in socket.receive::<GenlMessage<T>>()? {
            match answer.map_err(malformed)?.payload {
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
