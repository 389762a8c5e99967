//! The agent of a real server: how soon it is ready, how soon it puts back what others take
//! away, what it answers to two hundred directors, and what it takes for that. It needs no IPVS,
//! so it is measured on the machine's own kernel.

mod asking;
mod drift;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::figures::{Times, markdown, megabytes};
use super::memory;
use crate::lab::room::{Running, in_net};
use crate::lab::wait::{eventually, millis, secs, within};
use crate::lab::{Host, Lab};

const VIP: &str = "192.168.1.200";
const RIP: &str = "192.168.1.51";
const FILE: &str = "/etc/lvsd/realserver.toml";

/// Times are measured this often at least: their last hundredth is told.
const OFTEN: usize = 100;
/// Restarts of networkd, which take a while each.
const SOME: usize = 30;
/// How long the agent is left alone before its memory is looked at.
const REST: Duration = secs(10);

pub(super) fn realserver(lab: &Lab) {
    println!("\n### {}\n", super::kernel_name());
    let bench = Bench::new(lab);
    let rounds = super::rounds().max(OFTEN);
    lab.say(&format!("starting and stopping {rounds} times"));
    let (plain, _) = bench.starts(rounds, "");
    let (checked, stop) = bench.starts(rounds, SERVICE);
    lab.say(&format!("taking away what is there, {rounds} times each"));
    let lost = bench.drift(rounds);
    lab.say("restarting systemd-networkd");
    let networkd = drift::networkd(&bench, SOME);
    let mut rows = vec![
        ("start to ready", plain),
        ("start to ready, one service checked", checked),
        ("VIP deleted to VIP back", lost.vip),
        ("`arp_ignore` of all written to put back", lost.sysctl),
        ("VIP taken by networkd's restart to VIP back", networkd),
        ("SIGTERM to gone", stop),
    ];
    println!("{}", in_hundredths(&mut rows));
    println!("{}", asking::asked(&bench));
    println!("{}", bench.memory());
}

/// A service that answers from the beginning.
const SERVICE: &str = "[[service]]\nname = \"web\"\ncheck = { type = \"tcp\", port = 80 }\n";

/// A real server, and somebody who asks it.
struct Bench {
    host: Host,
    directors: Host,
}

impl Bench {
    fn new(lab: &Lab) -> Self {
        let lan = lab.lan();
        let bench = Self {
            host: lan.host("rs1", "192.168.1.51/24"),
            directors: lan.host("directors", "192.168.1.10/24"),
        };
        // It listens for as long as the bench runs.
        bench.host.spawn("busybox httpd -f -p 80 -h /run");
        bench
    }

    /// Starts the agent with these lines in its file; it may not be ready yet.
    fn start(&self, more: &str) -> Agent {
        let file = format!("vips = [\"{VIP}\"]\ndrain = \"0s\"\n{more}");
        self.host.write(FILE, &file);
        Agent::start(&self.host)
    }

    /// From start to ready, and from SIGTERM to gone.
    fn starts(&self, rounds: usize, more: &str) -> (Times, Times) {
        let (mut ready, mut gone) = (Times::default(), Times::default());
        for _ in 0..rounds {
            let agent = self.start(more);
            ready.add(agent.ready());
            gone.add(agent.stop());
            assert!(!self.host.has_address(VIP), "it has given the VIP back");
        }
        (ready, gone)
    }

    fn drift(&self, rounds: usize) -> drift::Lost {
        let agent = self.start("");
        agent.ready();
        let lost = drift::Lost::measure(&self.host, rounds);
        agent.stop();
        lost
    }

    /// What the agent takes that has nothing to do.
    fn memory(&self) -> String {
        let rows = ["", SERVICE].map(|more| {
            let agent = self.start(more);
            agent.ready();
            std::thread::sleep(REST);
            let pid = agent.running.pid();
            let parts = ["Rss:", "Anonymous:", "Private_Dirty:", "Pss:"];
            let mut row = vec![match more {
                "" => "no service".to_owned(),
                _ => "one service checked".to_owned(),
            }];
            row.extend(parts.map(|part| megabytes(memory::rollup(pid, part))));
            row.push(format!("{}", agent.threads()));
            agent.stop();
            row
        });
        let head = [
            "memory at rest",
            "resident",
            "of it anonymous",
            "of it written",
            "share",
            "threads",
        ];
        markdown(&head, &rows)
    }
}

/// A running agent.
struct Agent {
    running: Running,
    started: Instant,
    net: Arc<File>,
}

impl Agent {
    fn start(host: &Host) -> Self {
        let log = PathBuf::from(format!("/run/lab/{}.agent.log", host.name()));
        let mut command = Command::new(env!("CARGO_BIN_EXE_lvsd"));
        command.args(["realserver", "--config", FILE]);
        let started = Instant::now();
        Self {
            running: host.room().spawn_with_log(command, &log),
            started,
            net: host.room().net(),
        }
    }

    /// Waits until it says that it is; how long that took since its start.
    fn ready(&self) -> Duration {
        let started = self.started;
        let asking = in_net(Arc::clone(&self.net), move || {
            let local = SocketAddr::from(([127, 0, 0, 1], 9480));
            while started.elapsed() < secs(20) {
                if status(local) == Some(200) {
                    return Some(started.elapsed());
                }
                std::thread::sleep(Duration::from_micros(200));
            }
            None
        });
        asking.join().unwrap().expect("it is ready within 20 s")
    }

    fn stop(&self) -> Duration {
        let asked = Instant::now();
        self.running.signal(Signal::SIGTERM);
        let ended = self.running.wait(secs(20)).expect("it ends within 20 s");
        assert!(ended.success());
        asked.elapsed()
    }

    /// The processor time it has taken, of all threads.
    fn processor(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.running.pid())).unwrap();
        let after_name = stat.rsplit(") ").next().unwrap();
        let fields = after_name.split(' ');
        // utime and stime of proc(5), in hundredths of a second.
        let ticks: u64 = fields
            .skip(11)
            .take(2)
            .map(|n| n.parse::<u64>().unwrap())
            .sum();
        millis(10 * ticks)
    }

    fn threads(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/task", self.running.pid()))
            .unwrap()
            .count()
    }
}

/// The status of `GET /ready`.
fn status(of: SocketAddr) -> Option<u16> {
    let mut stream = TcpStream::connect_timeout(&of, secs(2)).ok()?;
    stream.set_read_timeout(Some(secs(2))).ok()?;
    stream
        .write_all(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n")
        .ok()?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).ok()?;
    std::str::from_utf8(&head[9..]).ok()?.parse().ok()
}

/// A row for each thing: the middle, the 99th hundredth and the worst.
fn in_hundredths(rows: &mut [(&str, Times)]) -> String {
    let head = ["", "median", "p99", "worst", "rounds"];
    let rows: Vec<_> = rows
        .iter()
        .map(|(what, times)| {
            let mut row = vec![(*what).to_owned()];
            row.extend(times.hundredths());
            row.push(times.len().to_string());
            row
        })
        .collect();
    markdown(&head, &rows)
}

/// Waits until the agent has nothing left to do.
fn settled(host: &Host) {
    eventually("the agent is ready", within(secs(20)), || {
        host.agent_status()["ready"] == true
    });
}
