//! Networks to which answers leave by a route of their own. Whether clients are in them
//! nobody has told, so such a route is named, and does not make the host not ready.

use std::net::IpAddr;

use super::{CLIENTS, Way};
use crate::lvs::{Family, Prefixed};
use crate::sys::address::Address;
use crate::sys::link::Link;

/// The networks that are asked about at most: more are told as a number.
pub(super) const MOST: usize = 32;

/// The ways to networks that are on no link of this host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Beyond {
    /// The network, and the way to an address in it.
    pub ways: Vec<(Prefixed, Way)>,
    /// How many networks there are besides.
    pub others: usize,
}

/// Whether the way to a network is to be asked for: a network with one of [`CLIENTS`]
/// in it is judged with them.
pub(super) fn is_of_interest(network: Prefixed) -> bool {
    let clients = CLIENTS.iter().filter_map(|ip| ip.parse().ok());
    !clients.into_iter().any(|ip: IpAddr| network.contains(ip))
}

/// An address that stands for a network: not its own one, if it has others.
pub(super) fn inside(network: Prefixed) -> IpAddr {
    let is_wide = network.prefix_len + 1 < Family::of(network.address).host_prefix_len();
    let next = u8::from(is_wide);
    match network.address {
        IpAddr::V4(ip) => IpAddr::V4((ip.to_bits() | u32::from(next)).into()),
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() | u128::from(next)).into()),
    }
}

/// What there is to say of routes that lead past the directors at `gateways`, one
/// sentence each.
pub fn warnings(
    gateways: &[IpAddr],
    beyond: &Beyond,
    links: &[Link],
    addresses: &[Address],
) -> Vec<String> {
    let mut told: Vec<_> = beyond
        .ways
        .iter()
        .filter_map(|(network, way)| warning(gateways, *network, way, links, addresses))
        .collect();
    if beyond.others > 0 {
        told.push(format!(
            "{} more routes to networks beyond this link were not looked at",
            beyond.others
        ));
    }
    told
}

fn warning(
    gateways: &[IpAddr],
    network: Prefixed,
    way: &Way,
    links: &[Link],
    addresses: &[Address],
) -> Option<String> {
    let of_family = |ip: &&IpAddr| Family::of(**ip) == Family::of(network.address);
    let director = gateways.iter().find(of_family)?;
    let name = |index: Option<u32>| {
        let link = links.iter().find(|link| Some(link.index) == index);
        link.map_or("an interface", |link| link.name.as_str())
    };
    let by = match &way.hop {
        Ok(Some(hop)) => match hop.gateway {
            Some(gateway) if gateways.contains(&gateway) => return None,
            Some(gateway) => format!("leave by {gateway}, which is no director"),
            None if hop.local || is_on_link(network, addresses) => return None,
            None => format!("leave by {}, past every director", name(hop.link)),
        },
        // Thrown away on purpose, as by a blackhole: an error of its own, or no route.
        Ok(None) | Err(_) => "go nowhere".to_owned(),
    };
    Some(format!(
        "answers to {network} {by}: a client there gets none; if there are clients, ip route \
         replace {network} via {director}"
    ))
}

/// Whether a network is one of this host's own, or a part of one, or the other way round.
fn is_on_link(network: Prefixed, addresses: &[Address]) -> bool {
    addresses.iter().any(|own| {
        let own = own.address;
        network.contains(own.address) || own.network().contains(network.address)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::realserver::vip::as_listed;
    use crate::sys::address::NewAddress;
    use crate::sys::hop::Hop;

    fn network(text: &str) -> Prefixed {
        text.parse().unwrap()
    }

    /// What is said of a network whose way is by this gateway, or by eth0 without one.
    fn told(of: &str, hop: Result<Option<Option<&str>>, String>) -> Vec<String> {
        let hop = hop.map(|hop| {
            hop.map(|gateway| Hop {
                gateway: gateway.map(|ip| ip.parse().unwrap()),
                link: Some(2),
                local: false,
                source: None,
            })
        });
        let way = Way {
            to: inside(network(of)),
            from: None,
            hop,
        };
        let mut own = NewAddress::host("192.168.1.53".parse().unwrap());
        own.address.prefix_len = 24;
        let beyond = Beyond {
            ways: vec![(network(of), way)],
            others: 0,
        };
        let directors = ["192.168.1.254", "2001:db8::1"].map(|ip| ip.parse().unwrap());
        let links = [Link::working(2, "eth0")];
        warnings(&directors, &beyond, &links, &[as_listed(2, &own)])
    }

    #[test]
    fn a_route_past_the_directors_is_named_with_where_it_leads_and_what_mends_it() {
        assert_eq!(
            told("10.0.0.0/8", Ok(Some(Some("192.168.1.1")))),
            [
                "answers to 10.0.0.0/8 leave by 192.168.1.1, which is no director: a client there \
              gets none; if there are clients, ip route replace 10.0.0.0/8 via 192.168.1.254"
            ]
        );
        let by_itself = told("10.8.0.0/24", Ok(Some(None)));
        assert!(by_itself[0].contains("leave by eth0, past every director"));
        for nowhere in [Ok(None), Err("invalid argument".to_owned())] {
            assert!(told("10.0.0.0/8", nowhere)[0].contains("10.0.0.0/8 go nowhere"));
        }
        let of_ipv6 = told("2001:db8:9::/48", Ok(Some(Some("fe80::1"))));
        assert!(
            of_ipv6[0].ends_with("2001:db8:9::/48 via 2001:db8::1"),
            "{of_ipv6:?}"
        );
    }

    #[test]
    fn a_route_to_a_director_or_a_link_of_this_host_is_right() {
        let director = Ok(Some(Some("192.168.1.254")));
        assert_eq!(told("10.0.0.0/8", director), [""; 0]);
        for own in ["192.168.1.0/24", "192.168.1.1/32", "192.168.0.0/16"] {
            assert_eq!(told(own, Ok(Some(None))), [""; 0], "{own}");
        }
    }

    #[test]
    fn networks_of_the_clients_that_are_asked_for_anyway_are_left_to_those() {
        assert!(!is_of_interest(network("128.0.0.0/1")));
        assert!(!is_of_interest(network("2000::/3")));
        assert!(is_of_interest(network("172.16.0.0/12")));
        for (of, stands) in [
            ("10.0.0.0/8", "10.0.0.1"),
            ("10.0.0.6/31", "10.0.0.6"),
            ("10.0.0.7/32", "10.0.0.7"),
            ("2001:db8::/32", "2001:db8::1"),
        ] {
            assert_eq!(inside(network(of)).to_string(), stands);
        }
    }
}
