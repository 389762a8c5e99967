//! One neighbour that sends more adverts than anybody can want.

use std::io::{self, IoSlice};
use std::net::SocketAddrV4;
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, sendmmsg};
use socket2::Socket;

use crate::lab::lvsd::{DirectorFile, Pair, Running, number};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Scenario, Site, eventually, millis, secs, within};

use super::vrrp_wire::{GROUP, advert, socket};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(a_flood_of_adverts_starves_neither_mastership_nor_checks)
        .alone()
        .on_any_linux(),
    scenario!(a_flood_of_adverts_holds_up_no_check).alone(),
    scenario!(a_backup_whose_packets_were_dropped_listens_again_before_it_takes_over)
        .on_any_linux(),
    scenario!(a_starved_master_whose_packets_were_dropped_says_nothing_before_it_could_listen)
        .on_any_linux(),
    scenario!(a_flood_of_wrong_checksums_is_told_as_that_and_is_no_split_brain)
        .alone()
        .on_any_linux(),
];

/// What the neighbour tries to send in a second: 50,000, and what late threads cost.
const RATE: u32 = 53_000;

/// How many go out with one system call.
const BATCH: usize = 64;

/// How long a sender that is ahead of the rate sleeps.
const PAUSE: Duration = millis(1);

/// For how long.
const LONG: Duration = secs(3);

/// The same, where more may follow.
const SLICE: Duration = millis(500);

fn a_flood_of_adverts_starves_neither_mastership_nor_checks(lab: &Lab) {
    let pair = Pair::build(lab);
    let mut file = DirectorFile::steady(100);
    // Where the kernel has no IPVS, this is what a check is: a program that is run and answers.
    file.vrrp += "\n[[vrrp.track]]\nscript = ['/bin/sh', '-c', 'test ! -e /run/bad']\n\
                  interval = '200ms'\nweight = -10";
    pair.lvs51.director(&file);
    pair.lvs52.director(&DirectorFile::steady(50));
    pair.become_states("master", "backup");
    let seen = |host: &Host| {
        let router = &host.status()["vrrp"][0];
        (router["state"].clone(), number(&router["transitions"]))
    };
    let before = [seen(&pair.lvs51), seen(&pair.lvs52)];
    let received = |host: &Host| {
        let router = &host.status()["vrrp"][0];
        number(&router["adverts_received"]) + number(&router["discarded"]["checksum"])
    };
    let counted = [received(&pair.lvs51), received(&pair.lvs52)];
    let over = AtomicBool::new(false);
    let flood = Flood::of_both_kinds(&pair.client);
    let (sent, worst, noticed) = std::thread::scope(|scope| {
        let ends = Ends(&over);
        let answers = scope.spawn(|| slowest_answer(&pair.lvs51, &over));
        let flooder = scope.spawn(|| flood.rate_until(&over));
        let began = Instant::now();
        let mut noticed = Duration::ZERO;
        while began.elapsed() < LONG {
            noticed = noticed.max(script_fails_and_succeeds(&pair.lvs51));
        }
        drop(ends);
        (flooder.join().unwrap(), answers.join().unwrap(), noticed)
    });
    let sent_by_51 = || number(&pair.lvs51.status()["vrrp"][0]["adverts_sent"]);
    let adverts = sent_by_51();
    eventually("the master goes on", within(secs(5)), || {
        sent_by_51() >= adverts + 3
    });
    let after = [seen(&pair.lvs51), seen(&pair.lvs52)];
    assert_eq!(before, after, "nobody changed its state");
    assert!(pair.lvs51.holds(VIP) && !pair.lvs52.holds(VIP));
    let taken = [&pair.lvs51, &pair.lvs52].map(received);
    lab.say(&format!(
        "{sent} adverts a second for {LONG:?}: the master took {} of them, the backup {}; \
         its status answered within {} ms, and what a script found was known within {} ms",
        taken[0] - counted[0],
        taken[1] - counted[1],
        worst.as_millis(),
        noticed.as_millis()
    ));
}

/// How long it takes at most until it is known that the tracked script fails, and succeeds again.
fn script_fails_and_succeeds(host: &Host) -> Duration {
    let is = |state: &str| host.status()["vrrp"][0]["trackers"][0]["state"] == state;
    host.write("/run/bad", "");
    let down = eventually("the script is seen to fail", within(secs(3)), || is("down"));
    host.run("rm /run/bad").ok();
    let up = eventually("the script is seen to succeed", within(secs(3)), || {
        is("up")
    });
    down.max(up)
}

/// Tells whoever floods to stop, also where an assertion fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn a_flood_of_adverts_holds_up_no_check(lab: &Lab) {
    let file = |priority| DirectorFile::quick(priority).vrrp_key("advert_interval", "'500ms'");
    let Running {
        site,
        directors: _directors,
        agents: _agents,
    } = Site::build(lab).start([file(200), file(100)]);
    let balances =
        || ["53", "54", "55"].map(|last| site.lvs51.balances_onto(&format!("192.168.1.{last}:80")));
    eventually("it is master of a whole pool", within(secs(10)), || {
        site.lvs51.holds(VIP) && balances() == [true; 3]
    });
    let transitions = || number(&site.lvs51.status()["vrrp"][0]["transitions"]);
    let before = transitions();
    let over = AtomicBool::new(false);
    let flood = Flood::of_both_kinds(&site.client);
    std::thread::scope(|scope| {
        let _ends = Ends(&over);
        scope.spawn(|| {
            flood.rate_until(&over);
        });
        site.real_servers[0].stop_nginx();
        let lost = eventually("its checks miss it", within(secs(10)), || {
            balances() == [false, true, true]
        });
        site.real_servers[0].start_nginx();
        let found = eventually("its checks find it again", within(secs(10)), || {
            balances() == [true; 3]
        });
        lab.say(&format!(
            "in the flood: a real server missed after {} ms, found again after {} ms",
            lost.as_millis(),
            found.as_millis()
        ));
    });
    assert_eq!(transitions(), before);
}

/// The backup is stopped for less time than it waits for a master, so that it did not sleep too
/// long: only its socket was full.
fn a_backup_whose_packets_were_dropped_listens_again_before_it_takes_over(lab: &Lab) {
    let pair = Pair::build(lab);
    let slow = |priority| DirectorFile::steady(priority).vrrp_key("advert_interval", "'2s'");
    let first = pair.lvs51.director(&slow(100));
    let second = pair.lvs52.director(&slow(50));
    pair.become_states("master", "backup");
    first.kill9();
    second.signal(Signal::SIGSTOP);
    overflow(&pair.client, &pair.lvs52);
    second.signal(Signal::SIGCONT);
    let told = LISTENS_AGAIN;
    eventually("it listens again", within(secs(15)), || {
        second.log().contains(told)
    });
    assert_eq!(pair.lvs52.vrrp_state(), "backup");
    eventually("it takes over all the same", within(secs(15)), || {
        pair.lvs52.vrrp_state() == "master" && pair.lvs52.holds(VIP)
    });
    let log = second.log();
    assert_eq!(log.matches(told).count(), 1, "{log}");
    let status = pair.lvs52.status();
    let counted = number(&status["vrrp_interfaces"][0]["dropped"]["packets"]);
    assert_eq!(counted, dropped(&pair.lvs52));
    let metrics = pair
        .lvs52
        .get("http://127.0.0.1:9481/metrics")
        .unwrap()
        .body;
    let sample = format!("lvsd_vrrp_dropped_packets_total{{interface=\"ens192\"}} {counted}");
    assert!(metrics.contains(&sample), "{metrics}");
    lab.say(&format!("{counted} packets were dropped unread: {told}"));
}

/// The master wakes with a full socket, and hears nothing of who took over meanwhile: it says
/// nothing before it does.
fn a_starved_master_whose_packets_were_dropped_says_nothing_before_it_could_listen(lab: &Lab) {
    let pair = Pair::build(lab);
    let slow = |priority| DirectorFile::steady(priority).vrrp_key("advert_interval", "'1s'");
    let first = pair.lvs51.director(&slow(100).vrrp_key("preempt", "false"));
    pair.lvs52.director(&slow(50));
    pair.become_states("master", "backup");
    first.signal(Signal::SIGSTOP);
    overflow(&pair.client, &pair.lvs51);
    eventually("52 takes over", within(secs(20)), || {
        pair.lvs52.vrrp_state() == "master"
    });
    let capture = pair
        .client
        .spawn("tcpdump -Z root -lnn -i ens192 ip proto 112");
    eventually("the capture sees 52", within(secs(5)), || {
        capture.log().contains("192.168.1.52 >")
    });
    let deaf = "INPUT -p 112 -s 192.168.1.52 -j DROP";
    pair.lvs51.run(&format!("iptables -I {deaf}")).ok();
    first.signal(Signal::SIGCONT);
    eventually("it listens once more", within(secs(10)), || {
        first.log().contains(LISTENS_AGAIN)
    });
    let log = first.log();
    assert!(log.contains("starved: sent no advert for"), "{log}");
    assert_eq!(pair.lvs51.vrrp_state(), "master", "nobody was heard yet");
    pair.lvs51.run(&format!("iptables -D {deaf}")).ok();
    eventually("it follows 52", within(secs(10)), || {
        pair.lvs51.vrrp_state() == "backup" && !pair.lvs51.holds(VIP)
    });
    let log = capture.log();
    assert!(!log.contains("192.168.1.51 >"), "not a word: {log}");
    assert_eq!(pair.lvs52.vrrp_state(), "master");
    let status = pair.lvs51.status();
    let counted = number(&status["vrrp_interfaces"][0]["dropped"]["packets"]);
    assert_eq!(counted, dropped(&pair.lvs51));
    let events = pair.lvs51.run("lvsd events").ok();
    assert!(events.contains(LISTENS_AGAIN), "{events}");
    lab.say(&format!("{counted} packets were dropped: {LISTENS_AGAIN}"));
}

/// Anybody can send what may be anything: it is told as that, however much it is.
fn a_flood_of_wrong_checksums_is_told_as_that_and_is_no_split_brain(lab: &Lab) {
    let pair = Pair::build(lab);
    let first = pair.lvs51.director(&DirectorFile::steady(100));
    pair.lvs52.director(&DirectorFile::steady(50));
    pair.become_states("master", "backup");
    let seen = |host: &Host| {
        let router = &host.status()["vrrp"][0];
        (router["state"].clone(), number(&router["transitions"]))
    };
    let before = [seen(&pair.lvs51), seen(&pair.lvs52)];
    let sent = Flood::new(&pair.client, vec![damaged(254)]).lasts(LONG);
    let wrong = pair.lvs51.discarded("checksum");
    assert!(wrong >= 1_000, "{wrong} of {sent}");
    let status = pair.lvs51.run("lvsd status").ok();
    let told = "VI_1: discards adverts of 192.168.1.10: its checksum is wrong";
    assert!(status.contains(told), "{status}");
    assert!(!status.contains("SPLIT BRAIN"), "{status}");
    let log = first.log();
    let line = "source=192.168.1.10 reason=\"checksum\"";
    assert_eq!(log.matches(line).count(), 1, "{log}");
    assert!(!log.contains("another master"), "{log}");
    let metrics = pair.lvs51.get("http://127.0.0.1:9481/metrics").unwrap();
    let rivals = "lvsd_vrrp_rivals_heard_total{name=\"VI_1\"} 0";
    assert!(metrics.body.contains(rivals), "{}", metrics.body);
    let events = pair.lvs51.run("lvsd events").ok();
    assert!(!events.contains("split_brain"), "{events}");
    assert_eq!(before, [seen(&pair.lvs51), seen(&pair.lvs52)]);
    lab.say(&format!("{wrong} wrong checksums: {told}"));
}

/// Floods until the sockets of VRRP there, which nobody reads, have no room.
#[track_caller]
fn overflow(from: &Host, stopped: &Host) {
    let flood = Flood::new(from, vec![damaged(1)]);
    eventually("its socket overflows", within(secs(5)), || {
        flood.lasts(SLICE);
        dropped(stopped) > 0
    });
}

const LISTENS_AGAIN: &str = "packets were dropped before they were read: listens once more";

/// What the kernel says that the sockets of VRRP had no room for.
fn dropped(host: &Host) -> u64 {
    let table = host.run("cat /proc/net/raw").ok();
    let sockets = table.lines().filter(|line| line.contains(":0070 "));
    let drops = sockets.filter_map(|line| line.split_whitespace().last()?.parse::<u64>().ok());
    drops.sum()
}

/// How long the director's core, which runs the checks, took at most to answer.
fn slowest_answer(host: &Host, over: &AtomicBool) -> Duration {
    let mut worst = Duration::ZERO;
    while !over.load(Ordering::Relaxed) {
        let asked = Instant::now();
        assert!(!host.status().is_null(), "the director answers");
        worst = worst.max(asked.elapsed());
    }
    worst
}

/// A neighbour that sends these packets by turns.
struct Flood {
    senders: [Socket; 2],
    packets: Vec<Vec<u8>>,
}

impl Flood {
    fn new(from: &Host, packets: Vec<Vec<u8>>) -> Self {
        // A socket is the host's wherever it is used.
        let senders = from.within(|| {
            let sender = || {
                let socket = socket(255)?;
                // Nobody there listens.
                socket.set_multicast_loop_v4(false).map(|()| socket)
            };
            Ok::<_, io::Error>([sender()?, sender()?])
        });
        Self {
            senders: senders.unwrap(),
            packets,
        }
    }

    /// By turns of a lesser priority, which a master answers, and with a wrong checksum.
    fn of_both_kinds(from: &Host) -> Self {
        Self::new(from, vec![advert(51, 1), damaged(1)])
    }

    /// The same until it is over. Returns how many in a second.
    fn rate_until(&self, over: &AtomicBool) -> u64 {
        let began = Instant::now();
        let mut sent = 0;
        while !over.load(Ordering::Relaxed) {
            sent += self.lasts(SLICE);
        }
        sent * 1_000 / u64::try_from(began.elapsed().as_millis()).unwrap()
    }

    /// Sends at the rate, or as fast as it goes, for so long. Returns how many.
    fn lasts(&self, time: Duration) -> u64 {
        std::thread::scope(|scope| {
            let senders = self.senders.each_ref();
            let threads = senders.map(|it| scope.spawn(|| self.send(it, time)));
            threads.map(|it| it.join().unwrap()).iter().sum()
        })
    }

    fn send(&self, sender: &Socket, time: Duration) -> u64 {
        let to = SockaddrIn::from(SocketAddrV4::new(GROUP, 0));
        let to = [Some(to); BATCH];
        let packets: Vec<_> = self.packets.iter().map(|it| [IoSlice::new(it)]).collect();
        let mut headers = MultiHeaders::preallocate(BATCH, None);
        let rate = u64::from(RATE) / self.senders.len() as u64;
        let began = Instant::now();
        let mut sent = 0;
        while began.elapsed() < time {
            let due = u64::try_from(began.elapsed().as_micros()).unwrap() * rate / 1_000_000;
            if sent >= due {
                std::thread::sleep(PAUSE);
                continue;
            }
            let batch = packets.iter().cycle().take(BATCH);
            let (fd, flags) = (sender.as_raw_fd(), MsgFlags::empty());
            sent +=
                sendmmsg(fd, &mut headers, batch, to, [], flags).map_or(0, |it| it.count() as u64);
        }
        sent
    }
}

/// An advert with a wrong checksum.
fn damaged(priority: u8) -> Vec<u8> {
    let mut advert = advert(51, priority);
    advert[6] ^= 0xff;
    advert
}
