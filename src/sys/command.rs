//! Programs of the administrator, run to their end: hooks, trackers, checks.
//!
//! Each runs in a session of its own. When its time is over, or when nobody waits
//! for it any more, it is killed with everything that descends from it, in other
//! groups and sessions too ([`kill`]). When it has ended by itself, what is left of
//! its session is killed; what it put into another session (`setsid`) is a daemon
//! that is meant to stay. What was detached twice, the child of nobody in a session
//! where none of its kin is, is known by a [`mark`] in its environment. (As a subreaper
//! lvsd would be given these too, and could not tell whose they are.) Out of reach is
//! only what has a new environment besides.
//!
//! The leader is reaped last, so that its number is that of its session for as long
//! as that is looked for.
//!
//! It is told nothing by accident: its environment is `PATH`, `HOME`, `USER`, its mark and
//! what the caller adds, its directory `/`, its input empty. What it writes is
//! kept up to [`MOST_OUTPUT`], for the log.

mod descent;
mod kill;
mod mark;
mod underway;

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use nix::unistd::{User, geteuid};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, setsid};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use self::mark::Mark;
use self::underway::Underway;
pub use self::underway::all_killed;

/// So much of what a program writes is kept, in bytes.
pub const MOST_OUTPUT: usize = 2048;

/// How long is waited for one that is killed to be gone. One that waits in the kernel
/// may take longer, and what became of it is told all the same.
const DYING: Duration = Duration::from_secs(1);

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
    let (session, pipes) = match started {
        Ok(Ok(running)) => running,
        Ok(Err(error)) => return not_run(error.to_string()),
        Err(error) => return not_run(error.to_string()),
    };
    let mut kept = Vec::new();
    let ended = timeout(command.limit, pipes.watch(&mut kept)).await;
    let end = match ended {
        Ok(Ok(())) => match session.end().await {
            Ok(status) => end_of(status),
            Err(error) => End::NotRun(error.to_string()),
        },
        Ok(Err(error)) => End::NotRun(error.to_string()),
        Err(_) => {
            let _ = timeout(DYING, session.kill()).await;
            End::TimedOut(command.limit)
        }
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

fn start(command: &Command, complaints: Complaints) -> io::Result<(Session, Pipes)> {
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
        .stdout(writer.try_clone()?);
    match complaints {
        Complaints::Kept => child.stderr(writer),
        Complaints::Dropped => child.stderr(Stdio::null()),
    };
    become_user(&mut child, command.user.as_deref())?;
    let mark = Mark::new();
    child.env(mark::VARIABLE, mark.value());
    child.envs(command.environment.iter().map(|(key, value)| (key, value)));
    in_own_session(&mut child);
    let session = Session {
        leader: Some(child.spawn()?),
        mark,
    };
    // The parent's copies of the pipe's other end must not keep it open.
    drop(child);
    let pid = session.leader();
    let pid = pid.ok_or_else(|| io::Error::other("it has no number"))?;
    let exit = pidfd_open(pid, PidfdFlags::empty())?;
    let output = reader.into();
    Ok((session, Pipes { exit, output }))
}

#[expect(unsafe_code, reason = "std cannot begin a session")]
fn in_own_session(child: &mut std::process::Command) {
    // SAFETY: between fork and exec this makes one system call and takes no lock.
    unsafe {
        child.pre_exec(|| {
            setsid()?;
            Ok(())
        });
    }
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

/// A session by its leader, who is not reaped yet. Dropping it kills it with
/// everything that descends from it.
struct Session {
    leader: Option<Child>,
    mark: Mark,
}

impl Session {
    fn leader(&self) -> Option<Pid> {
        self.leader.as_ref().map(Pid::from_child)
    }

    /// What the leader, which has ended, has left in its session, is killed.
    async fn end(mut self) -> io::Result<ExitStatus> {
        let ended = spawn_blocking(move || {
            let _underway = Underway::begin();
            if let Some(leader) = self.leader() {
                kill::descent_of(leader, None);
            }
            match self.leader.take() {
                Some(mut leader) => leader.wait(),
                None => Err(io::Error::other("it was lost")),
            }
        });
        ended.await?
    }

    /// Kills it, and is told when all are gone. Goes on when it is not waited for.
    async fn kill(mut self) {
        let (tell, told) = oneshot::channel();
        self.begin_killing(move || {
            // Nobody may wait.
            let _ = tell.send(());
        });
        // An error is an end too.
        let _ = told.await;
    }

    /// In a thread: there may be many, and one may be held in the kernel for a while.
    fn begin_killing(&mut self, done: impl FnOnce() + Send + 'static) {
        let (Some(pid), Some(mut leader)) = (self.leader(), self.leader.take()) else {
            return;
        };
        let mark = self.mark.clone();
        let underway = Underway::begin();
        let killing = move || {
            kill::descent_of(pid, Some(&mark));
            done();
            drop(underway);
            leader.wait()
        };
        let named = thread::Builder::new().name("lvsd-kill".to_owned());
        if named.spawn(killing).is_err() {
            // Its descendants are out of reach without a thread; its group is not.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.begin_killing(|| {});
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod witness;
