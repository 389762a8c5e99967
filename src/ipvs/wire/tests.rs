use std::net::IpAddr;

use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_generic::GenlMessage;
use proptest::prelude::*;

use super::*;
use crate::ipvs::captures;

#[test]
fn what_the_kernel_sent_is_encoded_to_the_same_bytes() {
    for capture in captures::ALL {
        let datagram = captures::bytes(capture);
        let encoded: Vec<u8> = captures::messages(&datagram)
            .iter()
            .flat_map(|message| {
                let mut bytes = vec![0; message.buffer_len()];
                message.serialize(&mut bytes);
                bytes
            })
            .collect();
        assert_eq!(encoded, datagram);
    }
}

#[test]
fn nothing_in_what_the_kernel_sent_is_unknown_but_padding() {
    let padding = StatsAttribute::Other(DefaultNla::new(11, vec![]));
    for message in captures::ALL.into_iter().flat_map(captures::payloads) {
        let text = format!("{message:?}").replace(&format!("{padding:?}"), "");
        assert!(!text.contains("Other"), "{text}");
    }
}

#[test]
fn a_service_is_read_as_ipvsadm_wrote_it() {
    let messages = captures::payloads(captures::VIRTUAL_SERVERS);
    assert!(messages.iter().all(|m| m.command == Command::NewService));
    let sip = messages[1].service().unwrap();
    let vip: IpAddr = "192.168.1.200".parse().unwrap();
    assert_eq!(
        sip[..9],
        [
            ServiceAttribute::AddressFamily(AF_INET),
            ServiceAttribute::Protocol(17),
            ServiceAttribute::Address(vip.into()),
            ServiceAttribute::Port(5060),
            ServiceAttribute::SchedulerName("mh".to_owned()),
            ServiceAttribute::PersistenceEngine("sip".to_owned()),
            ServiceAttribute::Flags(ServiceFlags {
                flags: IP_VS_SVC_F_PERSISTENT | IP_VS_SVC_F_HASHED | IP_VS_SVC_F_SCHED2,
                mask: u32::MAX,
            }),
            ServiceAttribute::Timeout(60),
            ServiceAttribute::Netmask([255, 255, 255, 0]),
        ]
    );
    let ipv6 = messages[0].service().unwrap();
    assert!(ipv6.contains(&ServiceAttribute::Netmask(64u32.to_ne_bytes())));
}

#[test]
fn a_tunnel_of_gue_is_read_as_ipvsadm_wrote_it() {
    let messages = captures::payloads(captures::REAL_SERVERS_OF_IPV6);
    let dest = messages[0].dest().unwrap();
    for attribute in [
        DestAttribute::AddressFamily(AF_INET),
        DestAttribute::ForwardingMethod(IP_VS_CONN_F_TUNNEL),
        DestAttribute::TunnelType(1),
        DestAttribute::TunnelPort(6080),
        DestAttribute::TunnelFlags(0),
    ] {
        assert!(dest.contains(&attribute), "{attribute:?}");
    }
}

#[test]
fn a_sync_daemon_is_read_as_ipvsadm_wrote_it() {
    let messages = captures::payloads(captures::SYNC_DAEMONS);
    assert_eq!(
        messages[1].daemon().unwrap(),
        [
            DaemonAttribute::State(IP_VS_STATE_BACKUP),
            DaemonAttribute::Interface("d1".to_owned()),
            DaemonAttribute::SyncId(8),
            DaemonAttribute::MaxLength(1472),
            DaemonAttribute::Port(8848),
            DaemonAttribute::Ttl(1),
            DaemonAttribute::Group("224.0.0.81".parse().unwrap()),
        ]
    );
}

#[test]
fn every_command_has_its_own_number() {
    for (number, command) in (1..=17).zip(Command::ALL) {
        assert_eq!(u8::from(command), number);
        assert_eq!(Command::try_from(number).unwrap(), command);
    }
    assert!(Command::try_from(0).is_err());
    assert!(Command::try_from(18).is_err());
}

#[test]
fn an_attribute_that_is_not_known_is_kept() {
    let unknown = [6, 0, 99, 0, 1, 2, 0, 0];
    let header = GenlHeader {
        cmd: Command::NewService.into(),
        version: IPVS_GENL_VERSION,
    };
    let message = Message::parse_with_param(&unknown[..], header).unwrap();
    let kept = Attribute::Other(DefaultNla::new(99, vec![1, 2]));
    assert_eq!(message.attributes, [kept]);
    let mut bytes = vec![0; message.buffer_len()];
    message.emit(&mut bytes);
    assert_eq!(bytes, unknown);
}

#[test]
fn an_attribute_of_the_wrong_length_is_an_error_that_names_it() {
    let short = [10, 0, 1, 0, 5, 0, 2, 0, 17, 0, 0, 0];
    let header = GenlHeader {
        cmd: Command::NewService.into(),
        version: IPVS_GENL_VERSION,
    };
    let error = Message::parse_with_param(&short[..9], header).unwrap_err();
    assert!(error.to_string().contains("length"), "{error}");
    let nested = [12, 0, 1, 0, 5, 0, 2, 0, 17, 0, 0, 0];
    let error = Message::parse_with_param(&nested[..], header).unwrap_err();
    assert!(
        error.to_string().contains("IPVS_SVC_ATTR_PROTOCOL"),
        "{error}"
    );
}

#[test]
fn no_truncation_panics() {
    for capture in captures::ALL {
        let datagram = captures::bytes(capture);
        for length in 0..datagram.len() {
            read(&datagram[..length]);
        }
        for message in captures::payloads(capture) {
            let mut bytes = vec![0; message.buffer_len()];
            message.emit(&mut bytes);
            for length in 0..bytes.len() {
                let header = GenlHeader {
                    cmd: message.command.into(),
                    version: IPVS_GENL_VERSION,
                };
                let _ = Message::parse_with_param(&bytes[..length], header);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn no_mutation_panics(
        capture in prop::sample::select(&captures::ALL[..]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut datagram = captures::bytes(capture);
        for (index, byte) in changes {
            let index = index.index(datagram.len());
            datagram[index] = byte;
        }
        read(&datagram);
    }
}

/// Reads and writes every message that can be read.
fn read(datagram: &[u8]) {
    let mut rest = datagram;
    while let Ok(message) = NetlinkMessage::<GenlMessage<Message>>::deserialize(rest) {
        if let NetlinkPayload::InnerMessage(inner) = &message.payload {
            let mut bytes = vec![0; Emitable::buffer_len(inner)];
            inner.emit(&mut bytes);
        }
        let length = usize::try_from(message.header.length).unwrap();
        rest = rest.get(length..).unwrap_or_default();
    }
}
