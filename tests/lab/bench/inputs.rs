//! The same virtual servers in each contender's own language.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};

use lvsd::ipvs::plan::{Op, plan};
use lvsd::ipvs::table::{RealServer, Settings, Table, VirtualServer};
use lvsd::lvs::{Forwarding, Protocol, RealServerId, Scheduler, Servers, VirtualServerId, Weight};

/// The number of the first real server that no table has to begin with.
const OTHERS: u32 = 50_000;

/// So many virtual servers under `wrr` and direct routing, none of them checked.
#[derive(Debug, Clone)]
pub(super) struct Inputs {
    pub(super) table: Table,
}

impl Inputs {
    /// The real servers are spread evenly over the virtual servers.
    pub(super) fn new(virtual_servers: u32, real_servers: u32) -> Self {
        let first_of = |number: u32| {
            let first = u64::from(number) * u64::from(real_servers) / u64::from(virtual_servers);
            u32::try_from(first).unwrap()
        };
        let virtual_server = |number: u32| {
            let pool = first_of(number)..first_of(number + 1);
            let server = VirtualServer {
                settings: Settings::of(Scheduler::known("wrr").unwrap()),
                real_servers: pool.map(real_server).collect(),
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
    pub(super) fn with_one_weight(&self, weight: u32) -> Self {
        let mut changed = self.clone();
        let middle = changed.table.len() / 2;
        let (_, server) = changed.table.iter_mut().nth(middle).unwrap();
        let (_, real_server) = server.real_servers.iter_mut().next_back().unwrap();
        real_server.weight = Weight::try_from(weight).unwrap();
        changed
    }

    /// The same with one more real server in the middle.
    pub(super) fn with_one_more(&self) -> Self {
        let mut changed = self.clone();
        let middle = changed.table.len() / 2;
        let (_, server) = changed.table.iter_mut().nth(middle).unwrap();
        server.real_servers.extend([real_server(OTHERS - 1)]);
        changed
    }

    /// The same without a hundred real servers, or half of all where that is less, from all
    /// over the table.
    pub(super) fn without_a_hundred(&self) -> Self {
        let real_servers = self.real_servers();
        let removed = (real_servers / 2).min(100);
        let mut changed = self.clone();
        let mut number = 0;
        for server in changed.table.values_mut() {
            server.real_servers.retain(|_, _| {
                number += 1;
                // As often as the quotient grows.
                number * removed / real_servers == (number - 1) * removed / real_servers
            });
        }
        changed
    }

    /// The same with other real servers throughout.
    pub(super) fn with_all_replaced(&self) -> Self {
        let mut changed = self.clone();
        let mut others = (OTHERS..).map(real_server);
        for server in changed.table.values_mut() {
            let count = server.real_servers.len();
            server.real_servers = others.by_ref().take(count).collect();
        }
        changed
    }

    pub(super) fn real_servers(&self) -> usize {
        let pools = self.table.values().map(|server| server.real_servers.len());
        pools.sum()
    }

    /// As somebody would write it: servers of weight 1 in the short form.
    pub(super) fn director_toml(&self) -> String {
        self.director_file(|real_server| real_server.weight == Weight::ONE)
    }

    /// The same as [`Self::director_toml`], each checked by TCP every 6 s.
    pub(super) fn checked_director_toml(&self) -> String {
        let check = "{ type = \"tcp\", interval = \"6s\", timeout = \"5s\" }";
        let text = self.director_toml();
        text.replace("{ type = \"none\" }", check)
    }

    /// The same as [`Self::keepalived_conf`], each checked by TCP every 6 s.
    pub(super) fn checked_keepalived_conf(&self) -> String {
        let check = "        TCP_CHECK {\n            connect_timeout 5\n        }\n    }\n";
        let text = self.keepalived_conf();
        let text = text.replace("    protocol TCP\n", "    protocol TCP\n    delay_loop 6\n");
        text.replace(
            "        weight 1\n    }\n",
            &format!("        weight 1\n{check}"),
        )
    }

    /// Every real server as a table of its own.
    pub(super) fn long_director_toml(&self) -> String {
        self.director_file(|_| false)
    }

    fn director_file(&self, is_short: impl Fn(&RealServer) -> bool) -> String {
        let mut text = String::new();
        for (vip, pool) in self.pools() {
            let (short, long): (Vec<_>, Vec<_>) = pool.iter().partition(|(_, rs)| is_short(rs));
            let short: Vec<_> = short.iter().map(|(rip, _)| format!("\"{rip}\"")).collect();
            write!(
                text,
                "[[virtual_server]]\naddress = \"{vip}\"\nscheduler = \"wrr\"\n\
                 forwarding = \"dr\"\ncheck = {{ type = \"none\" }}\ndrain = \"0s\"\n\
                 real_servers = [{}]\n\n",
                short.join(", ")
            )
            .unwrap();
            for (rip, real_server) in long {
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

    /// What `ipvsadm -R` reads to make this of another table.
    pub(super) fn ipvsadm_rules(&self, from: &Table) -> String {
        let ops = plan(&self.table, from);
        ops.iter()
            .map(|op| format!("{}\n", ipvsadm_rule(op)))
            .collect()
    }

    fn pools(&self) -> impl Iterator<Item = (SocketAddr, &Servers<RealServer>)> {
        let servers = self.table.iter();
        servers.map(|(id, server)| (vip(id), &server.real_servers))
    }
}

fn vip(id: &VirtualServerId) -> SocketAddr {
    match id {
        VirtualServerId::Address { address, .. } => *address,
        VirtualServerId::Fwmark { .. } => unreachable!("none is made above"),
    }
}

fn ipvsadm_rule(op: &Op) -> String {
    let vip = vip(op.virtual_server());
    match op {
        Op::AddVirtualServer(..) => format!("-A -t {vip} -s wrr"),
        Op::AddRealServer(_, rip, server) => {
            format!("-a -t {vip} -r {rip} -g -w {}", server.weight)
        }
        Op::SetRealServer(_, rip, server) => {
            format!("-e -t {vip} -r {rip} -g -w {}", server.weight)
        }
        Op::RemoveRealServer(_, rip) => format!("-d -t {vip} -r {rip}"),
        Op::RemoveVirtualServer(_) => format!("-D -t {vip}"),
        Op::SetVirtualServer(..) => unreachable!("no bench does it"),
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
