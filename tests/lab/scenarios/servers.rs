//! What a virtual server can be: marks, ranges, every port, UDP, SCTP, persistence, limits; and
//! that nobody else changes one for long.

use std::collections::{BTreeMap, BTreeSet};

use crate::lab::lvsd::number;
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Balanced, Lab, Scenario, Site, eventually, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(virtual_servers_are_marks_ranges_and_every_port),
    scenario!(udp_and_sctp_are_balanced_too),
    scenario!(persistence_limits_and_flags_are_kept_in_the_kernel),
];

const RIPS: [&str; 3] = ["192.168.1.53", "192.168.1.54", "192.168.1.55"];

/// A virtual server with these keys and the three real servers, unchecked.
fn file(keys: &str) -> String {
    format!(
        "[[virtual_server]]\n{keys}\nreal_servers = ['{}']\n\
         check = {{ type = 'none', port = 80 }}\n",
        RIPS.join("', '")
    )
}

fn saved(virtual_server: &str, service: &str, port: u16) -> String {
    let entries = RIPS.map(|rip| format!("-a {virtual_server} -r {rip}:{port} -g -w 1\n"));
    format!("-A {virtual_server} -s {service}\n{}", entries.concat())
}

fn virtual_servers_are_marks_ranges_and_every_port(lab: &Lab) {
    let site = Site::with_one_director(lab);
    let client = &site.client;
    for (rs, last) in site.real_servers.iter().zip([53, 54, 55]) {
        rs.stop_nginx();
        rs.nginx_with(&format!(
            "listen 443;\nlisten 8000;\nlisten 8001;\nlisten 8002;\n\
             location / {{ return 200 \"I am {last}\\n\"; }}"
        ));
    }
    site.lvs51
        .run(&format!(
            "iptables -t mangle -A PREROUTING -d {VIP} -p tcp -m multiport --dports 80,443 \
             -j MARK --set-mark 1"
        ))
        .ok();
    let director = Balanced::start(
        &site.lvs51,
        &file("fwmark = 1\nscheduler = 'rr'\npersistence = '60s'"),
        &saved("-f 1", "rr -p 60", 0),
    );
    let bodies = ["80", "443", "80", "443"]
        .map(|port| client.get_from("192.168.1.10", &format!("{VIP}:{port}")));
    lab.say(&format!("http and https by one mark: {bodies:?}"));
    assert_eq!(
        BTreeSet::from(bodies).len(),
        1,
        "a client has one server for both"
    );

    let ports = [80, 8000, 8001, 8002];
    let tables = ports.map(|port| saved(&format!("-t {VIP}:{port}"), "rr", port));
    director.becomes(
        &file(&format!(
            "addresses = ['{VIP}:80', '{VIP}:8000-8002']\nscheduler = 'rr'"
        )),
        &tables.concat(),
    );
    for port in ports {
        let counts = client.ask(6, &format!("http://{VIP}:{port}/"));
        assert_eq!(
            counts.values().copied().collect::<Vec<_>>(),
            [2, 2, 2],
            "port {port}"
        );
    }
    lab.say("ports 80 and 8000 to 8002 are one table of the file");

    director.becomes(
        &file(&format!(
            "address = '{VIP}:0'\nscheduler = 'rr'\npersistence = '60s'"
        )),
        &saved(&format!("-t {VIP}:0"), "rr -p 60", 0),
    );
    let bodies = ports.map(|port| client.get_from("192.168.1.10", &format!("{VIP}:{port}")));
    lab.say(&format!("every port: {bodies:?}"));
    assert_eq!(
        BTreeSet::from(bodies).len(),
        1,
        "a client has one server for all of them"
    );
}

/// A question for the address of `name`, and the last number of the address in the answer.
fn question(name: &str, id: u8) -> Vec<u8> {
    let mut question = vec![0, id, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        question.push(u8::try_from(label.len()).unwrap());
        question.extend(label.bytes());
    }
    question.extend([0, 0, 1, 0, 1]);
    question
}

fn counts<'a>(answers: impl Iterator<Item = &'a u8>) -> BTreeMap<u8, usize> {
    let mut counts = BTreeMap::new();
    answers.for_each(|last| *counts.entry(*last).or_default() += 1);
    counts
}

fn udp_and_sctp_are_balanced_too(lab: &Lab) {
    let site = Site::with_one_director(lab);
    for (rs, last) in site.real_servers.iter().zip([53, 54, 55]) {
        rs.spawn(&format!(
            "dnsmasq --keep-in-foreground --no-resolv --no-hosts --conf-file=/dev/null \
             --address=/who.test/10.0.0.{last} --user=root"
        ));
        rs.run("modprobe sctp").ok();
        rs.sctp_server(&format!("{VIP}:9"), &format!("I am {last}\n"));
        rs.udp_server(&format!("{VIP}:5060"), &format!("I am {last}\n"));
    }
    let dns = |one_packet: bool| {
        file(&format!(
            "address = '{VIP}:53'\nprotocol = 'udp'\nscheduler = 'rr'\none_packet = {one_packet}"
        ))
    };
    let director = Balanced::start(
        &site.lvs51,
        &dns(false),
        &saved(&format!("-u {VIP}:53"), "rr", 53),
    );
    eventually("dnsmasq answers", within(secs(10)), || {
        site.real_servers
            .iter()
            .all(|rs| rs.run("ss -Hlun sport = 53").stdout.contains(":53"))
    });
    let ask = |port: u16| {
        let questions: Vec<_> = (0..9).map(|id| question("who.test", id)).collect();
        let source = format!("192.168.1.10:{port}");
        let answers = site
            .client
            .datagrams(&source, &format!("{VIP}:53"), &questions);
        counts(answers.iter().filter_map(|answer| answer.last()))
    };
    let kept = ask(4000);
    lab.say(&format!("9 questions from one port: {kept:?}"));
    assert_eq!(kept.len(), 1, "they are one connection");
    director.becomes(&dns(true), &saved(&format!("-u {VIP}:53"), "rr -o", 53));
    let spread = ask(4001);
    lab.say(&format!("the same, packet by packet: {spread:?}"));
    assert_eq!(spread, BTreeMap::from([(53, 3), (54, 3), (55, 3)]));
    calls_stay_together(lab, &site, &director);
    director.becomes(
        &file(&format!(
            "address = '{VIP}:9'\nprotocol = 'sctp'\nscheduler = 'rr'"
        )),
        &saved(&format!("--sctp-service {VIP}:9"), "rr", 9),
    );
    let greetings: BTreeSet<_> = (0..3)
        .map(|_| site.client.sctp(&format!("{VIP}:9")))
        .collect();
    lab.say(&format!("sctp: {greetings:?}"));
    assert_eq!(greetings.len(), 3);
}

/// With the SIP engine a call keeps its server, whichever port it comes from.
fn calls_stay_together(lab: &Lab, site: &Site, director: &Balanced) {
    director.becomes(
        &file(&format!(
            "address = '{VIP}:5060'\nprotocol = 'udp'\nscheduler = 'rr'\none_packet = true\n\
             persistence = '60s'\npersistence_engine = 'sip'"
        )),
        &saved(&format!("-u {VIP}:5060"), "rr -p 60 --pe sip -o", 5060),
    );
    let mut port = 5000;
    let mut call = |id: &str| {
        let message = format!(
            "INVITE sip:bob@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 192.168.1.10\r\n\
             Call-ID: {id}@192.168.1.10\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
        );
        port += 1;
        let source = format!("192.168.1.10:{port}");
        let answers = site
            .client
            .datagrams(&source, &format!("{VIP}:5060"), &[message.into()]);
        String::from_utf8_lossy(&answers[0]).trim().to_owned()
    };
    let mut used = BTreeSet::new();
    for id in ["first-call-1", "second-call-2", "third-call-3"] {
        let servers: BTreeSet<_> = (0..3).map(|_| call(id)).collect();
        assert_eq!(servers.len(), 1, "{id}: {servers:?}");
        used.extend(servers);
    }
    lab.say(&format!("sip: three calls, each with its server: {used:?}"));
    assert_eq!(used.len(), 3, "other calls have other servers");
}

fn persistence_limits_and_flags_are_kept_in_the_kernel(lab: &Lab) {
    let site = Site::with_one_director(lab);
    let client = &site.client;
    for net in 3..6 {
        for last in 1..4 {
            client
                .run(&format!("ip addr add 192.168.{net}.{last}/32 dev lo"))
                .ok();
        }
    }
    for rs in &site.real_servers {
        rs.run("ip route add 192.168.0.0/16 via 192.168.1.10").ok();
    }
    site.lvs51
        .run("ip route add 192.168.0.0/16 via 192.168.1.10")
        .ok();
    let address = format!("{VIP}:80");
    let keys = format!("address = '{address}'\nscheduler = 'rr'");
    let persistent = format!("{keys}\npersistence = '60s'\npersistence_prefix = 24");
    let saved = |service: &str| saved(&format!("-t {address}"), service, 80);
    let director = Balanced::start(
        &site.lvs51,
        &file(&persistent),
        &saved("rr -p 60 -M 255.255.255.0"),
    );
    let mut used = BTreeSet::new();
    for net in 3..6 {
        let of_net = |last| client.get_from(&format!("192.168.{net}.{last}"), &address);
        let servers: BTreeSet<_> = (1..4).map(of_net).collect();
        assert_eq!(servers.len(), 1, "192.168.{net}.0/24: {servers:?}");
        used.extend(servers);
    }
    lab.say(&format!(
        "three networks of clients, each with its server: {used:?}"
    ));
    assert_eq!(used.len(), 3);
    strangers_are_undone(lab, &director, &saved("rr -p 60 -M 255.255.255.0"));
    limits_come_and_go_by_reload(lab, &site, &director, &keys);
}

/// Whatever else is set on a virtual server or a real server is a difference, and is mended.
fn strangers_are_undone(lab: &Lab, director: &Balanced, table: &str) {
    let service = format!("-t {VIP}:80");
    for command in [
        format!("ipvsadm -E {service} -s sh -b sh-port -p 60 -M 255.255.255.0"),
        format!("ipvsadm -E {service} -s rr"),
        format!(
            "ipvsadm -e {service} -r 192.168.1.53:80 -i --tun-type gue --tun-port 6080 --tun-nocsum"
        ),
        format!("ipvsadm -e {service} -r 192.168.1.53:80 -g -x 1000 -y 10"),
    ] {
        let before = number(&director.host.status()["ipvs"]["repaired"]);
        director.host.run(&command).ok();
        eventually("it is repaired", within(secs(5)), || {
            number(&director.host.status()["ipvs"]["repaired"]) > before
        });
        director.holds(table);
    }
    lab.say("flags, scheduler, tunnel and limits that somebody else set are put right");
}

fn limits_come_and_go_by_reload(lab: &Lab, site: &Site, director: &Balanced, keys: &str) {
    let address = format!("{VIP}:80");
    let file = |limits: &str| {
        format!(
            "[[virtual_server]]\n{keys}\ncheck = {{ type = 'none' }}\n\
             [[virtual_server.real_server]]\naddress = '192.168.1.53'\n{limits}\n"
        )
    };
    let table = format!("-A -t {address} -s rr\n-a -t {address} -r 192.168.1.53:80 -g -w 1\n");
    // `ipvsadm -S` leaves thresholds out.
    let limits_are = |upper: &str, lower: &str| {
        let what = format!("the thresholds are {upper} and {lower}");
        eventually(&what, within(secs(5)), || {
            let listed = director.host.run("ipvsadm -Ln --thresholds").ok();
            let words: Vec<_> = listed
                .lines()
                .last()
                .unwrap_or_default()
                .split_whitespace()
                .collect();
            words.get(1..4) == Some(&["192.168.1.53:80", upper, lower])
        });
    };
    director.becomes(&file(""), &table);
    limits_are("0", "0");
    let held = site.client.hold(4, "192.168.1.10", &address);
    director.becomes(&file("upper_threshold = 2\nlower_threshold = 1"), &table);
    limits_are("2", "1");
    let refused = || site.client.hold_from("192.168.1.10", &address).is_err();
    // The kernel looks when a connection comes: that one may still pass.
    refused();
    assert!(refused(), "it has more connections than its threshold");
    lab.say("above its upper threshold a real server gets no new connections");
    director.becomes(&file("upper_threshold = 1000"), &table);
    limits_are("1000", "0");
    assert!(!refused());
    lab.say("a reload raises the threshold, and it gets them again");
    drop(held);
}
