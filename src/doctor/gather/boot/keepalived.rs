//! The few words of `keepalived.conf` that say what a host is, for which VIPs, and
//! which ports it is told to change where none can be changed.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::doctor::facts::VirtualRouter;
use crate::lvs::Family;

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Keepalived {
    /// It has a virtual router.
    pub(super) routes: bool,
    /// It has a virtual server.
    pub(super) balances: bool,
    /// Its virtual routers that are told with number and interface.
    pub(super) routers: Vec<VirtualRouter>,
    /// The addresses of all of them.
    pub(super) vips: BTreeSet<IpAddr>,
    /// Virtual and real servers of different ports, under direct routing or
    /// tunnels.
    pub(super) mapped: Vec<(SocketAddr, SocketAddr)>,
}

/// Reads the file, a statement a line as everybody writes it.
pub(super) fn parse(text: &str) -> Keepalived {
    let mut read = Keepalived::default();
    let mut virtual_server = None;
    let mut keeps_ports = false;
    let mut list = List::Other;
    // Whether statements are about the last virtual router.
    let mut of_router = false;
    for line in text.lines() {
        let statement = line.split(['#', '!']).next().unwrap_or_default();
        let words: Vec<_> = statement.split_whitespace().collect();
        match words.as_slice() {
            ["virtual_ipaddress", ..] => list = List::Vips,
            ["virtual_ipaddress_excluded", ..] => list = List::Unannounced,
            ["unicast_peer", ..] => list = List::Peers,
            ["}", ..] => list = List::Other,
            [word, ..] if list != List::Other => read.item(list, word),
            ["vrrp_instance", name, ..] => {
                read.routes = true;
                of_router = true;
                read.routers.push(router(name));
            }
            ["virtual_server" | "virtual_server_group", rest @ ..] => {
                of_router = false;
                read.balances = true;
                keeps_ports = false;
                virtual_server = socket(rest);
            }
            ["lb_kind" | "lvs_method", kind, ..] => {
                keeps_ports = matches!(*kind, "DR" | "TUN");
            }
            ["real_server", rest @ ..] => {
                let pair = virtual_server.zip(socket(rest));
                let differ = |(one, other): &(SocketAddr, SocketAddr)| one.port() != other.port();
                read.mapped
                    .extend(pair.filter(differ).filter(|_| keeps_ports));
            }
            ["global_defs" | "vrrp_script" | "vrrp_sync_group", ..] => of_router = false,
            [key, value, ..] if of_router => read.statement(key, value),
            _ => {}
        }
    }
    read.routers.retain(|it| {
        let is_told = !it.interface.is_empty() && it.vrid != 0;
        is_told && !it.addresses.is_empty()
    });
    read
}

/// What the lines of a block are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Vips,
    /// Addresses that adverts do not name.
    Unannounced,
    Peers,
    Other,
}

/// One of which nothing but its name was read yet.
fn router(name: &str) -> VirtualRouter {
    VirtualRouter {
        name: name.to_owned(),
        interface: String::new(),
        vrid: 0,
        family: Family::Ipv4,
        addresses: BTreeSet::new(),
        peers: Vec::new(),
        interval: Duration::from_secs(1),
    }
}

impl Keepalived {
    /// A line of a block.
    fn item(&mut self, list: List, word: &str) {
        let Some(address) = address(word) else {
            return;
        };
        if list != List::Peers {
            self.vips.insert(address);
        }
        if let Some(router) = self.routers.last_mut() {
            match list {
                List::Vips => {
                    router.family = Family::of(address);
                    router.addresses.insert(address);
                }
                List::Peers => router.peers.push(address),
                List::Unannounced | List::Other => {}
            }
        }
    }

    /// A statement about the last virtual router.
    fn statement(&mut self, key: &str, value: &str) {
        let Some(router) = self.routers.last_mut() else {
            return;
        };
        match key {
            "interface" => value.clone_into(&mut router.interface),
            "virtual_router_id" => router.vrid = value.parse().unwrap_or(0),
            "advert_int" => {
                let seconds = value.parse().ok().map(Duration::try_from_secs_f64);
                router.interval = seconds.and_then(Result::ok).unwrap_or(router.interval);
            }
            _ => {}
        }
    }
}

/// `192.168.1.200`, `192.168.1.200/24`
fn address(word: &str) -> Option<IpAddr> {
    word.split('/').next()?.parse().ok()
}

/// None for a firewall mark, or where a port is left out.
fn socket(words: &[&str]) -> Option<SocketAddr> {
    let [address, port, ..] = words else {
        return None;
    };
    Some(SocketAddr::new(address.parse().ok()?, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_that_direct_routing_cannot_change_are_found() {
        let file = |kind: &str| {
            format!(
                "vrrp_instance VI_1 {{\nvirtual_ipaddress {{\n192.168.1.200/24 dev x # it\n\
                 2001:db8::200\n}}\npriority 100\n}}\nvirtual_server 192.168.1.200 80 {{ # the site\n\
                 lb_kind {kind}\nreal_server 192.168.1.53 80 {{\nweight 1\n}}\n\
                 real_server 192.168.1.54 8080 {{\n}}\n}}\n"
            )
        };
        let read = parse(&file("DR"));
        let pair = ["192.168.1.200:80", "192.168.1.54:8080"].map(|it| it.parse().unwrap());
        assert_eq!(read.mapped, [(pair[0], pair[1])]);
        assert!(read.routes && read.balances);
        let vips = ["192.168.1.200", "2001:db8::200"].map(|it| it.parse().unwrap());
        assert_eq!(read.vips, vips.into());
        assert_eq!(parse(&file("NAT")).mapped, []);
        assert_eq!(
            parse("! virtual_server 1.2.3.4 80 {"),
            Keepalived::default()
        );
        assert!(parse("virtual_server fwmark 7 {\nreal_server 1.2.3.4 80 {").balances);
        parse("virtual_server\nlb_kind\nreal_server 1.2.3.4");
    }

    #[test]
    fn virtual_routers_are_told_with_number_interface_interval_and_peers() {
        let text = "global_defs {\nrouter_id x\n}\nvrrp_script up {\ninterval 7\n}\n\
                    vrrp_instance VI_1 {\ninterface ens192\nvirtual_router_id 51\nadvert_int 3\n\
                    authentication {\nauth_pass 1111\n}\nunicast_peer {\n192.168.1.52\n}\n\
                    virtual_ipaddress {\n192.168.1.200/24 dev ens192\n}\n\
                    virtual_ipaddress_excluded {\n192.168.1.201\n}\n}\n\
                    vrrp_instance VI_2 {\ninterface ens224\nvirtual_router_id 52\n\
                    virtual_ipaddress {\n10.0.0.1\n}\n}\n\
                    vrrp_instance untold {\nvirtual_router_id 53\nadvert_int -1\n}\n\
                    virtual_server 192.168.1.200 80 {\ninterface x\n}\n";
        let read = parse(text);
        let [first, second] = read.routers.as_slice() else {
            panic!("{read:?}");
        };
        let expected = VirtualRouter {
            interface: "ens192".to_owned(),
            vrid: 51,
            addresses: [[192, 168, 1, 200].into()].into(),
            peers: vec![[192, 168, 1, 52].into()],
            interval: Duration::from_secs(3),
            ..router("VI_1")
        };
        assert_eq!(*first, expected);
        assert_eq!((second.vrid, second.interval), (52, Duration::from_secs(1)));
        assert_eq!(read.vips.len(), 3);
    }
}
