use super::*;
use crate::vrrp::transport::MULTICAST_V4;

const SOURCE: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 51);

fn packet(message: &[u8]) -> Vec<u8> {
    let mut packet = header(SOURCE, MULTICAST_V4, message.len()).to_vec();
    packet.extend(message);
    packet
}

/// 3-5.1.1.1 to 3-5.1.1.4.
#[test]
fn a_header_has_our_address_the_group_ttl_255_and_protocol_112() {
    let header = header(SOURCE, MULTICAST_V4, 12);
    let expected = [
        0x45, 0xC0, 0, 32, 0, 0, 0, 0, 255, 112, 0, 0, //
        192, 168, 1, 51, 224, 0, 0, 18,
    ];
    assert_eq!(header, expected);
}

#[test]
fn what_is_built_is_read_back() {
    let packet = packet(b"message");
    let datagram = parse(&packet).unwrap();
    assert_eq!(datagram.source, IpAddr::V4(SOURCE));
    assert_eq!(datagram.destination, IpAddr::V4(MULTICAST_V4));
    assert_eq!(datagram.ttl, TTL);
    assert_eq!(datagram.message, b"message");
}

#[test]
fn a_packet_that_ends_too_early_is_a_runt_at_every_length() {
    let packet = packet(b"message");
    for len in 0..packet.len() {
        assert_eq!(parse(&packet[..len]), Err(Discard::Runt), "{len} bytes");
    }
    assert!(parse(&packet).is_ok());
}

#[test]
fn ethernet_padding_is_no_part_of_the_message() {
    let mut packet = packet(b"message");
    packet.resize(46, 0);
    assert_eq!(parse(&packet).unwrap().message, b"message");
}

#[test]
fn ip_options_are_skipped() {
    let mut packet = packet(b"message");
    packet[0] = 0x46;
    packet[3] += 4;
    packet.splice(20..20, [0x94, 4, 0, 0]);
    assert_eq!(parse(&packet).unwrap().message, b"message");
}

#[test]
fn a_header_that_contradicts_itself_is_discarded() {
    for (offset, value) in [(0, 0x65), (0, 0x44), (3, 19)] {
        let mut packet = packet(b"message");
        packet[offset] = value;
        assert_eq!(parse(&packet), Err(Discard::IpHeader), "{offset}: {value}");
    }
}

#[test]
fn fragments_are_discarded_and_dont_fragment_is_none() {
    for (flags, offset, expected) in [
        (0x20, 0, Err(Discard::Fragment)),
        (0x00, 1, Err(Discard::Fragment)),
        (0x1F, 0xFF, Err(Discard::Fragment)),
        (0x40, 0, Ok(())),
    ] {
        let mut packet = packet(b"message");
        packet[6] = flags;
        packet[7] = offset;
        assert_eq!(parse(&packet).map(drop), expected);
    }
}

/// 3-5.1.1.4.
#[test]
fn other_protocols_are_discarded() {
    let mut packet = packet(b"message");
    packet[9] = 51;
    assert_eq!(parse(&packet), Err(Discard::Protocol(51)));
}
