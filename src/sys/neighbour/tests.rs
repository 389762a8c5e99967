use std::net::Ipv6Addr;

use super::advertisement::advertised;
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

/// RFC 4861 §4.3, §7.2.2: to the group of the address, with this host's own in the option.
#[test]
fn the_question_goes_to_the_group_of_the_address_and_says_who_asks() {
    let (source, address) = ("fe80::33", "2001:db8::1:2345:6789");
    let frame = solicitation(MAC, source.parse().unwrap(), address.parse().unwrap());
    assert_eq!(frame[..6], [0x33, 0x33, 0xff, 0x45, 0x67, 0x89]);
    assert_eq!(frame[6..12], MAC);
    let at = |from: usize| Ipv6Addr::from(<[u8; 16]>::try_from(&frame[from..from + 16]).unwrap());
    assert_eq!(at(22), source.parse::<Ipv6Addr>().unwrap());
    assert_eq!(at(38), "ff02::1:ff45:6789".parse::<Ipv6Addr>().unwrap());
    assert_eq!(frame[54..56], [135, 0]);
    assert_eq!(at(62), address.parse::<Ipv6Addr>().unwrap());
    assert_eq!(frame[78..80], [1, 1]);
    assert_eq!(frame[80..], MAC);
    let words = frame[22..].chunks_exact(2);
    let sum: u32 = words
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
        .sum::<u32>()
        + 32
        + 58;
    assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
}

#[test]
fn an_answer_is_read_with_its_option_or_without_and_nothing_else_is() {
    let address: Ipv6Addr = "2001:db8::200".parse().unwrap();
    let frame = unsolicited_advertisement(MAC, address, false);
    let said = Some(Statement {
        address: address.into(),
        mac: MAC,
    });
    assert_eq!(advertised(&frame), said);
    assert_eq!(advertised(&frame[..78]), said, "by the frame's own sender");
    for len in 0..78 {
        assert_eq!(advertised(&frame[..len]), None);
    }
    let mut routed = frame;
    routed[21] = 254;
    assert_eq!(advertised(&routed), None, "from another link");
    assert_eq!(advertised(&solicitation(MAC, address, address)), None);
}
