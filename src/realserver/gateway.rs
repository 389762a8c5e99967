//! Behind NAT, answers must pass the director that has changed the question's
//! destination: the default route leads there.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use crate::lvs::Family;
use crate::sys::host_route::{MAIN, Route};

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

/// Why answers would miss the directors at `gateways`, at most one for each family.
pub fn faults(gateways: &[IpAddr], routes: &BTreeSet<Route>) -> Vec<Fault> {
    let families = [(Family::Ipv4, "IPv4"), (Family::Ipv6, "IPv6")];
    let mut faults = Vec::new();
    for (family, name) in families {
        let Some(wanted) = gateways.iter().find(|ip| Family::of(**ip) == family) else {
            continue;
        };
        let default = routes
            .iter()
            .filter(|route| {
                route.table == MAIN
                    && route.to.prefix_len == 0
                    && Family::of(route.to.address) == family
            })
            .min_by_key(|route| route.metric);
        let seen = match default.map(|route| route.gateway) {
            None => {
                format!("there is no default route of {name}, so answers do not reach the director")
            }
            Some(Some(gateway)) if gateways.contains(&gateway) => continue,
            Some(gateway) => {
                let by = gateway.map_or("no gateway".to_owned(), |ip| ip.to_string());
                format!(
                    "the default route of {name} is by {by}, so answers miss the director and \
                     clients drop them"
                )
            }
        };
        let mend = format!("ip route replace default via {wanted}");
        faults.push(Fault { seen, mend });
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lvs::Prefixed;

    fn route(gateway: Option<&str>, metric: u32) -> Route {
        Route {
            table: MAIN,
            to: Prefixed {
                address: "0.0.0.0".parse().unwrap(),
                prefix_len: 0,
            },
            gateway: gateway.map(|ip| ip.parse().unwrap()),
            interface: 2,
            source: None,
            metric,
            onlink: false,
            advmss: None,
        }
    }

    fn of(routes: &[Route]) -> Vec<String> {
        let director = ["192.168.1.254".parse().unwrap()];
        let faults = faults(&director, &routes.iter().cloned().collect());
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_best_default_route_must_lead_to_a_director() {
        let director = route(Some("192.168.1.254"), 100);
        let router = route(Some("192.168.1.1"), 50);
        assert_eq!(of(std::slice::from_ref(&director)), [""; 0]);
        let told = of(&[director, router]);
        assert!(told[0].contains("is by 192.168.1.1,"), "{told:?}");
        assert!(told[0].contains("ip route replace default via 192.168.1.254"));
    }

    #[test]
    fn no_default_route_and_one_without_a_gateway_are_told_apart() {
        assert!(of(&[])[0].contains("there is no default route of IPv4"));
        let elsewhere = Route {
            table: 100,
            ..route(Some("192.168.1.254"), 0)
        };
        assert!(of(&[elsewhere])[0].contains("there is no default route"));
        assert!(of(&[route(None, 0)])[0].contains("is by no gateway"));
    }
}
