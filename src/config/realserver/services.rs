//! The local services that must answer, and where: a service that answers elsewhere on
//! this host says nothing of what clients get on the VIP.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use toml::Spanned;

use super::raw;
use crate::config::check::{self, Target};
use crate::config::document::Document;
use crate::config::raw as raw_check;
use crate::health::Check;

/// A local service that must answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// How it is called in `/ready`, status and logs.
    pub name: String,
    /// What it must answer to, all of it. With an address, that one comes first.
    pub checks: Vec<Check>,
    /// Where it is asked.
    pub asked: Asked,
}

/// Where a service is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// At a port of each VIP, as clients do.
    Port,
    /// At an address; where that is no VIP, at its port on each VIP too, since what
    /// answers there may answer nothing on the VIP. Behind NAT there is no VIP, and
    /// the address is this host's own.
    Address,
    /// At an address alone: no client connects to it.
    Internal,
}

const NAME_ITS_ADDRESS: &str = "name this host's own address, which directors send to, as in \
                                address = \"192.168.1.53:80\"";

pub(super) fn read(
    document: &mut Document<'_>,
    raw: &[Spanned<raw::Service>],
    vips: &[IpAddr],
) -> Vec<Service> {
    let mut names = HashMap::new();
    let mut services = Vec::new();
    for table in raw {
        let (service, span) = (table.get_ref(), table.span());
        let mend = "name the service, such as \"nginx\"";
        let name = document.require(&span, service.name.as_ref(), "name", mend);
        if let Some(name) = name
            && let Some(first) = names.insert(name.get_ref().clone(), name.span())
        {
            let message = format!("this name is taken, {}", document.place(&first));
            document.refuse(&name.span(), message, "give each service a name of its own");
        }
        let mend = "say what it must answer to, as in check = { type = \"tcp\", port = 80 }";
        let Some(raw) = document.require(&span, service.check.as_ref(), "check", mend) else {
            continue;
        };
        let Some(asked) = asked(document, service, raw) else {
            continue;
        };
        let checks = match asked {
            Asked::Port => on_vips(document, raw.get_ref(), &raw.span(), vips),
            Asked::Address => at_address(document, raw, vips),
            Asked::Internal => {
                one(document, raw.get_ref(), Target::Service, &raw.span()).map(|check| vec![check])
            }
        };
        if let (Some(name), Some(checks)) = (name, checks) {
            services.push(Service {
                name: name.get_ref().clone(),
                checks,
                asked,
            });
        }
    }
    services
}

/// Where the file has a service asked.
fn asked(
    document: &mut Document<'_>,
    service: &raw::Service,
    raw: &Spanned<raw_check::Check>,
) -> Option<Asked> {
    let check = raw.get_ref();
    let internal = service.internal.as_ref().filter(|key| *key.get_ref());
    match (&check.address, &check.port, internal) {
        (None, Some(_), None) => Some(Asked::Port),
        (Some(_), None, None) => Some(Asked::Address),
        (Some(_), None, Some(_)) => Some(Asked::Internal),
        (None, None, None) => {
            let mend = "name the port that clients connect to, as in port = 80: it is asked on \
                        each VIP";
            document.refuse_missing(&raw.span(), "port", mend);
            None
        }
        (None, _, Some(internal)) => {
            let message = "clients do not connect to it, so it is not asked on the VIPs";
            let mend = "name where it answers, as in address = \"127.0.0.1:9000\"";
            document.refuse(&internal.span(), message, mend);
            None
        }
        (Some(_), Some(port), _) => {
            let mend = "remove it, or remove address: a port alone is asked on each VIP";
            document.refuse(&port.span(), "address has a port already", mend);
            None
        }
    }
}

/// A check of the address that the file names, and of its port on the VIPs.
fn at_address(
    document: &mut Document<'_>,
    raw: &Spanned<raw_check::Check>,
    vips: &[IpAddr],
) -> Option<Vec<Check>> {
    let (check, span) = (raw.get_ref(), raw.span());
    let there = one(document, check, Target::Service, &span)?;
    let address = there.probe.address();
    if vips.is_empty() && address.ip().to_canonical().is_loopback() {
        let at = check.address.as_ref().map_or(span, Spanned::span);
        let message = "clients never reach it: behind NAT they come to this host's own address";
        let mend = format!("{NAME_ITS_ADDRESS}, or say that they need not: internal = true");
        document.refuse(&at, message, mend);
        return None;
    }
    let mut checks = vec![there];
    if !vips.contains(&address.ip()) {
        let on_vips = vips.iter().map(|vip| {
            let mut check = checks[0].clone();
            check.probe.move_to(SocketAddr::new(*vip, address.port()));
            check
        });
        let on_vips: Vec<_> = on_vips.collect();
        checks.extend(on_vips);
    }
    Some(checks)
}

/// The same check on each of the VIPs.
fn on_vips(
    document: &mut Document<'_>,
    raw: &raw_check::Check,
    span: &Range<usize>,
    vips: &[IpAddr],
) -> Option<Vec<Check>> {
    if vips.is_empty() {
        let message = "behind NAT there is no VIP to check";
        document.refuse(span, message, NAME_ITS_ADDRESS);
        return None;
    }
    let mut checks = Vec::new();
    for vip in vips {
        let target = Target::RealServer(SocketAddr::new(*vip, 0));
        checks.push(one(document, raw, target, span)?);
    }
    Some(checks)
}

/// One check, which must be one.
fn one(
    document: &mut Document<'_>,
    raw: &raw_check::Check,
    target: Target,
    span: &Range<usize>,
) -> Option<Check> {
    let check = check::read(document, raw, target, span)?;
    if check.is_none() {
        let mend = "remove the service, or give it a check";
        document.refuse(span, "a service without a check says nothing", mend);
    }
    check
}
