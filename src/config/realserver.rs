//! What the real-server agent does, as the rest of the program uses it.

mod forwarding;
mod raw;
mod readiness;
mod services;
mod show;
mod vips;
mod weight;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

pub use forwarding::{MAX_MSS, MIN_MSS, Method, Mss, Tunnel};
pub use readiness::{Readiness, Tls};
pub use services::{Asked, Service};
pub use vips::named as named_vips;
pub use weight::{Slope, Source, Weight};

use super::Host;
use super::check::READINESS_PORT;
use super::document::Document;
use super::error::Error;
use super::values::duration;

/// An agent's whole configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealServerConfig {
    /// The addresses that this host takes besides its own, each as a host address,
    /// in configuration order, none twice. Empty only behind NAT.
    pub vips: Vec<IpAddr>,
    /// The interface that the VIPs are bound to.
    pub interface: String,
    /// How the directors forward to this host.
    pub method: Method,
    /// How long the connections of the VIPs may take to end once the agent wants
    /// to let go of them.
    pub drain: Duration,
    /// Whether it listens for what this host tells the LAN about a VIP.
    pub watch_arp: bool,
    /// The endpoint that the directors check.
    pub readiness: Readiness,
    /// What must answer here for this host to be ready.
    pub services: Vec<Service>,
}

/// How long connections may take unless told otherwise.
pub const DRAIN: Duration = Duration::from_secs(10);

/// Where the VIPs are bound unless told otherwise.
pub const INTERFACE: &str = "lo";

/// Where the readiness endpoint listens unless told otherwise: at every address of
/// both families, since directors check each real server at its own address.
pub const READINESS_LISTEN: SocketAddr =
    SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), READINESS_PORT);

/// The keys that only a real server's file has.
pub(super) const KEYS: [&str; 6] = [
    "vips",
    "drain",
    "readiness",
    "service",
    "gateways",
    "watch_arp",
];

impl RealServerConfig {
    /// The configuration of an agent that was given VIPs and no file.
    ///
    /// # Errors
    /// [`Error::Vips`] for VIPs that cannot be one.
    pub fn from_vips(given: &[IpAddr]) -> Result<Self, Error> {
        Ok(Self {
            vips: vips::of_command_line(given)?,
            interface: INTERFACE.to_owned(),
            method: Method::DirectRoute,
            drain: DRAIN,
            watch_arp: true,
            readiness: Readiness::default(),
            services: Vec::new(),
        })
    }

    /// Reads and checks a file for this host, and joins to it the VIPs of the command line. They
    /// come first: so they keep their labels (`lo:0`, …) whatever a reload finds in
    /// the file.
    ///
    /// # Errors
    /// [`Error::Unreadable`], [`Error::Vips`], or [`Error::Refused`] with everything
    /// that is wrong with the file.
    pub fn read(path: &Path, given: &[IpAddr]) -> Result<Self, Error> {
        Self::of(path, &super::read(path)?, given, Host::This)
    }

    /// The same without a look at the programs that the file names.
    ///
    /// # Errors
    /// As [`RealServerConfig::read`].
    pub fn read_elsewhere(path: &Path, given: &[IpAddr]) -> Result<Self, Error> {
        Self::parse(path, &super::read(path)?, given)
    }

    /// Checks the text of a file; `path` is what errors call it. Programs are not looked
    /// for on this host.
    ///
    /// # Errors
    /// As [`RealServerConfig::read`].
    pub fn parse(path: &Path, text: &str, given: &[IpAddr]) -> Result<Self, Error> {
        Self::of(path, text, given, Host::Another)
    }

    /// Checks the text of a file for that host.
    pub(super) fn of(path: &Path, text: &str, given: &[IpAddr], host: Host) -> Result<Self, Error> {
        let given = vips::of_command_line(given)?;
        let mut document = Document::parse(path, text, host);
        let raw: raw::Agent = document.read();
        let vips = vips::read(&mut document, &raw, &given);
        let interface = vips::interface(&mut document, &raw);
        let method = forwarding::read(&mut document, &raw, &vips);
        // Whatever else is wrong with it.
        let is_nat = raw
            .forwarding
            .as_ref()
            .is_some_and(|it| it.get_ref() == "nat");
        if vips.is_empty() && !is_nat {
            let mend = "list the VIPs, as in vips = [\"192.168.1.200\"]";
            document.refuse_missing(&(0..0), "vips", mend);
        }
        let hour = Duration::from_secs(60 * 60);
        let drain = duration(&mut document, &raw.drain, DRAIN, Duration::ZERO..=hour);
        let readiness = readiness::read(&mut document, &raw.readiness);
        let services = services::read(&mut document, &raw.service, &vips);
        let config = (|| {
            Some(Self {
                vips,
                interface: interface?,
                method: method?,
                drain: drain?,
                watch_arp: raw.watch_arp.as_ref().is_none_or(|key| *key.get_ref()),
                readiness: readiness?,
                services,
            })
        })();
        document.finish(config)
    }

    /// The same configuration as a file, every default written out.
    pub fn to_toml(&self) -> String {
        show::whole(self)
    }
}

#[cfg(test)]
mod tests;
