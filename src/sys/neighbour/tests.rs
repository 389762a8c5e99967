use std::net::Ipv6Addr;

use super::*;

#[test]
fn the_frame_is_what_keepalived_sends() {
    let frame = gratuitous_arp(
        [0x02, 0x42, 0xac, 0x11, 0x00, 0x02],
        Ipv4Addr::new(192, 168, 1, 200),
    );
    let expected = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x42, 0xac, 0x11, 0x00, 0x02, 0x08, 0x06, //
        0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01, //
        0x02, 0x42, 0xac, 0x11, 0x00, 0x02, 192, 168, 1, 200, //
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 192, 168, 1, 200,
    ];
    assert_eq!(frame, expected);
}

const MAC: Mac = [0x02, 0x00, 0xc0, 0xa8, 0x01, 0x36];
const VIP: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 200);

#[test]
fn a_probe_says_nothing_of_its_sender_so_that_no_cache_is_poisoned() {
    let frame = arp_probe(MAC, VIP);
    let expected = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x00, 0xc0, 0xa8, 0x01, 0x36, 0x08, 0x06, //
        0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01, //
        0x02, 0x00, 0xc0, 0xa8, 0x01, 0x36, 0, 0, 0, 0, //
        0, 0, 0, 0, 0, 0, 192, 168, 1, 200,
    ];
    assert_eq!(frame, expected);
    assert_eq!(statement(&frame), None);
}

#[test]
fn requests_and_replies_tell_where_their_sender_is_padded_or_not() {
    let says = Some(Statement {
        address: VIP.into(),
        mac: MAC,
    });
    let mut frame = gratuitous_arp(MAC, VIP).to_vec();
    assert_eq!(statement(&frame), says);
    frame[21] = 2;
    assert_eq!(statement(&frame), says, "a reply");
    frame.resize(60, 0);
    assert_eq!(statement(&frame), says, "padded as Ethernet wants it");
    frame[21] = 3;
    assert_eq!(statement(&frame), None, "RARP");
    frame[21] = 2;
    frame[22] |= 1;
    assert_eq!(statement(&frame), None, "nobody has a group address");
}

#[test]
fn truncated_and_mutated_frames_never_panic() {
    let frame = gratuitous_arp(MAC, VIP);
    for len in 0..FRAME_LEN {
        assert_eq!(statement(&frame[..len]), None);
    }
    for position in 0..FRAME_LEN {
        for byte in 0..=u8::MAX {
            let mut mutated = frame;
            mutated[position] = byte;
            let says = statement(&mutated);
            // The Ethernet addresses, operation 2 and the target mean nothing here.
            let meaningless = !(12..32).contains(&position) || (position, byte) == (21, 2);
            let same = byte == frame[position];
            if meaningless || same {
                assert_eq!(says, statement(&frame));
            } else if position < 22 {
                assert_eq!(says, None, "byte {position} is {byte}");
            } else {
                assert_ne!(says, statement(&frame));
            }
        }
    }
}

#[test]
fn the_link_address_names_the_interface_and_the_packet_family() {
    let address = link_address(NonZeroU32::new(7).unwrap(), ETHERTYPE_ARP).unwrap();
    assert_eq!(i32::from(address.family()), libc::AF_PACKET);
    assert_eq!(address.len(), 20);
}

/// 6.4.2-d, 8.2.2-a: R as told, S unset, O set, and the hardware address in the option.
#[test]
fn the_advertisement_overrides_what_all_nodes_know_and_is_not_solicited() {
    let address = "2001:db8::200".parse().unwrap();
    let expected: [u8; ADVERTISEMENT_LEN] = [
        0x33, 0x33, 0, 0, 0, 1, 0x02, 0, 0xc0, 0xa8, 0x01, 0x36, 0x86, 0xdd, //
        0x60, 0, 0, 0, 0, 32, 58, 255, //
        0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x00, //
        0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, //
        136, 0, 0xb3, 0x4e, 0xa0, 0, 0, 0, //
        0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x00, //
        2, 1, 0x02, 0, 0xc0, 0xa8, 0x01, 0x36,
    ];
    let frame = unsolicited_advertisement(MAC, address, true);
    assert_eq!(frame, expected);
    let host = unsolicited_advertisement(MAC, address, false);
    assert_eq!(host[58], 0x20, "a host that forwards nothing is no router");
}

/// RFC 1071: with its checksum in place a message sums up to all ones.
#[test]
fn the_advertisement_carries_the_checksum_of_icmpv6() {
    for last in [0, 1, 0xff, 0x1234, 0xffff] {
        let address = Ipv6Addr::new(0xfe80, 0xffff, 0xffff, 0, 0, 0xffff, 0, last);
        let frame = unsolicited_advertisement(MAC, address, last % 2 == 1);
        let words = frame[22..].chunks_exact(2);
        let words = words.map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
        let sum: u32 = words.sum::<u32>() + 32 + 58;
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff, "{address}");
    }
}
