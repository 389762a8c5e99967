//! Behind NAT, answers must pass the director that has changed the question's
//! destination, whichever route, table or rule leads them. So the kernel is asked for
//! the way of answers to a few clients all over the Internet.

mod ask;
mod beyond;

use std::fmt;
use std::net::IpAddr;

pub use self::ask::{beyond, ways};
pub use self::beyond::{Beyond, warnings};
use super::vip;
use crate::lvs::Family;
use crate::sys::address::Address;
use crate::sys::hop::Hop;

/// Addresses that stand for clients: one in each quarter of IPv4, and one in each large
/// block of IPv6 that is in use. Nothing is sent there. None is a name server or the
/// like, to which a host may have a route of its own, nor from a range that firewalls
/// throw away.
const CLIENTS: [&str; 7] = [
    "23.200.17.41",
    "96.7.129.41",
    "151.101.65.41",
    "212.58.249.41",
    "2001:4f8:3:7::41",
    "2610:20:6005:13::41",
    "2a02:8108:41::41",
];

/// The way that answers to one client take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The client.
    pub to: IpAddr,
    /// The address of this host that they leave from, where it is known.
    pub from: Option<IpAddr>,
    /// The next hop, or none; or why it is not known.
    pub hop: Result<Option<Hop>, String>,
}

/// Why answers would miss the directors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is the case.
    pub seen: String,
    /// The command that mends it.
    pub mend: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.seen, self.mend)
    }
}

/// Why an address cannot be a director's where this host has these addresses, each with
/// the way out.
pub fn refusals(gateways: &[IpAddr], addresses: &[Address]) -> Vec<String> {
    let refused = |gateway: &IpAddr| {
        let of_network = |own: &Address| {
            let what = vip::reserved(*gateway, own.address)?;
            Some(format!(
                "{what} in {}, where no host may have it",
                own.address
            ))
        };
        let what = match addresses.iter().any(|own| own.address.address == *gateway) {
            true => Some("this host's own address".to_owned()),
            false => addresses.iter().find_map(of_network),
        };
        what.map(|what| {
            format!("gateway {gateway} is {what}; name the directors' address on this side")
        })
    };
    gateways.iter().filter_map(refused).collect()
}

/// Why answers would miss the directors at `gateways`, at most one for each family.
pub fn faults(gateways: &[IpAddr], ways: &[Way]) -> Vec<Fault> {
    let families = [(Family::Ipv4, "IPv4"), (Family::Ipv6, "IPv6")];
    let mut faults = Vec::new();
    for (family, name) in families {
        let of_family = |ip: &IpAddr| Family::of(*ip) == family;
        let Some(wanted) = gateways.iter().find(|ip| of_family(ip)) else {
            continue;
        };
        let ways: Vec<_> = ways.iter().filter(|way| of_family(&way.to)).collect();
        let Some((way, seen)) = fault(gateways, &ways, name) else {
            continue;
        };
        let from = way
            .from
            .map_or(String::new(), |from| format!(" from {from}"));
        let mend = format!(
            "ip route replace default via {wanted}; which way they take is told by `ip route \
             get {}{from}` and `ip rule`",
            way.to
        );
        faults.push(Fault { seen, mend });
    }
    faults
}

/// The first way that is wrong, and what is wrong with all of them.
fn fault<'a>(gateways: &[IpAddr], ways: &[&'a Way], family: &str) -> Option<(&'a Way, String)> {
    let known = |way: &&'a Way| Some((*way, *way.hop.as_ref().ok()?));
    let known: Vec<_> = ways.iter().filter_map(known).collect();
    if known.is_empty() {
        let way = *ways.first()?;
        let why = way.hop.as_ref().err()?;
        return Some((way, format!("cannot tell which way answers take: {why}")));
    }
    let right = |hop: Option<Hop>| {
        let gateway = hop.and_then(|hop| hop.gateway);
        gateway.is_some_and(|gateway| gateways.contains(&gateway))
    };
    let (way, hop) = *known.iter().find(|(_, hop)| !right(*hop))?;
    let alike = |(_, other): &(&Way, Option<Hop>)| {
        other.map(|other| other.gateway) == hop.map(|hop| hop.gateway)
    };
    let what = match known.iter().all(alike) {
        true => format!("the default route of {family}"),
        false => format!("the route of answers to {} and others", way.to),
    };
    let seen = match (hop.map(|hop| hop.gateway), known.iter().all(alike)) {
        (None, true) => {
            format!("there is no default route of {family}, so answers do not reach the director")
        }
        (None, false) => {
            let to = way.to;
            format!("there is no route to clients such as {to}, so they get no answers")
        }
        (Some(gateway), _) => {
            let by = gateway.map_or("no gateway".to_owned(), |ip| ip.to_string());
            format!("{what} is by {by}, so answers miss the director and clients drop them")
        }
    };
    Some((way, seen))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::realserver::vip::as_listed;
    use crate::sys::address::NewAddress;

    fn way(to: &str, gateway: Option<&str>) -> Way {
        let hop = Hop {
            gateway: gateway.map(|ip| ip.parse().unwrap()),
            link: Some(2),
            local: false,
            source: None,
        };
        Way {
            to: to.parse().unwrap(),
            from: Some("192.168.1.53".parse().unwrap()),
            hop: Ok(Some(hop)),
        }
    }

    fn of(ways: &[Way]) -> Vec<String> {
        let director = ["192.168.1.254".parse().unwrap()];
        let faults = faults(&director, ways);
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_way_must_lead_to_a_director() {
        let [director, router] = [Some("192.168.1.254"), Some("192.168.1.1")];
        let right = way("212.58.249.41", director);
        assert_eq!(of(&[way("23.0.0.1", director), right.clone()]), [""; 0]);
        let told = of(&[way("23.0.0.1", router), way("212.58.249.41", router)]);
        assert!(told[0].starts_with("the default route of IPv4 is by 192.168.1.1,"));
        assert!(told[0].contains("ip route replace default via 192.168.1.254;"));
        assert!(told[0].contains("`ip route get 23.0.0.1 from 192.168.1.53`"));
        let told = of(&[right.clone(), way("23.0.0.1", router)]);
        let half = "the route of answers to 23.0.0.1 and others is by 192.168.1.1,";
        assert!(told[0].starts_with(half), "{told:?}");
        let lost = Way {
            hop: Ok(None),
            ..way("23.0.0.1", None)
        };
        let told = of(&[right, lost]);
        assert!(told[0].contains("no route to clients such as 23.0.0.1"));
    }

    #[test]
    fn no_route_one_without_a_gateway_and_one_that_is_not_told_are_told_apart() {
        let with = |hop| Way {
            hop,
            ..way("23.0.0.1", None)
        };
        assert!(of(&[with(Ok(None))])[0].contains("there is no default route of IPv4"));
        assert!(of(&[way("23.0.0.1", None)])[0].contains("is by no gateway"));
        let forbidden = with(Err("permission denied".to_owned()));
        let told = of(std::slice::from_ref(&forbidden));
        assert!(told[0].contains("which way answers take: permission denied"));
        let right = way("212.58.249.41", Some("192.168.1.254"));
        assert_eq!(
            of(&[forbidden, right]),
            [""; 0],
            "a client that is shut out"
        );
    }

    #[test]
    fn a_gateway_that_is_this_host_or_no_host_is_refused() {
        let mut own = NewAddress::host("192.168.1.53".parse().unwrap());
        own.address.prefix_len = 24;
        let refused = |gateway: &str| {
            let gateways = [gateway.parse().unwrap()];
            refusals(&gateways, &[as_listed(2, &own)]).join("")
        };
        let its_own = refused("192.168.1.53");
        assert!(its_own.contains("gateway 192.168.1.53 is this host's own address;"));
        assert!(refused("192.168.1.255").contains("is the broadcast address in 192.168.1.53/24,"));
        assert!(refused("192.168.1.0").contains("is the network's own address in"));
        for fine in ["192.168.1.254", "10.0.0.1", "fe80::1"] {
            assert_eq!(refused(fine), "");
        }
    }

    #[test]
    fn there_is_a_client_in_each_quarter_of_ipv4() {
        let clients = CLIENTS.map(|ip| ip.parse::<IpAddr>().unwrap());
        let mut quarters: Vec<_> = clients
            .iter()
            .filter_map(|ip| match ip {
                IpAddr::V4(ip) => Some(ip.octets()[0] / 64),
                IpAddr::V6(_) => None,
            })
            .collect();
        quarters.sort_unstable();
        assert_eq!(quarters, [0, 1, 2, 3]);
    }
}
