//! What the real-server agent does, as the rest of the program uses it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use toml::Spanned;

use super::check::{self, READINESS_PORT, Target, is_host};
use super::document::Document;
use super::error::Error;
use super::values::{duration, parsed};
use super::{raw, show};
use crate::health::Check;
use crate::lvs::{Forwarding, Prefixed};

/// An agent's whole configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealServerConfig {
    /// The addresses bound to `lo`, each as a host address, in configuration
    /// order, none twice; at least one.
    pub vips: Vec<IpAddr>,
    /// How the directors forward to this host.
    pub forwarding: Forwarding,
    /// How long the agent is not ready, yet serving, before it stops.
    pub drain: Duration,
    /// The endpoint that the directors check.
    pub readiness: Readiness,
    /// What must answer here for this host to be ready.
    pub services: Vec<Service>,
}

/// The readiness endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Who may ask; none: anyone who reaches it.
    pub allow: Option<Vec<IpAddr>>,
}

/// A local service that the directors send clients to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// How it is called in `/ready`, status and logs.
    pub name: String,
    /// What it must answer to.
    pub check: Check,
}

/// How long an agent drains before it stops unless told otherwise.
pub const DRAIN: Duration = Duration::from_secs(10);

/// Where the readiness endpoint listens unless told otherwise.
pub const READINESS_LISTEN: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), READINESS_PORT);

/// The keys that only a real server's file has.
pub(super) const KEYS: [&str; 4] = ["vips", "drain", "readiness", "service"];

const VIP_MEND: &str = "write the address of the VIP alone, such as \"192.168.1.200\"";

impl RealServerConfig {
    /// The configuration of an agent that was given VIPs and no file.
    ///
    /// # Errors
    /// [`Error::Vip`] for the first VIP that cannot be one.
    pub fn from_vips(vips: &[IpAddr]) -> Result<Self, Error> {
        let mut config = Self {
            vips: Vec::new(),
            forwarding: Forwarding::DirectRoute,
            drain: DRAIN,
            readiness: Readiness {
                listen: READINESS_LISTEN,
                allow: None,
            },
            services: Vec::new(),
        };
        config.add_vips(vips)?;
        Ok(config)
    }

    /// Adds the VIPs of the command line to those of the file, before them: so
    /// they keep their labels (`lo:0`, …) whatever a reload finds in the file.
    ///
    /// # Errors
    /// [`Error::Vip`] for the first VIP that cannot be one.
    pub fn add_vips(&mut self, vips: &[IpAddr]) -> Result<(), Error> {
        let mut all: Vec<IpAddr> = Vec::new();
        for vip in vips {
            legal_vip(*vip).map_err(|message| Error::Vip { vip: *vip, message })?;
            if !all.contains(vip) {
                all.push(*vip);
            }
        }
        all.extend(self.vips.iter().filter(|vip| !vips.contains(vip)));
        self.vips = all;
        Ok(())
    }

    /// Reads and checks a file; VIPs may be missing from it where the command
    /// line has some.
    ///
    /// # Errors
    /// [`Error::Unreadable`], or [`Error::Refused`] with everything that is
    /// wrong with it.
    pub fn read(path: &Path, vips_elsewhere: bool) -> Result<Self, Error> {
        Self::parse(path, &super::read(path)?, vips_elsewhere)
    }

    /// Checks the text of a file; `path` is what errors call it.
    ///
    /// # Errors
    /// [`Error::Refused`] with everything that is wrong with it.
    pub fn parse(path: &Path, text: &str, vips_elsewhere: bool) -> Result<Self, Error> {
        let mut document = Document::parse(path, text);
        let raw: raw::RealServerAgent = document.read();
        let vips = vips(&mut document, &raw, vips_elsewhere);
        let forwarding = forwarding(&mut document, &raw);
        let hour = Duration::from_secs(60 * 60);
        let drain = duration(&mut document, &raw.drain, DRAIN, Duration::ZERO..=hour);
        let mend = "write ADDRESS:PORT, such as \"0.0.0.0:9480\"";
        let listen = parsed(&mut document, &raw.readiness.listen, READINESS_LISTEN, mend);
        let allow = raw
            .readiness
            .allow
            .as_ref()
            .map(|list| allowed(&mut document, list));
        let services = services(&mut document, &raw.service);
        let config = (|| {
            Some(Self {
                vips,
                forwarding: forwarding?,
                drain: drain?,
                readiness: Readiness {
                    listen: listen?,
                    allow,
                },
                services,
            })
        })();
        document.finish(config)
    }

    /// The same configuration as a file, every default written out.
    pub fn to_toml(&self) -> String {
        show::realserver(self)
    }
}

fn vips(
    document: &mut Document<'_>,
    raw: &raw::RealServerAgent,
    vips_elsewhere: bool,
) -> Vec<IpAddr> {
    if raw.vips.is_empty() && !vips_elsewhere {
        document.refuse_missing(
            &(0..0),
            "vips",
            "list the VIPs, as in vips = [\"192.168.1.200\"]",
        );
    }
    let mut places = HashMap::new();
    let mut vips = Vec::new();
    for text in &raw.vips {
        let parsed = text.get_ref().parse::<Prefixed>().map_err(str::to_owned);
        let legal = parsed.and_then(|prefixed| {
            let network = prefixed != Prefixed::host(prefixed.address);
            match network {
                // With a shorter prefix on lo, the host takes the whole network
                // for its own and answers none of its neighbours.
                true => Err("a VIP on lo is a single host, not a network".to_owned()),
                false => legal_vip(prefixed.address).map(|()| prefixed.address),
            }
        });
        let Some(vip) = document.accept(&text.span(), legal, VIP_MEND) else {
            continue;
        };
        if let Some(first) = places.insert(vip, text.span()) {
            let message = format!("this VIP is there already, {}", document.place(&first));
            document.refuse(&text.span(), message, "list it once");
        }
        vips.push(vip);
    }
    vips
}

fn legal_vip(vip: IpAddr) -> Result<(), String> {
    if is_host(vip) && !vip.is_loopback() {
        Ok(())
    } else {
        Err("not the address of a host".to_owned())
    }
}

fn forwarding(document: &mut Document<'_>, raw: &raw::RealServerAgent) -> Option<Forwarding> {
    let mend = "use one of: dr tun";
    let default = Forwarding::DirectRoute;
    let forwarding = parsed(document, &raw.forwarding, default, mend)?;
    let message = match forwarding {
        Forwarding::DirectRoute | Forwarding::Tunnel(_) => None,
        Forwarding::Nat => Some("a real server behind NAT needs no VIP of its own"),
        Forwarding::Local => Some("other directors reach this host by direct routing or a tunnel"),
    };
    if let (Some(message), Some(field)) = (message, &raw.forwarding) {
        document.refuse(&field.span(), message, mend);
        return None;
    }
    Some(forwarding)
}

fn allowed(document: &mut Document<'_>, list: &[Spanned<String>]) -> Vec<IpAddr> {
    let mend = "write the address of a director, such as \"192.168.1.51\"";
    let mut allowed = Vec::new();
    for text in list {
        let address = text
            .get_ref()
            .parse::<IpAddr>()
            .map_err(|_| "not an IP address");
        allowed.extend(document.accept(&text.span(), address, mend));
    }
    allowed
}

fn services(document: &mut Document<'_>, raw: &[Spanned<raw::Service>]) -> Vec<Service> {
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
        let mend = "say what it must answer to, as in \
                    check = { type = \"tcp\", address = \"127.0.0.1:80\" }";
        let Some(raw) = document.require(&span, service.check.as_ref(), "check", mend) else {
            continue;
        };
        let Some(check) = check::read(document, raw.get_ref(), Target::Service, &raw.span()) else {
            continue;
        };
        match (name, check) {
            (Some(name), Some(check)) => {
                services.push(Service {
                    name: name.get_ref().clone(),
                    check,
                });
            }
            (_, None) => {
                let mend = "remove the service, or give it a check";
                document.refuse(&raw.span(), "a service without a check says nothing", mend);
            }
            (None, _) => {}
        }
    }
    services
}
