//! Routes and rules of the kernel's routing tables, as people write them.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Family, Prefixed};

/// Table `main` of the kernel, which every packet is looked up in.
pub const TABLE_MAIN: u32 = 254;

/// The metric that the kernel gives an IPv6 route that comes without one,
/// `IP6_RT_PRIO_USER` of `<linux/ipv6_route.h>`.
pub const METRIC_OF_IPV6: u32 = 1024;

/// What becomes of packets that a route leads.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum RouteKind {
    /// They are sent on.
    #[default]
    Unicast,
    /// They are dropped without a word.
    Blackhole,
    /// They are dropped, and their sender is told that the host is unreachable.
    Unreachable,
    /// They are dropped, and their sender is told that it is forbidden.
    Prohibit,
    /// They are this host's own.
    Local,
}

/// How far away a destination is, as `ip route` says it. IPv4 only: IPv6 derives
/// it from the route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteScope {
    /// Beyond a gateway.
    Global,
    /// On the LAN of the interface.
    Link,
    /// On this host.
    Host,
}

/// What tells two routes of one kernel apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RouteId {
    /// The routing table.
    pub table: u32,
    /// The destinations; host bits are zero.
    pub to: Prefixed,
    /// Of several routes to one destination the lowest counts.
    pub metric: u32,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Route {
    /// Which route.
    pub id: RouteId,
    /// What becomes of the packets.
    pub kind: RouteKind,
    /// The gateway.
    pub via: Option<IpAddr>,
    /// The interface they leave by; absent: the kernel finds it by the gateway.
    pub interface: Option<String>,
    /// The address that this host's own packets come from.
    pub source: Option<IpAddr>,
    /// How far away; absent: of IPv6.
    pub scope: Option<RouteScope>,
    /// The longest packet, in bytes.
    pub mtu: Option<u32>,
    /// The longest TCP segment to ask for, in bytes.
    pub advmss: Option<u32>,
}

impl Route {
    /// Whether `found` is what was asked for; what was not asked for may be
    /// anything.
    pub fn is_met_by(&self, found: &Self) -> bool {
        fn agree<T: PartialEq>(wanted: Option<&T>, found: Option<&T>) -> bool {
            wanted.is_none() || wanted == found
        }
        self.id == found.id
            && self.kind == found.kind
            && self.via == found.via
            && agree(self.interface.as_ref(), found.interface.as_ref())
            && self.source == found.source
            && agree(self.scope.as_ref(), found.scope.as_ref())
            && self.mtu == found.mtu
            && self.advmss == found.advmss
    }
}

/// A rule, which says which routing table counts for which packets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rule {
    /// Rules are asked in ascending order.
    pub priority: u32,
    /// The family of the packets.
    pub family: Family,
    /// Their sources; absent: any. Host bits are zero.
    pub from: Option<Prefixed>,
    /// Their destinations; absent: any. Host bits are zero.
    pub to: Option<Prefixed>,
    /// Their firewall mark; absent: any.
    pub fwmark: Option<u32>,
    /// The interface they came in by; absent: any.
    pub iif: Option<String>,
    /// The interface they are bound to; absent: any.
    pub oif: Option<String>,
    /// The table to look them up in.
    pub table: u32,
}

/// `10.0.0.0/8 metric 10 in table 100`; the usual is left out.
impl fmt::Display for RouteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Network(&self.to))?;
        if self.metric != Family::of(self.to.address).metric() {
            write!(f, " metric {}", self.metric)?;
        }
        if self.table != TABLE_MAIN {
            write!(f, " in table {}", self.table)?;
        }
        Ok(())
    }
}

/// `100: from 10.0.0.0/8 lookup 100`, as `ip rule` says it.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: from ", self.priority)?;
        match &self.from {
            Some(from) => write!(f, "{}", Network(from))?,
            None => f.write_str("all")?,
        }
        if let Some(to) = &self.to {
            write!(f, " to {}", Network(to))?;
        }
        if let Some(mark) = self.fwmark {
            write!(f, " fwmark {mark}")?;
        }
        if let Some(iif) = &self.iif {
            write!(f, " iif {iif}")?;
        }
        if let Some(oif) = &self.oif {
            write!(f, " oif {oif}")?;
        }
        write!(f, " lookup {}", self.table)
    }
}

impl Family {
    /// The metric of a route that comes without one.
    pub fn metric(self) -> u32 {
        match self {
            Self::Ipv4 => 0,
            Self::Ipv6 => METRIC_OF_IPV6,
        }
    }
}

/// A destination as people write it: a host without its prefix length, and
/// everything as `default`.
#[derive(Debug)]
pub struct Network<'a>(pub &'a Prefixed);

impl fmt::Display for Network<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Prefixed {
            address,
            prefix_len,
        } = self.0;
        if *prefix_len == 0 {
            f.write_str("default")
        } else if *prefix_len == Family::of(*address).host_prefix_len() {
            write!(f, "{address}")
        } else {
            write!(f, "{}", self.0)
        }
    }
}
