//! One neighbour that sends more adverts than anybody can want.

use std::io::IoSlice;
use std::net::SocketAddrV4;
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, sendmmsg};

use crate::lab::lvsd::{DirectorFile, Pair, number};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Scenario, eventually, secs, within};

use super::vrrp_wire::{GROUP, advert, socket};

pub(crate) const SCENARIOS: &[Scenario] =
    &[
        scenario!(a_flood_of_adverts_starves_neither_mastership_nor_checks)
            .alone()
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
