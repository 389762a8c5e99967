use proptest::prelude::*;

use super::*;

/// As Linux 6.1 writes them.
const LIST: &str = "\
Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
TCP C0A8010A 8888 C0A801C8 0050 C0A80135 0050 ESTABLISHED     898
UDP C0A801C8 0000 C0A801C8 13C4 C0A80135 13C4 NONE             59 sip 4711@example.org
UDP fd00:0000:0000:0000:0000:0000:0000:0000 0000 fd00:0000:0000:0000:0000:0000:0000:0200 0035 fd00:0000:0000:0000:0000:0000:0000:0053 0035 NONE             59
TCP fd00:0000:0000:0000:0000:0000:0000:0010 CF8A fd00:0000:0000:0000:0000:0000:0000:0200 0050 C0A80135 0050 SYN_RECV         60
IP  C0A8010A 0000 00000007 0000 C0A80136 0000 ASSURED         299
IP  fd00:0000:0000:0000:0000:0000:0000:0010 0000 0000:0008:0000:0000:0000:0000:0000:0000 0000 fd00:0000:0000:0000:0000:0000:0000:0053 0000 NONE             12
SCTP C0A8010A 8888 C0A801C8 0063 C0A80135 0063 ESTABLISHED     898
";

fn lines() -> Vec<Connection<'static>> {
    LIST.lines()
        .skip(1)
        .map(|line| parse(line).unwrap())
        .collect()
}

#[test]
fn a_connection_is_read_with_its_addresses_state_and_time() {
    assert_eq!(
        lines()[0],
        Connection {
            protocol: ConnectionProtocol::Of(Protocol::Tcp),
            source: "192.168.1.10:34952".parse().unwrap(),
            virtual_address: "192.168.1.200:80".parse().unwrap(),
            real_server: "192.168.1.53:80".parse().unwrap(),
            state: "ESTABLISHED",
            expires: Duration::from_secs(898),
            engine: None,
        }
    );
}

#[test]
fn a_template_has_no_source_port_and_may_carry_data_of_its_engine() {
    let list = lines();
    assert!(!list[0].is_template() && list[1].is_template() && list[4].is_template());
    assert_eq!(list[1].engine, Some(("sip", "4711@example.org")));
}

#[test]
fn ipv6_may_lead_to_a_real_server_of_ipv4() {
    let list = lines();
    assert_eq!(list[2].virtual_address, "[fd00::200]:53".parse().unwrap());
    assert_eq!(list[3].source, "[fd00::10]:53130".parse().unwrap());
    assert_eq!(list[3].real_server, "192.168.1.53:80".parse().unwrap());
}

#[test]
fn a_template_of_a_firewall_mark_names_the_mark() {
    let list = lines();
    let marks: Vec<_> = list
        .iter()
        .map(|found| found.mark().map(u32::from))
        .collect();
    assert_eq!(marks, [None, None, None, None, Some(7), Some(8), None]);
}

#[test]
fn connections_are_told_apart_by_virtual_server() {
    let of = |id: &str| -> Vec<usize> {
        let (id, list) = (id.parse().unwrap(), lines());
        (0..list.len()).filter(|at| list[*at].is_of(&id)).collect()
    };
    assert_eq!(of("tcp 192.168.1.200:80"), [0]);
    assert!(of("udp 192.168.1.200:80").is_empty());
    assert_eq!(
        of("udp 192.168.1.200:0"),
        [1],
        "port 0 stands for every port"
    );
    assert_eq!(of("tcp [fd00::200]:80"), [3]);
    assert_eq!(of("fwmark 7"), [4]);
    assert!(of("fwmark6 7").is_empty());
    assert_eq!(of("fwmark6 8"), [5]);
    assert_eq!(of("sctp 192.168.1.200:99"), [6]);
}

#[test]
fn lines_that_are_no_connections_are_counted_and_left_behind() {
    let garbage = [
        &b"\xff\xfe garbage\n\n"[..],
        &[b'x'; 10_000],
        b"\nTCP C0A8010A 8888 C0A801C8\n",
        LIST.as_bytes(),
        b"TCP C0A8010A 8888 C0A801C8 0050 C0A80135 0050 NONE 4294967296",
    ];
    let mut found = 0;
    let unknown = each(&garbage.concat()[..], |_| {
        found += 1;
        Ok(())
    });
    assert_eq!(found, 7);
    assert_eq!(
        unknown.unwrap(),
        6,
        "the long line is looked at in three parts"
    );
}

proptest! {
    #[test]
    fn no_line_panics(line in "(IP|TCP|UDP)?[ 0-9A-F:NONEsip]{0,120}|.*") {
        parse(&line);
    }

    #[test]
    fn a_cut_or_mutated_line_never_panics(line in 1..8usize, at in 0..120usize, byte: Option<u8>) {
        let mut bytes = LIST.lines().nth(line).unwrap().as_bytes().to_vec();
        match (bytes.get_mut(at), byte) {
            (Some(found), Some(byte)) => *found = byte,
            _ => bytes.truncate(at),
        }
        each(&bytes[..], |_| Ok(())).unwrap();
    }
}
