//! What ten thousand checked real servers take of a director at rest: memory and processor.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use lvsd::ipvs::table::Table;

use super::daemon::{Contender, Daemon};
use super::figures::{markdown, megabytes};
use super::inputs::Inputs;
use super::kernel::{self, Watch};
use super::memory;
use crate::lab::room::in_net;
use crate::lab::wait::secs;
use crate::lab::{Host, Lab};

const VIRTUAL_SERVERS: u32 = 500;
const REAL_SERVERS: u32 = 10_000;

/// How long the processor is watched: each server is checked several times.
const WATCHED: Duration = secs(30);

/// Ticks of a process's time in a second (`USER_HZ`).
const TICKS: u64 = 100;

pub(super) fn checks(lab: &Lab) {
    println!("\n### {}\n", super::kernel_name());
    let rows = [Contender::Lvsd, Contender::Keepalived].map(|contender| {
        let [one, many] =
            [(1, 1), (VIRTUAL_SERVERS, REAL_SERVERS)].map(|(virtual_servers, real)| {
                lab.say(&format!("{contender:?}, {real} checked"));
                at_rest(lab, contender, &Inputs::new(virtual_servers, real))
            });
        let each = many.memory.saturating_sub(one.memory) / u64::from(REAL_SERVERS);
        let percent = many.ticks * 100 / (WATCHED.as_secs() * TICKS);
        vec![
            format!("{contender:?}").to_lowercase(),
            megabytes(many.memory),
            format!("{each} B"),
            format!("{percent} %"),
        ]
    });
    let title = format!("{REAL_SERVERS} real servers, each checked by TCP every 6 s");
    let head = [&title, "memory", "per real server", "of one processor"];
    println!("{}", markdown(&head, &rows));
}

struct AtRest {
    memory: u64,
    ticks: u64,
}

/// The director in its own network, the real servers behind it all in one other.
fn at_rest(lab: &Lab, contender: Contender, inputs: &Inputs) -> AtRest {
    let lan = lab.lan();
    let number = lab.hosts().len();
    let host = lan.host(&format!("director{number}"), "192.168.1.51/24");
    let farm = lan.host(&format!("farm{number}"), "192.168.1.53/24");
    farm.run("ip route add local 10.100.0.0/16 dev lo").ok();
    host.run("ip route add 10.100.0.0/16 via 192.168.1.53").ok();
    answer_all(&farm);
    let text = match contender {
        Contender::Lvsd => inputs.checked_director_toml(),
        Contender::Keepalived => inputs.checked_keepalived_conf(),
    };
    host.write(contender.file(), &text);
    let watch = Watch::for_table(&host, secs(120), &Table::new(), &inputs.table);
    let daemon = Daemon::start(&host, contender);
    let up = watch.wait();
    assert!(
        up.is_some(),
        "some server is not found to be up:\n{}",
        daemon.log()
    );
    // The second checks fall anywhere within the interval; then comes what is even.
    thread::sleep(secs(15));
    let pid = daemon.running.pid();
    let before = ticks(pid);
    thread::sleep(WATCHED);
    let ticks = ticks(pid) - before;
    let memory = memory::resident(pid);
    assert!(kernel::table(&host) == inputs.table, "all are up still");
    daemon.kill();
    kernel::close(&host);
    farm.die();
    AtRest { memory, ticks }
}

/// Takes every connection to port 80, and lets it go when the other side does.
fn answer_all(farm: &Host) {
    let serve = || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket
            .bind(&SocketAddr::from(([0, 0, 0, 0], 80)).into())
            .unwrap();
        socket.listen(4_096).unwrap();
        let listener = TcpListener::from(socket);
        // Ends with the whole lab.
        while listener.accept().is_ok() {}
    };
    drop(in_net(farm.room().net(), serve));
}

/// The processor time of a process and its children so far.
fn ticks(pid: u32) -> u64 {
    memory::family(pid).filter_map(ticks_of).sum()
}

fn ticks_of(pid: u32) -> Option<u64> {
    const USER: usize = 11;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Behind the name, which may have blanks.
    let (_, rest) = stat.rsplit_once(") ")?;
    let times = rest.split_whitespace().skip(USER).take(2);
    times.map(|text| text.parse::<u64>().ok()).sum()
}
