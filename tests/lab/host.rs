//! A host on a switch: its own network, processes, files under /etc, /var and /run, and name.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use super::journal::{self, Journal};
use super::lan::Switch;
use super::machine::Tree;
use super::program::Program;
use super::room::Room;
use super::wait::secs;

/// A host; clones are the same host.
#[derive(Debug, Clone)]
pub(crate) struct Host(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    room: Room,
    cables: Mutex<Vec<Cable>>,
    journal: Arc<Journal>,
    web: Mutex<Option<Program>>,
}

/// A network interface and the switch port it is plugged into.
#[derive(Debug, Clone)]
pub(super) struct Cable {
    pub(super) switch: Arc<Switch>,
    pub(super) port: String,
    pub(super) nic: String,
}

/// What a finished command left.
#[derive(Debug)]
pub(crate) struct Output {
    what: String,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Host {
    pub(super) fn new(name: &str, room: Room, journal: Arc<Journal>) -> Self {
        Self(Arc::new(Inner {
            name: name.to_owned(),
            room,
            cables: Mutex::default(),
            journal,
            web: Mutex::default(),
        }))
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    pub(super) fn room(&self) -> &Room {
        &self.0.room
    }

    pub(super) fn web(&self) -> &Mutex<Option<Program>> {
        &self.0.web
    }

    pub(super) fn add_cable(&self, cable: Cable) {
        self.0.cables.lock().unwrap().push(cable);
    }

    pub(super) fn cables(&self) -> Vec<Cable> {
        self.0.cables.lock().unwrap().clone()
    }

    /// Runs a shell command to its end, which must come within 60 s.
    #[track_caller]
    pub(crate) fn run(&self, command: &str) -> Output {
        let what = format!("{}# {command}", self.name());
        let (out, out_path) = self.0.journal.scratch("out");
        let (err, err_path) = self.0.journal.scratch("err");
        let running = self.0.room.spawn(shell(command, out, err));
        let Some(status) = running.wait(secs(60)) else {
            running.signal(nix::sys::signal::Signal::SIGKILL);
            panic!("{what}\nis still running after 60 s");
        };
        let output = Output {
            what,
            status,
            stdout: journal::read(&out_path),
            stderr: journal::read(&err_path),
        };
        let _ = (fs::remove_file(out_path), fs::remove_file(err_path));
        output
    }

    /// Starts a program (one command, no shell syntax that needs a shell to stay) and leaves it
    /// running. `lvsd` is the program under test.
    pub(crate) fn spawn(&self, command: &str) -> Program {
        let (log, path) = self.0.journal.log(&format!("{}# {command}", self.name()));
        let error = log.try_clone().unwrap();
        Program::new(
            command,
            self.0
                .room
                .spawn(shell(&format!("exec {command}"), log, error)),
            path,
        )
    }

    /// Runs a closure inside the host: what it opens, reads and connects is the host's. It
    /// must be short, and must not start threads or panic.
    pub(crate) fn within<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        self.0.room.within(work)
    }

    /// Writes a file in the host, with its directory. Below /etc, /var and /run the file is
    /// this host's alone.
    #[track_caller]
    pub(crate) fn write(&self, path: &str, text: &str) {
        let (file, text) = (path.to_owned(), text.to_owned());
        let written = self.within(move || {
            fs::create_dir_all(Path::new(&file).parent().unwrap())
                .and_then(|()| fs::write(&file, text))
        });
        written.unwrap_or_else(|error| panic!("{}: cannot write {path}: {error}", self.name()));
    }

    /// Reads a file in the host.
    #[track_caller]
    pub(crate) fn read(&self, path: &str) -> String {
        let file = path.to_owned();
        let text = self.within(move || fs::read_to_string(file));
        text.unwrap_or_else(|error| panic!("{}: cannot read {path}: {error}", self.name()))
    }

    /// The value of a sysctl such as `net.ipv4.conf.all.arp_ignore`.
    #[track_caller]
    pub(crate) fn sysctl(&self, key: &str) -> String {
        self.read(&sysctl_path(key)).trim().to_owned()
    }

    #[track_caller]
    pub(crate) fn set_sysctl(&self, key: &str, value: u32) {
        self.write(&sysctl_path(key), &value.to_string());
    }

    /// The addresses of an interface with their prefix lengths, such as `192.168.1.51/24`.
    #[track_caller]
    pub(crate) fn addresses(&self, nic: &str) -> Vec<String> {
        let listed = self.run(&format!("ip -o addr show dev {nic}")).ok();
        addresses_in(&listed)
    }

    /// Whether any interface holds this address (given without a prefix length).
    #[track_caller]
    pub(crate) fn has_address(&self, address: &str) -> bool {
        let listed = self.run("ip -o addr show").ok();
        addresses_in(&listed)
            .iter()
            .any(|held| held.split('/').next() == Some(address))
    }

    /// Pulls every cable of the host.
    pub(crate) fn unplug(&self) {
        self.cables()
            .iter()
            .for_each(|cable| cable.switch.set_port(&cable.port, "down"));
    }

    /// Plugs every cable of the host in again.
    pub(crate) fn plug(&self) {
        self.cables()
            .iter()
            .for_each(|cable| cable.switch.set_port(&cable.port, "up"));
    }

    /// Pulls one cable.
    pub(crate) fn unplug_nic(&self, nic: &str) {
        self.set_cable(nic, "down");
    }

    /// Plugs one cable in again.
    pub(crate) fn plug_nic(&self, nic: &str) {
        self.set_cable(nic, "up");
    }

    fn set_cable(&self, nic: &str, state: &str) {
        let cables = self.cables();
        let cable = cables.iter().find(|cable| cable.nic == nic);
        let cable = cable.unwrap_or_else(|| panic!("{} has no {nic}", self.name()));
        cable.switch.set_port(&cable.port, state);
    }

    /// Cuts the power: the cables go dead first, then every process is gone, saying nothing.
    pub(crate) fn die(&self) {
        self.unplug();
        self.close();
        self.cables()
            .iter()
            .for_each(|cable| cable.switch.remove_port(&cable.port));
    }

    pub(super) fn close(&self) {
        self.0.room.close();
    }

    /// What a failure prints about the host.
    pub(super) fn describe(&self) -> String {
        if !self.0.room.is_open() {
            return format!("--- {} is dead\n", self.name());
        }
        let shown = self.run("ip -br addr; ip route; ipvsadm -Ln 2>/dev/null || true");
        format!("--- {}\n{}{}", self.name(), shown.stdout, shown.stderr)
    }
}

impl Output {
    /// The standard output of a command that must succeed.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert!(self.status.success(), "{self}");
        self.stdout
    }

    /// The standard error of a command that must fail with this exit code.
    #[track_caller]
    pub(crate) fn fails_with(self, code: i32) -> String {
        assert_eq!(self.status.code(), Some(code), "{self}");
        self.stderr
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            what,
            status,
            stdout,
            stderr,
        } = self;
        write!(
            f,
            "{what}\nended with {status}\n--- stdout\n{stdout}--- stderr\n{stderr}"
        )
    }
}

fn shell(command: &str, out: File, err: File) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", command])
        .current_dir("/")
        .env("PATH", Tree::path())
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err);
    shell
}

fn sysctl_path(key: &str) -> String {
    format!("/proc/sys/{}", key.replace('.', "/"))
}

/// The addresses in `ip -o addr` output.
fn addresses_in(listed: &str) -> Vec<String> {
    let of_line = |line: &str| {
        let mut words = line
            .split_whitespace()
            .skip_while(|word| !matches!(*word, "inet" | "inet6"));
        words.nth(1).map(str::to_owned)
    };
    listed.lines().filter_map(of_line).collect()
}
