use proptest::prelude::*;

use super::*;
use crate::config::realserver::Readiness;
use crate::status::realserver::{Health, State};

const VIP: &str = "192.168.1.200";
const ARP_IGNORE: &str = "net.ipv4.conf.all.arp_ignore";

#[test]
fn a_first_start_records_then_quiets_arp_then_adds_the_vip() {
    let mut host = Host::fresh();
    let mut agent = host.start(&config(&[VIP]));
    assert_eq!(
        host.settle(&mut agent),
        [
            "record",
            "net.ipv4.conf.all.arp_announce 0 -> 2 Start",
            "net.ipv4.conf.all.arp_ignore 0 -> 1 Start",
            "net.ipv4.conf.lo.arp_announce 0 -> 2 Start",
            "net.ipv4.conf.lo.arp_ignore 0 -> 1 Start",
            "add 192.168.1.200/32 as lo:0 Start",
        ]
    );
    assert_eq!(agent.status().state, State::Ready);
    assert_eq!(host.settle(&mut agent), [""; 0], "nothing is left to do");
}

#[test]
fn a_second_signal_or_the_deadline_ends_the_drain() {
    let mut host = Host::fresh();
    let start = crate::sys::clock::now();
    for second_signal in [true, false] {
        let mut agent = host.start(&config(&[VIP]));
        host.settle(&mut agent);
        let until = agent.terminate(start, at(0)).unwrap();
        assert_eq!(until, start + Duration::from_secs(10));
        host.settle(&mut agent);
        let status = agent.status();
        assert_eq!((status.state, status.ready), (State::Draining, false));
        assert_eq!(status.reasons, ["draining until 2023-11-14T22:13:30Z"]);
        agent.expire(until - Duration::from_millis(1));
        assert!(!agent.is_stopping());
        if second_signal {
            assert_eq!(agent.terminate(start, at(1)), None);
        } else {
            agent.expire(until);
        }
        assert!(agent.is_stopping());
    }
}

#[test]
fn without_a_drain_the_first_signal_stops() {
    let mut config = config(&[VIP]);
    config.drain = Duration::ZERO;
    let mut agent = Host::fresh().start(&config);
    assert_eq!(agent.terminate(crate::sys::clock::now(), at(0)), None);
    assert!(agent.is_stopping());
}

#[test]
fn a_stop_removes_the_vip_before_it_lets_arp_loose() {
    let mut host = Host::fresh();
    let before = host.kernel.clone();
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    agent.stop();
    assert_eq!(
        host.settle(&mut agent),
        [
            "remove 192.168.1.200",
            "record",
            "net.ipv4.conf.all.arp_announce 2 -> 0 Restore",
            "net.ipv4.conf.all.arp_ignore 1 -> 0 Restore",
            "net.ipv4.conf.lo.arp_announce 2 -> 0 Restore",
            "net.ipv4.conf.lo.arp_ignore 1 -> 0 Restore",
            "record",
        ]
    );
    assert_eq!(host.kernel, before);
    assert!(host.disk.is_empty());
}

#[test]
fn arp_stays_quiet_while_a_vip_cannot_be_removed() {
    let mut host = Host::fresh();
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    agent.stop();
    for _ in 0..3 {
        let actions = agent.reconcile(at(9), host.kernel.clone());
        assert_eq!(text(&actions), ["remove 192.168.1.200"]);
    }
}

#[test]
fn no_vip_is_added_while_arp_cannot_be_quieted() {
    let host = Host::fresh();
    let mut agent = host.start(&config(&[VIP]));
    for _ in 0..3 {
        let actions = agent.reconcile(at(1), host.kernel.clone());
        let adds = |action: &Action| matches!(action, Action::AddVip { .. });
        assert!(!actions.iter().any(adds), "{actions:?}");
        agent.failed(&actions[1], "read-only file system");
    }
    assert_eq!(agent.status().state, State::NotReady);
}

#[test]
fn what_somebody_takes_away_is_put_back_and_counted() {
    let mut host = Host::fresh();
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    for count in 1..=3 {
        host.set(ARP_IGNORE, 0);
        host.kernel.addresses.clear();
        assert_eq!(
            host.settle(&mut agent),
            [
                format!("{ARP_IGNORE} 0 -> 1 Repair {{ count: {count} }}"),
                format!("add 192.168.1.200/32 as lo:0 Repair {{ count: {count} }}"),
            ]
        );
    }
    let status = agent.status();
    assert_eq!(status.vips[0].repaired, 3);
    assert_eq!(status.state, State::Ready);
}

#[test]
fn a_vip_that_is_taken_away_again_before_the_next_look_counts_twice() {
    let mut host = Host::fresh();
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    for count in 1..=2 {
        host.kernel.addresses.clear();
        let actions = agent.reconcile(at(2), host.kernel.clone());
        host.perform(&mut agent, actions);
        assert_eq!(agent.status().vips[0].repaired, count);
    }
}

#[test]
fn a_failing_repair_counts_once_and_its_reason_is_told() {
    let mut host = Host::fresh();
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    host.set(ARP_IGNORE, 0);
    for nth in 0..3 {
        let actions = agent.reconcile(at(9), host.kernel.clone());
        let news = agent.failed(&actions[0], "read-only file system");
        assert_eq!(news, nth == 0);
    }
    let status = agent.status();
    assert_eq!(
        status.reasons,
        ["net.ipv4.conf.all.arp_ignore is 0, must be 1: read-only file system"]
    );
    let sysctl = status.sysctls.iter().find(|s| s.key == ARP_IGNORE);
    assert_eq!(sysctl.unwrap().repaired, 1);
}

#[test]
fn a_vip_that_was_there_before_the_first_start_stays_unless_lvsd_had_to_add_it_again() {
    for taken_away in [false, true] {
        let mut host = Host::fresh();
        host.add_by_hand(VIP);
        let mut agent = host.start(&config(&[VIP]));
        host.settle(&mut agent);
        assert!(agent.status().vips[0].stays);
        if taken_away {
            host.kernel.addresses.clear();
            host.settle(&mut agent);
        }
        agent.stop();
        host.settle(&mut agent);
        assert_eq!(host.kernel.addresses.is_empty(), taken_away);
    }
}

#[test]
fn a_sysctl_that_only_later_needs_a_write_gets_the_value_of_the_first_start_back() {
    let mut host = Host::fresh();
    host.set(ARP_IGNORE, 2);
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    assert_eq!(host.get(ARP_IGNORE), 2, "strong enough is left alone");
    host.set(ARP_IGNORE, 0);
    host.settle(&mut agent);
    assert_eq!(host.get(ARP_IGNORE), 1);
    agent.stop();
    host.settle(&mut agent);
    assert_eq!(host.get(ARP_IGNORE), 2);
}

#[test]
fn a_reload_adds_and_removes_vips_singly() {
    let mut host = Host::fresh();
    let mut agent = host.start(&config(&[VIP, "192.168.1.201"]));
    host.settle(&mut agent);
    agent.configure(&config(&["192.168.1.201", "192.168.1.202"]));
    assert_eq!(
        host.settle(&mut agent),
        [
            "record",
            "remove 192.168.1.200",
            "record",
            "add 192.168.1.202/32 as lo:2 Start",
        ]
    );
    assert_eq!(agent.status().state, State::Ready);
}

#[test]
fn ipv6_alone_needs_no_arp_sysctl() {
    let mut host = Host::fresh();
    let mut agent = host.start(&config(&["2001:db8::200"]));
    assert_eq!(
        host.settle(&mut agent),
        ["record", "add 2001:db8::200/128 as - Start"]
    );
}

#[test]
fn readiness_names_everything_that_is_wrong() {
    let mut host = Host::fresh();
    host.kernel.links[0].up = false;
    host.set("net.ipv4.conf.eth0.arp_ignore", 3);
    let mut agent = host.start(&config(&[VIP]));
    host.settle(&mut agent);
    agent.hear(vec![
        service("nginx", Health::Down, Some("connection refused")),
        service("app", Health::Unknown, None),
        service("fine", Health::Up, None),
    ]);
    host.kernel.addresses[0].link = 2;
    agent.reconcile(at(2), host.kernel.clone());
    let status = agent.status();
    assert_eq!(status.state, State::NotReady);
    assert_eq!(
        status.reasons,
        [
            "lo is down, so no VIP can be reached: ip link set lo up",
            "VIP 192.168.1.200 is not on lo",
            "VIP 192.168.1.200 is on eth0: this host answers ARP for it there, so clients would \
             bypass the directors; remove it first (ip address del 192.168.1.200/32 dev eth0)",
            "net.ipv4.conf.eth0.arp_ignore is 3, which outdoes 1 on all and lets eth0 tell the \
             LAN about the VIP: set it to 0",
            "service nginx: connection refused",
            "service app: no verdict yet",
        ]
    );
}

#[test]
fn a_tunnelled_server_without_its_tunnel_is_not_ready() {
    let mut host = Host::fresh();
    let mut config = config(&[VIP]);
    config.forwarding = Forwarding::IPIP;
    let mut agent = host.start(&config);
    host.settle(&mut agent);
    assert_eq!(
        agent.status().reasons,
        [
            "net.ipv4.conf.tunl0.rp_filter cannot be read, must be 2",
            "there is no tunl0 to unpack what directors send: modprobe ipip",
        ]
    );
}

proptest! {
    /// The promise that matters most: whatever happened on the way (crashes after
    /// any number of actions, others changing things), a clean stop leaves what
    /// was there before the first start, and ARP was quiet whenever lvsd had the
    /// VIP on `lo`.
    #[test]
    fn a_stop_after_any_crashes_restores_what_was_there_before_the_first_start(
        originals in prop::collection::vec(0..9, 4),
        found in any::<bool>(),
        steps in prop::collection::vec((0..12_usize, 0..4), 0..20),
    ) {
        let mut host = Host::fresh();
        for (value, (_, key)) in originals.iter().zip(ALL_AND_LO) {
            host.set(key, *value);
        }
        if found {
            host.add_by_hand(VIP);
        }
        let before = host.kernel.clone();
        let mut agent = host.start(&config(&[VIP]));
        // While lvsd has stopped, or had no reason to write, what others set stays.
        let meddled = steps.iter().any(|(_, event)| *event == 2);
        for (actions, event) in steps {
            match event {
                0 => agent = host.start(&config(&[VIP])),
                1 => agent.stop(),
                2 => host.set(ARP_IGNORE, 0),
                _ => {}
            }
            host.perform_some(&mut agent, actions);
            // A crash: what the process knew is gone, the kernel and the disk stay.
            if event == 3 {
                agent = host.start(&config(&[VIP]));
            }
        }
        let mut agent = host.start(&config(&[VIP]));
        host.settle(&mut agent);
        prop_assert_eq!(agent.status().state, State::Ready);
        agent.stop();
        host.settle(&mut agent);
        prop_assert!(host.disk.is_empty());
        for (_, key) in ALL_AND_LO {
            let key: Key = key.parse().unwrap();
            if !meddled || key.to_string() != ARP_IGNORE {
                prop_assert_eq!(host.kernel.sysctls[&key], before.sysctls[&key]);
            }
        }
        prop_assert_eq!(&host.kernel.addresses, &before.addresses);
    }
}

const ALL_AND_LO: [(i32, &str); 4] = [
    (1, ARP_IGNORE),
    (2, "net.ipv4.conf.all.arp_announce"),
    (1, "net.ipv4.conf.lo.arp_ignore"),
    (2, "net.ipv4.conf.lo.arp_announce"),
];

/// A kernel and a disk.
struct Host {
    kernel: Observed,
    disk: Journal,
}

impl Host {
    fn fresh() -> Self {
        let link = |index, name: &str| Link {
            index,
            name: name.into(),
            up: true,
            carrier: true,
            loopback: name == "lo",
            noarp: false,
            hardware_address: vec![0; 6],
            mtu: 1_500,
            ..Link::default()
        };
        let sysctls = ["all", "lo", "eth0"].into_iter().flat_map(|interface| {
            sysctl::PER_INTERFACE.map(|name| (Key::ipv4_conf(interface, name), 0))
        });
        Self {
            kernel: Observed {
                links: vec![link(1, "lo"), link(2, "eth0")],
                addresses: vec![],
                sysctls: sysctls.collect(),
            },
            disk: Journal::default(),
        }
    }

    fn start(&self, config: &RealServerConfig) -> Agent {
        Agent::new(config, self.disk.clone(), at(0))
    }

    /// Asks and performs until there is nothing to do; returns what was done.
    fn settle(&mut self, agent: &mut Agent) -> Vec<String> {
        let mut done = vec![];
        for _ in 0..6 {
            let actions = agent.reconcile(at(1), self.kernel.clone());
            if actions.is_empty() {
                return done;
            }
            done.extend(text(&actions));
            self.perform(agent, actions);
        }
        panic!("does not settle: {done:#?}");
    }

    /// Performs the next `count` actions only.
    fn perform_some(&mut self, agent: &mut Agent, mut count: usize) {
        while count > 0 {
            let mut actions = agent.reconcile(at(1), self.kernel.clone());
            actions.truncate(count);
            if actions.is_empty() {
                return;
            }
            count -= actions.len();
            self.perform(agent, actions);
        }
    }

    fn perform(&mut self, agent: &mut Agent, actions: Vec<Action>) {
        for action in actions {
            match &action {
                Action::Record(journal) => self.disk = journal.clone(),
                Action::WriteSysctl { write, .. } => {
                    self.kernel.sysctls.insert(write.key.clone(), write.to);
                }
                Action::AddVip { lo, address, .. } => {
                    let quiet = ALL_AND_LO
                        .iter()
                        .all(|(wanted, key)| self.get(key) >= *wanted);
                    assert!(quiet || address.address.address.is_ipv6());
                    self.kernel.addresses.push(vip::as_listed(*lo, address));
                }
                Action::RemoveVip { vip, .. } => {
                    self.kernel.addresses.retain(|a| a.address.address != *vip);
                }
            }
            agent.done(action, at(1));
        }
    }

    fn add_by_hand(&mut self, vip: &str) {
        let new = NewAddress::host(vip.parse().unwrap());
        self.kernel.addresses.push(vip::as_listed(1, &new));
    }

    fn set(&mut self, key: &str, value: i32) {
        self.kernel.sysctls.insert(key.parse().unwrap(), value);
    }

    fn get(&self, key: &str) -> i32 {
        self.kernel.sysctls[&key.parse().unwrap()]
    }
}

fn text(actions: &[Action]) -> Vec<String> {
    actions
        .iter()
        .map(|action| match action {
            Action::Record(_) => "record".into(),
            Action::WriteSysctl { write, cause } => {
                format!("{} {} -> {} {cause:?}", write.key, write.from, write.to)
            }
            Action::AddVip { address, cause, .. } => {
                let label = address.label.as_deref().unwrap_or("-");
                format!("add {} as {label} {cause:?}", address.address)
            }
            Action::RemoveVip { vip, .. } => format!("remove {vip}"),
        })
        .collect()
}

fn config(vips: &[&str]) -> RealServerConfig {
    RealServerConfig {
        vips: vips.iter().map(|vip| vip.parse().unwrap()).collect(),
        forwarding: Forwarding::DirectRoute,
        drain: Duration::from_secs(10),
        readiness: Readiness {
            listen: "0.0.0.0:9480".parse().unwrap(),
            allow: None,
        },
        services: vec![],
    }
}

fn service(name: &str, health: Health, reason: Option<&str>) -> Service {
    Service {
        name: name.into(),
        health,
        since: at(0),
        reason: reason.map(str::to_owned),
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}
