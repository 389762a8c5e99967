//! How long what others take away is gone.

use std::fs;
use std::net::IpAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use lvsd::lvs::Prefixed;
use lvsd::sys::rtnetlink::{Change, Changes, Rtnetlink};

use super::{Agent, Bench, FILE, VIP, settled};
use crate::lab::Host;
use crate::lab::bench::figures::Times;
use crate::lab::room::in_net;
use crate::lab::wait::{eventually, millis, secs, within};

/// What is told of it.
pub(super) struct Lost {
    pub(super) vip: Times,
    pub(super) sysctl: Times,
}

impl Lost {
    /// Takes away the VIP and a parameter in turn, each time at another moment of the second in
    /// which the agent looks around by itself.
    pub(super) fn measure(host: &Host, rounds: usize) -> Self {
        let (mut vip, mut sysctl) = (Times::default(), Times::default());
        let mut moments = Moments(1);
        for _ in 0..rounds {
            std::thread::sleep(moments.next());
            vip.add(vip_deleted(host));
            std::thread::sleep(moments.next());
            sysctl.add(sysctl_written(host));
        }
        settled(host);
        Self { vip, sysctl }
    }
}

/// Moments within a second, the same in each run.
struct Moments(u64);

impl Moments {
    fn next(&mut self) -> Duration {
        // The generator of Knuth's MMIX; its upper bits are the better ones.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        millis((self.0 >> 33) % 1000)
    }
}

/// From the kernel's report that it is gone to its report that it is back.
fn vip_deleted(host: &Host) -> Duration {
    let watching = in_net(host.room().net(), || {
        at_once();
        asynchronously(async {
            let mut changes = Changes::subscribe().unwrap();
            let netlink = Rtnetlink::open().unwrap();
            let vip: IpAddr = VIP.parse().unwrap();
            let asked = Instant::now();
            netlink
                .delete_address(1, Prefixed::host(vip))
                .await
                .unwrap();
            tokio::time::timeout(secs(10), back(&mut changes, vip))
                .await
                .expect("it is back");
            asked.elapsed()
        })
    });
    watching.join().unwrap()
}

/// Has this thread run as soon as it is told something: else it would read of a loss and its
/// repair together.
fn at_once() {
    let thread = nix::unistd::gettid().to_string();
    let chosen = Command::new("chrt")
        .args(["--fifo", "--pid", "50", &thread])
        .status();
    assert!(chosen.unwrap().success(), "chrt");
}

async fn back(changes: &mut Changes, vip: IpAddr) {
    while let Some(change) = changes.next().await {
        if matches!(change, Change::Address(address) if address.address.address == vip) {
            return;
        }
    }
}

pub(super) fn asynchronously<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(work)
}

fn sysctl_written(host: &Host) -> Duration {
    let took = host.within(|| {
        let file = "/proc/sys/net/ipv4/conf/all/arp_ignore";
        fs::write(file, "0").ok()?;
        let written = Instant::now();
        while fs::read_to_string(file).ok()?.trim() == "0" {
            if written.elapsed() > secs(10) {
                return None;
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        Some(written.elapsed())
    });
    took.expect("it is put back within 10 s")
}

/// systemd-networkd manages the interface that the VIP is on. That is not `lo`, from which it
/// takes away nothing but what it has set itself; so the VIP is on one that speaks no ARP.
pub(super) fn networkd(bench: &Bench, rounds: usize) -> Times {
    let host = &bench.host;
    host.run(
        "ip link add vip0 type veth peer name vip1 && ip link set vip1 up && \
         ip link set vip0 arp off up && \
         mkdir -p /run/systemd/netif/links /run/systemd/netif/leases /run/udev/data && \
         chown -R systemd-network /run/systemd/netif",
    )
    .ok();
    host.write(
        "/etc/systemd/network/10-vip0.network",
        "[Match]\nName=vip0\n[Network]\nAddress=10.9.9.9/32\n",
    );
    // As udev leaves it: what it has not seen, networkd does not touch.
    host.run(
        "touch /run/udev/control && for index in $(cat /sys/class/net/*/ifindex); do \
         echo I:1 >/run/udev/data/n$index; done",
    )
    .ok();
    let file = format!("vips = [\"{VIP}\"]\ninterface = \"vip0\"\ndrain = \"0s\"\n");
    host.write(FILE, &file);
    let agent = Agent::start(host);
    agent.ready();
    let mut times = Times::default();
    for _ in 0..rounds {
        times.add(one_restart(host));
        settled(host);
    }
    agent.stop();
    host.run("ip link del vip0").ok();
    times
}

/// Starts networkd, and says for how long the VIP was gone.
fn one_restart(host: &Host) -> Duration {
    let (ready, subscribed) = std::sync::mpsc::channel();
    let watching = in_net(host.room().net(), move || {
        at_once();
        asynchronously(async {
            let mut changes = Changes::subscribe().unwrap();
            ready.send(()).unwrap();
            let vip: IpAddr = VIP.parse().unwrap();
            let both = async {
                gone(&mut changes, vip).await;
                let gone = Instant::now();
                back(&mut changes, vip).await;
                gone.elapsed()
            };
            tokio::time::timeout(secs(20), both).await.ok()
        })
    });
    subscribed.recv().unwrap();
    let networkd = host.spawn("/lib/systemd/systemd-networkd");
    let took = watching.join().unwrap();
    let took = took.unwrap_or_else(|| panic!("networkd took the VIP away:\n{}", networkd.log()));
    eventually("networkd has done its own", within(secs(20)), || {
        host.has_address("10.9.9.9")
    });
    networkd.terminate();
    host.run("ip address del 10.9.9.9/32 dev vip0").ok();
    took
}

async fn gone(changes: &mut Changes, vip: IpAddr) {
    while let Some(change) = changes.next().await {
        if matches!(change, Change::AddressGone { address, .. } if address == vip) {
            return;
        }
    }
}
