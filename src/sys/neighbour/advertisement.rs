//! Neighbour discovery of IPv6: announcing an address, asking for one.
//!
//! An unsolicited neighbour advertisement (RFC 4861 §4.4), in an Ethernet frame:
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------------------------------------------------------+
//! |    Ethernet: to 33:33:00:00:00:01, from own MAC, 0x86DD       |
//! +-------+---------------+---------------------------------------+
//! |   6   | traffic class |              flow label               |
//! +-------+---------------+-------+---------------+---------------+
//! |      payload length 32        |  ICMPv6, 58   | hop limit 255 |
//! +-------------------------------+---------------+---------------+
//! |                     source: the address                       |
//! |                     destination: ff02::1                      |
//! +---------------+---------------+-------------------------------+
//! |   type 136    |    code 0     |           checksum            |
//! +-+-+-+---------+---------------+-------------------------------+
//! |R|S|O|                       reserved                          |
//! +-+-+-+---------------------------------------------------------+
//! |                     target: the address                       |
//! +---------------+---------------+-------------------------------+
//! | option 2: MAC |   length 1    |           own MAC             |
//! +---------------+---------------+                               +
//! |                                                               |
//! +---------------------------------------------------------------+
//! ```

use std::net::Ipv6Addr;

use super::{ETHERTYPE_IPV6, Mac, Statement};

/// Length of the frames.
pub const ADVERTISEMENT_LEN: usize = 86;

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: Mac = [0x33, 0x33, 0, 0, 0, 1];
/// Of the hosts whose address ends with the same three bytes (RFC 4291 §2.7.1).
const SOLICITED_NODE: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 0);
pub(super) const ICMPV6: u8 = 58;
const MESSAGE_LEN: u8 = 32;
type Message = [u8; MESSAGE_LEN as usize];
const NEIGHBOUR_SOLICITATION: u8 = 135;
pub(super) const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const SOURCE_LINK_LAYER_ADDRESS: u8 = 1;
const TARGET_LINK_LAYER_ADDRESS: u8 = 2;

/// The flags: from a router; not solicited, so never set; override what is known.
const ROUTER: u8 = 0x80;
const OVERRIDE: u8 = 0x20;

/// The frame that announces `address` at `mac` to all nodes of the LAN (RFC 4861
/// §7.2.6; RFC 9568 §6.4.2 (390) has R set, S unset and O set). `router`:
/// whether this host forwards packets of others. A host that does not and says it
/// does becomes a default router that leads nowhere.
pub fn unsolicited_advertisement(
    mac: Mac,
    address: Ipv6Addr,
    router: bool,
) -> [u8; ADVERTISEMENT_LEN] {
    let mut message = message(
        NEIGHBOUR_ADVERTISEMENT,
        address,
        TARGET_LINK_LAYER_ADDRESS,
        mac,
    );
    message[4] = OVERRIDE | if router { ROUTER } else { 0 };
    frame((mac, address), (ALL_NODES_MAC, ALL_NODES), message)
}

/// The frame that asks who has `address` (RFC 4861 §4.3), in the name of `source`, an
/// address of this host on the link. Whoever has the address learns where `source` is,
/// which is true, and tells this host alone. (A question without a source is what a host
/// asks that is about to take the address: everybody is told the answer.)
pub fn solicitation(mac: Mac, source: Ipv6Addr, address: Ipv6Addr) -> [u8; ADVERTISEMENT_LEN] {
    let [.., x, y, z] = address.octets();
    let group = Ipv6Addr::from_bits(SOLICITED_NODE.to_bits() | (address.to_bits() & 0xFF_FFFF));
    let message = message(
        NEIGHBOUR_SOLICITATION,
        address,
        SOURCE_LINK_LAYER_ADDRESS,
        mac,
    );
    frame((mac, source), ([0x33, 0x33, 0xFF, x, y, z], group), message)
}

/// What the answer to a question says: the frame of an advertisement. None: it is none.
pub(super) fn advertised(frame: &[u8]) -> Option<Statement> {
    let (ethernet, packet) = frame.split_at_checked(14)?;
    let (header, message) = packet.split_at_checked(40)?;
    // A hop limit of 255: no router has passed it on (RFC 4861 §7.1.2).
    let is_icmp = ethernet[12..] == ETHERTYPE_IPV6.to_be_bytes() && header[6..8] == [ICMPV6, 255];
    if !is_icmp || message.first() != Some(&NEIGHBOUR_ADVERTISEMENT) {
        return None;
    }
    let target = Ipv6Addr::from(*message.get(8..)?.first_chunk::<16>()?);
    let mac = match message.get(24..) {
        Some([TARGET_LINK_LAYER_ADDRESS, 1, mac @ ..]) => *mac.first_chunk()?,
        _ => *ethernet[6..].first_chunk()?,
    };
    Some(Statement {
        address: target.into(),
        mac,
    })
}

/// A message about `address`, with one option that says where its sender is.
fn message(kind: u8, address: Ipv6Addr, option: u8, mac: Mac) -> Message {
    let mut message = [0; MESSAGE_LEN as usize];
    message[0] = kind;
    message[8..24].copy_from_slice(&address.octets());
    message[24] = option;
    message[25] = 1;
    message[26..].copy_from_slice(&mac);
    message
}

fn frame(
    source: (Mac, Ipv6Addr),
    destination: (Mac, Ipv6Addr),
    mut message: Message,
) -> [u8; ADVERTISEMENT_LEN] {
    let checksum = checksum(source.1, destination.1, &message);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    let mut frame = [0; ADVERTISEMENT_LEN];
    let (ethernet, packet) = frame.split_at_mut(14);
    ethernet[..6].copy_from_slice(&destination.0);
    ethernet[6..12].copy_from_slice(&source.0);
    ethernet[12..].copy_from_slice(&ETHERTYPE_IPV6.to_be_bytes());
    let (header, payload) = packet.split_at_mut(40);
    header[0] = 0x60;
    header[5] = MESSAGE_LEN;
    header[6] = ICMPV6;
    header[7] = 255;
    header[8..24].copy_from_slice(&source.1.octets());
    header[24..].copy_from_slice(&destination.1.octets());
    payload.copy_from_slice(&message);
    frame
}

/// RFC 4443 §2.3: with the pseudo-header of RFC 8200 §8.1.
fn checksum(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> u16 {
    let pseudo = [u16::from(MESSAGE_LEN), u16::from(ICMPV6)];
    let addresses = source.segments().into_iter().chain(destination.segments());
    let words = message.chunks_exact(2);
    let words = words.map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    let sum: u32 = addresses.chain(pseudo).chain(words).map(u32::from).sum();
    // Twice: the first fold may carry.
    let folded = (sum & 0xFFFF) + (sum >> 16);
    let folded = (folded & 0xFFFF) + (folded >> 16);
    !u16::try_from(folded).unwrap_or(u16::MAX)
}
