//! The two daemons that are compared: how each is told what to hold, started and asked to
//! reload.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::inputs::Inputs;
use super::kernel::{self, Watch};
use crate::lab::Host;
use crate::lab::room::Running;
use crate::lab::wait::{millis, secs};

/// A program that holds the table to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contender {
    Lvsd,
    Keepalived,
}

impl Contender {
    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Lvsd => "/etc/lvsd/director.toml",
            Self::Keepalived => "/etc/keepalived/keepalived.conf",
        }
    }

    pub(super) fn text(self, inputs: &Inputs) -> String {
        match self {
            Self::Lvsd => inputs.director_toml(),
            Self::Keepalived => inputs.keepalived_conf(),
        }
    }

    /// What it says when it has read its file again, and done what that takes or given it to
    /// another thread.
    pub(super) fn end_of_reload(self) -> &'static str {
        match self {
            Self::Lvsd => " reloaded ",
            Self::Keepalived => "Reload complete",
        }
    }

    /// Started directly: a shell would count for it.
    fn command(self) -> Command {
        match self {
            Self::Lvsd => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_lvsd"));
                command
                    .args(["director", "--config", self.file()])
                    .env("LVSD_LOG", "info,lvsd::director::reconcile=debug");
                command
            }
            Self::Keepalived => {
                let mut command = Command::new("/usr/sbin/keepalived");
                command.args(["-n", "-l", "-G", "-f", self.file()]);
                command
            }
        }
    }
}

/// A daemon that runs, and what it writes.
pub(super) struct Daemon {
    pub(super) running: Running,
    pub(super) started: Instant,
    contender: Contender,
    log: PathBuf,
}

impl Daemon {
    pub(super) fn start(host: &Host, contender: Contender) -> Self {
        let log = PathBuf::from(format!("/run/lab/{}.log", host.name()));
        let started = Instant::now();
        Self {
            running: host.room().spawn_with_log(contender.command(), &log),
            log,
            contender,
            started,
        }
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until it has said this since its log was so long.
    pub(super) fn says(&self, text: &str, since: usize) {
        let begun = Instant::now();
        while !self.log()[since..].contains(text) {
            assert!(
                begun.elapsed() < secs(120),
                "never said {text:?}:\n{}",
                self.log()
            );
            std::thread::sleep(millis(1));
        }
    }

    pub(super) fn hang_up(&self) -> Instant {
        let now = Instant::now();
        self.running.signal(Signal::SIGHUP);
        now
    }

    /// How long it takes to read the file that is there again.
    pub(super) fn reload_of_the_same(&self) -> Duration {
        let since = self.log().len();
        let asked = self.hang_up();
        self.says(self.contender.end_of_reload(), since);
        asked.elapsed()
    }

    /// How long it takes to end and to leave an empty table; none: longer than that.
    pub(super) fn stop(&self, host: &Host, limit: Duration) -> Option<Duration> {
        let watch = Watch::begin(host, limit, |_| kernel::is_empty().then(Instant::now));
        let asked = Instant::now();
        self.running.signal(Signal::SIGTERM);
        let ended = self.running.wait(limit).map(|_| Instant::now())?;
        Some(watch.wait()?.max(ended) - asked)
    }

    pub(super) fn kill(&self) {
        self.running.signal(Signal::SIGKILL);
        self.running.wait(secs(60));
    }
}
