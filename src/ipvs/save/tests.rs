use std::net::SocketAddr;
use std::num::NonZeroU32;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::ipvs::arbitrary::{real_server, settings};
use crate::ipvs::table::{RealServer, Settings, Table, VirtualServer};
use crate::lvs::{Family, Forwarding, Protocol, Scheduler, VirtualServerId};

fn parse(text: &str) -> Result<Table, Malformed> {
    super::parse(text).map(|saved| saved.table)
}

/// As `ipvsadm -Sn` of version 1.31 wrote it, thresholds apart.
const SAVED: &str = "\
-A -t 192.168.1.200:0 -s rr -p 360
-A -t 192.168.1.200:80 -s wrr
-a -t 192.168.1.200:80 -r 192.168.1.53:80 -g -w 3
-a -t 192.168.1.200:80 -r 192.168.1.54:80 -i -w 2 --tun-type ipip -x 1000 -y 800
-a -t 192.168.1.200:80 -r 192.168.1.55:8080 -m -w 1
-a -t 192.168.1.200:80 -r 192.168.1.56:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum
-a -t 192.168.1.200:80 -r 192.168.1.57:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum
-a -t 192.168.1.200:80 -r 192.168.1.58:80 -i -w 1 --tun-type gre --tun-csum
-A -t 192.168.1.200:443 -s sh -p 60 -M 255.255.255.0 -b sh-fallback,sh-port
-A -t 192.168.1.200:445 -s rr -b flag-1,flag-3
-A -u 192.168.1.200:53 -s rr -o
-A -u 192.168.1.200:5060 -s rr -p 60 --pe sip
-A --sctp-service 192.168.1.200:99 -s nq
-A -t [fd00::200]:80 -s wlc -p 60
-a -t [fd00::200]:80 -r 192.168.1.53:80 -i -w 1 --tun-type ipip
-a -t [fd00::200]:80 -r [fd00::53]:80 -g -w 0
-A -f 7 -s rr
-a -f 7 -r 192.168.1.53:0 -g -w 1
-A -f 8 -6 -s rr -p 60 -M 64
-a -f 8 -6 -r [fd00::53]:80 -g -w 1
";

fn text(table: &Table) -> String {
    let mut text = String::new();
    write(table, &mut text).unwrap();
    text
}

/// What `parse` makes of a line, written again; its fault else.
fn again(line: &str) -> String {
    match parse(line) {
        Ok(table) => text(&table).trim_end().to_owned(),
        Err(malformed) => malformed.to_string(),
    }
}

#[test]
fn what_ipvsadm_writes_is_read_and_written_the_same() {
    assert_eq!(text(&parse(SAVED).unwrap()), SAVED);
}

#[test]
fn what_a_line_may_say_in_many_ways_is_understood() {
    for (line, written) in [
        ("ipvsadm -A -t 1.2.3.4:80 -s rr", "-A -t 1.2.3.4:80 -s rr"),
        (
            "  -At1.2.3.4:80 -swrr  # not",
            "line 1: \"#\" belongs to no option",
        ),
        ("-A -t 1.2.3.4:80", "-A -t 1.2.3.4:80 -s wlc"),
        ("-A -t 1.2.3.4 -p", "-A -t 1.2.3.4:0 -s wlc -p 360"),
        (
            "-A -t 1.2.3.4:80 -p -M 255.0.0.0",
            "-A -t 1.2.3.4:80 -s wlc -p 360 -M 255.0.0.0",
        ),
        (
            "-A -u 1.2.3.4:53 -p30 -s rr",
            "-A -u 1.2.3.4:53 -s rr -p 30",
        ),
        (
            "--add-service --udp-service=1.2.3.4:53 --scheduler mh --persistent=5 -b mh-port",
            "-A -u 1.2.3.4:53 -s mh -p 5 -b mh-port",
        ),
        (
            "-A -n -t [fd00::1] -p 60 -M 128",
            "-A -t [fd00::1]:0 -s wlc -p 60",
        ),
        (
            "-A -t 1.2.3.4:80 -s mh -b flag-2",
            "-A -t 1.2.3.4:80 -s mh -b mh-port",
        ),
        ("# a comment", ""),
    ] {
        assert_eq!(again(line), written, "{line}");
    }
}

#[test]
fn a_real_server_has_the_defaults_of_ipvsadm() {
    let after = |line: &str| {
        let known = "-A -t 1.2.3.4:80 -s rr\n-A -f 7 -s rr\n";
        let written = again(&format!("{known}{line}"));
        let mut lines = written.lines();
        lines
            .find(|line| !line.starts_with("-A"))
            .unwrap_or_default()
            .to_owned()
    };
    for (line, written) in [
        (
            "-a -t 1.2.3.4:80 -r 10.0.0.1",
            "-a -t 1.2.3.4:80 -r 10.0.0.1:80 -g -w 1",
        ),
        (
            "-a -t 1.2.3.4:80 -r 10.0.0.1:8 -mw5",
            "-a -t 1.2.3.4:80 -r 10.0.0.1:8 -m -w 5",
        ),
        (
            "-a -f 7 -r 10.0.0.1 -x 9",
            "-a -f 7 -r 10.0.0.1:0 -g -w 1 -x 9",
        ),
        (
            "-a -t 1.2.3.4:80 -r 10.0.0.1 -i --tun-type gue --tun-port 6080",
            "-a -t 1.2.3.4:80 -r 10.0.0.1:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum",
        ),
        (
            "-a -t 1.2.3.4:80 -r 10.0.0.1 -i --tun-type gre",
            "-a -t 1.2.3.4:80 -r 10.0.0.1:80 -i -w 1 --tun-type gre --tun-nocsum",
        ),
    ] {
        assert_eq!(after(line), written, "{line}");
    }
}

/// Lines, and what is told of them.
const FAULTS: [(&str, &str); 18] = [
    ("-A -t 1.2.3.4:80 -Q", "there is no option -Q"),
    (
        "-E -t 1.2.3.4:80",
        "-E is no part of a table: only -A and -a are",
    ),
    ("-C", "-C is no part of a table: only -A and -a are"),
    ("-A", "no virtual server: -t, -u, --sctp-service or -f"),
    ("-t 1.2.3.4:80", "neither -A nor -a"),
    ("-A -a -t 1.2.3.4:80", "-A and -a exclude each other"),
    ("-A -t 1.2.3.4:80 -t 1.2.3.4:81", "-t is given twice"),
    (
        "-A -t 1.2.3.4:80 -w 3",
        "a virtual server (-A) has no option -w",
    ),
    (
        "-A -t 1.2.3.4:80 -M 255.255.255.0",
        "-M needs persistence (-p)",
    ),
    (
        "-A -t 1.2.3.4:80 -p 60 -M 24",
        "-M 24: a mask is written like 255.255.255.0",
    ),
    ("-A -t 1.2.3.4:80 -p 0", "-p 0: not a number that it can be"),
    (
        "-A -t 1.2.3.4",
        "port 0 stands for every port, which needs persistence (-p)",
    ),
    (
        "-A -t 1.2.3.4:80 -s rr -b sh-port",
        "-b sh-port: rr has no such flag",
    ),
    (
        "-A -t 1.2.3.4:http",
        "1.2.3.4:http: not an address and port in numbers (`ipvsadm -Sn` writes them)",
    ),
    (
        "-A -t 1.2.3.4:80 -o",
        "-o: only UDP can be scheduled packet by packet",
    ),
    ("-A -f 0", "-f 0: not a number that it can be"),
    (
        "-a -t 1.2.3.4:80 -r 10.0.0.1",
        "no line before this one adds tcp 1.2.3.4:80 (-A)",
    ),
    ("-A -t", "missing argument for option '-t'"),
];

#[test]
fn every_fault_is_told_by_its_line() {
    let lines: Vec<_> = FAULTS.iter().map(|(line, _)| *line).collect();
    let Malformed(bad) = parse(&lines.join("\n")).unwrap_err();
    let told: Vec<_> = bad
        .iter()
        .map(|bad| (bad.number, bad.fault.as_str()))
        .collect();
    let expected: Vec<_> = (1..).zip(FAULTS.map(|(_, fault)| fault)).collect();
    assert_eq!(told, expected);
}

#[test]
fn what_is_there_already_is_a_fault() {
    let text = "-A -t 1.2.3.4:80\n-A -t 1.2.3.4:80\n\
                -a -t 1.2.3.4:80 -r 10.0.0.1\n-a -t 1.2.3.4:80 -r 10.0.0.1:80 -w 2";
    assert_eq!(
        parse(text).unwrap_err().to_string(),
        "line 2: tcp 1.2.3.4:80 is there already\n\
         line 4: 10.0.0.1:80 of tcp 1.2.3.4:80 is there already"
    );
}

#[test]
fn one_packet_scheduling_of_tcp_is_not_written_for_ipvsadm_stops_at_it() {
    let mut settings = Settings::of(Scheduler::RoundRobin);
    settings.one_packet = true;
    for (id, written) in [
        ("tcp 1.2.3.4:80", "-A -t 1.2.3.4:80 -s rr\n"),
        ("sctp 1.2.3.4:80", "-A --sctp-service 1.2.3.4:80 -s rr\n"),
        ("udp 1.2.3.4:80", "-A -u 1.2.3.4:80 -s rr -o\n"),
        ("fwmark 7", "-A -f 7 -s rr -o\n"),
    ] {
        let virtual_server = VirtualServer {
            settings,
            real_servers: Default::default(),
        };
        let table = Table::from_iter([(id.parse().unwrap(), virtual_server)]);
        assert_eq!(text(&table), written);
    }
}

fn id() -> impl Strategy<Value = VirtualServerId> {
    let protocol = select(vec![Protocol::Tcp, Protocol::Udp, Protocol::Sctp]);
    let address = (protocol, any::<SocketAddr>().prop_map(plain))
        .prop_map(|(protocol, address)| VirtualServerId::Address { protocol, address });
    let family = select(vec![Family::Ipv4, Family::Ipv6]);
    let mark = (family, any::<NonZeroU32>())
        .prop_map(|(family, mark)| VirtualServerId::Fwmark { family, mark });
    prop_oneof![address, mark]
}

/// Without flow and scope, which no virtual server has.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port())
}

fn tables() -> impl Strategy<Value = Table> {
    let pool = || {
        let rip = any::<SocketAddr>().prop_map(plain);
        prop::collection::btree_map(rip, real_server().prop_map(not_local), 0..4)
    };
    let virtual_server = id().prop_flat_map(move |id| {
        let with_pool = (settings(id.family()), pool());
        with_pool.prop_map(move |(mut settings, real_servers)| {
            settings.one_packet &=
                !matches!(id, VirtualServerId::Address { protocol, .. } if protocol != Protocol::Udp);
            let every_port =
                matches!(id, VirtualServerId::Address { address, .. } if address.port() == 0);
            if every_port && settings.persistence.is_none() {
                settings.persistence = crate::ipvs::table::Persistence::of_clients(
                    std::time::Duration::from_secs(9),
                    id.family(),
                )
                .into();
            }
            (
                id,
                VirtualServer {
                    settings,
                    real_servers: real_servers.into_iter().collect(),
                },
            )
        })
    });
    prop::collection::vec(virtual_server, 0..6).prop_map(Table::from_iter)
}

/// `ipvsadm` has no word for a real server that is this host.
fn not_local(mut real_server: RealServer) -> RealServer {
    if real_server.forwarding == Forwarding::Local {
        real_server.forwarding = Forwarding::DirectRoute;
    }
    real_server
}

proptest! {
    #[test]
    fn a_table_written_and_read_is_the_same_table(table in tables()) {
        prop_assert_eq!(parse(&text(&table)), Ok(table));
    }

    #[test]
    fn garbage_never_panics(garbage in "(?s).{0,200}|(-[AatufbpMrwxy6igm]|--(pe|tun-type|tun-port)|[0-9.:a-f\\[\\]]{1,20}|\\n| ){0,40}") {
        let _ = parse(&garbage);
    }

    #[test]
    fn a_cut_or_mutated_file_never_panics(at in 0..SAVED.len(), byte in prop::option::of(0u8..128)) {
        let mut bytes = SAVED.as_bytes().to_vec();
        match byte {
            Some(byte) => bytes[at] = byte,
            None => bytes.truncate(at),
        }
        let _ = parse(&String::from_utf8(bytes).unwrap());
    }
}

#[test]
fn a_mark_that_ipvsadm_writes_as_a_negative_number_is_read() {
    for (written, mark) in [("-1", u32::MAX), ("-2147483648", 1 << 31)] {
        let table = parse(&format!("-A -f {written} -s rr\n")).unwrap();
        let mark = NonZeroU32::new(mark).unwrap();
        let family = Family::Ipv4;
        let id = VirtualServerId::Fwmark { family, mark };
        assert!(table.contains_key(&id), "{written} in {table:?}");
    }
}
