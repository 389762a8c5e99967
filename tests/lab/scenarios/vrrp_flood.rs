//! One neighbour that sends more adverts than anybody can want.

use std::io::IoSlice;
use std::net::SocketAddrV4;
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, sendmmsg};

use crate::lab::lvsd::{DirectorFile, Pair, Running, number};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Scenario, Site, eventually, secs, within};

use super::vrrp_wire::{GROUP, advert, socket};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(a_flood_of_adverts_starves_neither_mastership_nor_checks)
        .alone()
        .on_any_linux(),
    scenario!(a_flood_of_adverts_holds_up_no_check).alone(),
    scenario!(a_backup_whose_packets_were_dropped_listens_again_before_it_takes_over)
        .on_any_linux(),
];

/// What the neighbour tries to send in a second.
const RATE: u32 = 50_000;

/// How many go out with one system call.
const BATCH: usize = 64;

/// For how long, in slices that a closure of the lab may take.
const SLICES: u32 = 6;
const SLICE: Duration = Duration::from_millis(500);

fn a_flood_of_adverts_starves_neither_mastership_nor_checks(lab: &Lab) {
    let pair = Pair::build(lab);
    pair.lvs51.director(&DirectorFile::steady(100));
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
    let (sent, worst) = std::thread::scope(|scope| {
        let answers = scope.spawn(|| slowest_answer(&pair.lvs51, &over));
        let began = Instant::now();
        let sent: u64 = (0..SLICES).map(|_| flood(&pair.client)).sum();
        let elapsed = u64::try_from(began.elapsed().as_millis()).unwrap();
        let rate = sent * 1_000 / elapsed;
        over.store(true, Ordering::Relaxed);
        (rate, answers.join().unwrap())
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
        "{sent} adverts a second for {:.1?}: the master took {} of them, the backup {}; \
         its status answered within {} ms",
        SLICE * SLICES,
        taken[0] - counted[0],
        taken[1] - counted[1],
        worst.as_millis()
    ));
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
    std::thread::scope(|scope| {
        let _ends = Ends(&over);
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                flood(&site.client);
            }
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
    eventually("its socket overflows", within(secs(5)), || {
        flood(&pair.client);
        dropped(&pair.lvs52) > 0
    });
    second.signal(Signal::SIGCONT);
    let told = "packets were dropped before they were read: listens once more";
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

/// Sends adverts at the rate, or as fast as it goes, for a slice: by turns of a lesser priority,
/// which a master answers, and with a wrong checksum. Returns how many.
fn flood(from: &Host) -> u64 {
    from.within(|| {
        let socket = socket(255).unwrap();
        let to = SockaddrIn::from(SocketAddrV4::new(GROUP, 0));
        let lesser = advert(51, 1);
        let mut wrong = lesser.clone();
        wrong[6] ^= 0xff;
        let began = Instant::now();
        let mut sent = 0;
        let packets = [[IoSlice::new(&lesser)], [IoSlice::new(&wrong)]];
        let to = [Some(to); BATCH];
        let mut headers = MultiHeaders::preallocate(BATCH, None);
        while began.elapsed() < SLICE {
            let due =
                u64::try_from(began.elapsed().as_micros()).unwrap() * u64::from(RATE) / 1_000_000;
            if sent >= due {
                std::thread::yield_now();
                continue;
            }
            let batch = packets.iter().cycle().take(BATCH);
            let (fd, flags) = (socket.as_raw_fd(), MsgFlags::empty());
            sent +=
                sendmmsg(fd, &mut headers, batch, to, [], flags).map_or(0, |it| it.count() as u64);
        }
        sent
    })
}
