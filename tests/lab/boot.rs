//! Starts a kernel, watches it, and posts the outcome of everything it was to run.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::machine::{Kernel, Purpose, Tree};
use super::results::{Board, Outcome};
use super::scenario::{Needs, Scenario};
use super::wait::{millis, secs};

/// How much of the console a failed boot shows.
const TAIL: usize = 60;

/// What the guest's console said.
#[derive(Debug)]
struct Console {
    tail: VecDeque<String>,
    last_line_at: Instant,
    up_at: Option<Instant>,
}

/// Boots a kernel and runs these scenarios in it. Every one of them has an outcome on the
/// board when this returns. Returns the time from power on to the first scenario.
pub(super) fn run(
    kernel: Kernel,
    scenarios: &[&'static Scenario],
    live: bool,
    board: &Board,
) -> Option<Duration> {
    let abandon = |why: &str| {
        for scenario in scenarios {
            if !board.has(scenario.name) {
                board.post(scenario.name, Outcome::failed(why));
            }
        }
    };
    if let Err(why) = ready(kernel) {
        abandon(&why);
        return None;
    }
    let out = shared_directory(kernel);
    let plan: String = scenarios
        .iter()
        .map(|scenario| format!("{}\n", scenario.name))
        .collect();
    fs::write(out.join("plan"), plan).unwrap();
    let begun = Instant::now();
    let mode = match scenarios {
        [
            Scenario {
                needs: Needs::Systemd(_),
                ..
            },
        ] => "inside-systemd",
        _ => "inside",
    };
    let mut guest = start(
        kernel,
        &Purpose {
            mode,
            out: &out,
            live,
            interactive: false,
        },
    );
    let console = watch(&mut guest, live);
    let why = follow(&mut guest, &console, scenarios, &out, board);
    stop(&mut guest);
    collect(scenarios, &out, board);
    let console = console.lock().unwrap();
    let tail: Vec<_> = console.tail.iter().map(String::as_str).collect();
    abandon(&format!(
        "{}: {why}; its console ended with:\n{}",
        kernel.name(),
        tail.join("\n")
    ));
    let _ = fs::remove_dir_all(&out);
    console.up_at.map(|up_at| up_at.duration_since(begun))
}

/// Whether everything is there that the kernel needs.
pub(super) fn ready(kernel: Kernel) -> Result<(), String> {
    if !Tree::lab().join("complete").exists() {
        return Err(format!(
            "{} is not there: run `make deps` first",
            Tree::lab().display()
        ));
    }
    if kernel == Kernel::Native && !nix::unistd::geteuid().is_root() {
        return Err("LVSD_LAB=native needs root".to_owned());
    }
    Ok(())
}

/// Makes the directory that the guest writes into.
pub(super) fn shared_directory(kernel: Kernel) -> PathBuf {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let run = Tree::lab().join("run");
    remove_left_behind(&run);
    let out = run.join(format!("{}-{}-{number}", kernel.name(), std::process::id()));
    let _ = fs::remove_dir_all(&out);
    fs::create_dir_all(&out).unwrap();
    out
}

/// Removes the directories of runs that were killed.
fn remove_left_behind(run: &Path) {
    for entry in fs::read_dir(run).into_iter().flatten().flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        if let Some(pid) = name.split('-').nth(1)
            && !Path::new("/proc").join(pid).exists()
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Starts the guest in a process group of its own: user-mode Linux is many processes.
fn start(kernel: Kernel, purpose: &Purpose<'_>) -> Child {
    let mut command = kernel.command(purpose);
    command
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"))
}

/// Ends the guest, whatever it is doing.
fn stop(guest: &mut Child) {
    let begun = Instant::now();
    let group = Pid::from_raw(i32::try_from(guest.id()).unwrap());
    let _ = kill(group, Signal::SIGTERM);
    while matches!(guest.try_wait(), Ok(None)) && begun.elapsed() < secs(10) {
        thread::sleep(millis(10));
    }
    let _ = killpg(group, Signal::SIGKILL);
    let _ = guest.wait();
}

/// Reads the console; with `live`, what scenarios say is printed at once.
fn watch(guest: &mut Child, live: bool) -> Arc<Mutex<Console>> {
    let console = Console {
        tail: VecDeque::new(),
        last_line_at: Instant::now(),
        up_at: None,
    };
    let console = Arc::new(Mutex::new(console));
    let pipes: [Box<dyn Read + Send>; 2] = [
        Box::new(guest.stdout.take().unwrap()),
        Box::new(guest.stderr.take().unwrap()),
    ];
    for pipe in pipes {
        let console = Arc::clone(&console);
        thread::spawn(move || {
            let mut lines = BufReader::new(pipe);
            let mut bytes = Vec::new();
            while lines
                .read_until(b'\n', &mut bytes)
                .is_ok_and(|length| length > 0)
            {
                let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
                console.lock().unwrap().take(line, live);
                bytes.clear();
            }
        });
    }
    console
}

impl Console {
    fn take(&mut self, line: String, live: bool) {
        self.last_line_at = Instant::now();
        if line == "lab: up" || line.ends_with("lab: up") {
            self.up_at.get_or_insert_with(Instant::now);
        } else if live && self.up_at.is_some() && !line.starts_with("lab: ") {
            println!("{line}");
            let _ = std::io::stdout().flush();
        }
        self.tail.push_back(line);
        if self.tail.len() > TAIL {
            self.tail.pop_front();
        }
    }
}

/// Posts outcomes until all are there, the guest ends or nothing has happened for too long;
/// says which.
fn follow(
    guest: &mut Child,
    console: &Mutex<Console>,
    scenarios: &[&'static Scenario],
    out: &Path,
    board: &Board,
) -> String {
    let begun = Instant::now();
    let longest = scenarios
        .iter()
        .map(|scenario| scenario.limit)
        .max()
        .unwrap_or_default();
    // Inside, limits are stretched by the kernel's slowness, and every begin and end is a line.
    let silence = longest * 6 + secs(120);
    let hard = std::env::var("LVSD_LAB_TIMEOUT")
        .ok()
        .and_then(|text| text.parse().ok());
    let hard = hard.map_or(secs(3600), secs);
    loop {
        collect(scenarios, out, board);
        if scenarios.iter().all(|scenario| board.has(scenario.name)) {
            return "finished".to_owned();
        }
        if let Some(status) = guest.try_wait().unwrap() {
            return format!("the kernel ended early ({status})");
        }
        if begun.elapsed() > hard {
            return format!("not finished after {} s (LVSD_LAB_TIMEOUT)", hard.as_secs());
        }
        if console.lock().unwrap().last_line_at.elapsed() > silence {
            return format!("silent for {} s", silence.as_secs());
        }
        thread::sleep(millis(50));
    }
}

fn collect(scenarios: &[&'static Scenario], out: &Path, board: &Board) {
    for scenario in scenarios {
        if !board.has(scenario.name)
            && let Some(outcome) = Outcome::load(out, scenario.name)
        {
            board.post(scenario.name, outcome);
        }
    }
}
