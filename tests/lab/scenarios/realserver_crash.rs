//! The agent killed at any moment of its life.

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Program, Scenario, eventually, secs, within};

pub(crate) const SCENARIOS: &[Scenario] = &[scenario!(
    killed_at_a_hundred_moments_of_start_drain_and_stop_a_later_stop_restores_every_sysctl
)
.on_any_linux()
.limited_to(secs(240))];

/// How often it is killed in each part of its life.
const KILLS: u32 = 36;
/// How often between two stops that must restore everything.
const BETWEEN: usize = 9;
const DRAIN: Duration = Duration::from_millis(200);
const JOURNAL: &str = "/run/lvsd/realserver.json";

/// A part of the agent's life, in which it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Start,
    Drain,
    Stop,
}

/// How long the parts take on this kernel.
struct Lengths {
    start: Duration,
    drain: Duration,
    stop: Duration,
}

fn killed_at_a_hundred_moments_of_start_drain_and_stop_a_later_stop_restores_every_sysctl(
    lab: &Lab,
) {
    let lan = lab.lan();
    let host = lan.host_with_nic("rs53", "ens192", "192.168.1.53/24");
    lan.connect(&host, "ens224", "192.168.2.53/24");
    for (key, value) in [
        ("all.arp_announce", 1),
        ("lo.arp_ignore", 3),
        ("ens192.arp_ignore", 8),
        ("ens224.arp_ignore", 3),
        ("ens224.arp_announce", 1),
    ] {
        host.set_sysctl(&format!("net.ipv4.conf.{key}"), value);
    }
    host.write(
        "/etc/lvsd/realserver.toml",
        &format!(
            "vips = ['{VIP}', '2001:db8::200']\ndrain = '{}ms'\n",
            DRAIN.as_millis()
        ),
    );
    let before = everything(&host);
    let lengths = a_whole_life(&host);
    lab.say(&format!(
        "a start takes {:.0?}, a drain {:.0?}, a stop {:.0?}",
        lengths.start, lengths.drain, lengths.stop
    ));
    assert_eq!(everything(&host), before);

    let mut found: BTreeMap<_, u32> = BTreeMap::new();
    let moments =
        (0..KILLS).flat_map(|nth| [Part::Start, Part::Drain, Part::Stop].map(|part| (part, nth)));
    for (count, (part, nth)) in moments.enumerate() {
        kill_in(&host, part, nth, &lengths);
        *found.entry((part, left(&host))).or_default() += 1;
        if (count + 1) % BETWEEN == 0 {
            a_whole_life(&host);
            assert_eq!(everything(&host), before, "after {part:?}, moment {nth}");
            assert!(host.run(&format!("test -e {JOURNAL}")).status.code() == Some(1));
        }
    }
    for ((part, left), times) in found {
        lab.say(&format!("killed in {part:?} {times} times: {left}"));
    }
    lab.say(&format!(
        "after {} kills every sysctl is as before the first start",
        3 * KILLS
    ));
}

/// Kills one at a moment of that part of its life; the moments go a little beyond its end. Of
/// a start and a stop they lie closer at the beginning: how long either took to be seen from
/// here is more than it took.
fn kill_in(host: &Host, part: Part, nth: u32, lengths: &Lengths) {
    let share = |whole: Duration| match part {
        Part::Drain => whole * 6 / 5 * nth / KILLS,
        Part::Start | Part::Stop => whole * 6 / 5 * nth / KILLS * nth / KILLS,
    };
    let agent = host.spawn("lvsd realserver");
    if part == Part::Start {
        sleep(share(lengths.start));
        return agent.kill9();
    }
    is_ready(host);
    // Something that keeps it draining.
    let _client = (part == Part::Drain).then(|| connection(host));
    agent.signal(Signal::SIGTERM);
    if part == Part::Stop {
        drains_or_is_gone(host, &agent);
        agent.signal(Signal::SIGTERM);
    }
    sleep(share(match part {
        Part::Drain => lengths.drain,
        _ => lengths.stop,
    }));
    agent.kill9();
}

/// Starts it, and stops it in its two steps, which must end well.
fn a_whole_life(host: &Host) -> Lengths {
    let begun = Instant::now();
    let agent = host.spawn("lvsd realserver");
    is_ready(host);
    let start = begun.elapsed();
    let client = connection(host);
    let begun = Instant::now();
    agent.signal(Signal::SIGTERM);
    agent.expect_exit(0);
    let drain = begun.elapsed();
    drop(client);

    let agent = host.spawn("lvsd realserver");
    is_ready(host);
    agent.signal(Signal::SIGTERM);
    drains_or_is_gone(host, &agent);
    let begun = Instant::now();
    agent.signal(Signal::SIGTERM);
    agent.expect_exit(0);
    Lengths {
        start,
        drain,
        stop: begun.elapsed(),
    }
}

fn is_ready(host: &Host) {
    eventually("the agent is ready", within(secs(10)), || {
        host.agent_status()["ready"] == true
    });
}

fn drains_or_is_gone(host: &Host, agent: &Program) {
    eventually("it drains", within(secs(5)), || {
        !agent.is_running() || host.agent_status()["state"] == "draining"
    });
}

/// A client of the VIP, both ends of it.
fn connection(host: &Host) -> (TcpStream, TcpListener) {
    host.within(|| {
        let listener = TcpListener::bind((VIP, 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener)
    })
}

/// What a killed agent left. The VIP must not be there while ARP tells of it.
fn left(host: &Host) -> &'static str {
    let has_vip = host.has_address(VIP);
    let arp = ["all.arp_ignore", "all.arp_announce"];
    let [ignore, announce] = arp.map(|key| host.sysctl(&format!("net.ipv4.conf.{key}")));
    let is_quiet = ignore == "1" && announce == "2";
    assert!(
        is_quiet || !has_vip,
        "the VIP is on lo while ARP tells of it"
    );
    let journal = host.run(&format!("test -e {JOURNAL}")).status.success();
    match (has_vip, is_quiet, journal) {
        (true, _, true) => "the VIP was there",
        (true, _, false) => panic!("the VIP is there, and nothing says that it is lvsd's"),
        (false, true, _) => "ARP was quiet, and the VIP not there",
        (false, false, true) => "sysctls and VIP were as before, or nearly, with a journal",
        (false, false, false) => "nothing was left",
    }
}

/// Every parameter of the interfaces, and the addresses of `lo`.
fn everything(host: &Host) -> String {
    // No fallback devices of tunnels: what others do loads modules that put one on each host.
    host.run(
        "cd /proc/sys/net && for it in all default lo ens192 ens224; do \
         grep -rs . ipv4/conf/$it ipv6/conf/$it; done; ip -o address show dev lo; true",
    )
    .ok()
}
