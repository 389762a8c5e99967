use nix::errno::Errno;
use proptest::prelude::*;

use super::*;
use crate::ipvs::arbitrary::{real_server, settings};
use crate::ipvs::captures;
use crate::ipvs::table::{RealServer, Settings};
use crate::ipvs::wire::{IP_VS_SVC_F_HASHED, ServiceAttribute, ServiceFlags};
use crate::lvs::{Family, Forwarding, Scheduler, Tunnel, VirtualServerId, Weight};

#[test]
fn the_kernels_dump_becomes_the_table_that_ipvsadm_wrote() {
    let table: Vec<_> = captures::payloads(captures::VIRTUAL_SERVERS)
        .iter()
        .map(|message| report::virtual_server(message).unwrap().unwrap())
        .map(|(id, found)| (id.to_string(), found.settings.to_string()))
        .collect();
    let expected = [
        ("tcp [2001:db8::1]:443", "wlc persistent 300s mask 64"),
        (
            "udp 192.168.1.200:5060",
            "mh port persistent 60s mask 24 engine sip",
        ),
        ("tcp 192.168.1.200:80", "wrr"),
        ("fwmark 7", "rr"),
    ];
    assert_eq!(
        table,
        expected.map(|(id, text)| (id.to_owned(), text.to_owned()))
    );
}

#[test]
fn a_real_server_is_read_in_its_own_family() {
    let read = |capture, family| -> Vec<_> {
        captures::payloads(capture)
            .iter()
            .map(|message| report::real_server(message, family).unwrap())
            .map(|(rip, found)| format!("{rip} {}", found.real_server))
            .collect()
    };
    assert_eq!(
        read(captures::REAL_SERVERS_OF_IPV4, Family::Ipv4),
        ["192.168.1.54:80 dr weight 0", "192.168.1.53:80 dr weight 3",]
    );
    assert_eq!(
        read(captures::REAL_SERVERS_OF_IPV6, Family::Ipv6),
        [
            "192.168.1.53:443 tun gue 6080 weight 1",
            "[2001:db8:1::1]:8443 nat weight 1 thresholds 800..1000",
        ]
    );
}

#[test]
fn flags_and_tunnels_are_read_as_ipvsadm_set_them() {
    let mut servers: Vec<_> = captures::payloads(captures::WITH_FLAGS)
        .iter()
        .map(|message| report::virtual_server(message).unwrap().unwrap())
        .map(|(id, found)| format!("{id} {}", found.settings))
        .collect();
    servers.sort();
    assert_eq!(
        servers,
        [
            "fwmark6 7 fo persistent 60s mask 64",
            "sctp 192.168.1.200:9 mh flag-3",
            "tcp 192.168.1.200:80 sh fallback port",
            "udp 192.168.1.200:53 rr one-packet",
        ]
    );
    let mut pool: Vec<_> = captures::payloads(captures::THROUGH_TUNNELS)
        .iter()
        .map(|message| report::real_server(message, Family::Ipv4).unwrap())
        .map(|(rip, found)| format!("{rip} {}", found.real_server.forwarding))
        .collect();
    pool.sort();
    assert_eq!(
        pool,
        [
            "192.168.1.53:80 tun gue 6080 plain",
            "192.168.1.54:80 tun gue 6080 remote",
            "192.168.1.55:80 tun gre plain",
            "192.168.1.56:80 tun gre",
            "[2001:db8::57]:80 tun",
        ]
    );
}

#[test]
fn every_attribute_of_a_request_is_among_those_that_the_kernel_reports_for_it() {
    for message in captures::payloads(captures::WITH_FLAGS) {
        let (id, found) = report::virtual_server(&message).unwrap().unwrap();
        let reported = message.service().unwrap();
        let request = request::op(&Op::AddVirtualServer(id, found.settings));
        for attribute in request.service().unwrap() {
            let attribute = match attribute {
                // The kernel sets this one by itself.
                ServiceAttribute::Flags(flags) => ServiceAttribute::Flags(ServiceFlags {
                    flags: flags.flags | IP_VS_SVC_F_HASHED,
                    ..*flags
                }),
                other => other.clone(),
            };
            assert!(
                reported.contains(&attribute),
                "{attribute:?} in {reported:?}"
            );
        }
    }
    for message in captures::payloads(captures::THROUGH_TUNNELS) {
        let id = "tcp 192.168.1.200:80".parse().unwrap();
        let (rip, found) = report::real_server(&message, Family::Ipv4).unwrap();
        let reported = message.dest().unwrap();
        let request = request::op(&Op::AddRealServer(id, rip, found.real_server));
        for attribute in request.dest().unwrap() {
            assert!(
                reported.contains(attribute),
                "{attribute:?} in {reported:?}"
            );
        }
    }
}

#[test]
fn version_and_timeouts_are_read() {
    let info = report::info(&captures::payloads(captures::INFO)[0]).unwrap();
    assert_eq!(
        info.to_string(),
        "IP Virtual Server version 1.2.1 (size=4096)"
    );
    let timeouts = report::timeouts(&captures::payloads(captures::TIMEOUTS)[0]).unwrap();
    assert_eq!(
        timeouts.to_string(),
        "Timeout (tcp tcpfin udp): 900 120 300"
    );
    assert_eq!(request::set_timeouts(&timeouts).attributes, {
        captures::payloads(captures::TIMEOUTS)[0].attributes.clone()
    });
}

proptest! {
    #[test]
    fn a_virtual_server_is_read_as_it_was_asked_for(
        (id, settings) in id().prop_flat_map(|id| (Just(id), settings(id.family()))),
    ) {
        let message = request::op(&Op::AddVirtualServer(id, settings));
        let (read_id, read) = report::virtual_server(&message).unwrap().unwrap();
        prop_assert_eq!((read_id, read.settings), (id, settings));
    }

    #[test]
    fn a_real_server_is_read_as_it_was_asked_for(
        id in id(),
        rip in any::<std::net::SocketAddr>(),
        real_server in real_server(),
    ) {
        let rip = std::net::SocketAddr::new(rip.ip(), rip.port());
        let message = request::op(&Op::SetRealServer(id, rip, real_server));
        let (read_rip, read) = report::real_server(&message, id.family()).unwrap();
        prop_assert_eq!((read_rip, read.real_server), (rip, real_server));
    }
}

#[test]
fn a_refusal_says_what_the_errno_does_not() {
    let twos = add_virtual_server("tcp 192.168.1.200:80", Scheduler::PowerOfTwoChoices);
    let other_family = add_real_server("tcp 192.168.1.200:80", "[2001:db8::1]:80");
    let multicast = add_real_server("tcp 192.168.1.200:80", "224.0.0.1:80");
    let tunnelled = |op| match op {
        Op::AddRealServer(id, rip, mut real_server) => {
            real_server.forwarding = Forwarding::Tunnel(Tunnel::Ipip);
            Op::AddRealServer(id, rip, real_server)
        }
        other => other,
    };
    let link_local = tunnelled(add_real_server("tcp 192.168.1.200:80", "[fe80::1]:80"));
    for (op, errno, words) in [
        (
            twos,
            Errno::ENOENT,
            "cannot add virtual server tcp 192.168.1.200:80: twos: \
             scheduler \"twos\" is not available in this kernel (no such file or directory)",
        ),
        (
            other_family,
            Errno::EINVAL,
            "cannot add real server [2001:db8::1]:80 of tcp 192.168.1.200:80: dr weight 1: \
             a real server of the other address family needs forwarding \"tun\" (invalid argument)",
        ),
        (
            multicast,
            Errno::EINVAL,
            "cannot add real server 224.0.0.1:80 of tcp 192.168.1.200:80: dr weight 1: \
             the kernel does not take the RIP for the address of a host (is `lo` up?) (invalid argument)",
        ),
        (
            tunnelled(other_family),
            Errno::EINVAL,
            "cannot add real server [2001:db8::1]:80 of tcp 192.168.1.200:80: tun weight 1: \
             a sync daemon may run here (`lvsd ipvs daemon`): connection sync and a real server \
             of the other address family exclude each other (invalid argument)",
        ),
        (
            link_local,
            Errno::EINVAL,
            "cannot add real server [fe80::1]:80 of tcp 192.168.1.200:80: tun weight 1: \
             the kernel takes no link-local address for a real server's (invalid argument)",
        ),
        (
            multicast,
            Errno::ENOMEM,
            "cannot add real server 224.0.0.1:80 of tcp 192.168.1.200:80: dr weight 1: \
             out of memory",
        ),
    ] {
        let refusal = Refusal::new(op, errno.into());
        assert_eq!(refusal.to_string(), words);
        assert!(!refusal.is_stale());
    }
}

#[test]
fn a_table_that_is_not_as_planned_for_is_stale() {
    let add = add_virtual_server("tcp 192.168.1.200:80", Scheduler::RoundRobin);
    let add_real = add_real_server("tcp 192.168.1.200:80", "192.168.1.53:80");
    let Op::AddRealServer(id, rip, _) = add_real else {
        panic!("{add_real}");
    };
    for (op, errno, stale) in [
        (add, Errno::EEXIST, true),
        (add, Errno::ENOENT, false),
        (add, Errno::EPERM, false),
        (add_real, Errno::EEXIST, true),
        (add_real, Errno::ESRCH, true),
        (add_real, Errno::EINVAL, false),
        (Op::RemoveRealServer(id, rip), Errno::ENOENT, true),
        (Op::RemoveVirtualServer(id), Errno::ESRCH, true),
    ] {
        assert_eq!(
            Refusal::new(op, errno.into()).is_stale(),
            stale,
            "{op} {errno}"
        );
    }
}

#[test]
fn real_servers_of_a_virtual_server_that_was_refused_are_not_reported() {
    let refused = |op, errno: Errno| Refusal::new(op, errno.into());
    let twos = add_virtual_server("tcp 192.168.1.200:80", Scheduler::PowerOfTwoChoices);
    let its = add_real_server("tcp 192.168.1.200:80", "192.168.1.53:80");
    let others = add_real_server("tcp 192.168.1.200:81", "192.168.1.53:80");
    let causes = refusal::causes_only(vec![
        refused(twos, Errno::ENOENT),
        refused(its, Errno::ESRCH),
        refused(others, Errno::ESRCH),
    ]);
    assert_eq!(
        causes.iter().map(|refusal| refusal.op).collect::<Vec<_>>(),
        [twos, others]
    );
}

#[test]
fn a_kernel_without_ipvs_is_told_how_to_get_it() {
    let error = Error::Family {
        source: Errno::ENOENT.into(),
    };
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(
        format!("{error}: {source}"),
        "cannot open IPVS: generic netlink family \"IPVS\": no such file or directory"
    );
    assert_eq!(
        error.hint(),
        Some("load the kernel module first: modprobe ip_vs")
    );
}

fn add_virtual_server(id: &str, scheduler: Scheduler) -> Op {
    Op::AddVirtualServer(id.parse().unwrap(), Settings::of(scheduler))
}

fn add_real_server(id: &str, rip: &str) -> Op {
    let real_server = RealServer {
        forwarding: Forwarding::DirectRoute,
        weight: Weight::ONE,
        upper_threshold: 0,
        lower_threshold: 0,
    };
    Op::AddRealServer(id.parse().unwrap(), rip.parse().unwrap(), real_server)
}

fn id() -> impl Strategy<Value = VirtualServerId> {
    prop::sample::select(vec![
        "tcp 192.168.1.200:80",
        "udp 192.168.1.200:53",
        "sctp [2001:db8::1]:0",
        "fwmark 7",
        "fwmark6 4294967295",
    ])
    .prop_map(|id| id.parse().unwrap())
}
