use super::*;
use crate::vrrp::ipv4;
use crate::vrrp::transport::MULTICAST_V4;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().map(|c| c.to_digit(16).unwrap()).collect();
    let (pairs, _) = digits.as_chunks::<2>();
    pairs
        .iter()
        .map(|[high, low]| u8::try_from(high * 16 + low).unwrap())
        .collect()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// What keepalived 2.2.7 sent, and what it was configured with.
fn captured() -> Vec<(Vec<u8>, Checksum, IpAddr, Advert)> {
    let v2 = |auth, vrid: u8, priority, addresses: &[&str]| Advert {
        version: Version::V2 { auth },
        vrid: vrid.try_into().unwrap(),
        priority,
        interval: Duration::from_secs(1),
        addresses: addresses.iter().map(|text| ip(text)).collect(),
    };
    let two = ["10.88.0.100", "10.88.0.50"];
    let password = AuthPass::try_from("abcdefgh").unwrap();
    let here = ip("10.88.0.1");
    let only = Checksum::MessageOnly;
    vec![
        (
            hex("21336402000165830a5800640a5800320000000000000000"),
            only,
            here,
            v2(None, 51, 100, &two),
        ),
        (
            hex("213300020001c9830a5800640a5800320000000000000000"),
            only,
            here,
            v2(None, 51, 0, &two),
        ),
        (
            hex("213764010101dd400a5800986162636465666768"),
            only,
            here,
            v2(Some(password), 55, 100, &["10.88.0.152"]),
        ),
        (
            hex("31356401003274c10a580096"),
            Checksum::PseudoHeader,
            here,
            Advert {
                version: Version::V3,
                interval: Duration::from_millis(500),
                ..v2(None, 53, 100, &["10.88.0.150"])
            },
        ),
        (
            hex("313964020064f0ebfe80000000000000000000000000005720010db8000000000000000000000057"),
            Checksum::PseudoHeader,
            ip("fe80::f04d:19ff:fe08:4608"),
            Advert {
                version: Version::V3,
                ..v2(None, 57, 100, &["fe80::57", "2001:db8::57"])
            },
        ),
    ]
}

fn group(source: IpAddr) -> IpAddr {
    if source.is_ipv4() {
        MULTICAST_V4.into()
    } else {
        ip("ff02::12")
    }
}

#[test]
fn what_keepalived_sends_is_read_and_written_to_the_byte() {
    for (message, checksum, source, advert) in captured() {
        let decoded = Advert::decode(&message, Family::of(source));
        assert_eq!(decoded, Ok(advert.clone()));
        assert_eq!(advert.encode(checksum, source, group(source)), message);
        let datagram = Datagram {
            source,
            destination: group(source),
            ttl: 255,
            message: &message,
        };
        assert_eq!(verified_checksum(&datagram), Some(checksum));
    }
}

#[test]
fn a_whole_packet_of_keepalived_is_read() {
    let packet = hex("45c0002000010000ff70d0410a580001e000001231356401003274c10a580096");
    let datagram = ipv4::parse(&packet).unwrap();
    assert_eq!(datagram.source, ip("10.88.0.1"));
    assert_eq!(datagram.destination, IpAddr::V4(MULTICAST_V4));
    assert_eq!(datagram.ttl, 255);
    assert_eq!(verified_checksum(&datagram), Some(Checksum::PseudoHeader));
}

#[test]
fn a_changed_bit_is_seen_in_either_form_of_the_checksum() {
    for (mut message, _, source, _) in captured() {
        for byte in 0..message.len() {
            message[byte] ^= 0x10;
            let datagram = Datagram {
                source,
                destination: group(source),
                ttl: 255,
                message: &message,
            };
            assert_eq!(verified_checksum(&datagram), None, "byte {byte}");
            message[byte] ^= 0x10;
        }
    }
}

/// 2-5.3.8: version 2 has one form of checksum.
#[test]
fn version_2_with_a_pseudo_header_in_its_checksum_is_wrong() {
    let (_, _, source, advert) = captured().remove(0);
    let message = advert.encode(Checksum::PseudoHeader, source, group(source));
    let datagram = Datagram {
        source,
        destination: group(source),
        ttl: 255,
        message: &message,
    };
    assert_eq!(verified_checksum(&datagram), None);
}

/// 3-5.2.7.
#[test]
fn every_centisecond_of_version_3_goes_to_the_wire_and_back() {
    for n in 1..=4095 {
        let interval = from_centiseconds(n).unwrap();
        assert_eq!(interval, Duration::from_millis(10) * u32::from(n));
        assert_eq!(to_centiseconds(interval), n);
    }
    assert_eq!(from_centiseconds(0), None);
}

/// 2-5.3.7.
#[test]
fn every_second_of_version_2_goes_to_the_wire_and_back() {
    for n in 1..=255 {
        let interval = from_seconds(n).unwrap();
        assert_eq!(interval, Duration::from_secs(n.into()));
        assert_eq!(to_seconds(interval), n);
    }
    assert_eq!(from_seconds(0), None);
}

#[test]
fn an_interval_off_the_grid_is_cut_to_it() {
    assert_eq!(to_centiseconds(Duration::from_micros(19_999)), 1);
    assert_eq!(to_centiseconds(Duration::ZERO), 1);
    assert_eq!(to_centiseconds(Duration::from_secs(3_600)), 4095);
    assert_eq!(to_seconds(Duration::from_millis(900)), 1);
    assert_eq!(to_seconds(Duration::from_secs(3_600)), 255);
}

fn version_3() -> Vec<u8> {
    hex("31356401003274c10a580096")
}

/// 3-5.2.6.
#[test]
fn the_reserved_bits_of_version_3_are_sent_as_zero_and_ignored() {
    let mut message = version_3();
    message[4] |= 0xF0;
    let advert = Advert::decode(&message, Family::Ipv4).unwrap();
    assert_eq!(advert.interval, Duration::from_millis(500));
    let source = ip("10.88.0.1");
    let sent = advert.encode(Checksum::PseudoHeader, source, group(source));
    assert_eq!(sent, version_3());
}

/// 3-5.2.1, 3-5.2.2.
#[test]
fn other_versions_and_types_are_told_by_number() {
    for first_byte in 0..=0xFF {
        let mut message = version_3();
        message[0] = first_byte;
        let result = Advert::decode(&message, Family::Ipv4);
        match (first_byte >> 4, first_byte & 0x0F) {
            (3, 1) => assert!(result.is_ok()),
            (2 | 3, kind) if kind != 1 => assert_eq!(result, Err(Discard::Type(kind))),
            (2, _) => assert!(matches!(result, Err(Discard::Length { .. }))),
            (version, _) => assert_eq!(result, Err(Discard::Version(version))),
        }
    }
}

/// 3-5.2.3, 3-5.2.5, 7.1-j.
#[test]
fn vrid_0_count_0_and_interval_0_are_discarded() {
    let with = |offset: usize, value: u8| {
        let mut message = version_3();
        message[offset] = value;
        message
    };
    let decode = |message: &[u8]| Advert::decode(message, Family::Ipv4);
    assert_eq!(decode(&with(1, 0)), Err(Discard::UnknownVrid(0)));
    assert_eq!(decode(&with(3, 0)), Err(Discard::NoAddresses));
    assert_eq!(decode(&with(5, 0)), Err(Discard::IntervalZero));
}

/// 7.1-c.
#[test]
fn a_message_has_the_length_that_its_count_makes() {
    for (message, _, source, _) in captured() {
        let family = Family::of(source);
        for len in 0..message.len() {
            let cut = Advert::decode(&message[..len], family);
            assert!(matches!(cut, Err(Discard::Length { .. })), "{len} bytes");
        }
        let mut longer = message.clone();
        longer.push(0);
        assert!(matches!(
            Advert::decode(&longer, family),
            Err(Discard::Length { .. })
        ));
    }
}

#[test]
fn a_version_2_advert_without_password_is_read_whatever_its_last_bytes_are() {
    let mut message = hex("21336402000165830a5800640a5800320000000000000000");
    message[20] = 0xAA;
    let advert = Advert::decode(&message, Family::Ipv4).unwrap();
    assert_eq!(advert.version, Version::V2 { auth: None });
}

/// 2-5.3.6: type 2 was AH.
#[test]
fn unknown_authentication_types_are_told_by_number() {
    let mut message = hex("21336402000165830a5800640a5800320000000000000000");
    message[4] = 2;
    let result = Advert::decode(&message, Family::Ipv4);
    assert_eq!(result, Err(Discard::AuthType(2)));
}

#[test]
fn the_longest_advert_goes_there_and_back() {
    let source = ip("10.88.0.1");
    let addresses = (1..=255).map(|n| IpAddr::from([10, 0, 0, n])).collect();
    let advert = Advert {
        version: Version::V2 { auth: None },
        vrid: 1.try_into().unwrap(),
        priority: 1,
        interval: Duration::from_secs(1),
        addresses,
    };
    let message = advert.encode(Checksum::MessageOnly, source, group(source));
    assert_eq!(message.len(), 8 + 255 * 4 + 8);
    assert_eq!(Advert::decode(&message, Family::Ipv4), Ok(advert));
}

#[test]
fn of_both_forms_the_standard_one_is_heard_last() {
    let forms: Vec<_> = Forms::Both.each().collect();
    assert_eq!(forms, [Checksum::PseudoHeader, Checksum::MessageOnly]);
    let form = Checksum::PseudoHeader;
    assert!(Forms::One(form).each().eq([form]));
}

/// 3-5.2.8: over IPv6 there is one form.
#[test]
fn over_ipv6_the_pseudo_header_is_part_of_the_checksum() {
    let (_, _, source, advert) = captured().pop().unwrap();
    let message = advert.encode(Checksum::MessageOnly, source, group(source));
    let datagram = Datagram {
        source,
        destination: group(source),
        ttl: 255,
        message: &message,
    };
    assert_eq!(verified_checksum(&datagram), None);
}
