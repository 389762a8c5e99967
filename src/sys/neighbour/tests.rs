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
