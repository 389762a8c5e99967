//! A director that is disturbed and brought back: lvsd or keepalived with the same settings.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::hundredths;
use crate::lab::bench::memory;
use crate::lab::lvsd::DirectorFile;
use crate::lab::site::VIP;
use crate::lab::wait::millis;
use crate::lab::{Host, Program, eventually, secs, within};

/// Whose program it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Make {
    Lvsd,
    Keepalived,
}

/// What is behind the VIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    /// The director itself answers.
    Director,
    /// Real servers, through IPVS.
    RealServers,
}

/// What a director is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    pub(super) make: Make,
    pub(super) priority: u8,
    pub(super) interval: Duration,
    pub(super) behind: Behind,
}

/// A director on its host.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) host: Host,
    pub(super) kind: Kind,
    program: Option<Program>,
}

/// What a master goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Cable,
    Kill,
    Stop,
    Yield,
}

impl Fate {
    pub(super) const ALL: [Self; 4] = [Self::Cable, Self::Kill, Self::Stop, Self::Yield];

    /// What it is called, and what the way back is.
    pub(super) fn names(self) -> [&'static str; 2] {
        match self {
            Self::Cable => ["cable pulled", "cable plugged in again"],
            Self::Kill => ["kill -9", "start after the kill"],
            Self::Stop => ["clean stop", "return with preemption"],
            Self::Yield => ["yield", "reclaim"],
        }
    }
}

impl Node {
    pub(super) fn new(host: &Host, kind: Kind) -> Self {
        Self {
            host: host.clone(),
            kind,
            program: None,
        }
    }

    pub(super) fn start(&mut self) {
        let program = match self.kind.make {
            Make::Lvsd => self.host.director(&self.kind.lvsd_file()),
            Make::Keepalived => {
                let text = self.kind.keepalived_conf();
                self.host.write("/etc/keepalived/keepalived.conf", &text);
                self.host.run("rm -f /run/keepalived*.pid").ok();
                let processes = match self.kind.behind {
                    Behind::Director => "--vrrp",
                    Behind::RealServers => "",
                };
                let command = format!("keepalived --dont-fork --no-syslog {processes}");
                self.host.spawn(&command)
            }
        };
        self.program = Some(program);
    }

    pub(super) fn log(&self) -> String {
        self.program.as_ref().map_or_else(String::new, Program::log)
    }

    pub(super) fn holds(&self) -> bool {
        self.host.holds(VIP)
    }

    /// Whether lvsd can do that to it.
    pub(super) fn knows(&self, fate: Fate) -> bool {
        fate != Fate::Yield || self.kind.make == Make::Lvsd
    }

    pub(super) fn suffer(&self, fate: Fate) {
        let program = self.program.as_ref().expect("it runs");
        match fate {
            Fate::Cable => self.host.unplug(),
            Fate::Kill => kill_family(program),
            Fate::Stop => program.signal(Signal::SIGTERM),
            Fate::Yield => drop(self.host.run("lvsd vrrp yield VI_1").ok()),
        }
    }

    /// Makes it again what it was.
    pub(super) fn recover(&mut self, fate: Fate) {
        match fate {
            Fate::Cable => self.host.plug(),
            Fate::Kill | Fate::Stop => self.start(),
            Fate::Yield => drop(self.host.run("lvsd vrrp reclaim VI_1").ok()),
        }
    }

    /// Waits until what was to end has ended.
    pub(super) fn has_suffered(&self, fate: Fate) {
        let program = self.program.as_ref().expect("it ran");
        match fate {
            Fate::Kill | Fate::Stop => drop(program.wait()),
            Fate::Cable | Fate::Yield => {}
        }
        if fate != Fate::Kill {
            eventually("the address is given up", within(secs(10)), || {
                !self.holds()
            });
        }
    }
}

/// Kills a program and its children so that none of them has a last word: keepalived's child
/// says goodbye when its parent is gone, and its parent starts another when it is.
fn kill_family(program: &Program) {
    let of = |pid: u32| Pid::from_raw(i32::try_from(pid).unwrap());
    let parent = program.pid();
    let _ = kill(of(parent), Signal::SIGSTOP);
    for child in memory::family(parent).skip(1) {
        let _ = kill(of(child), Signal::SIGKILL);
    }
    let _ = kill(of(parent), Signal::SIGKILL);
}

impl Kind {
    fn lvsd_file(&self) -> DirectorFile {
        let interval = self.interval.as_millis();
        let file = DirectorFile::quick(self.priority)
            .vrrp_key("advert_interval", &format!("'{interval}ms'"));
        match self.behind {
            Behind::Director => DirectorFile {
                server: String::new(),
                ..file
            },
            Behind::RealServers => file
                .server_key("scheduler", "'mh'")
                .server_key("scheduler_flags", "['port']")
                .ipvs("[ipvs.sysctl]\nsloppy_tcp = true"),
        }
    }

    fn keepalived_conf(&self) -> String {
        let Self {
            priority, interval, ..
        } = self;
        let interval = hundredths(*interval);
        let vrrp = format!(
            "vrrp_instance VI_1 {{\n state BACKUP\n version 3\n interface ens192\n \
             virtual_router_id 51\n priority {priority}\n advert_int {interval}\n \
             virtual_ipaddress {{\n {VIP}\n }}\n}}\n"
        );
        let real_server = |last: u8| {
            format!(
                " real_server 192.168.1.{last} 80 {{\n  weight 1\n  TCP_CHECK {{\n   \
                 connect_timeout 2\n   retry 1\n   delay_before_retry 1\n  }}\n }}\n"
            )
        };
        match self.behind {
            Behind::Director => vrrp,
            Behind::RealServers => format!(
                "{vrrp}virtual_server {VIP} 80 {{\n delay_loop 1\n lvs_sched mh\n mh-port\n \
                 lvs_method DR\n protocol TCP\n{}}}\n",
                [53, 54, 55].map(real_server).concat()
            ),
        }
    }

    /// How long a backup of this kind waits for its master, at most.
    pub(super) fn patience(&self) -> Duration {
        4 * self.interval + millis(500)
    }
}
