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

use super::{ETHERTYPE_IPV6, Mac};

/// Length of the frame.
pub const ADVERTISEMENT_LEN: usize = 86;

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: Mac = [0x33, 0x33, 0, 0, 0, 1];
const ICMPV6: u8 = 58;
const MESSAGE_LEN: u8 = 32;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
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
    let mut frame = [0; ADVERTISEMENT_LEN];
    let (ethernet, packet) = frame.split_at_mut(14);
    ethernet[..6].copy_from_slice(&ALL_NODES_MAC);
    ethernet[6..12].copy_from_slice(&mac);
    ethernet[12..].copy_from_slice(&ETHERTYPE_IPV6.to_be_bytes());
    let (header, message) = packet.split_at_mut(40);
    header[0] = 0x60;
    header[5] = MESSAGE_LEN;
    header[6] = ICMPV6;
    header[7] = 255;
    header[8..24].copy_from_slice(&address.octets());
    header[24..].copy_from_slice(&ALL_NODES.octets());
    message[0] = NEIGHBOUR_ADVERTISEMENT;
    message[4] = OVERRIDE | if router { ROUTER } else { 0 };
    message[8..24].copy_from_slice(&address.octets());
    message[24] = TARGET_LINK_LAYER_ADDRESS;
    message[25] = 1;
    message[26..].copy_from_slice(&mac);
    let checksum = checksum(address, message);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    frame
}

/// RFC 4443 §2.3: with the pseudo-header of RFC 8200 §8.1.
fn checksum(source: Ipv6Addr, message: &[u8]) -> u16 {
    let pseudo = [u16::from(MESSAGE_LEN), u16::from(ICMPV6)];
    let addresses = source.segments().into_iter().chain(ALL_NODES.segments());
    let words = message.chunks_exact(2);
    let words = words.map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    let sum: u32 = addresses.chain(pseudo).chain(words).map(u32::from).sum();
    // Twice: the first fold may carry.
    let folded = (sum & 0xFFFF) + (sum >> 16);
    let folded = (folded & 0xFFFF) + (folded >> 16);
    !u16::try_from(folded).unwrap_or(u16::MAX)
}
