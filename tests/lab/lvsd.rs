//! lvsd on the hosts of a site: its files, its daemons, its answers.

use serde_json::Value;

use super::host::Host;
use super::program::Program;
use super::site::{Site, VIP};

/// Where a director's file is.
pub(crate) const DIRECTOR_FILE: &str = "/etc/lvsd/director.toml";

/// A director's file of the seed's site, but for what a scenario changes.
#[derive(Debug, Clone)]
pub(crate) struct DirectorFile {
    /// Keys of the `[[vrrp]]` table; empty: no such table.
    pub(crate) vrrp: String,
    /// Keys of the `[[virtual_server]]` table before its check and pool.
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

    /// The same with another pool, a TOML array.
    pub(crate) fn pool(mut self, pool: &str) -> Self {
        pool.clone_into(&mut self.pool);
        self
    }

    /// The file.
    pub(crate) fn text(&self) -> String {
        let Self {
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
        format!(
            "{vrrp}[[virtual_server]]\n{server}\nreal_servers = {pool}\n\
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

    /// Starts an agent for the site's VIP.
    pub(crate) fn agent(&self) -> Program {
        self.spawn(&format!("lvsd realserver --vip {VIP}"))
    }

    /// `lvsd status --json`, or null while nothing answers.
    pub(crate) fn status(&self) -> Value {
        let output = self.run("lvsd status --json");
        serde_json::from_str(&output.stdout).unwrap_or(Value::Null)
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
