//! How each change of the table grows with it: lvsd, keepalived and `ipvsadm -R`, each in a
//! namespace that nobody has used, through the same changes one after the other.

use std::fs::File;
use std::process::Command;
use std::time::{Duration, Instant};

use lvsd::ipvs::table::Table;

use super::daemon::{Contender, Daemon};
use super::figures::{Times, markdown, megabytes};
use super::inputs::Inputs;
use super::kernel::{self, Watch};
use super::memory;
use super::summary;
use crate::lab::wait::secs;
use crate::lab::{Host, Lab};

/// Virtual and real servers. `LVSD_BENCH_SIZE` chooses one by its real servers.
pub(super) const SIZES: [(u32, u32); 4] = [(10, 90), (100, 900), (1_000, 9_000), (2_277, 37_205)];

/// Larger tables are measured once.
const OFTEN: u32 = 1_000;

/// Who takes longer for one change is not asked for the next.
const LIMIT: Duration = secs(60);

pub(super) fn scale(lab: &Lab) {
    println!("\n### {}\n", super::kernel_name());
    let empty = [Contender::Lvsd, Contender::Keepalived].map(|of| resident_with_one(lab, of));
    let mut measured = Vec::new();
    for (virtual_servers, real_servers) in sizes() {
        let steps = Step::all(&Inputs::new(virtual_servers, real_servers));
        let often = virtual_servers + real_servers <= OFTEN;
        let rounds = if often { super::rounds() } else { 1 };
        let mut found = [(); 3].map(|()| Found::new(steps.len()));
        for round in 1..=rounds {
            lab.say(&format!(
                "{virtual_servers} x {real_servers}, round {round}"
            ));
            let [lvsd, keepalived, ipvsadm] = &mut found;
            daemon(lab, Contender::Lvsd, &steps, lvsd);
            daemon(lab, Contender::Keepalived, &steps, keepalived);
            by_hand(lab, &steps, ipvsadm);
        }
        let title = format!("{virtual_servers} virtual, {real_servers} real servers");
        println!("{}", table(&title, rounds, &steps, &found, empty));
        measured.push(Measured {
            objects: virtual_servers + real_servers,
            real_servers,
            found,
        });
    }
    println!("{}", summary::of(&measured, empty));
}

/// The sizes that are measured.
pub(super) fn sizes() -> Vec<(u32, u32)> {
    let chosen = std::env::var("LVSD_BENCH_SIZE").ok();
    let chosen: Option<u32> = chosen.map(|text| text.parse().expect("LVSD_BENCH_SIZE: a number"));
    let sizes = SIZES.into_iter();
    let sizes: Vec<_> = sizes
        .filter(|(_, real_servers)| chosen.is_none_or(|chosen| chosen == *real_servers))
        .collect();
    assert!(!sizes.is_empty(), "LVSD_BENCH_SIZE: one of {SIZES:?}");
    sizes
}

/// What is known of all contenders at one size.
pub(super) struct Measured {
    pub(super) objects: u32,
    pub(super) real_servers: u32,
    pub(super) found: [Found; 3],
}

/// A table to come to, from the one before.
struct Step {
    name: String,
    inputs: Inputs,
    /// The requests that this takes.
    requests: usize,
}

impl Step {
    /// Every step between loading and stopping.
    fn all(loaded: &Inputs) -> Vec<Self> {
        let weight = loaded.with_one_weight(7);
        let more = weight.with_one_more();
        let fewer = more.without_a_hundred();
        let removed = more.real_servers() - fewer.real_servers();
        let replaced = fewer.with_all_replaced();
        let step = |name: &str, inputs: &Inputs, requests| Self {
            name: name.to_owned(),
            inputs: inputs.clone(),
            requests,
        };
        let objects = loaded.table.len() + loaded.real_servers();
        vec![
            step("load", loaded, objects),
            step("reload, unchanged", loaded, 0),
            step("one weight", &weight, 1),
            step("one server added", &more, 1),
            step(&format!("{removed} removed"), &fewer, removed),
            step("all replaced", &replaced, 2 * fewer.real_servers()),
        ]
    }
}

/// What is known of a contender at one size.
pub(super) struct Found {
    pub(super) steps: Vec<Option<Times>>,
    pub(super) stop: Option<Times>,
    requests: Vec<usize>,
    /// Bytes after the load, and after the last step.
    pub(super) resident: [Option<u64>; 2],
}

impl Found {
    fn new(steps: usize) -> Self {
        Self {
            steps: vec![Some(Times::default()); steps],
            stop: Some(Times::default()),
            requests: vec![0; steps],
            resident: [None; 2],
        }
    }

    /// The memory of one real server at that moment: what a table of one does not take.
    pub(super) fn share(&self, moment: usize, empty: u64, real_servers: u64) -> Option<u64> {
        let more = self.resident[moment]?.saturating_sub(empty);
        Some(more / real_servers)
    }
}

/// Adds a time, or gives the step up for good.
fn add(to: &mut Option<Times>, time: Option<Duration>) {
    match (to.as_mut(), time) {
        (Some(times), Some(time)) => times.add(time),
        (_, None) => *to = None,
        (None, Some(_)) => {}
    }
}

fn daemon(lab: &Lab, contender: Contender, steps: &[Step], found: &mut Found) {
    let host = kernel::fresh_host(lab);
    host.write(contender.file(), &contender.text(&steps[0].inputs));
    let watch = Watch::for_table(&host, LIMIT, &Table::new(), &steps[0].inputs.table);
    let daemon = Daemon::start(&host, contender);
    let loaded = watch.wait().map(|moment| moment - daemon.started);
    add(&mut found.steps[0], loaded);
    rest();
    found.requests[0] = requests(&daemon, 0);
    found.resident[0] = Some(memory::resident(daemon.running.pid()));
    let mut given_up = loaded.is_none();
    for (number, pair) in steps.windows(2).enumerate() {
        let since = daemon.log().len();
        let time = (!given_up).then(|| change(&host, &daemon, contender, pair));
        add(&mut found.steps[number + 1], time.flatten());
        given_up |= time.flatten().is_none();
        rest();
        let sent = requests(&daemon, since);
        found.requests[number + 1] = sent;
        if contender == Contender::Lvsd {
            let needed = pair[1].requests;
            assert_eq!(sent, needed, "{}: {}", pair[1].name, &daemon.log()[since..]);
        }
    }
    if given_up {
        found.stop = None;
        daemon.kill();
    } else {
        found.resident[1] = Some(memory::resident(daemon.running.pid()));
        add(&mut found.stop, daemon.stop(&host, LIMIT));
    }
    kernel::close(&host);
}

/// Has the daemon read the file of a step; how long that took, if it was within the limit.
fn change(host: &Host, daemon: &Daemon, contender: Contender, steps: &[Step]) -> Option<Duration> {
    let [from, to] = steps else { return None };
    let (from, to) = (&from.inputs, &to.inputs);
    if from.table == to.table {
        return Some(daemon.reload_of_the_same());
    }
    host.write(contender.file(), &contender.text(to));
    let watch = Watch::for_table(host, LIMIT, &from.table, &to.table);
    let since = daemon.log().len();
    let asked = daemon.hang_up();
    let took = watch.wait()? - asked;
    daemon.says(contender.end_of_reload(), since);
    Some(took)
}

/// The same steps by somebody who knows the difference, with `ipvsadm`.
fn by_hand(lab: &Lab, steps: &[Step], found: &mut Found) {
    let host = kernel::fresh_host(lab);
    let mut from = Table::new();
    for (number, step) in steps.iter().enumerate() {
        let rules = step.inputs.ipvsadm_rules(&from);
        found.requests[number] = rules.lines().count();
        if !rules.is_empty() {
            host.write("/run/rules", &rules);
            add(&mut found.steps[number], restore(&host));
            if found.steps[number].is_none() {
                break;
            }
            assert!(kernel::table(&host) == step.inputs.table, "{}", step.name);
        }
        from.clone_from(&step.inputs.table);
    }
    let asked = Instant::now();
    host.run("ipvsadm -C").ok();
    add(&mut found.stop, Some(asked.elapsed()));
    kernel::close(&host);
}

fn restore(host: &Host) -> Option<Duration> {
    let rules = host.within(|| File::open("/run/rules").unwrap());
    let mut command = Command::new("/usr/sbin/ipvsadm");
    command.arg("-R").stdin(rules);
    let started = Instant::now();
    let running = host.room().spawn(command);
    let Some(status) = running.wait(LIMIT) else {
        running.signal(nix::sys::signal::Signal::SIGKILL);
        return None;
    };
    assert!(status.success());
    Some(started.elapsed())
}

/// Lets a daemon come to rest: lvsd gives back what it no longer needs some seconds after a
/// reload, so that none of them finds memory that is ready for it.
fn rest() {
    std::thread::sleep(secs(4));
}

/// How many requests to change something lvsd tells of since then.
fn requests(daemon: &Daemon, since: usize) -> usize {
    let log = daemon.log();
    let told = log[since..].split("IPVS table changed ops=").skip(1);
    let number = |text: &str| text.split_whitespace().next()?.parse::<usize>().ok();
    told.filter_map(number).sum()
}

/// The memory that the program takes for a table of one real server.
fn resident_with_one(lab: &Lab, contender: Contender) -> u64 {
    let host = kernel::fresh_host(lab);
    let least = Inputs::new(1, 1);
    host.write(contender.file(), &contender.text(&least));
    let watch = Watch::for_table(&host, LIMIT, &Table::new(), &least.table);
    let daemon = Daemon::start(&host, contender);
    watch.wait().expect("one is loaded");
    rest();
    let resident = memory::resident(daemon.running.pid());
    daemon.kill();
    kernel::close(&host);
    resident
}

fn table(
    title: &str,
    rounds: usize,
    steps: &[Step],
    found: &[Found; 3],
    empty: [u64; 2],
) -> String {
    let [lvsd, keepalived, ipvsadm] = found;
    let over = format!("over {} s", LIMIT.as_secs());
    let none = || "–".to_owned();
    let time = |times: &Option<Times>| {
        times
            .as_ref()
            .map_or_else(|| over.clone(), Times::to_string)
    };
    let mut rows: Vec<_> = (0..steps.len())
        .map(|number| {
            let of = |found: &Found| time(&found.steps[number]);
            let requests = lvsd.requests[number].to_string();
            let name = steps[number].name.clone();
            vec![name, of(lvsd), requests, of(keepalived), of(ipvsadm)]
        })
        .collect();
    let stops = found.each_ref().map(|found| time(&found.stop));
    let [first, second, third] = stops;
    rows.push(vec!["stop".to_owned(), first, none(), second, third]);
    let real_servers = steps[0].inputs.real_servers() as u64;
    for (moment, when) in ["after the load", "after all changes"]
        .into_iter()
        .enumerate()
    {
        let of = |found: &Found| found.resident[moment].map_or_else(none, megabytes);
        let each = |found: &Found, empty: u64| {
            let share = found.share(moment, empty, real_servers);
            share.map_or_else(none, |bytes| format!("{bytes} B"))
        };
        let row = |name: String, lvsd: String, keepalived: String| {
            vec![name, lvsd, none(), keepalived, none()]
        };
        rows.push(row(format!("memory {when}"), of(lvsd), of(keepalived)));
        let each = (each(lvsd, empty[0]), each(keepalived, empty[1]));
        rows.push(row("memory per real server".to_owned(), each.0, each.1));
    }
    let title = format!(
        "{title} ({rounds} {})",
        if rounds == 1 { "round" } else { "rounds" }
    );
    let head = [&title, "lvsd", "requests", "keepalived", "ipvsadm -R"];
    markdown(&head, &rows)
}
