//! Parts of a director that stand still, and directors that do: nobody balances blind, and nobody
//! wakes up as a second master.

use std::net::Ipv4Addr;

use nix::sys::signal::Signal;
use socket2::Socket;

use crate::lab::lvsd::{DirectorFile, Pair, Running, number, text};
use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Program, Scenario, Site, eventually, secs, within};

use super::vrrp_wire::{GROUP, socket};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(a_director_of_which_a_part_stands_still_gives_mastership_up),
    scenario!(a_director_whose_vip_thread_stands_still_is_not_master).on_any_linux(),
    scenario!(a_master_that_was_starved_follows_whoever_took_over).on_any_linux(),
    // Raising limits takes more than root of a container may.
    scenario!(vrrp_runs_with_real_time_priority_where_that_is_wanted_and_allowed),
];

fn a_director_of_which_a_part_stands_still_gives_mastership_up(lab: &Lab) {
    let file = |priority| {
        DirectorFile::quick(priority)
            .vrrp_key("advert_interval", "'500ms'")
            .vrrp_key("on_fault", "['/usr/bin/touch', '/run/fault']")
            .ipvs("[director]\nstuck_after = '3s'")
    };
    let Running {
        site,
        directors: [first, _second],
        agents: _agents,
    } = Site::build(lab).start([file(200), file(100)]);
    let is_served = || {
        site.client
            .get(&Site::url())
            .is_ok_and(|it| it.status == 200)
    };
    moves(&site.lvs51, &site.lvs52);
    eventually("the site serves", within(secs(5)), is_served);
    let names = first.thread_names();
    assert!(names.iter().all(|it| it.starts_with("lvsd")), "{names:?}");

    for (thread, part, what) in [
        ("lvsd-ipvs", "table", "the IPVS thread has not moved for "),
        ("lvsd", "core", "the checks have not moved for "),
    ] {
        let held = first.hold(thread);
        let took = moves(&site.lvs52, &site.lvs51);
        eventually("the other one serves", within(secs(5)), is_served);
        lab.say(&format!(
            "thread {thread} stopped: the other director has the VIP after {} ms",
            took.as_millis()
        ));
        eventually("the log says why", within(secs(2)), || {
            first.log().contains(what)
        });
        if part == "table" {
            is_told(lab, &site.lvs51, part, what);
        }
        drop(held);
        let took = moves(&site.lvs51, &site.lvs52);
        eventually("the site serves", within(secs(5)), is_served);
        lab.say(&format!(
            "it goes on: master again after {} ms",
            took.as_millis()
        ));
        let events = site.lvs51.run("lvsd events").ok();
        let caused = |line: &str| line.contains("\"fault\"") && line.contains(what);
        assert!(events.lines().any(caused), "{events}");
        let status = site.lvs51.status();
        let parts = status["parts"].as_array().cloned().unwrap_or_default();
        let known = parts.iter().find(|it| it["name"] == part).cloned();
        let known = known.unwrap_or_default();
        assert!(known["stuck"].is_null() && known["times"] == 1, "{parts:?}");
    }
}

/// Nobody but that thread takes the VIP off: until it moves, or lvsd is started again, the host
/// that gave mastership up still has it.
fn a_director_whose_vip_thread_stands_still_is_not_master(lab: &Lab) {
    let pair = Pair::build(lab);
    let file = |priority| {
        let text = DirectorFile::steady(priority).text();
        format!("[director]\nstuck_after = '3s'\n{text}")
    };
    let [first, second] = [(&pair.lvs51, 100), (&pair.lvs52, 50)].map(|(host, priority)| {
        host.write("/etc/lvsd/director.toml", &file(priority));
        host.spawn("lvsd director")
    });
    pair.become_states("master", "backup");

    let held = first.hold("lvsd-vips");
    eventually("it gives mastership up", within(secs(15)), || {
        pair.lvs51.vrrp_state() == "fault"
    });
    eventually("the other one is master", within(secs(5)), || {
        pair.lvs52.vrrp_state() == "master" && pair.lvs52.holds(VIP)
    });
    let what = "the VIP thread has not moved for ";
    let cause = text(&pair.lvs51.status()["vrrp"][0]["cause"]);
    assert!(cause.contains(what), "{cause}");
    assert!(first.log().contains(what), "{}", first.log());
    let status = pair.lvs51.run("lvsd status").ok();
    assert!(status.contains(&format!("STUCK: {what}")), "{status}");
    let metrics = pair
        .lvs51
        .get("http://127.0.0.1:9481/metrics")
        .unwrap()
        .body;
    assert!(metrics.contains("lvsd_stuck{part=\"vips\"} 1"), "{metrics}");
    drop(held);
    moves(&pair.lvs51, &pair.lvs52);

    let held = second.hold("lvsd-vips");
    pair.become_states("master", "fault");
    first.kill9();
    drop(held);
    eventually("it takes over", within(secs(15)), || {
        pair.lvs52.vrrp_state() == "master" && pair.lvs52.holds(VIP)
    });
}

/// Waits until one has the VIP and the other has not.
#[track_caller]
fn moves(holder: &Host, other: &Host) -> std::time::Duration {
    eventually("the VIP moves", within(secs(15)), || {
        holder.holds(VIP) && !other.holds(VIP)
    })
}

/// A fault in status, metrics and hooks, with a reason of its own.
fn is_told(lab: &Lab, host: &Host, part: &str, what: &str) {
    let router = host.status()["vrrp"][0].clone();
    assert_eq!(router["state"], "fault");
    assert!(text(&router["cause"]).contains(what), "{router}");
    let status = host.run("lvsd status").ok();
    assert!(status.contains(&format!("STUCK: {what}")), "{status}");
    lab.say(&status);
    let metrics = host.get("http://127.0.0.1:9481/metrics").unwrap().body;
    for sample in [
        format!("lvsd_stuck{{part=\"{part}\"}} 1"),
        format!("lvsd_stuck_total{{part=\"{part}\"}} 1"),
        "lvsd_stuck{part=\"checks\"} 0".to_owned(),
    ] {
        assert!(metrics.contains(&sample), "{metrics}");
    }
    eventually("the hook ran", within(secs(2)), || {
        host.run("ls /run/fault").status.success()
    });
}

/// Of lesser and of equal rank: the stopped one does not preempt, or is outranked by address.
fn a_master_that_was_starved_follows_whoever_took_over(lab: &Lab) {
    for (priority, preempt) in [(50, "false"), (100, "true")] {
        let pair = Pair::build(lab);
        let file = |priority| refreshed(priority).vrrp_key("preempt", preempt);
        let first = pair.lvs51.director(&file(100));
        eventually("it is master", within(secs(10)), || pair.lvs51.holds(VIP));
        let second = pair.lvs52.director(&file(priority));
        pair.become_states("master", "backup");
        let witness = Witness::of(&pair);

        first.signal(Signal::SIGSTOP);
        outlives(lab, &pair, &witness, "the whole director", || {
            first.signal(Signal::SIGCONT);
        });
        comes_back(&pair, priority, &second);
        let held = first.hold("lvsd-vrrp");
        outlives(lab, &pair, &witness, "its VRRP thread", || drop(held));
        assert!(
            first.log().contains("starved: sent no advert for longer"),
            "{}",
            first.log()
        );
    }
}

/// An announcement is due whenever it wakes.
fn refreshed(priority: u8) -> DirectorFile {
    DirectorFile::steady(priority).vrrp_key("announce", "{ repeat = 1, refresh = '1s' }")
}

/// What the client sees of both directors.
struct Witness {
    ear: Socket,
    arp: Program,
}

impl Witness {
    fn of(pair: &Pair) -> Self {
        let arp = pair.client.spawn("tcpdump -Z root -lnne -i ens192 arp");
        eventually("the capture runs", within(secs(5)), || {
            arp.log().contains("listening on")
        });
        Self {
            ear: listen(&pair.client),
            arp,
        }
    }

    /// How often the host of this address has announced the VIP.
    fn announcements(&self, last: u8) -> usize {
        let from = format!("02:00:c0:a8:01:{last:02x} > ff:ff:ff:ff:ff:ff");
        let log = self.arp.log();
        let lines = log.lines().filter(|line| line.contains(&from));
        lines
            .filter(|line| line.contains(&format!("tell {VIP}")))
            .count()
    }

    /// Waits until 192.168.1.52 has announced the VIP once more.
    #[track_caller]
    fn hears_52(&self) {
        let before = self.announcements(52);
        eventually("the successor is announced", within(secs(10)), || {
            self.announcements(52) > before
        });
    }
}

/// The master stands still until its backup has taken over, and then says nothing.
fn outlives(lab: &Lab, pair: &Pair, witness: &Witness, what: &str, wake: impl FnOnce()) {
    let ear = &witness.ear;
    eventually("the backup takes over", within(secs(10)), || {
        pair.lvs52.vrrp_state() == "master" && pair.lvs52.holds(VIP)
    });
    let adverts = || number(&pair.lvs52.status()["vrrp"][0]["adverts_sent"]);
    let sent = adverts();
    eventually("it sends three more", within(secs(10)), || {
        adverts() > sent + 3
    });
    let announced = witness.announcements(51);
    witness.hears_52();
    assert!(!heard(ear).is_empty());
    let before = pair.lvs52.status()["vrrp"][0].clone();
    wake();
    pair.become_states("backup", "master");
    witness.hears_52();
    let since = witness.announcements(51) - announced;
    assert_eq!(
        since, 0,
        "announcements of the one that was stopped: {what}"
    );
    let received = || number(&pair.lvs51.status()["vrrp"][0]["adverts_received"]);
    let count = received();
    eventually("it hears ten adverts", within(secs(20)), || {
        received() >= count + 10
    });
    let from_51 = heard(ear).iter().filter(|source| **source == FIRST).count();
    assert_eq!(from_51, 0, "adverts of the one that was stopped");
    let after = pair.lvs52.status()["vrrp"][0].clone();
    for key in ["transitions", "rivals_heard", "adverts_received"] {
        assert_eq!(before[key], after[key], "{key}");
    }
    let router = pair.lvs51.status()["vrrp"][0].clone();
    let cause = text(&router["cause"]);
    assert!(
        cause.contains("was starved for ") && cause.contains("heard 192.168.1.52"),
        "{router}"
    );
    lab.say(&format!("{what} stood still: {cause}"));
}

/// Makes the first one master again.
fn comes_back(pair: &Pair, priority: u8, second: &Program) {
    if priority == 50 {
        pair.lvs52.run("lvsd vrrp yield VI_1").ok();
        pair.become_states("master", "backup");
    } else {
        let file = refreshed(priority);
        let lesser = refreshed(priority - 1);
        pair.lvs52.reload(second, &lesser.text());
        pair.become_states("master", "backup");
        pair.lvs52.reload(second, &file.text());
    }
}

const FIRST: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 51);

/// A socket of the host that hears every advert.
pub(super) fn listen(host: &Host) -> Socket {
    host.within(|| {
        let socket = socket(255).unwrap();
        socket
            .join_multicast_v4(&GROUP, &Ipv4Addr::new(192, 168, 1, 10))
            .unwrap();
        socket.set_nonblocking(true).unwrap();
        socket
    })
}

/// Who sent what it has heard since it was asked last.
pub(super) fn heard(mut ear: &Socket) -> Vec<Ipv4Addr> {
    let mut packet = [0; 128];
    let mut sources = vec![];
    while std::io::Read::read(&mut ear, &mut packet).is_ok() {
        sources.push(Ipv4Addr::from([
            packet[12], packet[13], packet[14], packet[15],
        ]));
    }
    sources
}

fn vrrp_runs_with_real_time_priority_where_that_is_wanted_and_allowed(lab: &Lab) {
    let pair = Pair::build(lab);
    let host = &pair.lvs51;
    let hook = "['/bin/sh', '-c', 'cat /proc/self/stat >/run/hook']";
    let file = DirectorFile::vrrp_only(100).vrrp_key("on_master", hook);
    let with = |key: &str| format!("[director]\n{key}\n{}", file.text());
    host.write("/etc/lvsd/director.toml", &with("realtime_priority = 50"));
    let limits = "prlimit --rtprio=60 --memlock=unlimited setpriv \
                  --bounding-set=-sys_nice,-ipc_lock lvsd director";
    let director = host.spawn(limits);
    eventually("it is master", within(secs(10)), || host.holds(VIP));
    runs_with(&director, 50);
    assert_eq!(host.status()["realtime_priority"], 50);
    let status = host.run("lvsd status").ok();
    assert!(
        status.contains("VRRP runs with real-time priority 50"),
        "{status}"
    );
    eventually("the hook has run", within(secs(5)), || {
        host.run("cat /run/hook").stdout.split_whitespace().count() > 41
    });
    let hook = host.read("/run/hook");
    assert_eq!(scheduling(&hook), (0, 0), "hooks run as everything else");

    host.reload(&director, &with("realtime_priority = 20"));
    runs_with(&director, 20);
    host.reload(&director, &with("realtime_priority = 70"));
    runs_with(&director, 20);
    let refused = text(&host.status()["config"]["refused"]);
    assert!(
        refused.contains("cannot run VRRP with realtime_priority = 70"),
        "{refused}"
    );
    assert!(refused.contains("LimitRTPRIO=70"), "{refused}");
    lab.say(&refused);
    host.reload(&director, &file.text());
    runs_with(&director, 0);
    assert!(host.status()["realtime_priority"].is_null());
    director.terminate();

    host.write("/etc/lvsd/director.toml", &with("realtime_priority = 50"));
    for (limits, told) in [
        ("--rtprio=0 --memlock=unlimited", "LimitRTPRIO=50"),
        ("--rtprio=99 --memlock=8388608", "LimitMEMLOCK=infinity"),
    ] {
        let command =
            format!("prlimit {limits} setpriv --bounding-set=-sys_nice,-ipc_lock lvsd director");
        let error = host.run(&command).fails_with(1);
        assert!(error.contains(told), "{error}");
        lab.say(&error);
    }
}

/// What VRRP and the addresses run with, and nothing else; 0: as everything else.
#[track_caller]
fn runs_with(director: &Program, priority: u32) {
    let policy = if priority == 0 { 0 } else { 1 };
    for (name, expected) in [
        ("lvsd-vrrp", (priority, policy)),
        ("lvsd-vips", (priority, policy)),
        ("lvsd-vrrp-log", (0, 0)),
        ("lvsd", (0, 0)),
    ] {
        let found = director.threads(name);
        let stat = format!("/proc/{}/task/{}/stat", director.pid(), found[0]);
        let stat = std::fs::read_to_string(stat).unwrap();
        assert_eq!(scheduling(&stat), expected, "{name}");
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", director.pid())).unwrap();
    let locked = status
        .lines()
        .find(|line| line.starts_with("VmLck:"))
        .unwrap();
    assert_eq!(locked.contains(" 0 kB"), priority == 0, "{locked}");
}

/// `rt_priority` and `policy` of proc(5), the 40th and 41st field of a stat file.
fn scheduling(stat: &str) -> (u32, u32) {
    let behind_name = stat.rsplit_once(") ").unwrap().1;
    let fields: Vec<_> = behind_name.split(' ').collect();
    (fields[37].parse().unwrap(), fields[38].parse().unwrap())
}
