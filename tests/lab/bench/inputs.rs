//! The same virtual servers in each contender's own language.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};

use lvsd::ipvs::table::{RealServer, Settings, Table, VirtualServer};
use lvsd::lvs::{Forwarding, Protocol, RealServerId, Scheduler, VirtualServerId, Weight};

/// So many virtual servers under `wrr` and direct routing, none of them checked.
#[derive(Debug, Clone)]
pub(super) struct Inputs {
    pub(super) table: Table,
}

impl Inputs {
    pub(super) fn new(virtual_servers: u32, real_servers: u32) -> Self {
        let virtual_server = |number: u32| {
            let pool = (0..real_servers).map(|rs| real_server(number * real_servers + rs));
            let server = VirtualServer {
                settings: Settings {
                    scheduler_flags: Default::default(),
                    one_packet: false,
                    scheduler: Scheduler::known("wrr").unwrap(),
                    persistence: None,
                },
                real_servers: pool.collect(),
            };
            let id = VirtualServerId::Address {
                protocol: Protocol::Tcp,
                address: http(address(1, number)),
            };
            (id, server)
        };
        Self {
            table: (0..virtual_servers).map(virtual_server).collect(),
        }
    }

    /// The virtual server that every contender adds last.
    pub(super) fn last(&self) -> VirtualServerId {
        *self.table.keys().last().unwrap()
    }

    /// The same, but that one real server in the middle has this weight.
    pub(super) fn with_one_weight(&self, weight: u32) -> (Self, VirtualServerId, RealServerId) {
        let mut changed = self.clone();
        let middle = changed.table.len() / 2;
        let (id, server) = changed.table.iter_mut().nth(middle).unwrap();
        let (rip, real_server) = server.real_servers.iter_mut().next_back().unwrap();
        real_server.weight = Weight::try_from(weight).unwrap();
        let (id, rip) = (*id, *rip);
        (changed, id, rip)
    }

    pub(super) fn director_toml(&self) -> String {
        let mut text = String::new();
        for (vip, pool) in self.pools() {
            write!(
                text,
                "[[virtual_server]]\naddress = \"{vip}\"\nscheduler = \"wrr\"\n\
                 forwarding = \"dr\"\ncheck = {{ type = \"none\" }}\n\n"
            )
            .unwrap();
            for (rip, real_server) in pool {
                let weight = real_server.weight;
                write!(
                    text,
                    "[[virtual_server.real_server]]\naddress = \"{rip}\"\nweight = {weight}\n\n"
                )
                .unwrap();
            }
        }
        text
    }

    pub(super) fn keepalived_conf(&self) -> String {
        let mut text = String::from("global_defs {\n    router_id bench\n}\n\n");
        for (vip, pool) in self.pools() {
            write!(
                text,
                "virtual_server {} {} {{\n    lvs_sched wrr\n    lvs_method DR\n    protocol TCP\n",
                vip.ip(),
                vip.port()
            )
            .unwrap();
            for (rip, real_server) in pool {
                write!(
                    text,
                    "    real_server {} {} {{\n        weight {}\n    }}\n",
                    rip.ip(),
                    rip.port(),
                    real_server.weight
                )
                .unwrap();
            }
            text.push_str("}\n\n");
        }
        text
    }

    /// What `ipvsadm -R` reads, as `ipvsadm -Sn` writes it.
    pub(super) fn ipvsadm_rules(&self) -> String {
        let mut text = String::new();
        for (vip, pool) in self.pools() {
            writeln!(text, "-A -t {vip} -s wrr").unwrap();
            for (rip, real_server) in pool {
                writeln!(text, "-a -t {vip} -r {rip} -g -w {}", real_server.weight).unwrap();
            }
        }
        text
    }

    fn pools(&self) -> impl Iterator<Item = (SocketAddr, &BTreeMap<RealServerId, RealServer>)> {
        self.table.iter().map(|(id, server)| match id {
            VirtualServerId::Address { address, .. } => (*address, &server.real_servers),
            VirtualServerId::Fwmark { .. } => unreachable!("none is made above"),
        })
    }
}

fn real_server(number: u32) -> (RealServerId, RealServer) {
    let settings = RealServer {
        forwarding: Forwarding::DirectRoute,
        weight: Weight::ONE,
        upper_threshold: 0,
        lower_threshold: 0,
    };
    (http(address(100, number)), settings)
}

/// 10.`second`.x.y, never ending in 0 or 255.
fn address(second: u8, number: u32) -> Ipv4Addr {
    let base = u32::from(Ipv4Addr::new(10, second, 0, 1));
    Ipv4Addr::from(base + number / 250 * 256 + number % 250)
}

fn http(address: Ipv4Addr) -> SocketAddr {
    SocketAddr::new(address.into(), 80)
}
