//! The two daemons that are compared: how each is told what to hold, started and asked to
//! reload.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::signal::Signal;

use super::inputs::Inputs;
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

    /// What it says when it has read its file again and done what that takes.
    pub(super) fn end_of_reload(self) -> &'static str {
        match self {
            // At level debug.
            Self::Lvsd => "IPVS table is as wanted",
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
    log: PathBuf,
}

impl Daemon {
    pub(super) fn start(host: &Host, contender: Contender) -> Self {
        let log = PathBuf::from(format!("/run/lab/{}.log", host.name()));
        let out = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let mut command = contender.command();
        command
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out);
        let started = Instant::now();
        Self {
            running: host.room().spawn(command),
            log,
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

    pub(super) fn kill(&self) {
        self.running.signal(Signal::SIGKILL);
        self.running.wait(secs(60));
    }
}
