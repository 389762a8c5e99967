//! The agent against a kernel and a disk that are values.

mod crash;
mod drift;
mod life;
mod passage;
mod report;
mod start;

use super::*;
use crate::config::realserver::Readiness;
use crate::realserver::askers::Askers;
use crate::realserver::gateway::Beyond;
use crate::status::realserver::{Health, State};
use crate::sys::address::NewAddress;

const VIP: &str = "192.168.1.200";
const ARP_IGNORE: &str = "net.ipv4.conf.all.arp_ignore";

const WANTED: [(i32, &str); 6] = [
    (1, ARP_IGNORE),
    (2, "net.ipv4.conf.all.arp_announce"),
    (1, "net.ipv4.conf.eth0.arp_ignore"),
    (2, "net.ipv4.conf.eth0.arp_announce"),
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
        let sysctls = ["all", "lo", "eth0"].into_iter().flat_map(|interface| {
            ["arp_ignore", "arp_announce"].map(|name| (Key::ipv4_conf(interface, name), 0))
        });
        Self {
            kernel: Observed {
                links: vec![Link::working(1, "lo"), Link::working(2, "eth0")],
                addresses: vec![],
                unrouted: BTreeSet::new(),
                sysctls: sysctls.collect(),
                gue_ports: vec![],
                routing: mss::Routing::default(),
                ways: vec![],
                beyond: Beyond::default(),
            },
            disk: Journal::default(),
        }
    }

    fn start(&self, config: &RealServerConfig) -> Agent {
        Agent::new(config, self.disk.clone(), crate::sys::clock::now(), at(0))
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
                Action::AddVip { link, address, .. } => {
                    let quiet = WANTED.iter().all(|(wanted, key)| self.get(key) >= *wanted);
                    assert!(quiet || address.address.address.is_ipv6());
                    self.kernel.addresses.push(vip::as_listed(*link, address));
                }
                Action::RenewVip { address, .. } => {
                    self.kernel.unrouted.remove(&address.address.address);
                }
                Action::RemoveVip { vip, .. } => {
                    self.kernel.addresses.retain(|a| a.address.address != *vip);
                }
                Action::Tunnel(step) => self.dig(step),
                Action::Route(step) => self.route(step),
            }
            agent.done(action, at(1));
        }
    }

    fn dig(&mut self, step: &tunnel::Step) {
        let links = &mut self.kernel.links;
        match step {
            tunnel::Step::Make(new) => {
                let rp_filter = Key::ipv4_conf(&new.name, "rp_filter");
                self.kernel.sysctls.insert(rp_filter, 0);
                links.push(Link {
                    index: 10 + u32::try_from(links.len()).unwrap(),
                    name: new.name.clone(),
                    up: false,
                    noarp: true,
                    ..links[1].clone()
                });
            }
            tunnel::Step::Address { index, .. } => {
                let new = NewAddress::host(tunnel::ADDRESS.into());
                self.kernel.addresses.push(vip::as_listed(*index, &new));
            }
            tunnel::Step::NoAddress { index, .. } => {
                self.kernel.addresses.retain(|a| a.link != *index);
            }
            tunnel::Step::Set { index, up, .. } => {
                let link = links.iter_mut().find(|link| link.index == *index);
                link.unwrap().up = *up;
            }
            // What comes with its module stays.
            tunnel::Step::Delete { index, name } => {
                self.kernel.addresses.retain(|a| a.link != *index);
                links.retain(|link| link.index != *index || !name.starts_with("lvsd"));
            }
            tunnel::Step::Open(port) => self.kernel.gue_ports.push(*port),
            tunnel::Step::Close(port) => self.kernel.gue_ports.retain(|open| open != port),
        }
    }

    fn route(&mut self, step: &mss::Step) {
        let mss::Routing { routes, rules } = &mut self.kernel.routing;
        let news = match step {
            mss::Step::AddRoute(route) => routes.insert(route.clone()),
            mss::Step::DeleteRoute(route) => routes.remove(route),
            mss::Step::AddRule(rule) => rules.insert(*rule),
            mss::Step::DeleteRule(rule) => rules.remove(rule),
        };
        assert!(news, "{step:?}");
    }

    fn add_by_hand(&mut self, vip: &str) {
        let new = NewAddress::host(vip.parse().unwrap());
        self.kernel.addresses.push(vip::as_listed(1, &new));
    }

    fn set(&mut self, key: &str, value: i32) {
        self.kernel.sysctls.insert(key.parse().unwrap(), value);
    }

    /// As the kernel does it: the parameters keep their values.
    fn rename(&mut self, from: &str, to: &str) {
        let link = self.kernel.links.iter_mut().find(|link| link.name == from);
        link.unwrap().name = to.into();
        for name in ["arp_ignore", "arp_announce"] {
            let sysctls = &mut self.kernel.sysctls;
            let value = sysctls.remove(&Key::ipv4_conf(from, name)).unwrap();
            sysctls.insert(Key::ipv4_conf(to, name), value);
        }
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
            Action::RenewVip { address, cause, .. } => {
                format!("renew {} {cause:?}", address.address)
            }
            Action::RemoveVip { vip, .. } => format!("remove {vip}"),
            Action::Tunnel(step) => match step {
                tunnel::Step::Make(new) => format!("make {}", new.name),
                tunnel::Step::Address { name, .. } => format!("address for {name}"),
                tunnel::Step::NoAddress { name, .. } => format!("no address for {name}"),
                tunnel::Step::Set { name, up, .. } => format!("set {name} up: {up}"),
                tunnel::Step::Delete { name, .. } => format!("delete {name}"),
                tunnel::Step::Open(port) => format!("open {port}"),
                tunnel::Step::Close(port) => format!("close {port}"),
            },
            Action::Route(step) => match step {
                mss::Step::AddRoute(route) => format!("route to {}", route.to),
                mss::Step::DeleteRoute(route) => format!("no route to {}", route.to),
                mss::Step::AddRule(rule) => format!("rule from {}", rule.from),
                mss::Step::DeleteRule(rule) => format!("no rule from {}", rule.from),
            },
        })
        .collect()
}

fn config(vips: &[&str]) -> RealServerConfig {
    RealServerConfig {
        vips: vips.iter().map(|vip| vip.parse().unwrap()).collect(),
        interface: "lo".into(),
        method: Method::DirectRoute,
        drain: Duration::from_secs(10),
        watch_arp: true,
        readiness: Readiness::default(),
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
