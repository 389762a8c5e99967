//! Two directors that send adverts at several intervals, and what is laid on them.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::inputs::Inputs;
use crate::lab::lvsd::Pair;
use crate::lab::room::in_net;
use crate::lab::wait::{millis, secs};
use crate::lab::{Host, Lab, Program, eventually, within};

/// Who sends the adverts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Make {
    Lvsd,
    Keepalived,
}

/// How the scheduler is to treat the threads that send adverts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Priority {
    /// As it comes.
    Usual,
    /// `SCHED_FIFO` with priority 50, and no page swapped out.
    RealTime,
}

/// What the directors have to do besides.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Load {
    /// 10,000 TCP checks, each once in this time. With IPVS they are the director's own; without
    /// it an agent of lvsd on the same host makes them.
    pub(super) checks_each: Option<Duration>,
    /// 1,000 virtual servers with 10 real servers each, which nobody checks. With IPVS only.
    pub(super) table: bool,
    /// The file is read again so often; with a table, it has other real servers each time.
    pub(super) reload_each: Option<Duration>,
}

const VIRTUAL_SERVERS: u32 = 1_000;
const REAL_SERVERS: u32 = 10_000;

/// The host where the real servers are, all of them.
const FARM: &str = "192.168.1.60";

/// One virtual router of each director.
#[derive(Debug, Clone, Copy)]
pub(super) struct Router {
    pub(super) vrid: u8,
    pub(super) interval: Duration,
}

/// Both directors at work.
pub(super) struct Burdened {
    pub(super) pair: Pair,
    pub(super) programs: [Program; 2],
    make: Make,
    files: [[String; 2]; 2],
    checks: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    reloads: Option<JoinHandle<usize>>,
}

impl Burdened {
    /// Starts them, and returns when the first is master of everything and the load is on.
    pub(super) fn start(
        lab: &Lab,
        make: Make,
        priority: Priority,
        routers: &[Router],
        load: Load,
    ) -> Self {
        let has_ipvs = lab_has_ipvs();
        let pair = Pair::build(lab);
        let checks = farm(&pair);
        let own_checks = load.checks_each.filter(|_| has_ipvs);
        let files = [150, 100].map(|router_priority| {
            let inputs = Inputs::new(VIRTUAL_SERVERS, REAL_SERVERS);
            let servers = load.table || own_checks.is_some();
            let other = if load.table {
                inputs.with_all_replaced()
            } else {
                inputs.clone()
            };
            [inputs, other].map(|inputs| {
                let routers = routers_of(make, routers, router_priority);
                let servers = if servers {
                    servers_of(make, &inputs, own_checks)
                } else {
                    String::new()
                };
                format!("{}\n{routers}{servers}", priority_of(make, priority))
            })
        });
        let hosts = [&pair.lvs51, &pair.lvs52];
        if let Some(each) = load.checks_each.filter(|_| !has_ipvs) {
            hosts.iter().for_each(|host| agent(host, each));
        }
        let servers = load.table || own_checks.is_some();
        let programs = [0, 1].map(|of| start(make, hosts[of], &files[of][0], servers));
        let burdened = Self {
            pair,
            programs,
            make,
            files,
            checks,
            stop: Arc::default(),
            reloads: None,
        };
        burdened.settle(routers, load);
        burdened.reloading(load.reload_each)
    }

    fn settle(&self, routers: &[Router], load: Load) {
        let is_master = |router: &Router| {
            let vip = vip(router.vrid);
            self.pair.lvs51.holds(&vip) && !self.pair.lvs52.holds(&vip)
        };
        // Two that have just been started may change places once more.
        let mut since = None;
        eventually("the first is master for a second", within(secs(60)), || {
            if routers.iter().all(is_master) {
                since.get_or_insert_with(Instant::now).elapsed() > secs(1)
            } else {
                since = None;
                false
            }
        });
        if load.checks_each.is_some() {
            eventually("the checks run", within(secs(60)), || {
                self.checks() > 20_000
            });
        }
    }

    /// Connections of checks so far.
    pub(super) fn checks(&self) -> usize {
        self.checks.load(Ordering::Relaxed)
    }

    fn reloading(mut self, each: Option<Duration>) -> Self {
        let Some(each) = each else { return self };
        let stop = Arc::clone(&self.stop);
        let hosts = [self.pair.lvs51.clone(), self.pair.lvs52.clone()];
        let programs = self.programs.clone();
        let files = self.files.clone();
        let path = self.make.file();
        self.reloads = Some(thread::spawn(move || {
            let mut done = 0;
            while !stop.load(Ordering::Relaxed) {
                thread::sleep(each);
                done += 1;
                for of in [0, 1] {
                    hosts[of].write(path, &files[of][done % 2]);
                    programs[of].signal(Signal::SIGHUP);
                }
            }
            done
        }));
        self
    }

    /// Ends everything; the number of reloads of each director.
    pub(super) fn end(mut self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        let reloads = self.reloads.take();
        let reloads = reloads.map_or(0, |thread| thread.join().unwrap());
        for host in [&self.pair.lvs51, &self.pair.lvs52, &self.pair.client] {
            host.die();
        }
        reloads
    }
}

impl Priority {
    /// What is said behind a sender's name.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Usual => "",
            Self::RealTime => ", real time",
        }
    }
}

impl Make {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Lvsd => "lvsd",
            Self::Keepalived => "keepalived",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::Lvsd => "/etc/lvsd/director.toml",
            Self::Keepalived => "/etc/keepalived/keepalived.conf",
        }
    }
}

/// Whether directors can have virtual servers here.
pub(super) fn lab_has_ipvs() -> bool {
    std::path::Path::new("/proc/net/ip_vs").exists()
}

fn vip(vrid: u8) -> String {
    format!("192.168.1.{}", 149 + u16::from(vrid))
}

fn start(make: Make, host: &Host, file: &str, servers: bool) -> Program {
    host.write(make.file(), file);
    match (make, servers) {
        (Make::Lvsd, _) => host.spawn("lvsd director"),
        (Make::Keepalived, false) => host.spawn("keepalived --dont-fork --no-syslog --vrrp"),
        (Make::Keepalived, true) => host.spawn("keepalived --dont-fork --no-syslog"),
    }
}

fn priority_of(make: Make, priority: Priority) -> &'static str {
    match (priority, make) {
        (Priority::Usual, _) => "",
        (Priority::RealTime, Make::Lvsd) => "[director]\nrealtime_priority = 50",
        (Priority::RealTime, Make::Keepalived) => {
            "global_defs {\n vrrp_rt_priority 50\n vrrp_no_swap\n}"
        }
    }
}

fn routers_of(make: Make, routers: &[Router], priority: u8) -> String {
    let mut text = String::new();
    for Router { vrid, interval } in routers {
        let vip = vip(*vrid);
        match make {
            Make::Lvsd => write!(
                text,
                "[[vrrp]]\nname = 'VI_{vrid}'\ninterface = 'ens192'\nvirtual_router_id = {vrid}\n\
                 priority = {priority}\nadvert_interval = '{}ms'\nvirtual_addresses = ['{vip}']\n",
                interval.as_millis()
            ),
            Make::Keepalived => write!(
                text,
                "vrrp_instance VI_{vrid} {{\n state BACKUP\n version 3\n interface ens192\n \
                 virtual_router_id {vrid}\n priority {priority}\n advert_int {:.2}\n \
                 virtual_ipaddress {{\n {vip}\n }}\n}}\n",
                interval.as_secs_f64()
            ),
        }
        .unwrap();
    }
    text
}

fn servers_of(make: Make, inputs: &Inputs, checks_each: Option<Duration>) -> String {
    let text = match make {
        Make::Lvsd => inputs.director_toml(),
        Make::Keepalived => inputs.keepalived_conf(),
    };
    let Some(each) = checks_each.map(|each| each.as_secs()) else {
        return text;
    };
    match make {
        Make::Lvsd => text.replace(
            "check = { type = \"none\" }",
            &format!("check = {{ type = \"tcp\", interval = \"{each}s\", timeout = \"5s\" }}"),
        ),
        Make::Keepalived => text
            .replace(
                "    lvs_sched",
                &format!("    delay_loop {each}\n    lvs_sched"),
            )
            .replace(
                "weight 1\n",
                "weight 1\n        TCP_CHECK {\n            connect_timeout 5\n        }\n",
            ),
    }
}

/// An agent that makes 10,000 checks.
fn agent(host: &Host, each: Duration) {
    let inputs = Inputs::new(VIRTUAL_SERVERS, REAL_SERVERS);
    let mut text = String::from(
        "vips = ['10.99.0.1']\nwatch_arp = false\n[readiness]\nlisten = '127.0.0.1:9480'\n",
    );
    let pools = inputs
        .table
        .values()
        .flat_map(|server| server.real_servers.keys());
    for (number, rip) in pools.enumerate() {
        write!(
            text,
            "[[service]]\nname = 's{number}'\ncheck = {{ type = 'tcp', address = '{rip}', \
             interval = '{}s', timeout = '5s' }}\n",
            each.as_secs()
        )
        .unwrap();
    }
    host.write("/etc/lvsd/realserver.toml", &text);
    host.spawn("lvsd realserver --config /etc/lvsd/realserver.toml");
}

/// Has the client's host answer for every real server, and counts the connections.
fn farm(pair: &Pair) -> Arc<AtomicUsize> {
    let farm = &pair.client;
    let every_address =
        format!("ip addr add {FARM}/24 dev ens192 && ip route add local 10.0.0.0/8 dev lo");
    farm.run(&every_address).ok();
    farm.set_sysctl("net.core.somaxconn", 16_384);
    for host in [&pair.lvs51, &pair.lvs52] {
        host.run(&format!("ip route add 10.0.0.0/8 via {FARM}"))
            .ok();
    }
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let listener = in_net(farm.room().net(), || {
        TcpListener::bind((Ipv4Addr::UNSPECIFIED, 80)).unwrap()
    });
    let listener = listener.join().unwrap();
    thread::spawn(move || {
        loop {
            match listener.accept() {
                Ok(_) => counted.fetch_add(1, Ordering::Relaxed),
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Err(_) => return,
            };
        }
    });
    thread::sleep(millis(1));
    count
}
