//! The local services that must answer.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use toml::Spanned;

use super::raw;
use crate::config::check::{self, Target};
use crate::config::document::Document;
use crate::health::Check;

/// A local service that the directors send clients to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// How it is called in `/ready`, status and logs.
    pub name: String,
    /// What it must answer to, all of it: one for each VIP, or one for the address
    /// that the file names.
    pub checks: Vec<Check>,
    /// Whether the checks go to the VIPs.
    pub on_vips: bool,
}

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
        let on_vips = raw.get_ref().address.is_none() && raw.get_ref().port.is_some();
        let checks = checks(document, raw, on_vips.then_some(vips));
        if let (Some(name), Some(checks)) = (name, checks) {
            services.push(Service {
                name: name.get_ref().clone(),
                checks,
                on_vips,
            });
        }
    }
    services
}

/// The checks of one service: at each of the VIPs, or where the file says.
fn checks(
    document: &mut Document<'_>,
    raw: &Spanned<crate::config::raw::Check>,
    vips: Option<&[IpAddr]>,
) -> Option<Vec<Check>> {
    let targets = match vips {
        None => vec![Target::Service],
        Some(vips) => vips
            .iter()
            .map(|vip| Target::RealServer(SocketAddr::new(*vip, 0)))
            .collect(),
    };
    if targets.is_empty() {
        let mend = "behind NAT, name where it answers, as in address = \"127.0.0.1:80\"";
        document.refuse(&raw.span(), "there is no VIP to check", mend);
        return None;
    }
    let mut checks = Vec::new();
    for target in targets {
        let check = check::read(document, raw.get_ref(), target, &raw.span())?;
        let Some(check) = check else {
            let mend = "remove the service, or give it a check";
            document.refuse(&raw.span(), "a service without a check says nothing", mend);
            return None;
        };
        checks.push(check);
    }
    Some(checks)
}
