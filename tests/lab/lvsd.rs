//! lvsd on the hosts of a site: its files, its daemons, its answers.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, UdpSocket};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::host::Host;
use super::lan::Lan;
use super::program::Program;
use super::scenario::Lab;
use super::site::{Site, VIP};
use super::wait::{eventually, millis, secs, within};

/// Where a director's file is.
pub(crate) const DIRECTOR_FILE: &str = "/etc/lvsd/director.toml";

/// A director's file of the seed's site, but for what a scenario changes.
#[derive(Debug, Clone)]
pub(crate) struct DirectorFile {
    /// Tables that stand before all others: `[ipvs]` and those below it.
    pub(crate) ipvs: String,
    /// Keys of the `[[vrrp]]` table; empty: no such table.
    pub(crate) vrrp: String,
    /// Keys of the `[[virtual_server]]` table before its check and pool; empty: no such table.
    pub(crate) server: String,
    /// Keys of the check.
    pub(crate) check: String,
    /// The pool, as a TOML array.
    pub(crate) pool: String,
}

impl DirectorFile {
    /// The site of seed 000: VRRP version 2 with a password, `wrr`, direct routing, TCP checks
    /// with its intervals.
    pub(crate) fn seed(priority: u8) -> Self {
        Self {
            ipvs: String::new(),
            vrrp: format!(
                "name = 'VI_1'\ninterface = 'ens192'\nvirtual_router_id = 51\n\
                 priority = {priority}\nversion = 2\nauth_pass = '1111'\n\
                 advert_interval = '1s'\nvirtual_addresses = ['{VIP}']"
            ),
            server: format!("address = '{VIP}:80'\nscheduler = 'wrr'\nforwarding = 'dr'"),
            check: "type = 'tcp'\ninterval = '6s'\ntimeout = '10s'\nretries = 3\n\
                    retry_delay = '3s'"
                .to_owned(),
            pool: "['192.168.1.53:80', '192.168.1.54:80', '192.168.1.55:80']".to_owned(),
        }
    }

    /// The same with adverts of version 3 each 100 ms and checks each 200 ms, for scenarios
    /// that are not about the seed's times.
    pub(crate) fn quick(priority: u8) -> Self {
        let seed = Self::seed(priority);
        Self {
            vrrp: seed.vrrp.replace(
                "version = 2\nauth_pass = '1111'\nadvert_interval = '1s'",
                "advert_interval = '100ms'",
            ),
            check: "type = 'tcp'\ninterval = '200ms'\ntimeout = '2s'\nretries = 1\n\
                    retry_delay = '100ms'"
                .to_owned(),
            ..seed
        }
    }

    /// Without VRRP: a director by itself, whose VIP the scenario puts where it wants it.
    pub(crate) fn alone() -> Self {
        Self {
            vrrp: String::new(),
            ..Self::quick(100)
        }
    }

    /// Without virtual servers: a director that only moves the VIP.
    pub(crate) fn vrrp_only(priority: u8) -> Self {
        let file = Self {
            server: String::new(),
            ..Self::quick(priority)
        };
        file.adverts_each(millis(50))
    }

    /// The same with slower adverts, so that a busy lab does not elect by itself.
    pub(crate) fn steady(priority: u8) -> Self {
        Self::vrrp_only(priority).adverts_each(millis(250))
    }

    /// The same with this advert interval, stretched on slow kernels.
    fn adverts_each(self, interval: Duration) -> Self {
        let interval = within(interval).limit().as_millis();
        self.vrrp_key("advert_interval", &format!("'{interval}ms'"))
    }

    /// The same with `key = …` of the VRRP table replaced or added.
    pub(crate) fn vrrp_key(mut self, key: &str, value: &str) -> Self {
        self.vrrp = with_key(&self.vrrp, key, value);
        self
    }

    /// The same with `key = …` of the virtual server replaced or added.
    pub(crate) fn server_key(mut self, key: &str, value: &str) -> Self {
        self.server = with_key(&self.server, key, value);
        self
    }

    /// The same with `key = …` of the check replaced or added.
    pub(crate) fn check_key(mut self, key: &str, value: &str) -> Self {
        self.check = with_key(&self.check, key, value);
        self
    }

    /// The same with these tables before all others.
    pub(crate) fn ipvs(mut self, tables: &str) -> Self {
        tables.clone_into(&mut self.ipvs);
        self
    }

    /// The same with another pool, a TOML array.
    pub(crate) fn pool(mut self, pool: &str) -> Self {
        pool.clone_into(&mut self.pool);
        self
    }

    /// The file.
    pub(crate) fn text(&self) -> String {
        let Self {
            ipvs,
            vrrp,
            server,
            check,
            pool,
        } = self;
        let vrrp = if vrrp.is_empty() {
            String::new()
        } else {
            format!("[[vrrp]]\n{vrrp}\n")
        };
        if server.is_empty() {
            return vrrp;
        }
        format!(
            "{ipvs}\n{vrrp}[[virtual_server]]\n{server}\nreal_servers = {pool}\n\
             [virtual_server.check]\n{check}\n"
        )
    }
}

fn with_key(table: &str, key: &str, value: &str) -> String {
    let other = table
        .lines()
        .filter(|line| !line.starts_with(&format!("{key} = ")));
    let lines: Vec<_> = other
        .map(str::to_owned)
        .chain([format!("{key} = {value}")])
        .collect();
    lines.join("\n")
}

impl Host {
    /// Writes the file and starts a director on it.
    pub(crate) fn director(&self, file: &DirectorFile) -> Program {
        self.write(DIRECTOR_FILE, &file.text());
        self.spawn("lvsd director")
    }

    /// Writes another file and has the director read it; returns when it has, and has accepted
    /// or refused it.
    pub(crate) fn reload(&self, director: &Program, file: &str) {
        let before = self.status()["config"].clone();
        self.write(DIRECTOR_FILE, file);
        director.signal(Signal::SIGHUP);
        eventually("the file is read again", within(secs(5)), || {
            let config = &self.status()["config"];
            !config.is_null()
                && (config["loaded"] != before["loaded"] || config["refused"] != before["refused"])
        });
    }

    /// Whether an interface of the host has this address, found out without starting a program.
    pub(crate) fn holds(&self, address: &str) -> bool {
        let address: IpAddr = address.parse().unwrap();
        self.within(move || UdpSocket::bind((address, 0)).is_ok())
    }

    /// How often the first virtual router discarded a packet for this reason.
    pub(crate) fn discarded(&self, reason: &str) -> u64 {
        number(&self.status()["vrrp"][0]["discarded"][reason])
    }

    /// Starts an agent for the site's VIP.
    pub(crate) fn agent(&self) -> Program {
        self.spawn(&format!("lvsd realserver --vip {VIP}"))
    }

    /// What `lvsd status --json` of a director prints, asked for over its socket without starting
    /// a program; null while nothing answers.
    pub(crate) fn status(&self) -> Value {
        self.status_at("/run/lvsd/director.sock")
    }

    /// The same of an agent.
    pub(crate) fn agent_status(&self) -> Value {
        self.status_at("/run/lvsd/realserver.sock")
    }

    fn status_at(&self, socket: &'static str) -> Value {
        let answer = self.within(move || {
            let mut socket = UnixStream::connect(socket)?;
            socket.set_read_timeout(Some(secs(5)))?;
            socket.write_all(b"GET /v1/status HTTP/1.0\r\nHost: lvsd\r\n\r\n")?;
            let mut answer = String::new();
            socket.read_to_string(&mut answer).map(|_| answer)
        });
        let answer: String = answer.unwrap_or_default();
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body);
        serde_json::from_str(body.unwrap_or_default()).unwrap_or(Value::Null)
    }

    /// The state of the first virtual router, such as `master`.
    pub(crate) fn vrrp_state(&self) -> String {
        text(&self.status()["vrrp"][0]["state"])
    }

    /// What status says of the real server with that address.
    pub(crate) fn real_server(&self, address: &str) -> Value {
        let status = self.status();
        let servers = status["virtual_servers"].as_array().into_iter().flatten();
        let mut pool =
            servers.flat_map(|server| server["real_servers"].as_array().into_iter().flatten());
        pool.find(|server| text(&server["address"]) == address)
            .cloned()
            .unwrap_or(Value::Null)
    }

    /// `ipvsadm -Sn`, the kernel's table as its own tool writes it.
    pub(crate) fn ipvsadm(&self) -> String {
        self.run("ipvsadm -Sn").ok()
    }

    /// `ipvsadm --list --daemon`: the sync daemons that run.
    pub(crate) fn sync_daemons(&self) -> String {
        self.run("ipvsadm --list --daemon").ok()
    }

    /// Whether the kernel's table has that real server at a weight above 0.
    pub(crate) fn balances_onto(&self, real_server: &str) -> bool {
        let table = self.ipvsadm();
        let mut lines = table
            .lines()
            .filter(|line| line.contains(&format!("-r {real_server} ")));
        lines.any(|line| !line.contains("-w 0"))
    }
}

/// A JSON number; 0 where there is none.
pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

/// A JSON text without its quotes; empty where there is none.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A site whose directors and real servers run lvsd.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) site: Site,
    pub(crate) directors: [Program; 2],
    pub(crate) agents: [Program; 3],
}

impl Site {
    /// Starts an agent on each real server, then both directors.
    pub(crate) fn start(self, files: [DirectorFile; 2]) -> Running {
        let agents = self.real_servers.each_ref().map(Host::agent);
        let [first, second] = files;
        let directors = [self.lvs51.director(&first), self.lvs52.director(&second)];
        Running {
            site: self,
            directors,
            agents,
        }
    }
}

/// Two directors on a LAN with nobody else but a client: for what is VRRP's alone.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) lan: Lan,
    pub(crate) lvs51: Host,
    pub(crate) lvs52: Host,
    pub(crate) client: Host,
}

impl Pair {
    pub(crate) fn build(lab: &Lab) -> Self {
        let lan = lab.lan();
        let host = |name: &str, last: u8| {
            lan.host_with_nic(name, "ens192", &format!("192.168.1.{last}/24"))
        };
        Self {
            lvs51: host("lvs51", 51),
            lvs52: host("lvs52", 52),
            client: host("client", 10),
            lan,
        }
    }

    /// Waits until both are in these states, the VIP where it belongs, and returns how long
    /// that took.
    #[track_caller]
    pub(crate) fn become_states(&self, first: &str, second: &str) -> Duration {
        let what = format!("lvs51 is {first} and lvs52 {second}");
        eventually(&what, within(secs(10)), || {
            [(&self.lvs51, first), (&self.lvs52, second)]
                .iter()
                .all(|(host, state)| {
                    host.vrrp_state() == *state && host.holds(VIP) == (*state == "master")
                })
        })
    }
}
