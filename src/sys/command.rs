//! Programs of the administrator, run to their end: hooks, trackers, checks.
//!
//! Each runs in a process group of its own. When its leader ends, when its time
//! is over, or when nobody waits for it any more, the whole group is killed:
//! nothing that a script started in the background outlives it, unless it left
//! the group (`setsid`). The leader is reaped last, so that its number is that
//! of its group for as long as signals are sent there.
//!
//! It is told nothing by accident: its environment is `PATH`, `HOME`, `USER` and
//! what the caller adds, its directory `/`, its input empty. What it writes is
//! kept up to [`MOST_OUTPUT`], for the log.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, User, geteuid};
use rustix::process::{PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// So much of what a program writes is kept, in bytes.
pub const MOST_OUTPUT: usize = 2048;

/// Where programs are looked for that a script starts by name, if lvsd itself
/// was not told.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Its path and its arguments.
    pub argv: Vec<String>,
    /// Who runs it, without supplementary groups; none: whoever runs lvsd.
    pub user: Option<String>,
    /// What it is told.
    pub environment: Vec<(&'static str, String)>,
    /// How long it may run.
    pub limit: Duration,
}

/// What became of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// How it ended.
    pub end: End,
    /// The beginning of what it wrote, to standard output and error together.
    pub output: String,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// By itself, with this code.
    Exited(i32),
    /// By a signal that was not ours.
    Signalled(i32),
    /// Its time was over, and it was killed.
    TimedOut(Duration),
    /// It could not be run, and why.
    NotRun(String),
}

impl Ended {
    /// Whether it ended by itself with code 0.
    pub fn succeeded(&self) -> bool {
        self.end == End::Exited(0)
    }
}

/// Reads after the name of the program: `exits 3: no route`.
impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.end {
            End::Exited(code) => write!(f, "exits {code}")?,
            End::Signalled(signal) => write!(f, "is ended by signal {signal}")?,
            End::TimedOut(limit) => write!(f, "takes longer than {limit:?} and is killed")?,
            End::NotRun(why) => write!(f, "cannot be run: {why}")?,
        }
        match self.output.lines().find(|line| !line.trim().is_empty()) {
            Some(line) => write!(f, ": {}", line.trim()),
            None => Ok(()),
        }
    }
}

/// Runs a program to its end. Dropping the future kills it.
pub async fn run(command: &Command) -> Ended {
    run_to_end(command, Complaints::Kept).await
}

/// The same with its standard output alone: what it writes is an answer.
pub async fn answer(command: &Command) -> Ended {
    run_to_end(command, Complaints::Dropped).await
}

/// What becomes of the standard error.
#[derive(Debug, Clone, Copy)]
enum Complaints {
    Kept,
    Dropped,
}

async fn run_to_end(command: &Command, complaints: Complaints) -> Ended {
    let started = {
        let command = command.clone();
        // Looking a user up may ask a directory service, and forking a large
        // process takes a while.
        spawn_blocking(move || start(&command, complaints)).await
    };
    let not_run = |why: String| Ended {
        end: End::NotRun(why),
        output: String::new(),
    };
    let (group, pipes) = match started {
        Ok(Ok(running)) => running,
        Ok(Err(error)) => return not_run(error.to_string()),
        Err(error) => return not_run(error.to_string()),
    };
    let mut kept = Vec::new();
    let ended = timeout(command.limit, pipes.watch(&mut kept)).await;
    let end = match ended {
        Ok(Ok(())) => match group.reap() {
            Ok(status) => end_of(status),
            Err(error) => End::NotRun(error.to_string()),
        },
        Ok(Err(error)) => End::NotRun(error.to_string()),
        Err(_) => End::TimedOut(command.limit),
    };
    Ended {
        end,
        output: String::from_utf8_lossy(&kept).into_owned(),
    }
}

fn end_of(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exited(code),
        (None, signal) => End::Signalled(signal.unwrap_or_default()),
    }
}

fn start(command: &Command, complaints: Complaints) -> io::Result<(Group, Pipes)> {
    let (program, arguments) = command
        .argv
        .split_first()
        .ok_or_else(|| io::Error::other("no program is named"))?;
    let (reader, writer) = io::pipe()?;
    let mut child = std::process::Command::new(program);
    child
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or(PATH.into()))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .process_group(0);
    match complaints {
        Complaints::Kept => child.stderr(writer),
        Complaints::Dropped => child.stderr(Stdio::null()),
    };
    become_user(&mut child, command.user.as_deref())?;
    child.envs(command.environment.iter().map(|(key, value)| (key, value)));
    let group = Group(Some(child.spawn()?));
    // The parent's copies of the pipe's other end must not keep it open.
    drop(child);
    let pid = group
        .pid()
        .and_then(|pid| rustix::process::Pid::from_raw(pid.as_raw()));
    let pid = pid.ok_or_else(|| io::Error::other("it has no number"))?;
    let exit = pidfd_open(pid, PidfdFlags::empty())?;
    let output = reader.into();
    Ok((group, Pipes { exit, output }))
}

/// As root, `uid` drops every supplementary group too.
fn become_user(child: &mut std::process::Command, name: Option<&str>) -> io::Result<()> {
    let user = match name {
        Some(name) => User::from_name(name)?,
        None => User::from_uid(geteuid())?,
    };
    let Some(user) = user else {
        return match name {
            Some(name) => Err(io::Error::other(format!("there is no user {name}"))),
            None => Ok(()),
        };
    };
    child.env("USER", &user.name).env("HOME", &user.dir);
    if name.is_some() && user.uid != geteuid() {
        child.gid(user.gid.as_raw()).uid(user.uid.as_raw());
    }
    Ok(())
}

/// What is heard of a program under way.
struct Pipes {
    /// Readable when the leader has ended.
    exit: OwnedFd,
    output: OwnedFd,
}

impl Pipes {
    /// Waits until the leader has ended, keeping what is written meanwhile.
    async fn watch(self, kept: &mut Vec<u8>) -> io::Result<()> {
        let exit = readable(self.exit)?;
        let output = pipe::Receiver::from_owned_fd(self.output)?;
        let mut open = true;
        loop {
            tokio::select! {
                ended = exit.readable() => {
                    drop(ended?);
                    // What it wrote last.
                    while open && kept.len() < MOST_OUTPUT {
                        open = take(&output, kept).is_ok_and(|taken| taken > 0);
                    }
                    return Ok(());
                }
                ready = output.readable(), if open => {
                    ready?;
                    open = match take(&output, kept) {
                        Ok(taken) => taken > 0,
                        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
                    };
                }
            }
        }
    }
}

#[expect(
    unsafe_code,
    reason = "tokio cannot know that a descriptor stays the same one"
)]
fn readable(exit: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is one open descriptor from beginning to end, and the
    // `AsyncFd` owns it.
    Ok(unsafe { AsyncFd::register_with_interest(exit, Interest::READABLE) }?)
}

/// Takes what there is, keeping what still has room; 0: nobody writes any more.
fn take(output: &pipe::Receiver, kept: &mut Vec<u8>) -> io::Result<usize> {
    let mut buffer = [0; 4096];
    let taken = output.try_read(&mut buffer)?;
    let room = MOST_OUTPUT.saturating_sub(kept.len()).min(taken);
    kept.extend_from_slice(&buffer[..room]);
    Ok(taken)
}

/// A process group by its leader, who is not reaped yet.
struct Group(Option<Child>);

impl Group {
    fn pid(&self) -> Option<Pid> {
        let leader = self.0.as_ref()?;
        i32::try_from(leader.id()).ok().map(Pid::from_raw)
    }

    fn kill(&mut self) {
        if let Some(pid) = self.pid() {
            // There may be nobody left in it.
            let _ = killpg(pid, Signal::SIGKILL);
        }
    }
}

impl Group {
    /// Ends what is left of it, then its leader's entry.
    fn reap(mut self) -> io::Result<ExitStatus> {
        self.kill();
        match self.0.take() {
            Some(mut leader) => leader.wait(),
            None => Err(io::Error::other("it was lost")),
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
        if let Some(mut leader) = self.0.take() {
            // A killed process may still be held in the kernel for a while; the
            // thread ends with it.
            std::thread::spawn(move || leader.wait());
        }
    }
}

#[cfg(test)]
mod tests;
