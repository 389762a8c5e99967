//! The kernel's table: held to what the file says, adopted after a crash, given back at the end.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::lab::balanced::Balanced;
use crate::lab::lvsd::{DirectorFile, number, text};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Program, Scenario, Site, eventually, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(what_somebody_does_to_the_table_is_repaired_within_two_seconds),
    scenario!(a_killed_director_comes_back_to_the_same_table_and_connections),
    scenario!(many_virtual_servers_that_start_at_once_fill_no_log),
];

/// Waits until these real servers, and no others, are in the table, by last number.
#[track_caller]
pub(super) fn balances_onto(host: &Host, lasts: &[u8]) {
    eventually(&format!("the table has {lasts:?}"), within(secs(8)), || {
        [53, 54, 55]
            .iter()
            .all(|last| host.balances_onto(&format!("192.168.1.{last}:80")) == lasts.contains(last))
    });
}

/// Waits until status counts this many operations.
#[track_caller]
pub(super) fn operations(host: &Host) -> u64 {
    number(&host.status()["ipvs"]["operations"])
}

fn repaired(host: &Host) -> u64 {
    number(&host.status()["ipvs"]["repaired"])
}

fn what_somebody_does_to_the_table_is_repaired_within_two_seconds(lab: &Lab) {
    let site = Site::with_one_director(lab);
    let host = &site.lvs51;
    host.run("ipvsadm -A -t 10.9.9.9:80 -s rr").ok();
    host.run("ipvsadm -a -t 10.9.9.9:80 -r 192.168.1.53:80 -i")
        .ok();
    let foreign = host.ipvsadm();
    let director = host.director(&DirectorFile::alone());
    balances_onto(host, &[53, 54, 55]);
    lab.say(&host.run("lvsd status").ok());
    let table = host.ipvsadm();
    let server = format!("-t {VIP}:80");
    // One line of ipvsadm, and how many entries lvsd puts right.
    let deeds = [
        (format!("ipvsadm -e {server} -r 192.168.1.54:80 -g -w 7"), 1),
        (format!("ipvsadm -E {server} -s rr -p 30"), 1),
        (format!("ipvsadm -d {server} -r 192.168.1.55:80"), 1),
        (format!("ipvsadm -a {server} -r 192.168.1.99:80 -g"), 1),
        (format!("ipvsadm -D {server}"), 4),
    ];
    for (deed, entries) in deeds {
        let before = repaired(host);
        host.run(&deed).ok();
        let took = eventually(&format!("`{deed}` is undone"), within(secs(2)), || {
            host.ipvsadm() == table
        });
        lab.say(&format!("`{deed}`: repaired after {} ms", took.as_millis()));
        eventually("status counts it", within(secs(2)), || {
            repaired(host) == before + entries
        });
    }
    host.run("ipvsadm -C").ok();
    eventually("`ipvsadm -C` is undone", within(secs(2)), || {
        host.balances_onto("192.168.1.53:80") && !host.ipvsadm().contains("10.9.9.9")
    });
    assert!(director.log().contains("repairing"), "{}", director.log());
    host.run(&format!("echo '{foreign}' | ipvsadm -R")).ok();
    eventually("both are there", within(secs(2)), || {
        host.ipvsadm() == table
    });

    host.reload(
        &director,
        &DirectorFile::alone().pool("['192.168.1.53']").text(),
    );
    balances_onto(host, &[53]);
    assert!(
        host.ipvsadm().contains(foreign.trim()),
        "{}",
        host.ipvsadm()
    );
    assert!(director.terminate().success());
    assert_eq!(host.ipvsadm(), foreign, "only what lvsd made is gone");
    lab.say("a virtual server of somebody else was there all the time, and still is");
}

fn a_killed_director_comes_back_to_the_same_table_and_connections(lab: &Lab) {
    let site = Site::with_one_director(lab);
    let host = &site.lvs51;
    let second = format!(
        "\n[[virtual_server]]\naddress = '{VIP}:8080'\nforwarding = 'dr'\n\
         real_servers = ['192.168.1.53']\ncheck = {{ type = 'none' }}\n"
    );
    let file = DirectorFile::alone().text();
    host.write("/etc/lvsd/director.toml", &format!("{file}{second}"));
    let director = host.spawn("lvsd director");
    balances_onto(host, &[53, 54, 55]);
    assert!(host.ipvsadm().contains(":8080"), "{}", host.ipvsadm());
    site.client.ask(9, &Site::url());
    let mut open = OpenConnection::to_vip(&site.client);
    let server = open.asks();
    // The kernel adds them up every two seconds.
    eventually("the kernel counts ten connections", within(secs(4)), || {
        connections(host) >= 10
    });

    director.kill9();
    let table = host.ipvsadm();
    assert_eq!(open.asks(), server, "the kernel goes on without lvsd");
    host.write("/etc/lvsd/director.toml", &file);
    let director = host.spawn("lvsd director");
    eventually("it is ready, every server checked", within(secs(5)), || {
        director.log().contains("director is ready")
            && [53, 54, 55].iter().all(|last| {
                let server = host.real_server(&format!("192.168.1.{last}:80"));
                text(&server["health"]) == "up"
            })
    });
    eventually(
        "what is no longer in the file is gone",
        within(secs(3)),
        || !host.ipvsadm().contains(":8080"),
    );
    assert_eq!(operations(host), 1, "the removal alone: {}", director.log());
    assert_eq!(open.asks(), server, "the connection lives on");
    let kept: Vec<_> = table
        .lines()
        .filter(|line| !line.contains(":8080"))
        .collect();
    assert_eq!(host.ipvsadm().lines().collect::<Vec<_>>(), kept);
    assert!(connections(host) >= 10, "counters go on");
    lab.say("killed and started again: one operation, and the open connection lives on");

    director.kill9();
    let director = host.spawn("lvsd director");
    eventually("it is ready", within(secs(5)), || {
        director.log().contains("director is ready")
    });
    assert_eq!(operations(host), 0, "{}", director.log());
    assert_eq!(open.asks(), server);

    lets_go_as_the_file_says(&site, &director, &mut open);
}

/// All connections that the kernel's counters of the VIP's real servers tell of.
fn connections(host: &Host) -> u64 {
    let listed = host.run(&format!("ipvsadm -Ln --stats -t {VIP}:80")).ok();
    let servers = listed.lines().filter(|line| line.contains("-> 192."));
    servers
        .filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok())
        .sum()
}

fn lets_go_as_the_file_says(site: &Site, director: &Program, open: &mut OpenConnection) {
    let server = open.asks();
    let host = &site.lvs51;
    let keep = format!("ipvs.on_stop = 'keep'\n{}", DirectorFile::alone().text());
    host.reload(director, &keep);
    let table = host.ipvsadm();
    assert!(director.terminate().success());
    assert_eq!(host.ipvsadm(), table, "on_stop = keep");
    assert_eq!(open.asks(), server);
    let director = host.director(&DirectorFile::alone());
    eventually("it is ready", within(secs(5)), || {
        director.log().contains("director is ready")
    });
    assert!(director.terminate().success());
    assert_eq!(host.ipvsadm(), "", "on_stop = clear is the default");
}

/// A TCP connection through the VIP that stays open.
pub(super) struct OpenConnection(TcpStream);

impl OpenConnection {
    pub(super) fn to_vip(client: &Host) -> Self {
        let stream = client.within(|| TcpStream::connect((VIP, 80)));
        let stream = stream.unwrap();
        stream.set_read_timeout(Some(secs(5))).unwrap();
        Self(stream)
    }

    /// Asks again on the same connection, and returns the last number of the server's address.
    pub(super) fn asks(&mut self) -> u8 {
        let Self(stream) = self;
        let request = "GET / HTTP/1.1\r\nHost: vip\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let mut part = [0; 1024];
        while !answer.ends_with(b"\n") || !answer.windows(5).any(|bytes| bytes == b"I am ") {
            let length = stream.read(&mut part).unwrap();
            assert_ne!(length, 0, "the connection was closed");
            answer.extend_from_slice(&part[..length]);
        }
        let text = String::from_utf8_lossy(&answer).into_owned();
        text.split("I am ").nth(1).unwrap().trim().parse().unwrap()
    }
}

fn many_virtual_servers_that_start_at_once_fill_no_log(lab: &Lab) {
    let host = lab.lan().host("director", "192.168.1.51/24");
    let ports = 8_001..=8_050;
    let file: String = ports.clone().map(virtual_server).collect();
    let table: String = ports.map(entries).collect();
    let balanced = Balanced::start(&host, &file, &table);
    let log = balanced.lvsd.log();
    assert_eq!(log.matches("has its quorum").count(), 20, "{log}");
    assert!(log.contains("shows each more=30"), "{log}");
}

fn virtual_server(port: u16) -> String {
    format!(
        "[[virtual_server]]\naddress = '{VIP}:{port}'\nscheduler = 'rr'\n\
         check = {{ type = 'none' }}\nreal_servers = ['192.168.1.53']\n"
    )
}

fn entries(port: u16) -> String {
    format!("-A -t {VIP}:{port} -s rr\n-a -t {VIP}:{port} -r 192.168.1.53:{port} -g -w 1\n")
}
