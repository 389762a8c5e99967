//! The few words of `keepalived.conf` that say what a host is, for which VIPs, and
//! which ports it is told to change where none can be changed.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Keepalived {
    /// It has a virtual router.
    pub(super) routes: bool,
    /// It has a virtual server.
    pub(super) balances: bool,
    /// The addresses of its virtual routers.
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
    let mut lists_vips = false;
    for line in text.lines() {
        let statement = line.split(['#', '!']).next().unwrap_or_default();
        let words: Vec<_> = statement.split_whitespace().collect();
        match words.as_slice() {
            ["virtual_ipaddress" | "virtual_ipaddress_excluded", ..] => lists_vips = true,
            ["}", ..] => lists_vips = false,
            [vip, ..] if lists_vips => read.vips.extend(address(vip)),
            ["vrrp_instance", ..] => read.routes = true,
            ["virtual_server", rest @ ..] => {
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
            _ => {}
        }
    }
    read
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
}
