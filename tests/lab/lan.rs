//! A switch and the hosts on it.

use std::fs::File;
use std::io::Write as _;
use std::net::IpAddr;
use std::os::fd::AsRawFd as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::host::{Cable, Host};
use super::journal::Journal;
use super::room::{Room, in_net, new_net};

/// A LAN: one switch, a bridge in a network namespace of its own.
#[derive(Debug, Clone)]
pub(crate) struct Lan {
    switch: Arc<Switch>,
    journal: Arc<Journal>,
    hosts: Arc<Mutex<Vec<Host>>>,
}

/// The switch itself.
#[derive(Debug)]
pub(crate) struct Switch {
    net: Arc<File>,
    ports: AtomicUsize,
}

impl Lan {
    pub(super) fn new(journal: Arc<Journal>, hosts: Arc<Mutex<Vec<Host>>>) -> Self {
        let switch = Switch {
            net: new_net(),
            ports: AtomicUsize::new(0),
        };
        // Multicast snooping would keep adverts from ports that nobody asked on.
        switch.ip("link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0\nlink set br0 up");
        Self {
            switch: Arc::new(switch),
            journal,
            hosts,
        }
    }

    /// Puts a host with one interface, `eth0`, on the switch.
    pub(crate) fn host(&self, name: &str, address: &str) -> Host {
        self.host_with_nic(name, "eth0", address)
    }

    /// Puts a host on the switch, naming its interface.
    pub(crate) fn host_with_nic(&self, name: &str, nic: &str, address: &str) -> Host {
        self.add(
            Host::new(name, Room::open(name), Arc::clone(&self.journal)),
            nic,
            address,
        )
    }

    /// Puts the kernel's own namespaces on the switch, where systemd and its units run: only for
    /// scenarios under systemd, which have their boot for themselves.
    pub(crate) fn this_machine(&self, nic: &str, address: &str) -> Host {
        self.add(
            Host::new("machine", Room::own(), Arc::clone(&self.journal)),
            nic,
            address,
        )
    }

    fn add(&self, host: Host, nic: &str, address: &str) -> Host {
        self.hosts.lock().unwrap().push(host.clone());
        self.connect(&host, nic, address);
        host
    }

    /// Gives a host that exists another interface, on this switch: a router, for instance.
    pub(crate) fn connect(&self, host: &Host, nic: &str, address: &str) {
        let number = self.switch.ports.fetch_add(1, Ordering::Relaxed);
        let port = format!("{:.10}.{number}", host.name());
        let (pid, mac) = (host.room().pid(), mac(address));
        self.switch.ip(&format!(
            "link add {port} type veth peer name {nic} address {mac} netns {pid}\nlink set {port} master br0 up"
        ));
        let nodad = if address.contains(':') { "nodad" } else { "" };
        ip_in(
            host.room().net(),
            &format!("link set lo up\naddr add {address} dev {nic} {nodad}\nlink set {nic} up"),
        );
        let switch = Arc::clone(&self.switch);
        host.add_cable(Cable {
            switch,
            port,
            nic: nic.to_owned(),
        });
    }

    /// Loses this percentage of the host's packets in each direction; 0 ends it.
    pub(crate) fn loss(&self, host: &Host, percent: u32) {
        self.disturb(host, &format!("loss {percent}%"));
    }

    /// Delays the host's packets in each direction; zero ends it.
    pub(crate) fn delay(&self, host: &Host, by: Duration) {
        self.disturb(host, &format!("delay {}us", by.as_micros()));
    }

    fn disturb(&self, host: &Host, how: &str) {
        for Cable { switch, port, nic } in host.cables() {
            if Arc::ptr_eq(&switch, &self.switch) {
                let netem = |device: &str| {
                    format!("tc qdisc replace dev {device} root netem limit 10000 {how}")
                };
                switch.run(&netem(&port));
                run_in(host.room().net(), &netem(&nic));
            }
        }
    }

    /// Runs a command at the switch, where every port has the name of its host: `tcpdump -i br0`.
    pub(crate) fn run(&self, command: &str) -> String {
        self.switch.run(command)
    }
}

impl Switch {
    /// Its network namespace, for as long as this process lives.
    pub(super) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.net.as_raw_fd())
    }

    pub(super) fn set_port(&self, port: &str, state: &str) {
        self.ip(&format!("link set {port} {state}"));
    }

    pub(super) fn remove_port(&self, port: &str) {
        // The port may have gone with the namespace at its other end.
        self.run(&format!("ip link del {port} 2>/dev/null || true"));
    }

    fn ip(&self, lines: &str) {
        ip_in(Arc::clone(&self.net), lines);
    }

    fn run(&self, command: &str) -> String {
        run_in(Arc::clone(&self.net), command)
    }
}

/// The MAC address of an interface, told by its IP address: 02:00:c0:a8:01:33 is 192.168.1.51.
/// A host that comes back has the one it had.
fn mac(address: &str) -> String {
    let ip: IpAddr = address
        .split('/')
        .next()
        .and_then(|ip| ip.parse().ok())
        .expect("an address");
    let [a, b, c, d] = match ip {
        IpAddr::V4(ip) => ip.octets(),
        IpAddr::V6(ip) => ip.octets().last_chunk().copied().expect("sixteen octets"),
    };
    format!(
        "02:{:02x}:{a:02x}:{b:02x}:{c:02x}:{d:02x}",
        u8::from(ip.is_ipv6())
    )
}

/// Runs lines of `ip -batch` in a network namespace.
#[track_caller]
fn ip_in(net: Arc<File>, lines: &str) {
    let text = format!("{lines}\n");
    let output = in_net(net, move || {
        let mut ip = Command::new("ip")
            .args(["-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        ip.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        ip.wait_with_output().unwrap()
    });
    let output = output.join().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip -batch:\n{lines}\n{errors}");
}

/// Runs a shell command in a network namespace.
#[track_caller]
fn run_in(net: Arc<File>, command: &str) -> String {
    let text = command.to_owned();
    let output = in_net(net, move || {
        Command::new("sh").args(["-c", &text]).output().unwrap()
    });
    let output = output.join().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
