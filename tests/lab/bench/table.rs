//! The kernel's table: how long it takes to load, to reload and to clear, and the memory that
//! takes, for lvsd, keepalived, `ipvsadm -R` and the bare requests.

use std::fs::File;
use std::process::Command;
use std::time::{Duration, Instant};

use lvsd::ipvs::client::Client;
use lvsd::ipvs::plan::{Op, plan};
use lvsd::ipvs::table::Table;

use super::daemon::{Contender, Daemon};
use super::figures::{Times, markdown, megabytes, ratio};
use super::inputs::Inputs;
use super::kernel::{self, Watch};
use super::memory;
use super::tap::Tap;
use crate::lab::room::in_net;
use crate::lab::wait::secs;
use crate::lab::{Host, Lab, eventually, within};

const VIRTUAL_SERVERS: u32 = 1_000;
const REAL_SERVERS: u32 = 10;

pub(super) fn table(lab: &Lab) {
    let bench = Bench {
        lab,
        inputs: Inputs::new(VIRTUAL_SERVERS, VIRTUAL_SERVERS * REAL_SERVERS),
    };
    let mut lvsd = Measured::default();
    let mut keepalived = Measured::default();
    // A table of one, which also brings the programs into memory.
    lvsd.least_memory = bench.least_memory(Contender::Lvsd);
    keepalived.least_memory = bench.least_memory(Contender::Keepalived);
    let (mut raw, mut applied, mut ipvsadm, mut long) = Default::default();
    for round in 1..=super::rounds() {
        lab.say(&format!("round {round}"));
        bench.raw(&mut raw);
        bench.contend(Contender::Lvsd, &mut lvsd, &mut applied);
        bench.contend(
            Contender::Keepalived,
            &mut keepalived,
            &mut Times::default(),
        );
        bench.ipvsadm(&mut ipvsadm);
        bench.long_form(&mut long);
    }
    lab.say("counting requests");
    lvsd.writes = bench.writes(Contender::Lvsd);
    keepalived.writes = bench.writes(Contender::Keepalived);
    assert_eq!(lvsd.writes, (0, 1), "what did not change is not written");
    print(&raw, &applied, &lvsd, &long, &keepalived, &ipvsadm);
}

/// What is told of a daemon.
#[derive(Default)]
struct Measured {
    /// From its start to its first virtual server in the kernel.
    prelude: Times,
    /// From its first virtual server to its last real server.
    filling: Times,
    /// The whole.
    load: Times,
    /// From SIGHUP to the end of a reload that changes nothing.
    same: Times,
    /// From SIGHUP to the new weight in the kernel.
    weight: Times,
    /// From SIGTERM until the table is empty and the process gone.
    stop: Times,
    /// Bytes with one real server, after loading all, and after two reloads.
    least_memory: u64,
    memory: u64,
    memory_reloaded: u64,
    /// Requests to change something in a reload of the same file, and of one changed weight.
    writes: (usize, usize),
}

struct Bench<'a> {
    lab: &'a Lab,
    inputs: Inputs,
}

impl Bench<'_> {
    /// Asserts that the kernel holds just what it is to hold. Too long to be printed.
    #[track_caller]
    fn is_loaded(&self, host: &Host) {
        assert!(kernel::table(host) == self.inputs.table, "another table");
    }

    /// The reference: the requests themselves, made and sent as lvsd does.
    fn raw(&self, times: &mut Times) {
        let host = kernel::fresh_host(self.lab);
        let ops = plan(&self.inputs.table, &Table::new());
        // Looked at like the others.
        let watch = self.watch_loading(&host);
        times.add(
            in_net(host.room().net(), move || send(&ops))
                .join()
                .unwrap(),
        );
        watch.wait();
        self.is_loaded(&host);
        kernel::close(&host);
    }

    fn ipvsadm(&self, times: &mut Times) {
        let host = kernel::fresh_host(self.lab);
        host.write("/run/rules", &self.inputs.ipvsadm_rules(&Table::new()));
        let rules = host.within(|| File::open("/run/rules").unwrap());
        let mut command = Command::new("/usr/sbin/ipvsadm");
        command.arg("-R").stdin(rules);
        let started = Instant::now();
        let running = host.room().spawn(command);
        let status = running.wait(secs(600)).expect("ipvsadm -R ends");
        times.add(started.elapsed());
        assert!(status.success());
        self.is_loaded(&host);
        kernel::close(&host);
    }

    /// One round of a daemon.
    fn contend(&self, contender: Contender, measured: &mut Measured, applied: &mut Times) {
        let host = kernel::fresh_host(self.lab);
        let daemon = self.load(&host, contender, measured);
        measured.memory = measured.memory.max(memory::peak(daemon.running.pid()));
        if contender == Contender::Lvsd {
            applied.add(time_it_tells(&daemon.log()));
        }
        settle();
        measured.same.add(daemon.reload_of_the_same());
        settle();
        measured
            .weight
            .add(self.reload_of_a_weight(&host, &daemon, contender));
        measured.memory_reloaded = measured
            .memory_reloaded
            .max(memory::peak(daemon.running.pid()));
        settle();
        if contender == Contender::Lvsd || stop_is_due(measured) {
            measured
                .stop
                .add(daemon.stop(&host, secs(600)).expect("it ends"));
        } else {
            daemon.kill();
        }
        kernel::close(&host);
    }

    fn load(&self, host: &Host, contender: Contender, measured: &mut Measured) -> Daemon {
        let text = contender.text(&self.inputs);
        let (daemon, begun, complete) = self.start(host, contender, &text);
        measured.prelude.add(begun - daemon.started);
        measured.filling.add(complete - begun);
        measured.load.add(complete - daemon.started);
        daemon
    }

    /// lvsd's load from the longer of its two forms.
    fn long_form(&self, times: &mut Times) {
        let host = kernel::fresh_host(self.lab);
        let text = self.inputs.long_director_toml();
        let (daemon, _, complete) = self.start(&host, Contender::Lvsd, &text);
        times.add(complete - daemon.started);
        daemon.kill();
        kernel::close(&host);
    }

    /// Starts a daemon; tells when its first virtual server and its last real server came.
    fn start(&self, host: &Host, contender: Contender, text: &str) -> (Daemon, Instant, Instant) {
        host.write(contender.file(), text);
        let watch = self.watch_loading(host);
        let daemon = Daemon::start(host, contender);
        let (begun, complete) = watch.wait().expect("the table is loaded");
        self.is_loaded(host);
        (daemon, begun, complete)
    }

    fn watch_loading(&self, host: &Host) -> Watch<(Instant, Instant)> {
        let last = self.inputs.last();
        let mut begun = None;
        Watch::begin(host, secs(600), move |client| {
            if begun.is_none() && !kernel::is_empty() {
                begun = Some(Instant::now());
            }
            let pool = client.real_servers(&last).unwrap();
            (pool.len() == REAL_SERVERS as usize)
                .then(|| (begun.unwrap_or_else(Instant::now), Instant::now()))
        })
    }

    fn reload_of_a_weight(&self, host: &Host, daemon: &Daemon, contender: Contender) -> Duration {
        let changed = self.inputs.with_one_weight(7);
        host.write(contender.file(), &contender.text(&changed));
        let watch = Watch::for_table(host, secs(600), &self.inputs.table, &changed.table);
        let asked = daemon.hang_up();
        watch.wait().expect("the weight changes") - asked
    }

    /// The peak with one real server.
    fn least_memory(&self, contender: Contender) -> u64 {
        let least = Inputs::new(1, 1);
        let host = kernel::fresh_host(self.lab);
        host.write(contender.file(), &contender.text(&least));
        let daemon = Daemon::start(&host, contender);
        eventually("the table is loaded", within(secs(10)), || {
            kernel::table(&host) == least.table
        });
        let peak = memory::peak(daemon.running.pid());
        daemon.kill();
        kernel::close(&host);
        peak
    }

    /// The requests to change something that two reloads make: of the same file, and of one
    /// weight. Not timed: being overheard costs time.
    fn writes(&self, contender: Contender) -> (usize, usize) {
        let host = kernel::fresh_host(self.lab);
        let daemon = self.load(&host, contender, &mut Measured::default());
        settle();
        let tap = Tap::begin(&host);
        daemon.reload_of_the_same();
        settle();
        let same = tap.writes();
        let tap = Tap::begin(&host);
        self.reload_of_a_weight(&host, &daemon, contender);
        settle();
        let weight = tap.writes();
        daemon.kill();
        kernel::close(&host);
        (same, weight)
    }
}

/// Opens a connection and sends the ops.
fn send(ops: &[Op]) -> Duration {
    let begun = Instant::now();
    let refused = Client::open().unwrap().apply(ops).unwrap();
    let took = begun.elapsed();
    assert!(refused.is_empty(), "{refused:?}");
    took
}

/// Lets a daemon come to rest.
fn settle() {
    std::thread::sleep(secs(2));
}

/// How long lvsd says that its requests took.
fn time_it_tells(log: &str) -> Duration {
    let told = log.split("IPVS table changed").nth(1).unwrap();
    let told = told.split("took=").nth(1).unwrap();
    let told = told.split_whitespace().next().unwrap();
    let number = told.trim_end_matches(|c: char| c.is_alphabetic());
    let unit = match &told[number.len()..] {
        "s" => 1.0,
        "ms" => 1e-3,
        _ => 1e-6,
    };
    Duration::from_secs_f64(number.parse::<f64>().unwrap() * unit)
}

/// keepalived may take minutes to stop: one such time is enough.
fn stop_is_due(measured: &Measured) -> bool {
    measured.stop.median().is_none_or(|stop| stop < secs(10))
}

fn print(
    raw: &Times,
    applied: &Times,
    lvsd: &Measured,
    long: &Times,
    keepalived: &Measured,
    ipvsadm: &Times,
) {
    let none = || "–".to_owned();
    let both = |name: &str, of: fn(&Measured) -> String| {
        vec![name.to_owned(), none(), of(lvsd), of(keepalived), none()]
    };
    let requests = [raw, applied].map(Times::to_string);
    let mut load = both("load: start to complete", |m| m.load.to_string());
    load[4] = ipvsadm.to_string();
    let [raw_requests, requests] = requests;
    let mut long_load = both("load: lvsd's long form", |_| String::new());
    long_load[2] = long.to_string();
    long_load[3] = none();
    let rows = vec![
        vec![
            "load: the requests".to_owned(),
            raw_requests,
            requests,
            none(),
            none(),
        ],
        both("load: start to first entry", |m| m.prelude.to_string()),
        both("load: first to last entry", |m| m.filling.to_string()),
        load,
        long_load,
        both("reload, same file", |m| m.same.to_string()),
        both("reload, same file: changes sent", |m| {
            m.writes.0.to_string()
        }),
        both("reload, one weight", |m| m.weight.to_string()),
        both("reload, one weight: changes sent", |m| {
            m.writes.1.to_string()
        }),
        both("stop: SIGTERM to empty and gone", |m| m.stop.to_string()),
        both("peak memory after load", |m| megabytes(m.memory)),
        both("peak memory after two reloads", |m| {
            megabytes(m.memory_reloaded)
        }),
        both("peak memory per real server", |m| {
            let real_servers = u64::from(VIRTUAL_SERVERS * REAL_SERVERS);
            let more = m.memory.saturating_sub(m.least_memory);
            format!("{} B", more / real_servers)
        }),
    ];
    let rounds = super::rounds();
    println!("\n### {}\n", super::kernel_name());
    println!(
        "{VIRTUAL_SERVERS} virtual servers x {REAL_SERVERS} real servers, {rounds} rounds: \
         median (least–most)\n"
    );
    let head = ["", "raw requests", "lvsd", "keepalived", "ipvsadm -R"];
    println!("{}", markdown(&head, &rows));
    println!(
        "lvsd's requests take {} as long as raw requests (wanted: at most 1.25x). Compared with \
         lvsd's whole load, keepalived's takes {} as long (wanted: more than 1x) and ipvsadm's {}; \
         compared with lvsd's requests alone, ipvsadm takes {} (wanted: at least 10x). keepalived's \
         stop takes {} as long as lvsd's.\n",
        ratio(applied, raw),
        ratio(&keepalived.load, &lvsd.load),
        ratio(ipvsadm, &lvsd.load),
        ratio(ipvsadm, applied),
        ratio(&keepalived.stop, &lvsd.stop),
    );
}
