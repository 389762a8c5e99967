//! What a director does, as the rest of the program uses it: every value legal,
//! every default filled in.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use super::document::Document;
use super::error::Error;
use super::ipvs::{self, Ipvs};
use super::rules::{Conduct, Rules};
pub use super::threads::Threads;
use super::values::parsed;
pub use super::vrrp::hooks::VrrpHooks;
use super::{Host, advice, pool, raw, sections, show, threads, vrrp as vrrp_tables};
use crate::health::Check;
use crate::ipvs::table;
use crate::lvs::{Family, Forwarding, RealServerId, Servers, VirtualServerId};
use crate::track::Tracker;
use crate::vrrp;
pub use vrrp_tables::holdings::{Announce, Holdings, VirtualAddress, VirtualMac};

/// Where the director's read-only HTTP endpoint listens unless told otherwise.
pub const HTTP_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9481);

/// A director's whole configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectorConfig {
    /// How this director calls itself in status and logs.
    pub router_id: String,
    /// How its own threads are run and watched.
    pub threads: Threads,
    /// Where `/metrics`, `/healthz`, `/readyz` and `/v1/status` are served.
    pub http_listen: SocketAddr,
    /// What becomes of the IPVS table when lvsd stops.
    pub on_stop: OnStop,
    /// What is asked of the kernel's IPVS as a whole.
    pub ipvs: Ipvs,
    /// Virtual routers by name.
    pub vrrp: BTreeMap<String, VrrpInstance>,
    /// Virtual servers by identity.
    pub virtual_servers: BTreeMap<VirtualServerId, VirtualServer>,
}

/// What becomes of the virtual servers when the director stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStop {
    /// They are removed: this host no longer balances.
    Clear,
    /// They stay as they are, unchecked, until lvsd starts again.
    Keep,
    /// They take no new connections, and are removed when those they have ended
    /// or their time is over.
    Drain,
}

/// A virtual router and where it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VrrpInstance {
    /// The sync group that it belongs to, if any.
    pub group: Option<String>,
    /// The interface that adverts use and that the addresses are put on.
    pub interface: String,
    /// The protocol's part.
    pub settings: vrrp::Settings,
    /// Between whom its adverts go.
    pub transport: vrrp::transport::Transport,
    /// The addresses that come and go with mastership, in the order of the file.
    pub addresses: Vec<VirtualAddress>,
    /// What else does.
    pub holdings: Arc<Holdings>,
    /// What decides whether it may be master, and with which priority.
    pub trackers: Arc<[Tracker]>,
    /// What is run when its state changes.
    pub hooks: Arc<VrrpHooks>,
}

/// A virtual server and its pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualServer {
    /// What the kernel keeps of it.
    pub settings: table::Settings,
    /// The configured pool.
    pub real_servers: Servers<RealServer>,
    /// What it does when they come and go.
    pub rules: Rules,
}

/// A real server of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealServer {
    /// What the kernel is told while the server is up.
    pub settings: table::RealServer,
    /// What decides whether it is up; none: always.
    pub check: Option<Arc<Check>>,
    /// What becomes of it when it fails, recovers or leaves.
    pub conduct: Conduct,
}

impl VirtualServer {
    /// Every server that may be in its table: the pool, the backup pool, the
    /// sorry server.
    pub fn servers(&self) -> impl Iterator<Item = (&RealServerId, &RealServer)> {
        let sorry = self
            .rules
            .sorry_server
            .iter()
            .map(|(id, server)| (id, server));
        let pools = self.real_servers.iter().chain(&self.rules.backup_servers);
        pools.chain(sorry)
    }

    /// One of them.
    pub fn server(&self, rip: &RealServerId) -> Option<&RealServer> {
        let rules = &self.rules;
        let sorry = || rules.sorry_server.as_ref().filter(|(id, _)| id == rip);
        (self.real_servers.get(rip))
            .or_else(|| rules.backup_servers.get(rip))
            .or_else(|| sorry().map(|(_, server)| server))
    }
}

impl DirectorConfig {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`Error::Unreadable`], or [`Error::Refused`] with everything that is
    /// wrong with it.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::parse_here(path, &super::read(path)?)
    }

    /// Checks the text of a file that is for this host: its programs and users
    /// must be there.
    ///
    /// # Errors
    /// As those of [`parse`](Self::parse).
    pub(crate) fn parse_here(path: &Path, text: &str) -> Result<Self, Error> {
        Self::of(path, text, Host::This)
    }

    /// Checks the text of a file; `path` is what errors call it. Programs and
    /// users are not looked for on this host.
    ///
    /// # Errors
    /// [`Error::Refused`] with everything that is wrong with it.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        Self::of(path, text, Host::Another)
    }

    /// Checks the text of a file for that host.
    pub(super) fn of(path: &Path, text: &str, host: Host) -> Result<Self, Error> {
        match Self::in_parts(path, text, host) {
            Some(config) => Ok(config),
            None => Self::as_a_whole(path, text, host),
        }
    }

    /// This alone knows where in the file something is wrong.
    pub(super) fn as_a_whole(path: &Path, text: &str, host: Host) -> Result<Self, Error> {
        let mut document = Document::parse(path, text, host);
        let raw: raw::Director = document.read();
        let config = Self::checked(&mut document, &raw, |document, around| {
            let mut servers = pool::Reader::new(around);
            for table in &raw.virtual_server {
                servers.read(document, table.get_ref(), &table.span());
            }
            Some(servers.finish())
        });
        document.finish(config)
    }

    /// Without the room that a large file takes as a whole. None: it must be read so.
    pub(super) fn in_parts(path: &Path, text: &str, host: Host) -> Option<Self> {
        let sections = sections::split(text);
        let mut document = Document::parse(path, &sections.rest, host);
        if !sections.are_whole(document.values()) {
            return None;
        }
        let raw: raw::Director = document.read();
        let config = Self::checked(&mut document, &raw, |document, around| {
            let mut servers = pool::Reader::new(around);
            for server in sections.virtual_servers() {
                servers.read(document, &server?, &(0..0));
                if document.has_problems() {
                    return None;
                }
            }
            Some(servers.finish())
        });
        document.finish(config).ok()
    }

    /// Checks what was read; `servers` reads the virtual servers, told what
    /// the rest of the file has to do with them.
    fn checked(
        document: &mut Document<'_>,
        raw: &raw::Director,
        servers: impl FnOnce(
            &mut Document<'_>,
            pool::Around,
        ) -> Option<BTreeMap<VirtualServerId, VirtualServer>>,
    ) -> Option<Self> {
        let router_id = match &raw.router_id {
            Some(id) if id.get_ref().trim().is_empty() => {
                document.refuse(
                    &id.span(),
                    "is empty",
                    "name this director, or leave it out",
                );
                None
            }
            Some(id) => Some(id.get_ref().clone()),
            None => Some("lvsd".to_owned()),
        };
        let threads = threads::read(document, &raw.director);
        let mend = "write ADDRESS:PORT, such as \"127.0.0.1:9481\"";
        let http_listen = parsed(document, &raw.http.listen, HTTP_LISTEN, mend);
        let mend = "use one of: clear keep drain";
        let on_stop = parsed(document, &raw.ipvs.on_stop, OnStop::Clear, mend);
        let mut vrrp = vrrp_tables::read(document, &raw.vrrp);
        let groups = &raw.vrrp_group;
        vrrp_tables::groups::read(document, groups, &raw.vrrp, &mut vrrp);
        let ipvs = ipvs::read(document, &raw.ipvs, &raw.vrrp, &vrrp);
        let addresses = vrrp.values().flat_map(|instance| &instance.addresses);
        let around = pool::Around {
            vips: addresses.map(|it| it.address.address).collect(),
            synced: raw.ipvs.sync.is_some(),
        };
        let virtual_servers = servers(document, around)?;
        vrrp_tables::track::check_virtual_servers(document, &raw.vrrp, &virtual_servers);
        if raw.vrrp.is_empty() && raw.virtual_server.is_empty() {
            let mend = "write at least one [[vrrp]] or [[virtual_server]] table";
            document.refuse_missing(&(0..0), "[[virtual_server]]", mend);
        }
        Some(Self {
            router_id: router_id?,
            threads: threads?,
            http_listen: http_listen?,
            on_stop: on_stop?,
            ipvs: ipvs?,
            vrrp,
            virtual_servers,
        })
    }

    /// The same configuration as a file, every default written out.
    pub fn to_toml(&self) -> String {
        show::director(self)
    }

    /// What is legal here and yet likely to surprise, with the way out.
    pub fn advice(&self) -> Vec<String> {
        let mut advice = ipvs::advice(self);
        advice.extend(advice::of_schedulers(self));
        advice.extend(advice::of_stop(self));
        if self.forwards(Family::Ipv6) {
            advice.push(
                "forwarding = \"nat\" for IPv6 sets net.ipv6.conf.all.forwarding, with which the \
                 kernel drops default routes that it learnt from router advertisements; where this \
                 host lives on those, set net.ipv6.conf.INTERFACE.accept_ra = 2"
                    .to_owned(),
            );
        }
        advice
    }

    /// Whether anything needs this host to forward packets of others, of that
    /// family: only NAT does. Direct routing and tunnels send what they schedule
    /// as this host's own output.
    pub fn forwards(&self, family: Family) -> bool {
        let servers = self.virtual_servers.values();
        let mut servers = servers.flat_map(VirtualServer::servers);
        servers.any(|(rip, server)| {
            server.settings.forwarding == Forwarding::Nat && Family::of(rip.ip()) == family
        })
    }
}

impl std::str::FromStr for OnStop {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "clear" => Ok(Self::Clear),
            "keep" => Ok(Self::Keep),
            "drain" => Ok(Self::Drain),
            _ => Err("unknown choice"),
        }
    }
}
