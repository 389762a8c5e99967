//! `lvsd ipvs` after traffic: what it counts and lists is what ipvsadm does, however much there
//! is of it.

use std::net::UdpSocket;

use serde_json::Value;

use crate::lab::room::in_net;
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Scenario, Site, eventually, millis, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(counters_rates_and_connections_agree_with_ipvsadm),
    scenario!(every_kind_of_connection_is_listed),
    scenario!(a_long_list_of_connections_takes_no_more_memory).limited_to(secs(600)),
];

/// The numbers of ipvsadm's `-Ln --stats --exact` and the like, by address.
fn numbers_of_ipvsadm(host: &Host, what: &str) -> Vec<(String, Vec<u64>)> {
    let text = host.run(&format!("ipvsadm -Ln {what} --exact")).ok();
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        match words.next()? {
            "TCP" | "UDP" | "->" => {}
            _ => return None,
        }
        let address = words.next()?.to_owned();
        let numbers: Vec<_> = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
        (!numbers.is_empty()).then_some((address, numbers))
    };
    text.lines().filter_map(line).collect()
}

/// The same of `lvsd ipvs stats` and the like.
fn numbers_of_lvsd(host: &Host, what: &str) -> Vec<(String, Vec<u64>)> {
    let text = host.run(&format!("lvsd ipvs {what}")).ok();
    let line = |line: &str| {
        let words: Vec<_> = line
            .split_whitespace()
            .filter(|word| *word != "tcp")
            .collect();
        let (address, numbers) = words.split_first()?;
        let numbers = numbers.iter().map(|word| word.parse().ok());
        Some(((*address).to_owned(), numbers.collect::<Option<_>>()?))
    };
    text.lines().filter_map(line).collect()
}

fn counters_rates_and_connections_agree_with_ipvsadm(lab: &Lab) {
    let site = Site::build(lab);
    site.configure_real_servers_by_hand();
    let lvs = &site.lvs51;
    lvs.run(&format!("ip addr add {VIP}/32 dev ens192")).ok();
    lvs.run(&format!("lvsd ipvs add tcp {VIP}:80 --scheduler wrr"))
        .ok();
    lvs.run(&format!(
        "lvsd ipvs add tcp {VIP}:80 --real-server 192.168.1.53 --real-server 192.168.1.54"
    ))
    .ok();
    lvs.run(&format!(
        "lvsd ipvs add tcp {VIP}:80 --real-server 192.168.1.55 --weight 2"
    ))
    .ok();
    let counts = site.client.ask(40, &Site::url());
    assert_eq!(counts.values().copied().collect::<Vec<_>>(), [10, 10, 20]);

    counted_as_in_ipvsadm(lab, lvs);
    listed_as_in_ipvsadm(lab, lvs);
    rated_as_in_ipvsadm(lab, &site);
    // The last packets of the load may still be on their way.
    eventually("the counters are zeroed", within(secs(5)), || {
        lvs.run(&format!("lvsd ipvs zero tcp {VIP}:80")).ok();
        let zeroed = numbers_of_ipvsadm(lvs, "--stats");
        zeroed.len() == 4 && zeroed.iter().all(|(_, numbers)| *numbers == [0; 5])
    });
}

fn counted_as_in_ipvsadm(lab: &Lab, lvs: &Host) {
    // The kernel sums them up now and then, so at first both may say nothing.
    eventually(
        "all is counted, and as by ipvsadm",
        within(secs(20)),
        || {
            let stats = numbers_of_lvsd(lvs, "stats");
            let connections: Vec<_> = stats.iter().map(|(_, numbers)| numbers[0]).collect();
            connections == [40, 10, 10, 20] && stats == numbers_of_ipvsadm(lvs, "--stats")
        },
    );
    lab.say(&lvs.run("lvsd ipvs stats").ok());
    lab.say(&lvs.run("lvsd ipvs stats --human").ok());
    let json: Value = serde_json::from_str(&lvs.run("lvsd ipvs stats --json").ok()).unwrap();
    let bytes = &json["virtual_servers"][0]["real_servers"][2]["bytes_in"];
    assert!(bytes.as_u64() > Some(0), "{json}");
}

fn rated_as_in_ipvsadm(lab: &Lab, site: &Site) {
    let lvs = &site.lvs51;
    let load = site.client.load(&Site::url(), millis(20));
    eventually("the rates agree, and are some", within(secs(20)), || {
        let rates = numbers_of_lvsd(lvs, "rate");
        rates[0].1[0] > 0 && rates == numbers_of_ipvsadm(lvs, "--rate")
    });
    load.stop();
    lab.say(&lvs.run("lvsd ipvs rate").ok());
}

fn listed_as_in_ipvsadm(lab: &Lab, lvs: &Host) {
    // Connections end while one looks: both look until they saw the same.
    eventually("the lists agree", within(secs(10)), || {
        let theirs = lvs
            .run("ipvsadm -Ln | grep -e '->.*Route' | tr -s ' ' | cut -d ' ' -f 3,5-7")
            .ok();
        let ours = lvs
            .run("lvsd ipvs list | grep ' dr ' | tr -s ' ' | cut -d ' ' -f 2,4-6")
            .ok();
        ours == theirs && ours.lines().count() == 3
    });
    lab.say(&lvs.run("lvsd ipvs list").ok());
    eventually("the connections agree", within(secs(10)), || {
        let theirs = lvs
            .run("ipvsadm -Lnc | grep TCP | tr -s ' ' | cut -d ' ' -f 3- | sort")
            .ok();
        let ours = lvs
            .run("lvsd ipvs connections | grep ^tcp | tr -s ' ' | cut -d ' ' -f 3- | sort")
            .ok();
        ours == theirs && ours.lines().count() == 40
    });
    lab.say(&lvs.run("lvsd ipvs connections | head -4").ok());
    let of = |options: &str| {
        let command = format!("lvsd ipvs connections --json {options}");
        json_of(lvs, &command).len()
    };
    eventually("they can be chosen from", within(secs(10)), || {
        of("--real-server 192.168.1.53") == 10
            && of("--real-server 192.168.1.55:80") == 20
            && of(&format!("--virtual-server tcp {VIP}:80")) == 40
    });
    assert_eq!(of(&format!("--virtual-server udp {VIP}:80")), 0);
}

/// A director that balances what it asks itself, to real servers that are not there.
fn lone_director(lab: &Lab) -> Host {
    let host = lab.lan().host("director", "192.168.1.51/24");
    for command in [
        "ip addr add 192.168.1.200/32 dev eth0",
        "ip addr add fd00::200/64 dev eth0 nodad",
        // All of the network is this host's, so that it may send as any of its addresses.
        "ip addr add 10.9.0.1/16 dev lo",
        "ip neigh add 192.168.1.53 lladdr 02:00:00:00:00:53 dev eth0",
        "ip neigh add fd00::53 lladdr 02:00:00:00:00:53 dev eth0",
    ] {
        host.run(command).ok();
    }
    host
}

/// Sends one datagram from each of so many addresses and ports.
fn datagrams(host: &Host, count: u32, to: &'static str) {
    let sent = in_net(host.room().net(), move || {
        (0..count).try_for_each(|number| {
            let port = 10_000 + u16::try_from(number % 40_000).unwrap();
            let from = format!("10.9.{}.1:{port}", number / 40_000);
            UdpSocket::bind(from)?.send_to(b"x", to).map(drop)
        })
    });
    sent.join().unwrap().unwrap();
}

/// How the lines of different kinds of connections end.
const KINDS: [&str; 6] = [
    "UDP 10.9.0.1:10000 192.168.1.200:53 192.168.1.53:53",
    "persistent 10.9.0.1 192.168.1.200:5060 192.168.1.53:5060 sip 4711@example.org",
    "UDP [fd00::200]:4000 [fd00::200]:53 [fd00::53]:53",
    "persistent fd00:: [fd00::200]:53 [fd00::53]:53",
    "persistent 10.9.0.1 fwmark 7 192.168.1.53:0",
    "UDP 10.9.0.1:10000 192.168.1.200:77 192.168.1.53:77",
];

fn every_kind_of_connection_is_listed(lab: &Lab) {
    let host = lone_director(lab);
    host.write(
        "/etc/table",
        "-A -u 192.168.1.200:53 -s rr\n-a -u 192.168.1.200:53 -r 192.168.1.53\n\
         -A -u 192.168.1.200:5060 -s rr -p 60 --pe sip\n-a -u 192.168.1.200:5060 -r 192.168.1.53\n\
         -A -u [fd00::200]:53 -s rr -p 60 -M 64\n-a -u [fd00::200]:53 -r [fd00::53]\n\
         -A -f 7 -s rr -p 60\n-a -f 7 -r 192.168.1.53 -m\n",
    );
    host.run("lvsd ipvs restore /etc/table").ok();
    host.run("iptables -t mangle -A OUTPUT -p udp --dport 77 -j MARK --set-mark 7")
        .ok();
    datagrams(&host, 1, "192.168.1.200:53");
    datagrams(&host, 1, "192.168.1.200:77");
    let net = host.room().net();
    let sent = in_net(net, || {
        let sip = b"INVITE sip:a@b SIP/2.0\r\nCall-ID: 4711@example.org\r\n\r\n";
        UdpSocket::bind("10.9.0.1:5060")?.send_to(sip, "192.168.1.200:5060")?;
        UdpSocket::bind("[fd00::200]:4000")?.send_to(b"x", "[fd00::200]:53")
    });
    sent.join().unwrap().unwrap();
    lab.say(&host.run("lvsd ipvs connections").ok());
    // What other scenarios do meanwhile repeats or hides some in the kernel's list.
    eventually("every kind is listed", within(secs(10)), || {
        let listed = host.run("lvsd ipvs connections").ok();
        let squeezed: Vec<_> = listed
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        let is_listed = |wanted: &&str| squeezed.iter().any(|line| line.ends_with(wanted));
        KINDS.iter().all(is_listed)
            && squeezed.len() == 8
            && json_of(&host, "lvsd ipvs connections --json").len() == 7
    });
}

/// A command's JSON array.
fn json_of(host: &Host, command: &str) -> Vec<Value> {
    serde_json::from_str(&host.run(command).ok()).unwrap()
}

/// The most memory that a command ever held, in KB, and how many lines it wrote.
fn peak(host: &Host, command: &str) -> (u64, usize) {
    let measured = host.run(&format!(
        "busybox time -v {command} 2>/run/time >/run/out; grep -c . /run/out; \
         sed -n 's/.*Maximum resident.*: //p' /run/time"
    ));
    let measured = measured.ok();
    let (lines, kilobytes) = measured.trim().split_once('\n').expect(&measured);
    (kilobytes.parse().unwrap(), lines.parse().unwrap())
}

fn a_long_list_of_connections_takes_no_more_memory(lab: &Lab) {
    let count = std::env::var("LVSD_LAB_CONNECTIONS")
        .ok()
        .and_then(|text| text.parse().ok());
    let count: u32 = count.unwrap_or(20_000);
    let host = lone_director(lab);
    host.run("lvsd ipvs add udp 192.168.1.200:53 --scheduler rr")
        .ok();
    host.run("lvsd ipvs add udp 192.168.1.200:53 --real-server 192.168.1.53")
        .ok();
    datagrams(&host, 300, "192.168.1.200:53");
    let commands = ["lvsd ipvs connections", "lvsd ipvs connections --json"];
    let few = commands.map(|command| peak(&host, command));
    assert!(
        few.iter().all(|(_, lines)| lines.abs_diff(300) < 30),
        "{few:?}"
    );
    datagrams(&host, count, "192.168.1.200:53");
    let begun = std::time::Instant::now();
    let many = commands.map(|command| peak(&host, command));
    let took = begun.elapsed() / 2;
    for (_, lines) in &many {
        // The kernel goes on where it was by counting from the start, over the connections of
        // all namespaces: what comes or goes elsewhere meanwhile repeats or hides a few.
        let wanted = usize::try_from(count).unwrap();
        assert!(
            lines.abs_diff(wanted) < 10 + wanted / 100,
            "{lines} lines of {wanted}"
        );
    }
    for ((few, _), (many, _)) in few.iter().zip(&many) {
        lab.say(&format!(
            "300 connections: {few} KB; {count}: {many} KB, {took:.2?}"
        ));
        // Mostly the program's own pages, of which more or fewer are mapped at once; 20,000
        // connections that were kept would be 29 MB.
        assert!(*many < few + 4096, "{few} KB grew to {many} KB");
    }
}
