//! `real_servers` and `[[virtual_server.real_server]]`: what is in a pool.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;

use super::forwarding::{self, Outer};
use super::rules;
use crate::config::check::{self, Target, is_host};
use crate::config::director::RealServer;
use crate::config::document::Document;
use crate::config::raw;
use crate::config::rules::Conduct;
use crate::config::values::number;
use crate::health::Check;
use crate::ipvs::table;
use crate::lvs::{Family, Forwarding, RealServerId, VirtualServerId, Weight};

const MEND: &str = "write RIP:PORT, such as \"192.168.1.53:80\"";

/// A real server as it is written, before it stands in a virtual server.
pub(super) struct Member {
    /// Where its address is written.
    pub(super) place: Range<usize>,
    /// Port 0: the virtual server's.
    address: SocketAddr,
    /// None: its forwarding, weight or thresholds are refused. What is compared by
    /// address alone is found wrong all the same.
    pub(super) real_server: Option<RealServer>,
}

/// Reads the pool of a table, short form and long.
pub(super) fn read(
    document: &mut Document<'_>,
    raw: &raw::VirtualServer,
    outer: &Outer<'_>,
) -> Vec<Member> {
    let short = raw
        .real_servers
        .iter()
        .map(|text| (text.span(), Some(text), None));
    let long = raw.real_server.iter().map(|table| {
        let own = table.get_ref();
        (table.span(), own.address.as_ref(), Some(own))
    });
    let mut members = Vec::new();
    for (table, address, own) in short.chain(long) {
        let address = document.require(&table, address, "address", MEND);
        members.extend(address.and_then(|text| member(document, text, own, outer, &table)));
    }
    members
}

/// Reads the backup pool of a table.
pub(super) fn read_backup(
    document: &mut Document<'_>,
    raw: &raw::VirtualServer,
    outer: &Outer<'_>,
) -> Vec<Member> {
    let mut members = Vec::new();
    for table in &raw.backup_server {
        let (place, own) = (table.span(), table.get_ref());
        let address = document.require(&place, own.address.as_ref(), "address", MEND);
        members.extend(address.and_then(|text| member(document, text, Some(own), outer, &place)));
    }
    members
}

/// Reads the sorry server of a table, which is not checked.
pub(super) fn read_sorry(
    document: &mut Document<'_>,
    text: &Spanned<String>,
    forwarding: Forwarding,
    outer: &Outer<'_>,
) -> Option<Member> {
    let place = text.span();
    let address = address_of(text.get_ref()).filter(|address| is_host(address.ip()));
    let address = address.ok_or("not the address of a server");
    let address = document.accept(&place, address, MEND)?;
    refuse_link_local(document, &place, address.ip(), forwarding);
    Some(Member {
        address,
        place,
        real_server: Some(RealServer {
            settings: table::RealServer {
                forwarding,
                weight: Weight::ONE,
                upper_threshold: 0,
                lower_threshold: 0,
            },
            check: None,
            conduct: Conduct {
                drain: outer.conduct.drain,
                ..Conduct::default()
            },
        }),
    })
}

fn member(
    document: &mut Document<'_>,
    text: &Spanned<String>,
    own: Option<&raw::RealServer>,
    outer: &Outer<'_>,
    table: &Range<usize>,
) -> Option<Member> {
    let place = text.span();
    let address = address_of(text.get_ref()).filter(|address| is_host(address.ip()));
    let address = document.accept(&place, address.ok_or("not the address of a server"), MEND);
    // A check or conduct that is refused leaves the rest to be read.
    let settings = settings(document, own, outer).filter(|settings| {
        let Some(ip) = address.map(|address| address.ip()) else {
            return true;
        };
        refuse_link_local(document, &place, ip, settings.forwarding);
        !ip.is_loopback() || !refuse_loopback(document, &place, settings.forwarding)
    });
    let conduct = match own {
        Some(own) => rules::conduct(document, rules::keys_of(own), outer.conduct),
        None => None,
    };
    // Where the address is refused, any will do to find what else is wrong.
    let target = address.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
    let check = check_of(document, own, target, outer, table).map(Arc::new);
    Some(Member {
        place,
        address: address?,
        real_server: settings.map(|settings| RealServer {
            settings,
            check,
            conduct: conduct.unwrap_or(outer.conduct),
        }),
    })
}

/// The kernel refuses it: such an address says nothing without an interface, and a
/// real server's has none.
fn refuse_link_local(
    document: &mut Document<'_>,
    place: &Range<usize>,
    ip: IpAddr,
    forwarding: Forwarding,
) {
    let link_local = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    if link_local && forwarding != Forwarding::Local {
        let message = "the kernel takes no link-local address for a real server's";
        let mend = "write an address of it that is good beyond its link, such as \"fd00::53\"";
        document.refuse(place, message, mend);
    }
}

/// Packets that keep the VIP as their destination go out by an interface to a
/// neighbour. The loopback leads nowhere.
fn refuse_loopback(
    document: &mut Document<'_>,
    place: &Range<usize>,
    forwarding: Forwarding,
) -> bool {
    let method = forwarding.method();
    let is_refused = matches!(method, "dr" | "tun");
    if is_refused {
        let message = format!("forwarding {method:?} cannot send to the loopback");
        let mend = "write the real server's own address (RIP), or forwarding = \"local\" for a \
                    service of this host";
        document.refuse(place, message, mend);
    }
    is_refused
}

/// None: nothing is asked of it, or what is asked is refused.
fn check_of(
    document: &mut Document<'_>,
    own: Option<&raw::RealServer>,
    mut address: SocketAddr,
    outer: &Outer<'_>,
    table: &Range<usize>,
) -> Option<Check> {
    let check = check::inherit(outer.check, own.and_then(|own| own.check.as_deref()));
    if outer.needs_check && check.kind.is_none() {
        let mend = "name a check: a TCP connection says nothing about a UDP or SCTP service; \
                    \"none\" balances onto unchecked servers";
        document.refuse_missing(table, "check.type", mend);
        return None;
    }
    if address.port() == 0 {
        address.set_port(outer.port);
    }
    check::read(document, &check, Target::RealServer(address), table)?
}

/// `RIP:PORT`, or a bare RIP, whose port is 0 until the virtual server's is known.
pub(super) fn address_of(text: &str) -> Option<SocketAddr> {
    text.parse()
        .ok()
        .or_else(|| text.parse().ok().map(|ip| SocketAddr::new(ip, 0)))
}

fn settings(
    document: &mut Document<'_>,
    own: Option<&raw::RealServer>,
    outer: &Outer<'_>,
) -> Option<table::RealServer> {
    let Some(own) = own else {
        return Some(table::RealServer {
            forwarding: outer.forwarding?,
            weight: Weight::ONE,
            upper_threshold: 0,
            lower_threshold: 0,
        });
    };
    let forwarding = forwarding::of_member(document, own, outer.forwarding);
    let weight = number(
        document,
        &own.weight,
        1u32,
        0..=i64::from(Weight::MAX.get()),
    );
    let limit = 0..=i64::from(u32::MAX);
    let upper = number(document, &own.upper_threshold, 0u32, limit.clone());
    let lower = number(document, &own.lower_threshold, 0u32, limit);
    let (upper_threshold, lower_threshold) = (upper?, lower?);
    if let Some(field) = &own.lower_threshold
        && lower_threshold > upper_threshold
    {
        let message =
            "above upper_threshold: it would take connections again before it refused any";
        let mend = "write upper_threshold, and lower_threshold below it";
        document.refuse(&field.span(), message, mend);
        return None;
    }
    Some(table::RealServer {
        forwarding: forwarding?,
        weight: Weight::try_from(weight?).ok()?,
        upper_threshold,
        lower_threshold,
    })
}

/// The kernel's connection sync has no words for a real server of another family
/// than its virtual server's; none: the virtual servers are of both.
pub(super) fn refuse_other_family(
    document: &mut Document<'_>,
    members: &[Member],
    family: Option<Family>,
) {
    let other = |member: &&Member| {
        let forwarding = member.forwarding();
        let tunnelled = matches!(forwarding, Some(Forwarding::Tunnel(_)));
        tunnelled && family != Some(Family::of(member.address.ip()))
    };
    for member in members.iter().filter(other) {
        let message = "connection sync cannot tell of a real server of the other family";
        let mend = "use IPv4 for both, or IPv6 for both, or remove [ipvs.sync]";
        document.refuse(&member.place, message, mend);
    }
}

impl Member {
    /// Its address, whatever else is wrong.
    pub(super) fn ip(&self) -> IpAddr {
        self.address.ip()
    }

    /// How packets reach it, unless that is refused.
    pub(super) fn forwarding(&self) -> Option<Forwarding> {
        let real_server = self.real_server.as_ref()?;
        Some(real_server.settings.forwarding)
    }

    /// What names it in a virtual server, which may forbid it.
    pub(super) fn place_in(
        &self,
        document: &mut Document<'_>,
        virtual_server: &VirtualServerId,
        persistent: bool,
    ) -> Option<RealServerId> {
        let forwarding = self.forwarding();
        let tunnelled = matches!(forwarding, None | Some(Forwarding::Tunnel(_)));
        if Family::of(self.address.ip()) != virtual_server.family() && !tunnelled {
            let message = "not of the family of its virtual server";
            let mend = "use IPv4 for both, or IPv6 for both, or forwarding = \"tun\"";
            document.refuse(&self.place, message, mend);
            return None;
        }
        if virtual_server.vip() == Some(self.address.ip()) {
            let message = "the VIP itself cannot be its own real server";
            let mend = "write the real server's own address (RIP)";
            document.refuse(&self.place, message, mend);
            return None;
        }
        let port = match virtual_server {
            VirtualServerId::Address { address, .. } => address.port(),
            VirtualServerId::Fwmark { .. } => 0,
        };
        if self.address.port() == 0 || self.address.port() == port {
            return Some(SocketAddr::new(self.address.ip(), port));
        }
        if let Some((message, mend)) = self.cannot_map(virtual_server, port, persistent) {
            document.refuse(&self.place, message, mend);
            return None;
        }
        Some(self.address)
    }

    /// Why packets cannot arrive at a port of the real server's own choice.
    fn cannot_map(
        &self,
        virtual_server: &VirtualServerId,
        port: u16,
        persistent: bool,
    ) -> Option<(String, String)> {
        let method = self.forwarding()?.method();
        let leave_out = "leave the port out; check.port names the one to check".to_owned();
        let mark = matches!(virtual_server, VirtualServerId::Fwmark { .. });
        if method != "nat" {
            return Some(match port {
                0 => (
                    format!("forwarding {method:?} cannot change ports: packets keep theirs"),
                    leave_out,
                ),
                port => (
                    format!(
                        "forwarding {method:?} cannot change the port: \
                         packets arrive at port {port} whatever is written here"
                    ),
                    format!("write port {port}, or forwarding = \"nat\""),
                ),
            });
        }
        // The kernel maps to the entry's port only where it schedules connection by connection.
        let keeps = match mark {
            true if persistent => "the packets of a persistent firewall mark keep their ports",
            false if port == 0 => "every port is served, and each keeps its number",
            _ => return None,
        };
        Some((keeps.to_owned(), leave_out))
    }
}
