//! A program started in a host, with its log.

use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::process::ExitStatus;

use nix::sys::signal::Signal;

use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

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

/// A thread that stands still until this is dropped. Only who stopped it can let it go.
#[derive(Debug)]
pub(crate) struct Stopped(Pid, PhantomData<*const ()>);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = ptrace::detach(self.0, None);
    }
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

    /// The process ids of its threads of this name, as the lab sees them. The first thread has
    /// the name of the program.
    pub(crate) fn threads(&self, name: &str) -> Vec<i32> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        let ids = tasks.filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok());
        let named = |id: &i32| {
            let comm = format!("/proc/{}/task/{id}/comm", self.pid());
            std::fs::read_to_string(comm).is_ok_and(|comm| comm.trim() == name)
        };
        ids.filter(named).collect()
    }

    /// What its threads are called, as `ps -T` and `top -H` show them.
    pub(crate) fn thread_names(&self) -> BTreeSet<String> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm"));
        let names = tasks.filter_map(|task| name(task.ok()?).ok());
        names.map(|name| name.trim().to_owned()).collect()
    }

    /// Stops one thread and no other, as a debugger does, until the guard is dropped, in the
    /// thread that made it.
    #[track_caller]
    pub(crate) fn hold(&self, thread: &str) -> Stopped {
        let [id] = self.threads(thread)[..] else {
            panic!("`{}` has not one thread {thread}", self.command);
        };
        let thread = Pid::from_raw(id);
        ptrace::seize(thread, ptrace::Options::empty()).unwrap();
        ptrace::interrupt(thread).unwrap();
        waitpid(thread, Some(WaitPidFlag::__WALL)).unwrap();
        Stopped(thread, PhantomData)
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
