//! The table while everything around it goes wrong: servers flap by the thousand, somebody
//! deletes what he likes, the kernel refuses.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::lab::balanced::Balanced;
use crate::lab::lvsd::{DIRECTOR_FILE, number, text};
use crate::lab::room::in_net;
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Scenario, eventually, millis, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(a_table_that_somebody_flushes_while_a_thousand_servers_flap_comes_right)
        .alone()
        .limited_to(secs(240)),
    scenario!(what_the_kernel_refuses_is_named_and_tried_again_and_the_rest_is_done),
    scenario!(what_the_kernel_refuses_after_the_first_check_is_in_the_reply),
];

const VIRTUAL_SERVERS: u16 = 100;
const EACH: u16 = 10;

/// The port of the first server: each has one of its own on the same host.
const FIRST: u16 = 10_000;

const RIP: &str = "192.168.1.53";

/// A server each few milliseconds goes, or comes back.
struct Flapping {
    stop: Arc<AtomicBool>,
    servers: JoinHandle<BTreeMap<u16, TcpListener>>,
}

impl Flapping {
    fn begin(host: &Host, mut servers: BTreeMap<u16, TcpListener>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let servers = in_net(host.room().net(), move || {
            let mut dice = Dice(51);
            while !stopped.load(Ordering::Relaxed) {
                let port = FIRST + dice.below(VIRTUAL_SERVERS * EACH);
                if servers.remove(&port).is_none() {
                    servers.insert(port, listen(port));
                }
                thread::sleep(millis(3));
            }
            servers
        });
        Self { stop, servers }
    }

    /// Ends it; those that are up stay.
    fn end(self) -> BTreeMap<u16, TcpListener> {
        self.stop.store(true, Ordering::Relaxed);
        self.servers.join().unwrap()
    }
}

/// The kernel accepts for as many checks as there are here.
fn listen(port: u16) -> TcpListener {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap()
}

/// As good as chance, and the same each time.
struct Dice(u32);

impl Dice {
    fn below(&mut self, end: u16) -> u16 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let high = (u64::from(self.0) * u64::from(end)) >> 32;
        u16::try_from(high).unwrap()
    }
}

fn a_table_that_somebody_flushes_while_a_thousand_servers_flap_comes_right(lab: &Lab) {
    let lan = lab.lan();
    let director = lan.host("director", "192.168.1.51/24");
    let servers = lan.host("servers", &format!("{RIP}/24"));
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    let all = in_net(servers.room().net(), || {
        let ports = FIRST..FIRST + VIRTUAL_SERVERS * EACH;
        ports.map(|port| (port, listen(port))).collect()
    });
    let all: BTreeMap<_, _> = all.join().unwrap();
    let balanced = Balanced::start(&director, &file(), &table(&all));
    lab.say("a thousand servers are up");
    let flapping = Flapping::begin(&servers, all);
    let mut dice = Dice(52);
    for round in 0..9 {
        let before = number(&director.status()["ipvs"]["operations"]);
        eventually("sixty changes are made", within(secs(40)), || {
            assert!(!flapping.servers.is_finished(), "servers flap no more");
            number(&director.status()["ipvs"]["operations"]) > before + 60
        });
        if round % 4 == 0 {
            director.run("ipvsadm -C").ok();
        } else {
            director.run(&deed(&mut dice));
        }
    }
    let up = flapping.end();
    assert!((50..950).contains(&up.len()), "{} are up", up.len());
    balanced.holds(&table(&up));
    let status = &director.status()["ipvs"];
    lab.say(&format!(
        "{} of them are up, and in the table; {} operations, {} of them repairs",
        up.len(),
        status["operations"],
        status["repaired"]
    ));
    let flushed = u64::from(VIRTUAL_SERVERS);
    assert!(number(&status["repaired"]) > 3 * flushed, "{status}");
    assert_eq!(status["refused"].as_array().map(Vec::len), Some(0));
    assert!(balanced.lvsd.is_running());
}

/// Something that somebody does to the table, some of it in vain.
fn deed(dice: &mut Dice) -> String {
    let virtual_server = 8_000 + dice.below(VIRTUAL_SERVERS);
    let server = FIRST + dice.below(VIRTUAL_SERVERS * EACH);
    let of = 8_000 + (server - FIRST) / EACH;
    match dice.below(4) {
        0 => format!("ipvsadm -D -t {VIP}:{virtual_server}"),
        1 => format!("ipvsadm -d -t {VIP}:{of} -r {RIP}:{server}"),
        2 => format!("ipvsadm -e -t {VIP}:{of} -r {RIP}:{server} -m -w 7"),
        _ => format!("ipvsadm -a -t {VIP}:{virtual_server} -r {RIP}:9 -m"),
    }
}

fn pool(virtual_server: u16) -> std::ops::Range<u16> {
    let first = FIRST + virtual_server * EACH;
    first..first + EACH
}

fn file() -> String {
    let interval = within(millis(1_000)).limit().as_millis();
    let virtual_server = |number: u16| {
        let pool: Vec<_> = pool(number).map(|port| format!("'{RIP}:{port}'")).collect();
        format!(
            "[[virtual_server]]\naddress = '{VIP}:{}'\nscheduler = 'wrr'\nforwarding = 'nat'\n\
             check = {{ interval = '{interval}ms', retries = 0 }}\nreal_servers = [{}]\n",
            8_000 + number,
            pool.join(", ")
        )
    };
    (0..VIRTUAL_SERVERS).map(virtual_server).collect()
}

/// What `ipvsadm -Sn` shows when these are up.
fn table(up: &BTreeMap<u16, TcpListener>) -> String {
    let virtual_server = |number: u16| {
        let id = format!("-t {VIP}:{}", 8_000 + number);
        let up = pool(number).filter(|port| up.contains_key(port));
        let pool: String = up
            .map(|port| format!("-a {id} -r {RIP}:{port} -m -w 1\n"))
            .collect();
        format!("-A {id} -s wrr\n{pool}")
    };
    (0..VIRTUAL_SERVERS).map(virtual_server).collect()
}

/// The kernel takes the broadcast address of a network for no host's, which lvsd cannot know.
fn what_the_kernel_refuses_is_named_and_tried_again_and_the_rest_is_done(lab: &Lab) {
    let host = lab.lan().host("director", "192.168.1.51/24");
    let file = format!(
        "[[virtual_server]]\naddress = '{VIP}:80'\nscheduler = 'wrr'\nforwarding = 'dr'\n\
         check = {{ type = 'none' }}\n\
         real_servers = ['192.168.1.53', '192.168.1.255', '192.168.1.54']\n"
    );
    let rest = format!(
        "-A -t {VIP}:80 -s wrr\n-a -t {VIP}:80 -r 192.168.1.53:80 -g -w 1\n\
         -a -t {VIP}:80 -r 192.168.1.54:80 -g -w 1\n"
    );
    let balanced = Balanced::start(&host, &file, &rest);
    let refused = || text(&host.status()["ipvs"]["refused"][0]);
    eventually("status names it", within(secs(3)), || !refused().is_empty());
    let told = refused();
    lab.say(&told);
    let object = format!("cannot add real server 192.168.1.255:80 of tcp {VIP}:80");
    assert!(told.starts_with(&object), "{told}");
    assert!(told.ends_with("(invalid argument)"), "{told}");
    assert!(host.run("lvsd status").ok().contains(&told));
    the_row_of_what_is_refused_says_so(&host);
    a_reload_names_what_is_refused(&host, &file, &told);
    balanced.lvsd.signal(Signal::SIGHUP);
    let says = || {
        balanced
            .lvsd
            .log()
            .matches("does not have all of it")
            .count()
    };
    eventually("the log of SIGHUP names it too", within(secs(3)), || {
        says() >= 2
    });
    host.run("ip addr add 192.168.1.51/16 dev eth0; ip addr del 192.168.1.51/24 dev eth0")
        .ok();
    balanced.holds(&format!(
        "{rest}-a -t {VIP}:80 -r 192.168.1.255:80 -g -w 1\n"
    ));
    eventually("nothing is refused", within(secs(3)), || {
        refused().is_empty()
    });
    let told = host.run("lvsd reload").ok();
    assert_eq!(told, "reloaded: nothing has changed\n");
    assert_eq!(text(&row_of(&host, "192.168.1.255:80")["state"]), "serving");
    let metrics = host.run(METRICS).ok();
    assert!(
        metrics.contains(&metric("192.168.1.255:80", 0)),
        "{metrics}"
    );
    let log = balanced.lvsd.log();
    let once = log.matches("the kernel refused a change").count();
    assert_eq!(once, 1, "told once:\n{log}");
}

const METRICS: &str = "curl -s http://127.0.0.1:9481/metrics";

fn metric(address: &str, value: u8) -> String {
    let id = format!("tcp {VIP}:80");
    let name = "lvsd_real_server_refused";
    format!("{name}{{virtual_server=\"{id}\",real_server=\"{address}\"}} {value}\n")
}

fn row_of(host: &Host, address: &str) -> Value {
    let status = host.status();
    let servers = status["virtual_servers"][0]["real_servers"].as_array();
    let mut servers = servers.into_iter().flatten();
    let found = servers.find(|server| text(&server["address"]) == address);
    found.cloned().unwrap_or_default()
}

fn the_row_of_what_is_refused_says_so(host: &Host) {
    let row = row_of(host, "192.168.1.255:80");
    assert_eq!(text(&row["state"]), "refused");
    let reason = text(&row["refused"]);
    assert!(reason.ends_with("(invalid argument)"), "{reason}");
    let table = host.run("lvsd status").ok();
    let line = table
        .lines()
        .find(|line| line.starts_with("  192.168.1.255:80"));
    let told = format!("REFUSED by the kernel: {reason}, tried again each 1s");
    assert!(line.is_some_and(|line| line.ends_with(&told)), "{table}");
    assert_eq!(text(&row_of(host, "192.168.1.54:80")["state"]), "serving");
    let metrics = host.run(METRICS).ok();
    for told in [metric("192.168.1.255:80", 1), metric("192.168.1.54:80", 0)] {
        assert!(metrics.contains(&told), "{told} is missing:\n{metrics}");
    }
}

/// The file is taken, and whoever asked is told what did not come of it.
fn a_reload_names_what_is_refused(host: &Host, file: &str, refused: &str) {
    host.write(DIRECTOR_FILE, &file.replace("'wrr'", "'rr'"));
    let told = host.run("lvsd reload").fails_with(1);
    assert!(told.contains(refused), "{told}");
    assert!(host.ipvsadm().contains("-s rr"), "the rest is done");
    host.write(DIRECTOR_FILE, file);
    let told = host.run("lvsd reload --quiet").fails_with(1);
    assert!(told.contains(refused), "{told}");
    let plan = host.run(&format!("lvsd plan --config {DIRECTOR_FILE} --exit-code"));
    let told = plan.ok();
    let line = format!("# the kernel refuses now, so a reload exits 1: {refused}\n");
    assert_eq!(told, format!("{line}nothing would change\n"));
    let without = file.replace(", '192.168.1.255'", "");
    host.write("/etc/lvsd/next.toml", &without);
    let told = host.run("lvsd plan --config /etc/lvsd/next.toml").ok();
    assert!(!told.contains("refuses now"), "{told}");
}

/// A broadcast address for IPVS, and one of another host's for checks, which pass.
const ODD: &str = "192.168.1.255";

fn what_the_kernel_refuses_after_the_first_check_is_in_the_reply(lab: &Lab) {
    let lan = lab.lan();
    let host = lan.host("director", "192.168.1.51/24");
    let other = lan.host("other", "192.168.1.54/16");
    other.run(&format!("ip addr add {ODD}/32 dev lo")).ok();
    host.run(&format!(
        "ip rule add pref 100 lookup local; ip rule add pref 10 to {ODD} lookup 200; \
         ip rule del pref 0; ip route add {ODD} via 192.168.1.54 table 200; \
         ip neigh add 192.168.1.99 lladdr 02:00:00:00:00:99 dev eth0"
    ))
    .ok();
    let listening = in_net(other.room().net(), || listen(80)).join().unwrap();
    let file = |more: &str| {
        format!(
            "[[virtual_server]]\naddress = '{VIP}:80'\nscheduler = 'wrr'\nforwarding = 'dr'\n\
             check = {{ type = 'tcp', timeout = '1m' }}\n\
             real_server = [{{ address = '192.168.1.53', check = {{ type = 'none' }} }}{more}]\n"
        )
    };
    let own = format!("-a -t {VIP}:80 -r 192.168.1.53:80 -g -w 1\n");
    let balanced = Balanced::start(&host, &file(""), &format!("-A -t {VIP}:80 -s wrr\n{own}"));
    host.write(DIRECTOR_FILE, &file(&format!(", {{ address = '{ODD}' }}")));
    let told = host.run("lvsd reload").fails_with(1);
    lab.say(&told);
    let refused = format!("cannot add real server {ODD}:80 of tcp {VIP}:80");
    assert!(told.contains(&refused), "{told}");
    for wish in ["weight 192.168.1.255 3", "enable 192.168.1.255:80"] {
        let told = host.run(&format!("lvsd server {wish}")).fails_with(1);
        lab.say(&told);
        assert!(
            told.contains("changed, but the kernel does not have"),
            "{told}"
        );
        assert!(told.contains(&refused), "{told}");
    }
    let told = host.run("lvsd server weight 192.168.1.53 3").ok();
    assert!(!told.contains("refuse"), "another one is refused: {told}");

    host.write(DIRECTOR_FILE, &file(", { address = '192.168.1.99' }"));
    let told = host.run("lvsd reload").ok();
    lab.say(&told);
    let unknown = "its check has not answered yet";
    let server = format!("192.168.1.99:80 of tcp {VIP}:80");
    assert!(told.contains(&format!("{server}: {unknown}\n")), "{told}");
    let told = host.run("lvsd server weight 192.168.1.99 3").ok();
    assert_eq!(told, format!("{server}: out; {unknown}\n"));
    drop((balanced, listening));
}
