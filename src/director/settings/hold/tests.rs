use nix::errno::Errno;

use super::*;
use crate::config::director::DirectorConfig;
use crate::director::vrrp::InstanceStatus;
use crate::ipvs::daemon::Daemon;

/// A kernel that does what it is told, if it has the interface.
struct Model {
    timeouts: Timeouts,
    daemons: Daemons,
    interfaces: BTreeMap<String, u32>,
    log: Vec<String>,
}

impl Kernel for Model {
    fn timeouts(&mut self) -> Result<Timeouts, client::Error> {
        Ok(self.timeouts)
    }

    fn set_timeouts(&mut self, timeouts: &Timeouts) -> Result<(), client::Error> {
        self.log.push(timeouts.to_string());
        self.timeouts = *timeouts;
        Ok(())
    }

    fn daemons(&mut self) -> Result<Daemons, client::Error> {
        Ok(self.daemons.clone())
    }

    fn change_daemon(&mut self, op: &Op) -> Result<(), client::Error> {
        match op {
            Op::Start(role, daemon) => {
                if !self.interfaces.contains_key(&daemon.interface) {
                    return Err(client::Error::Refused {
                        doing: "start the sync daemon",
                        source: Errno::ENODEV.into(),
                    });
                }
                assert!(
                    !self.daemons.contains_key(role),
                    "the kernel runs one of a role"
                );
                let max_len = daemon.max_len.or(Some(1_472));
                let running = Daemon {
                    max_len,
                    ..daemon.clone()
                };
                self.daemons.insert(*role, running);
                self.log.push(format!("start {role}"));
            }
            Op::Stop(role) => {
                self.daemons.remove(role).expect("it runs");
                self.log.push(format!("stop {role}"));
            }
        }
        Ok(())
    }

    fn interface(&self, name: &str) -> Option<u32> {
        self.interfaces.get(name).copied()
    }
}

/// A director with its kernel.
struct Bench {
    dir: tempfile::TempDir,
    keeper: Keeper,
    kernel: Model,
    wanted: Wanted,
    vrrp: VrrpStatus,
}

impl Bench {
    /// A director with these lines in its file, backup of VI_1.
    fn new(ipvs: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let text = format!(
            "{ipvs}\n[[vrrp]]\nname = 'VI_1'\ninterface = 'ens192'\nvirtual_router_id = 51\n\
             virtual_addresses = ['192.168.1.200']"
        );
        let config = DirectorConfig::parse(std::path::Path::new("d.toml"), &text).unwrap();
        let seconds = Duration::from_secs;
        let timeouts = Timeouts {
            tcp: seconds(900),
            tcp_fin: seconds(120),
            udp: seconds(300),
        };
        Self {
            keeper: Keeper::new(dir.path().join("settings.json")).unwrap(),
            dir,
            kernel: Model {
                timeouts,
                daemons: Daemons::new(),
                interfaces: BTreeMap::from([("ens192".to_owned(), 2)]),
                log: Vec::new(),
            },
            wanted: Wanted {
                timeouts: config.ipvs.timeouts,
                sync: config.ipvs.sync.clone(),
            },
            vrrp: VrrpStatus {
                configured: true,
                instances: BTreeMap::from([(
                    "VI_1".to_owned(),
                    InstanceStatus::backup(&config.vrrp["VI_1"]),
                )]),
                interfaces: BTreeMap::new(),
                parts: BTreeMap::new(),
            },
        }
    }

    fn claim(&mut self, claim: Claim) {
        let instance = self.vrrp.instances.get_mut("VI_1").unwrap();
        instance.claim = claim;
    }

    /// One pass; what the kernel was told.
    fn pass(&mut self) -> Vec<String> {
        self.keeper
            .pass(&mut self.kernel, &self.wanted, &self.vrrp)
            .unwrap();
        std::mem::take(&mut self.kernel.log)
    }

    fn crash(&mut self) {
        self.keeper = Keeper::new(self.dir.path().join("settings.json")).unwrap();
    }
}

const SYNC: &str = "[ipvs.sync]\nvrrp = 'VI_1'";

#[test]
fn only_the_timeouts_that_are_asked_for_are_set_and_only_those_are_put_back() {
    let mut bench = Bench::new("[ipvs]\ntimeouts.tcp = '60s'");
    assert_eq!(bench.pass(), ["Timeout (tcp tcpfin udp): 60 120 300"]);
    assert_eq!(bench.pass(), Vec::<String>::new());
    bench.crash();
    bench.kernel.timeouts.udp = Duration::from_secs(10);
    bench.wanted = Wanted::default();
    assert_eq!(bench.pass(), ["Timeout (tcp tcpfin udp): 900 120 10"]);
    assert_eq!(std::fs::read_dir(bench.dir.path()).unwrap().count(), 0);
}

#[test]
fn a_timeout_that_somebody_changes_is_put_right_and_counted() {
    let mut bench = Bench::new("[ipvs]\ntimeouts.tcp = '900s'");
    assert_eq!(bench.pass(), Vec::<String>::new());
    bench.kernel.timeouts.tcp = Duration::from_secs(1);
    assert_eq!(bench.pass(), ["Timeout (tcp tcpfin udp): 900 120 300"]);
    assert_eq!(bench.keeper.report.repaired, 1);
    bench.wanted = Wanted::default();
    assert_eq!(bench.pass(), Vec::<String>::new(), "900 it was at first");
}

#[test]
fn the_daemon_follows_the_virtual_router_and_ends_with_lvsd() {
    let mut bench = Bench::new(SYNC);
    assert_eq!(bench.pass(), ["start backup"]);
    bench.claim(Claim::Hold);
    assert_eq!(bench.pass(), ["start master", "stop backup"]);
    bench.claim(Claim::Release);
    assert_eq!(bench.pass(), ["start backup", "stop master"]);
    bench.wanted = Wanted::default();
    assert_eq!(bench.pass(), ["stop backup"]);
    assert_eq!(std::fs::read_dir(bench.dir.path()).unwrap().count(), 0);
}

#[test]
fn a_director_that_sends_and_receives_does_so_in_every_state() {
    let mut bench = Bench::new("[ipvs.sync]\nrole = 'both'\ninterface = 'ens192'");
    assert_eq!(bench.pass(), ["start master", "start backup"]);
    bench.claim(Claim::Hold);
    assert_eq!(bench.pass(), Vec::<String>::new());
}

#[test]
fn a_crashed_masters_daemon_goes_on_until_the_election_is_over() {
    let mut bench = Bench::new(SYNC);
    bench.claim(Claim::Hold);
    assert_eq!(bench.pass(), ["start master"]);
    bench.crash();
    bench.claim(Claim::Undecided);
    assert_eq!(bench.pass(), Vec::<String>::new());
    bench.claim(Claim::Release);
    assert_eq!(bench.pass(), ["start backup", "stop master"]);
}

#[test]
fn a_daemon_that_somebody_stops_is_started_again_and_counted() {
    let mut bench = Bench::new(SYNC);
    bench.pass();
    bench.kernel.daemons.clear();
    assert_eq!(bench.pass(), ["start backup"]);
    assert_eq!(bench.keeper.report.repaired, 1);
}

#[test]
fn a_daemon_of_somebody_else_is_named_and_left_alone() {
    let mut bench = Bench::new(SYNC);
    let theirs = Daemon::on("ens192", 9);
    bench.kernel.daemons.insert(Role::Backup, theirs);
    assert_eq!(bench.pass(), Vec::<String>::new());
    let problem = &bench.keeper.report.problems[0];
    assert!(
        problem.contains("ipvsadm --stop-daemon backup"),
        "{problem}"
    );
    bench.wanted = Wanted::default();
    assert_eq!(bench.pass(), Vec::<String>::new());
}

#[test]
fn a_missing_interface_is_named_and_waited_for() {
    let mut bench = Bench::new(SYNC);
    bench.kernel.interfaces.clear();
    assert_eq!(bench.pass(), Vec::<String>::new());
    let problem = &bench.keeper.report.problems[0];
    assert!(
        problem.contains("there is no interface ens192"),
        "{problem}"
    );
    bench.kernel.interfaces.insert("ens192".to_owned(), 3);
    assert_eq!(bench.pass(), ["start backup"]);
    assert_eq!(bench.keeper.report.problems, Vec::<String>::new());
}

#[test]
fn an_interface_that_came_back_as_another_gets_a_new_daemon() {
    let mut bench = Bench::new(SYNC);
    bench.pass();
    bench.kernel.interfaces.clear();
    assert_eq!(bench.pass(), Vec::<String>::new());
    bench.kernel.interfaces.insert("ens192".to_owned(), 7);
    assert_eq!(bench.pass(), ["stop backup", "start backup"]);
    assert_eq!(bench.pass(), Vec::<String>::new());
}

#[test]
fn a_start_is_told_beforehand_and_what_is_right_already_is_not() {
    let text = "[ipvs]\ntimeouts = { tcp = '21m', udp = '300s' }\n\
                [ipvs.sync]\nrole = 'both'\ninterface = 'ens192'\n";
    let mut bench = Bench::new(text);
    let file = bench.dir.path().join("settings.json");
    let told = foresee(&mut bench.kernel, file.clone(), &bench.wanted).unwrap();
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(told[0], "IPVS timeout tcp: 900s becomes 1260s");
    assert!(
        told[1].starts_with("start sync daemon master on ens192"),
        "{told:?}"
    );
    assert_eq!(bench.kernel.log, [""; 0], "and nothing is done");
    bench.pass();
    let told = foresee(&mut bench.kernel, file.clone(), &bench.wanted).unwrap();
    assert_eq!(told, [""; 0]);
    let told = foresee(&mut bench.kernel, file, &Wanted::default()).unwrap();
    assert_eq!(told[0], "IPVS timeout tcp: 1260s becomes 900s", "{told:?}");
}
