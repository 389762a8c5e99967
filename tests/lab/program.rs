//! A program started in a host, with its log.

use std::path::PathBuf;
use std::process::ExitStatus;

use nix::sys::signal::Signal;

use super::journal;
use super::room::Running;
use super::wait::secs;

/// A program that runs, or ran, in a host. It ends with its host, not with this handle.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    command: String,
    running: Running,
    log: PathBuf,
}

impl Program {
    pub(super) fn new(command: &str, running: Running, log: PathBuf) -> Self {
        Self {
            command: command.to_owned(),
            running,
            log,
        }
    }

    /// Its process id as the lab sees it (the host itself may number it differently).
    pub(crate) fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Everything it has written so far, standard output and error together.
    pub(crate) fn log(&self) -> String {
        journal::read(&self.log)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.exited().is_none()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.running.signal(signal);
    }

    /// Kills it as `kill -9` does, and waits until it is gone.
    pub(crate) fn kill9(&self) {
        self.signal(Signal::SIGKILL);
        self.wait();
    }

    /// Asks it to stop (SIGTERM) and waits for its exit status.
    pub(crate) fn terminate(&self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.wait()
    }

    /// Waits for its end, at most 60 s.
    pub(crate) fn wait(&self) -> ExitStatus {
        let ended = self.running.wait(secs(60));
        ended.unwrap_or_else(|| panic!("`{}` did not end within 60 s", self.command))
    }

    /// Waits for its end; panics with the log when it exits otherwise than with this code.
    pub(crate) fn expect_exit(&self, code: i32) {
        let status = self.wait();
        let log = self.log();
        assert_eq!(
            status.code(),
            Some(code),
            "`{}` ended with {status}:\n{log}",
            self.command
        );
    }
}
