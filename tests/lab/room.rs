//! A host's namespaces: network, mounts, host name and processes of its own.
//!
//! One thread enters them and starts whatever runs in the host, so each program is a plain
//! child of this process: its process id, signals and exit status are the real ones.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::Signal;

use super::machine::Tree;
use super::wait::millis;

type Job = Box<dyn FnOnce() + Send>;

/// A process that may be waited for by several.
#[derive(Debug, Clone)]
pub(crate) struct Running(Arc<Mutex<Child>>);

/// The namespaces of one host.
#[derive(Debug)]
pub(crate) struct Room {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    /// The first process of the process namespace: when it dies, the kernel kills the others.
    /// The kernel's own namespaces have none that may be killed.
    holder: Option<Running>,
    children: Mutex<Vec<Running>>,
    net: Arc<File>,
}

impl Room {
    /// Makes new namespaces; `name` becomes the host name.
    pub(crate) fn open(name: &str) -> Self {
        let (jobs, queue) = mpsc::channel::<Job>();
        let (ready, opened) = mpsc::channel();
        let name = name.to_owned();
        thread::spawn(move || {
            unshare(
                CloneFlags::CLONE_NEWNS
                    | CloneFlags::CLONE_NEWNET
                    | CloneFlags::CLONE_NEWUTS
                    | CloneFlags::CLONE_NEWIPC
                    | CloneFlags::CLONE_NEWPID,
            )
            .expect("new namespaces need root");
            furnish(&name).expect("the host's own files");
            let mut holder = Command::new("setpriv")
                .args(["--pdeathsig", "KILL", "sh"])
                .arg(Tree::guest().join("host.sh"))
                .env("LAB_BUSYBOX", Tree::lab().join("root/bin/busybox"))
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut line = String::new();
            let _ = BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line);
            assert_eq!(line, "ready\n", "a host's first process did not start");
            ready.send(holder).unwrap();
            // The thread lives as long as the room: the holder dies with it.
            for job in queue {
                job();
            }
        });
        let holder = opened.recv().expect("the host's namespaces came up");
        let net = File::open(format!("/proc/{}/ns/net", holder.id())).unwrap();
        Self {
            jobs: Mutex::new(Some(jobs)),
            holder: Some(Running(Arc::new(Mutex::new(holder)))),
            children: Mutex::default(),
            net: Arc::new(net),
        }
    }

    /// The namespaces that this process itself is in.
    pub(crate) fn own() -> Self {
        let (jobs, queue) = mpsc::channel::<Job>();
        thread::spawn(move || queue.into_iter().for_each(|job| job()));
        Self {
            jobs: Mutex::new(Some(jobs)),
            holder: None,
            children: Mutex::default(),
            net: Arc::new(File::open("/proc/self/ns/net").unwrap()),
        }
    }

    /// The process id, seen from outside, of the namespaces' first process.
    pub(crate) fn pid(&self) -> u32 {
        self.holder
            .as_ref()
            .map_or_else(std::process::id, Running::pid)
    }

    /// Runs a short closure in all namespaces of the host and waits for it.
    pub(crate) fn within<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (answer, answered) = mpsc::channel();
        let job: Job = Box::new(move || {
            let _ = answer.send(work());
        });
        let jobs = self.jobs.lock().unwrap();
        jobs.as_ref()
            .expect("the host is alive")
            .send(job)
            .expect("the host's thread runs");
        drop(jobs);
        answered.recv().expect("the closure did not panic")
    }

    /// Starts a program in the host.
    pub(crate) fn spawn(&self, mut command: Command) -> Running {
        let child = self.within(move || command.spawn()).unwrap();
        let running = Running(Arc::new(Mutex::new(child)));
        let mut children = self.children.lock().unwrap();
        children.retain(|child| child.exited().is_none());
        children.push(running.clone());
        running
    }

    /// The same; what it says goes behind what the file already holds.
    pub(crate) fn spawn_with_log(&self, mut command: Command, log: &Path) -> Running {
        let file = File::options().create(true).append(true).open(log).unwrap();
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file);
        self.spawn(command)
    }

    /// The network namespace.
    pub(crate) fn net(&self) -> Arc<File> {
        Arc::clone(&self.net)
    }

    /// Kills everything that runs in the host, at once, and waits until it is gone.
    pub(crate) fn close(&self) {
        if self.jobs.lock().unwrap().is_none() {
            return;
        }
        if let Some(holder) = &self.holder {
            holder.signal(Signal::SIGKILL);
        } else {
            self.children
                .lock()
                .unwrap()
                .iter()
                .for_each(|child| child.signal(Signal::SIGKILL));
        }
        // The first process is not gone before every child of ours is waited for.
        for child in self.children.lock().unwrap().drain(..) {
            child.wait(Duration::from_secs(10));
        }
        if let Some(holder) = &self.holder {
            holder.wait(Duration::from_secs(10));
        }
        self.jobs.lock().unwrap().take();
    }

    /// Whether the host still runs.
    pub(crate) fn is_open(&self) -> bool {
        self.jobs.lock().unwrap().is_some()
    }
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.0.lock().unwrap().id()
    }

    /// The exit status, once the process has ended.
    pub(crate) fn exited(&self) -> Option<ExitStatus> {
        self.0
            .lock()
            .unwrap()
            .try_wait()
            .unwrap_or_else(|_| Some(ExitStatus::from_raw(0)))
    }

    /// Waits for the end of the process, at most this long.
    pub(crate) fn wait(&self, limit: Duration) -> Option<ExitStatus> {
        let begun = Instant::now();
        let mut pause = millis(1);
        loop {
            if let Some(status) = self.exited() {
                return Some(status);
            }
            if begun.elapsed() > limit {
                return None;
            }
            thread::sleep(pause);
            pause = (pause * 2).min(millis(20));
        }
    }

    /// Sends a signal, unless the process has already been waited for.
    pub(crate) fn signal(&self, signal: Signal) {
        let mut child = self.0.lock().unwrap();
        if let Ok(None) = child.try_wait() {
            let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
            let _ = nix::sys::signal::kill(pid, signal);
        }
    }
}

/// Gives the namespaces that this thread is in their host name and files: /etc and /var as
/// copies on write, and /run and /sys of their own. (/proc is for the first process to mount:
/// it shows the processes of who mounts it.)
fn furnish(name: &str) -> std::io::Result<()> {
    const NONE: Option<&str> = None;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    let new = |kind: &str, on: &str, data: Option<&str>| {
        mount(Some("lab"), on, Some(kind), MsFlags::empty(), data)
    };
    new("sysfs", "/sys", None)?;
    new("tmpfs", "/mnt", Some("mode=755"))?;
    for dir in ["etc", "var"] {
        fs::create_dir(format!("/mnt/{dir}"))?;
        fs::create_dir(format!("/mnt/{dir}.work"))?;
        let layers = format!("lowerdir=/{dir},upperdir=/mnt/{dir},workdir=/mnt/{dir}.work");
        new("overlay", &format!("/{dir}"), Some(&layers))?;
    }
    new("tmpfs", "/run", Some("mode=755"))?;
    fs::create_dir("/run/lock")?;
    fs::write("/proc/sys/kernel/hostname", name)?;
    fs::write("/etc/hostname", format!("{name}\n"))
}

/// Runs a closure in a thread of its own inside a network namespace.
pub(crate) fn in_net<T: Send + 'static>(
    net: Arc<File>,
    work: impl FnOnce() -> T + Send + 'static,
) -> thread::JoinHandle<T> {
    thread::spawn(move || {
        setns(&*net, CloneFlags::CLONE_NEWNET).expect("the namespace can be entered");
        work()
    })
}

/// Makes a network namespace that lives as long as the file.
pub(crate) fn new_net() -> Arc<File> {
    thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).expect("a new network namespace needs root");
        Arc::new(File::open("/proc/thread-self/ns/net").unwrap())
    })
    .join()
    .unwrap()
}
