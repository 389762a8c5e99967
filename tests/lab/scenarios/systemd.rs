//! The units as `make install` puts them there: at boot, in failure, at reload and at stop, and
//! that lvsd can do all its work within their hardening.

mod agent;

use crate::lab::scenario::scenario;
use crate::lab::site::VIP;
use crate::lab::{Host, Lab, Program, Scenario, Site, eventually, millis, secs, within};

const DIRECTOR: &str = "lvsd-director.service";
const AGENT: &str = "lvsd-realserver.service";

/// A director by itself, with quick adverts and checks.
const DIRECTOR_FILE: &str = r#"
[[vrrp]]
name = "VI_1"
interface = "ens192"
virtual_router_id = 51
advert_interval = "100ms"
virtual_addresses = ["192.168.1.200"]

[[virtual_server]]
address = "192.168.1.200:80"
scheduler = "wrr"
real_servers = ["192.168.1.53", "192.168.1.54", "192.168.1.55"]
check = { type = "tcp", interval = "200ms", retries = 1, retry_delay = "100ms" }
"#;

use agent::a_reboot_drains_the_agent_before_the_web_server_is_stopped;

/// Three mistakes, in three lines.
const REFUSED_FILE: &str = r#"
[[virtual_server]]
address = "192.168.1.200:80"
scheduler = "wrrr"
forwarding = "direct"
weigth = 1
real_servers = ["192.168.1.53"]
"#;

const AGENT_FILE: &str = "vips = [\"192.168.1.200\"]\ndrain = \"6s\"\n";

/// What the kernel holds at the moment that the director calls itself ready. (Reading the file
/// loads no module, as `ipvsadm` would.)
const TABLE_AT_READY: (&str, &str) = (
    "witness.service",
    "[Unit]\nAfter=lvsd-director.service\n\
     [Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=cp /proc/net/ip_vs /run/witness\n\
     [Install]\nWantedBy=multi-user.target\n",
);

/// What the host holds at the moment that the agent calls itself ready.
const HOST_AT_READY: (&str, &str) = (
    "witness.service",
    "[Unit]\nAfter=lvsd-realserver.service\n\
     [Service]\nType=oneshot\nRemainAfterExit=yes\nStandardOutput=append:/run/witness\n\
     ExecStart=ip -o address show dev lo\n\
     ExecStart=curl -s http://127.0.0.1:9480/ready\n\
     ExecStart=sysctl net.ipv4.conf.all.arp_ignore net.ipv4.conf.all.arp_announce \
     net.ipv4.conf.lo.arp_ignore net.ipv4.conf.lo.arp_announce\n\
     [Install]\nWantedBy=multi-user.target\n",
);

/// A watchdog that a scenario can wait for.
const IMPATIENT: &str = "[Service]\nWatchdogSec=4s\n";

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(an_enabled_director_is_up_after_boot_and_ready_only_with_its_table).under_systemd(&[
        ("/etc/lvsd/director.toml", DIRECTOR_FILE),
        (DIRECTOR, ""),
        TABLE_AT_READY,
    ]),
    scenario!(a_director_that_is_killed_or_hangs_is_started_again_and_adopts_its_table)
        .under_systemd(&[
            ("/etc/lvsd/director.toml", DIRECTOR_FILE),
            (
                "/etc/systemd/system/lvsd-director.service.d/lab.conf",
                IMPATIENT,
            ),
            (DIRECTOR, ""),
        ]),
    scenario!(a_refused_file_is_told_once_and_a_refused_reload_changes_nothing)
        .under_systemd(&[("/etc/lvsd/director.toml", REFUSED_FILE), (DIRECTOR, "")]),
    scenario!(an_enabled_agent_is_up_after_boot_and_ready_only_with_its_vip).under_systemd(&[
        ("/etc/lvsd/realserver.toml", AGENT_FILE),
        (AGENT, ""),
        HOST_AT_READY,
    ]),
    scenario!(an_agent_that_is_killed_or_hangs_is_started_again_and_the_vip_stays).under_systemd(
        &[
            ("/etc/lvsd/realserver.toml", AGENT_FILE),
            (
                "/etc/systemd/system/lvsd-realserver.service.d/lab.conf",
                IMPATIENT,
            ),
            (AGENT, ""),
        ],
    ),
    scenario!(stopping_the_agents_unit_drains_longer_than_the_unit_allows_and_restores)
        .under_systemd(&[
            ("/etc/lvsd/realserver.toml", AGENT_FILE),
            (
                "/etc/systemd/system/lvsd-realserver.service.d/lab.conf",
                "[Service]\nTimeoutStopSec=2s\n",
            ),
        ]),
    scenario!(a_reboot_drains_the_agent_before_the_web_server_is_stopped)
        .under_systemd(agent::REBOOT),
];

fn an_enabled_director_is_up_after_boot_and_ready_only_with_its_table(lab: &Lab) {
    let site = Machine::director(lab);
    site.is_booted();
    lab.say(&site.run("systemd-analyze 2>&1 | head -1").ok());
    site.run(&format!("systemctl is-active {DIRECTOR}")).ok();
    let witness = site.host.read("/run/witness");
    assert!(
        witness.contains("TCP  C0A801C8:0050 wrr"),
        "ready before the table was there:\n{witness}"
    );
    site.serves();
    assert!(site.host.has_address(VIP), "VIP");
    assert_eq!(
        site.host.sysctl("net.ipv4.ip_forward"),
        "0",
        "direct routing does not need it"
    );
    eventually("systemd knows how it stands", within(secs(5)), || {
        site.show("StatusText") == "VI_1 master; 3 of 3 real servers up"
    });
    lab.say(
        &site
            .run(&format!("systemctl --no-pager status {DIRECTOR}"))
            .ok(),
    );
    lab.say(&site.run("lvsd status").ok());
    a_new_master_is_announced(&site);
    // 10 is CAP_NET_BIND_SERVICE, 12 CAP_NET_ADMIN, 13 CAP_NET_RAW.
    site.may_only(1 << 10 | 1 << 12 | 1 << 13);
    site.is_hardened(lab);
}

/// A client that has the VIP at another's MAC address learns better, without asking.
fn a_new_master_is_announced(site: &Machine) {
    // The client's kernel would ignore an announcement within a second of the last.
    site.client.set_sysctl("net.ipv4.neigh.ens192.locktime", 0);
    let nobody = format!("ip neigh replace {VIP} lladdr 02:00:00:00:00:99 dev ens192 nud stale");
    site.client.run(&nobody).ok();
    site.run(&format!("systemctl restart {DIRECTOR}")).ok();
    eventually("the client was told", within(secs(10)), || {
        let known = site.client.run(&format!("ip neigh show {VIP}")).ok();
        known.contains("02:00:c0:a8:01:33")
    });
}

fn a_director_that_is_killed_or_hangs_is_started_again_and_adopts_its_table(lab: &Lab) {
    let site = Machine::director(lab);
    site.is_booted();
    site.serves();
    let table = site.host.ipvsadm();
    for (restarts, (signal, how)) in [("KILL", "killed"), ("STOP", "stopped in its tracks")]
        .into_iter()
        .enumerate()
    {
        let (pid, connections) = (site.show("MainPID"), site.connections());
        let load = site.client.load(&Site::url(), millis(50));
        site.run(&format!("kill -{signal} {pid}")).ok();
        lab.say(&format!("the director is {how}"));
        let took = site.is_restarted(restarts + 1, &pid);
        eventually("a client is answered", within(secs(5)), || {
            site.client.get(&Site::url()).is_ok()
        });
        let report = load.stop();
        lab.say(&format!(
            "another one is up after {took:.1?}; {:.1?} without an answer, {} of {} requests failed",
            report.longest_gap(),
            report.failures().len(),
            report.asked.len(),
        ));
        assert_eq!(site.host.ipvsadm(), table);
        assert!(
            site.connections() >= connections,
            "entries were made anew: their counters have lost what they had"
        );
    }
    let journal = site.journal();
    assert!(journal.contains("Watchdog timeout"), "{journal}");
}

fn a_refused_file_is_told_once_and_a_refused_reload_changes_nothing(lab: &Lab) {
    let site = Machine::director(lab);
    eventually("the unit has failed", within(secs(30)), || {
        site.show("ActiveState") == "failed"
    });
    assert_eq!(site.show("ExecMainStatus"), "78");
    assert_eq!(site.show("NRestarts"), "0", "a second start mends no file");
    for mistake in [
        "director.toml:4",
        "director.toml:5",
        "director.toml:6",
        "wrrr",
        "weigth",
    ] {
        let journal = site.journal();
        assert!(journal.contains(mistake), "{mistake}:\n{journal}");
    }
    lab.say(
        &site
            .run(&format!("systemctl --no-pager status {DIRECTOR}"))
            .stdout,
    );

    site.host.write("/etc/lvsd/director.toml", DIRECTOR_FILE);
    site.run(&format!("systemctl start {DIRECTOR}")).ok();
    site.serves();
    let (pid, table) = (site.show("MainPID"), site.host.ipvsadm());

    site.host.write("/etc/lvsd/director.toml", REFUSED_FILE);
    let refused = site
        .run(&format!("systemctl reload {DIRECTOR}"))
        .fails_with(1);
    lab.say(&refused);
    assert_eq!(
        (site.show("ActiveState"), site.show("MainPID")),
        ("active".to_owned(), pid.clone())
    );
    assert_eq!(site.host.ipvsadm(), table);
    assert!(site.journal().matches("wrrr").count() >= 2, "told again");
    a_file_that_this_kernel_cannot_hold_is_refused_too(&site, &table);

    // Everything else that lvsd does, under the unit's hardening: NAT wants ip_forward.
    let nat = DIRECTOR_FILE.replace("\"wrr\"", "\"wrr\"\nforwarding = \"nat\"");
    site.host.write("/etc/lvsd/director.toml", &nat);
    site.run(&format!("systemctl reload {DIRECTOR}")).ok();
    eventually("the good file is applied", within(secs(5)), || {
        site.host.ipvsadm().matches(" -m ").count() == 3
    });
    assert_eq!(site.host.sysctl("net.ipv4.ip_forward"), "1");
    assert_eq!(site.show("MainPID"), pid);
    let change = "forwarding = \"dr\" becomes \"nat\"";
    assert!(site.journal().contains(change), "{}", site.journal());

    site.run(&format!("systemctl stop {DIRECTOR}")).ok();
    assert_eq!(site.show("Result"), "success");
    assert_eq!(site.host.ipvsadm(), "");
    assert!(!site.host.has_address(VIP), "the VIP is given back");
    assert_eq!(site.host.sysctl("net.ipv4.ip_forward"), "0");
}

/// No kernel of the lab has this scheduler; no file tells that.
fn a_file_that_this_kernel_cannot_hold_is_refused_too(site: &Machine, table: &str) {
    let twos = DIRECTOR_FILE.replace("wrr", "twos");
    site.host.write("/etc/lvsd/director.toml", &twos);
    site.run("lvsd config check /etc/lvsd/director.toml").ok();
    site.run(&format!("systemctl reload {DIRECTOR}"))
        .fails_with(1);
    let journal = site.journal();
    assert!(journal.contains("module ip_vs_twos"), "{journal}");
    assert_eq!(site.host.ipvsadm(), table);
}

fn an_enabled_agent_is_up_after_boot_and_ready_only_with_its_vip(lab: &Lab) {
    let site = Machine::agent(lab);
    site.is_booted();
    site.run(&format!("systemctl is-active {AGENT}")).ok();
    let witness = site.host.read("/run/witness");
    for expected in [
        "192.168.1.200/32 scope global lo:0",
        "\"ready\":true",
        "net.ipv4.conf.all.arp_ignore = 1",
        "net.ipv4.conf.all.arp_announce = 2",
        "net.ipv4.conf.lo.arp_ignore = 1",
        "net.ipv4.conf.lo.arp_announce = 2",
    ] {
        assert!(
            witness.contains(expected),
            "{expected} is not there:\n{witness}"
        );
    }
    assert_eq!(site.show("StatusText"), "ready");
    lab.say(
        &site
            .run(&format!("systemctl --no-pager status {AGENT}"))
            .ok(),
    );
    lab.say(&site.run("lvsd status").ok());
    // 10 is CAP_NET_BIND_SERVICE, 12 CAP_NET_ADMIN, 13 CAP_NET_RAW.
    site.may_only(1 << 10 | 1 << 12 | 1 << 13);
    site.is_hardened(lab);

    let pid = site.show("MainPID");
    let both = AGENT_FILE.replace("200\"", "200\", \"192.168.1.201\"");
    site.host.write("/etc/lvsd/realserver.toml", &both);
    site.run(&format!("systemctl reload {AGENT}")).ok();
    assert!(
        site.host.has_address("192.168.1.201"),
        "it is there by then"
    );
    // What only the host knows to be wrong fails the reload as well.
    site.host
        .write("/etc/lvsd/realserver.toml", "vips = [\"192.168.1.53\"]\n");
    site.run(&format!("systemctl reload {AGENT}")).fails_with(1);
    let journal = site.journal();
    assert!(
        journal.contains("lvsd: VIP 192.168.1.53 is on ens192"),
        "{journal}"
    );
    site.host
        .write("/etc/lvsd/realserver.toml", "vips = [\"192.168.1.300\"]\n");
    site.run(&format!("systemctl reload {AGENT}")).fails_with(1);
    let journal = site.journal();
    assert!(journal.contains("192.168.1.300"), "{journal}");
    assert_eq!(site.show("MainPID"), pid);
    assert!(site.host.has_address("192.168.1.201"), "it runs on");
    agent::without_ipv6_it_listens_by_ipv4(&site);
}

fn an_agent_that_is_killed_or_hangs_is_started_again_and_the_vip_stays(lab: &Lab) {
    let site = Machine::agent(lab);
    site.is_booted();
    for (restarts, signal) in ["KILL", "STOP"].into_iter().enumerate() {
        let pid = site.show("MainPID");
        let monitor = site.lo_monitor();
        site.run(&format!("kill -{signal} {pid}")).ok();
        let took = site.is_restarted(restarts + 1, &pid);
        lab.say(&format!(
            "after SIG{signal} another one is up in {took:.1?}"
        ));
        let changes = monitor.log();
        assert!(!changes.contains(VIP), "the VIP left lo:\n{changes}");
        eventually("it is ready", within(secs(5)), || site.ready() == 200);
    }
    let journal = site.journal();
    assert!(journal.contains("Watchdog timeout"), "{journal}");
}

fn stopping_the_agents_unit_drains_longer_than_the_unit_allows_and_restores(lab: &Lab) {
    let site = Machine::agent(lab);
    site.is_booted();
    let arp = [
        "all.arp_ignore",
        "all.arp_announce",
        "lo.arp_ignore",
        "lo.arp_announce",
    ];
    let values = || arp.map(|key| site.host.sysctl(&format!("net.ipv4.conf.{key}")));
    site.host.set_sysctl("net.ipv4.conf.all.arp_announce", 1);
    let before = values();
    site.run(&format!("systemctl start {AGENT}")).ok();
    assert_eq!(values(), ["1", "2", "1", "2"]);

    // A client that stays: the drain lasts as long as it may.
    let client = site.host.within(|| {
        let listener = std::net::TcpListener::bind((VIP, 80)).unwrap();
        let client = std::net::TcpStream::connect((VIP, 80)).unwrap();
        (client, listener.accept().unwrap())
    });
    let load = site.host.load("http://127.0.0.1:9480/ready", millis(100));
    let begun = std::time::Instant::now();
    let stopping = site.host.spawn(&format!("systemctl stop {AGENT}"));
    eventually("systemd shows the drain", within(secs(3)), || {
        site.show("StatusText").starts_with("draining")
    });
    lab.say(
        &site
            .run(&format!("systemctl --no-pager status {AGENT}"))
            .stdout,
    );
    assert!(site.host.has_address(VIP), "it serves while it drains");
    stopping.expect_exit(0);
    let took = begun.elapsed();
    lab.say(&format!("stopped after {took:.1?}"));
    assert!(took >= secs(6), "it drained for {took:?} of 6 s");
    drop(client);
    assert_eq!(site.show("Result"), "success", "{}", site.journal());
    let not_ready = load.stop().answers();
    assert!(
        not_ready.keys().any(|body| body.contains("draining")),
        "{not_ready:?}"
    );
    assert!(!site.host.has_address(VIP), "the VIP is gone");
    assert_eq!(values(), before);
}

/// The machine that systemd runs, as a director or real server of a site.
struct Machine {
    host: Host,
    client: Host,
    unit: &'static str,
}

impl Machine {
    /// A director, with three real servers and a client.
    fn director(lab: &Lab) -> Self {
        let lan = lab.lan();
        for real_server in Site::real_servers(&lan) {
            real_server.agent();
        }
        Self {
            client: lan.host_with_nic("client", "ens192", "192.168.1.10/24"),
            host: lan.this_machine("ens192", "192.168.1.51/24"),
            unit: DIRECTOR,
        }
    }

    /// A real server.
    fn agent(lab: &Lab) -> Self {
        let lan = lab.lan();
        Self {
            client: lan.host_with_nic("client", "ens192", "192.168.1.10/24"),
            host: lan.this_machine("ens192", "192.168.1.53/24"),
            unit: AGENT,
        }
    }

    fn run(&self, command: &str) -> crate::lab::Output {
        self.host.run(command)
    }

    fn is_booted(&self) {
        eventually("the boot is complete", within(secs(30)), || {
            self.run("systemctl is-system-running").stdout == "running\n"
        });
    }

    /// Waits until clients are answered by each real server.
    fn serves(&self) {
        eventually("each real server is in the table", within(secs(20)), || {
            ["53", "54", "55"]
                .iter()
                .all(|last| self.host.balances_onto(&format!("192.168.1.{last}:80")))
                && self.client.get(&Site::url()).is_ok()
        });
        let counts = self.client.ask(30, &Site::url());
        assert!(counts.values().eq(&[10, 10, 10]), "{counts:?}");
    }

    /// A property of the unit.
    fn show(&self, property: &str) -> String {
        let command = format!("systemctl show --value -p {property} {}", self.unit);
        self.run(&command).ok().trim().to_owned()
    }

    fn journal(&self) -> String {
        self.run(&format!("journalctl --no-pager -u {}", self.unit))
            .ok()
    }

    /// Connections that the table has counted.
    fn connections(&self) -> u64 {
        let listed = self.run("ipvsadm -Ln --stats --exact").ok();
        let counts = listed
            .lines()
            .filter(|line| line.starts_with("TCP"))
            .filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok());
        counts.sum()
    }

    /// Waits until systemd has started it this many times anew, and it is ready.
    fn is_restarted(&self, restarts: usize, old_pid: &str) -> std::time::Duration {
        let restarts = restarts.to_string();
        eventually("it is started again", within(secs(20)), || {
            self.show("NRestarts") == restarts
                && self.show("ActiveState") == "active"
                && self.show("MainPID") != old_pid
        })
    }

    /// What becomes of the addresses of `lo` from now on.
    fn lo_monitor(&self) -> Program {
        let monitor = self.host.spawn("ip monitor address dev lo");
        eventually("it sees an address come and go", within(secs(5)), || {
            self.run("ip address add 127.9.9.9/32 dev lo && ip address del 127.9.9.9/32 dev lo")
                .ok();
            monitor.log().contains("127.9.9.9")
        });
        monitor
    }

    /// What `GET /ready` answers to the LAN.
    fn ready(&self) -> u16 {
        let answer = self.client.get("http://192.168.1.53:9480/ready");
        answer.map_or(0, |answer| answer.status)
    }

    /// The process has these capabilities, no others, and can get none.
    fn may_only(&self, capabilities: u64) {
        let status = self
            .host
            .read(&format!("/proc/{}/status", self.show("MainPID")));
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name} in {status}"))
                .trim()
                .to_owned()
        };
        let mask = format!("{capabilities:016x}");
        for set in ["CapPrm:", "CapEff:", "CapBnd:"] {
            assert_eq!(field(set), mask, "{set}");
        }
        assert_eq!(field("NoNewPrivs:"), "1");
        assert_eq!(field("Seccomp:"), "2", "system calls are filtered");
    }

    /// What systemd thinks of the unit's exposure: 0 is a locked room, 10 is root.
    fn is_hardened(&self, lab: &Lab) {
        let report = self.run(&format!(
            "systemd-analyze --no-pager security {}",
            self.unit
        ));
        let report = report.ok();
        let last = report.lines().last().unwrap_or_default();
        lab.say(last);
        let exposure = last
            .split_whitespace()
            .find_map(|word| word.parse::<f64>().ok());
        assert!(exposure.is_some_and(|exposure| exposure < 2.5), "{report}");
    }
}
