//! A host of its own for each test: the test's thread moves into a new network
//! namespace, and everything it starts is born there.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests: whatever goes wrong here fails the test"
)]

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub(crate) const VIP: &str = "192.168.1.200";
pub(crate) const SYSCTLS: [&str; 4] = [
    "all/arp_ignore",
    "all/arp_announce",
    "lo/arp_ignore",
    "lo/arp_announce",
];

/// How long anything may take before the test gives up on it.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Host {
    pub(crate) dir: tempfile::TempDir,
}

impl Host {
    /// Moves this thread to a host with nothing but `lo`.
    pub(crate) fn new() -> Self {
        unshare(CloneFlags::CLONE_NEWNET).unwrap_or_else(|error| {
            panic!("these tests need root, for network namespaces: {error}")
        });
        ip("link set lo up");
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// Runs `lvsd` with these arguments to its end.
    pub(crate) fn lvsd(&self, arguments: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lvsd"));
        command
            .args(arguments.split(' '))
            .env("LVSD_RUNTIME_DIR", self.dir.path().join("run"));
        command.output().unwrap()
    }

    /// Starts `lvsd realserver --vip VIP` and waits until it answers.
    pub(crate) fn start(&self) -> Agent {
        self.start_with("")
    }

    /// The same with a configuration file, unless that is empty.
    pub(crate) fn start_with(&self, config: &str) -> Agent {
        let mut agent = self.spawn(config);
        until("the agent answers", || {
            agent.assert_running();
            ready("127.0.0.1").is_some()
        });
        agent
    }

    pub(crate) fn spawn(&self, config: &str) -> Agent {
        Agent::spawn(self, &mut self.command(config))
    }

    pub(crate) fn command(&self, config: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lvsd"));
        command.args(["realserver", "--vip", VIP]);
        if !config.is_empty() {
            self.configure(config);
            command.arg("--config").arg(self.config_file());
        }
        command.env("LVSD_RUNTIME_DIR", self.dir.path().join("run"));
        command.env_remove("NOTIFY_SOCKET");
        command
    }

    pub(crate) fn configure(&self, config: &str) {
        fs::write(self.config_file(), config).unwrap();
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        self.dir.path().join("realserver.toml")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.dir.path().join("run/realserver.json")
    }
}

/// A running `lvsd realserver`; killed when dropped.
pub(crate) struct Agent {
    child: Child,
    log: PathBuf,
}

impl Agent {
    pub(crate) fn spawn(host: &Host, command: &mut Command) -> Self {
        let log = host.dir.path().join("log");
        let file = File::create(&log).unwrap();
        command.stdout(file.try_clone().unwrap()).stderr(file);
        let child = command.stdin(Stdio::null()).spawn().unwrap();
        Self { child, log }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid().try_into().unwrap());
        kill(pid, signal).unwrap();
    }

    /// Waits for it to end by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        until("the agent ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// SIGKILL: nothing of it runs when this returns.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Two signals, so that it does not drain; it must end well.
    pub(crate) fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        until("the agent drains or is gone", || {
            self.child.try_wait().unwrap().is_some() || state("127.0.0.1") == "draining"
        });
        if self.child.try_wait().unwrap().is_none() {
            self.signal(Signal::SIGTERM);
        }
        assert!(self.wait().success(), "{}", self.log());
    }

    /// What it has logged so far, without colours.
    pub(crate) fn log(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap();
        let mut parts = log.split("\x1b[");
        let plain = parts.next().unwrap_or_default().to_owned();
        parts.fold(plain, |log, part| {
            log + part.split_once('m').map_or("", |(_, rest)| rest)
        })
    }

    pub(crate) fn assert_running(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("lvsd ended with {status}: {}", self.log());
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Another host on the same wire: `eth0` here is 192.168.1.53, its is 192.168.1.10.
pub(crate) struct Neighbour {
    holder: Child,
}

impl Neighbour {
    pub(crate) fn new() -> Self {
        let holder = Command::new("unshare")
            .args(["--net", "sleep", "infinity"])
            .spawn()
            .unwrap();
        let neighbour = Self { holder };
        let here = fs::read_link("/proc/thread-self/ns/net").unwrap();
        until("the neighbour has its own namespace", || {
            fs::read_link(neighbour.namespace()).is_ok_and(|there| there != here)
        });
        let pid = neighbour.holder.id();
        ip(&format!(
            "link add eth0 type veth peer name eth0 netns {pid}"
        ));
        ip("address add 192.168.1.53/24 dev eth0");
        ip("link set eth0 up");
        neighbour.run(|| {
            ip("address add 192.168.1.10/24 dev eth0");
            ip("link set eth0 up");
            // So that a question nobody answers is given up soon.
            fs::write("/proc/sys/net/ipv4/neigh/eth0/retrans_time_ms", "50").unwrap();
        });
        neighbour
    }

    /// Whether this host answers ARP for the VIP.
    pub(crate) fn hears_of_the_vip(&self) -> bool {
        self.run(|| {
            ip("neighbour flush to 192.168.1.200");
            // Whoever listens there or not: ARP comes first.
            let _ = get(VIP, "/ready");
            ip("neighbour show to 192.168.1.200").contains("lladdr")
        })
    }

    fn namespace(&self) -> PathBuf {
        format!("/proc/{}/ns/net", self.holder.id()).into()
    }

    /// Runs `what` there.
    pub(crate) fn run<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(self.namespace()).unwrap();
        thread::scope(|scope| {
            let there = move || {
                setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
                what()
            };
            scope.spawn(there).join().unwrap()
        })
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// A connection to a port of the VIP, both ends of it: what a client is being served by.
pub(crate) fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((VIP, 80)).unwrap();
    let client = TcpStream::connect((VIP, 80)).unwrap();
    let (server, _) = listener.accept().unwrap();
    (client, server)
}

/// Runs `ip` and returns what it says.
pub(crate) fn ip(arguments: &str) -> String {
    let output = Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn has_vip() -> bool {
    ip("-o address show dev lo").contains("inet 192.168.1.200/32 ")
}

pub(crate) fn sysctl(name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/sys/net/ipv4/conf/{name}")).unwrap();
    text.trim().to_owned()
}

pub(crate) fn set_sysctl(name: &str, value: &str) {
    fs::write(format!("/proc/sys/net/ipv4/conf/{name}"), value).unwrap();
}

/// `arp_ignore` and `arp_announce` of `all`, then of `lo`.
pub(crate) fn arp() -> [String; 4] {
    SYSCTLS.map(sysctl)
}

/// Status and body of `GET /ready`; none if nobody answers.
pub(crate) fn ready(address: &str) -> Option<(u16, String)> {
    get(address, "/ready").ok()
}

/// The word in the answer: `ready`, `not-ready`, …; empty if nobody answers.
pub(crate) fn state(address: &str) -> String {
    let Some((_, body)) = ready(address) else {
        return String::new();
    };
    let value: serde_json::Value = serde_json::from_str(&body).unwrap();
    value["state"].as_str().unwrap().to_owned()
}

pub(crate) fn get(address: &str, path: &str) -> std::io::Result<(u16, String)> {
    get_with(address, path, "")
}

/// The same with more header lines, each with its end.
pub(crate) fn get_with(address: &str, path: &str, headers: &str) -> std::io::Result<(u16, String)> {
    let to = SocketAddr::new(address.parse::<IpAddr>().unwrap(), 9480);
    let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: x\r\n{headers}Connection: close\r\n\r\n"
    )?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    let status = reply.get(9..12).and_then(|code| code.parse().ok());
    let body = reply
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned());
    status.zip(body).ok_or(ErrorKind::InvalidData.into())
}

pub(crate) fn until(what: &str, condition: impl FnMut() -> bool) {
    until_within(PATIENCE, what, condition);
}

/// The same for what takes longer by design.
pub(crate) fn until_within(patience: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = now() + patience;
    while !condition() {
        assert!(now() < deadline, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[expect(clippy::disallowed_methods, reason = "a test waits in real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// What happens to the host's addresses, as `ip monitor` tells it.
pub(crate) struct Monitor {
    program: Child,
    seen: PathBuf,
}

impl Monitor {
    /// Everything from now on is seen.
    pub(crate) fn start(host: &Host) -> Self {
        let seen = host.dir.path().join("monitor");
        let program = Command::new("ip")
            .args(["-o", "monitor", "address"])
            .stdout(File::create(&seen).unwrap())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let monitor = Self { program, seen };
        monitor.catch_up_with("127.1.1.1");
        monitor
    }

    /// What was seen until now.
    pub(crate) fn seen(&self) -> String {
        self.catch_up_with("127.1.1.2");
        fs::read_to_string(&self.seen).unwrap()
    }

    fn catch_up_with(&self, marker: &str) {
        until("the monitor has caught up", || {
            ip(&format!("address replace {marker}/32 dev lo scope host"));
            fs::read_to_string(&self.seen).unwrap().contains(marker)
        });
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
