//! What a configuration needs of the kernel, asked before anything is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use super::{local, module};
use crate::config::director::DirectorConfig;
use crate::ipvs::client::{self, Client};
use crate::ipvs::kernel::KernelTable;
use crate::ipvs::table::Settings;
use crate::lvs::{PersistenceEngine, Scheduler, VirtualServerId};
use crate::status::text::chain;
use crate::sys::address;
use crate::sys::capability::Capability;
use crate::sys::nftables::{self, Nftables};

/// Why a configuration cannot run on this kernel.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel could not be asked.
    #[error(transparent)]
    Kernel(#[from] client::Error),
    /// It was asked, and has not got everything.
    #[error("{}", lines(.0))]
    Missing(Vec<Missing>),
    /// This process may not do what virtual routers need.
    #[error("cannot run virtual router {instance}: this process lacks {}", names(.lacking))]
    Incapable {
        /// The first one.
        instance: String,
        /// What it lacks.
        lacking: Vec<Capability>,
    },
    /// Packets cannot be dropped.
    #[error("accept = false of {instance}")]
    Filter {
        /// The first virtual router that asks for it.
        instance: String,
        /// Why not.
        source: nftables::Error,
    },
    /// Packets would be dropped that are for this host.
    #[error(
        "accept = false of {instance}: this host is a real server of {virtual_server}, and takes \
         its packets itself"
    )]
    ServesItself {
        /// The virtual router.
        instance: String,
        /// The virtual server.
        virtual_server: VirtualServerId,
    },
}

impl Error {
    /// The way out, if there is one to tell.
    pub(super) fn mend(&self) -> Option<String> {
        match self {
            Self::Kernel(error) => error.hint().map(str::to_owned),
            Self::Missing(_) => {
                Some("use another, or install the kernel that has the module".to_owned())
            }
            Self::Incapable { lacking, .. } => Some(format!(
                "run as root, or with {}, as AmbientCapabilities= of a systemd unit gives it",
                names(lacking)
            )),
            Self::Filter { source, .. } => Some(match source {
                nftables::Error::Unknown(_) => {
                    "write accept = true, or use a kernel that has CONFIG_NF_TABLES_INET".to_owned()
                }
                nftables::Error::Refused { .. } => {
                    "run as root, or with CAP_NET_ADMIN, or write accept = true".to_owned()
                }
            }),
            Self::ServesItself { .. } => {
                Some("write accept = true, or take this host out of its pool".to_owned())
            }
        }
    }

    /// What is said of a file that is refused for it.
    pub(super) fn of_file(&self, path: &Path) -> String {
        let mend = self.mend().unwrap_or_default();
        format!("{}: {}\n    {mend}", path.display(), chain(self))
    }
}

/// A module that this kernel neither has nor can load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    need: Need,
    /// The first virtual server that needs it.
    first: VirtualServerId,
    /// How many need it.
    count: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    Scheduler(Scheduler),
    Engine(PersistenceEngine),
}

/// Asks the kernel for every scheduler and engine that is not in use already.
///
/// # Errors
/// [`Error::Missing`] with all that it has not got.
pub(super) fn check(config: &DirectorConfig, seen: Option<&KernelTable>) -> Result<(), Error> {
    check_capabilities(config, &read_status())?;
    check_filter(config)?;
    let in_use = seen
        .into_iter()
        .flat_map(|table| table.virtual_servers.values());
    let in_use: BTreeSet<_> = in_use.flat_map(|found| needs(&found.settings)).collect();
    let mut wanted: BTreeMap<Need, Missing> = BTreeMap::new();
    for (id, server) in &config.virtual_servers {
        for need in needs(&server.settings).filter(|need| !in_use.contains(need)) {
            let entry = wanted.entry(need).or_insert(Missing {
                need,
                first: *id,
                count: 0,
            });
            entry.count += 1;
        }
    }
    if !wanted.is_empty() {
        // Asking loads the module; this way with the table that is wanted.
        module::load(config.ipvs.conn_tab_bits);
        let missing = missing(config, &wanted.keys().copied().collect::<Vec<_>>())?;
        wanted.retain(|need, _| missing.contains(need));
    }
    match wanted.is_empty() {
        true => Ok(()),
        false => Err(Error::Missing(wanted.into_values().collect())),
    }
}

/// What the kernel says of this process.
fn read_status() -> String {
    std::fs::read_to_string("/proc/self/status").unwrap_or_default()
}

/// Whether a master could put its addresses on interfaces and tell of it. One that
/// cannot sends clients where nobody answers. `status` is `/proc/self/status`;
/// where it is not to be had, the kernel has the last word.
fn check_capabilities(config: &DirectorConfig, status: &str) -> Result<(), Error> {
    let Some(instance) = config.vrrp.keys().next().filter(|_| !status.is_empty()) else {
        return Ok(());
    };
    let needed = [Capability::NetAdmin, Capability::NetRaw];
    let lacking: Vec<_> = needed.into_iter().filter(|it| !it.is_in(status)).collect();
    match lacking.is_empty() {
        true => Ok(()),
        false => Err(Error::Incapable {
            instance: instance.clone(),
            lacking,
        }),
    }
}

fn names(capabilities: &[Capability]) -> String {
    let names: Vec<_> = capabilities.iter().map(|it| it.name()).collect();
    names.join(" and ")
}

/// Whether packets can be dropped, where accept mode is off, and may be.
fn check_filter(config: &DirectorConfig) -> Result<(), Error> {
    let instances = config.vrrp.iter();
    let mut dropping = instances.filter(|(_, it)| it.holdings.drops_packets);
    let Some((instance, _)) = dropping.clone().next() else {
        return Ok(());
    };
    Nftables::check().map_err(|source| Error::Filter {
        instance: instance.clone(),
        source,
    })?;
    let addresses = address::of_this_host().unwrap_or_default();
    let served = dropping.find_map(|(name, instance)| {
        let mut servers = config.virtual_servers.iter();
        let (id, _) = servers.find(|(id, server)| {
            local::is_of(id, instance) && local::serves_itself(server, &addresses)
        })?;
        Some((name.clone(), *id))
    });
    match served {
        None => Ok(()),
        Some((instance, virtual_server)) => Err(Error::ServesItself {
            instance,
            virtual_server,
        }),
    }
}

fn missing(config: &DirectorConfig, needs: &[Need]) -> Result<Vec<Need>, Error> {
    let schedulers: Vec<_> = needs.iter().filter_map(|need| need.scheduler()).collect();
    let engines: Vec<_> = needs.iter().filter_map(|need| need.engine()).collect();
    let mut client = Client::open()?;
    let lost = client.schedulers_missing(&schedulers)?;
    let used = config.virtual_servers.values();
    let mut used = used.map(|server| server.settings.scheduler);
    let scheduler = used.find(|scheduler| !lost.contains(scheduler));
    let mut missing: Vec<_> = lost.into_iter().map(Need::Scheduler).collect();
    // Without any scheduler, engines are the lesser trouble.
    if let Some(scheduler) = scheduler {
        let lost = client.engines_missing(&engines, scheduler)?;
        missing.extend(lost.into_iter().map(Need::Engine));
    }
    Ok(missing)
}

fn needs(settings: &Settings) -> impl Iterator<Item = Need> + use<> {
    let engine = settings.persistence.and_then(|found| found.engine);
    let scheduler = Need::Scheduler(settings.scheduler);
    [Some(scheduler), engine.map(Need::Engine)]
        .into_iter()
        .flatten()
}

impl Need {
    fn scheduler(&self) -> Option<Scheduler> {
        match self {
            Self::Scheduler(scheduler) => Some(*scheduler),
            Self::Engine(_) => None,
        }
    }

    fn engine(&self) -> Option<PersistenceEngine> {
        match self {
            Self::Scheduler(_) => None,
            Self::Engine(engine) => Some(*engine),
        }
    }
}

/// `scheduler "twos" of tcp 192.168.1.200:80 and 3 others is not available in this
/// kernel (module ip_vs_twos)`
impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, name, module) = match &self.need {
            Need::Scheduler(scheduler) => ("scheduler", scheduler.name(), "ip_vs_"),
            Need::Engine(engine) => ("persistence engine", engine.name(), "ip_vs_pe_"),
        };
        write!(f, "{what} {name:?} of {}", self.first)?;
        match self.count - 1 {
            0 => {}
            1 => f.write_str(" and another")?,
            others => write!(f, " and {others} others")?,
        }
        write!(
            f,
            " is not available in this kernel (module {module}{name})"
        )
    }
}

fn lines(missing: &[Missing]) -> String {
    let lines: Vec<_> = missing.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_routers_need_two_capabilities_and_each_that_is_lacking_is_named() {
        let text = "[[vrrp]]\nname = 'VI_1'\ninterface = 'ens192'\nvirtual_router_id = 51\n\
                    virtual_addresses = ['192.168.1.200']\n";
        let config = DirectorConfig::parse("d.toml".as_ref(), text).unwrap();
        let told = |status: &str| {
            let error = check_capabilities(&config, status).err()?;
            Some(format!("{error}: {}", error.mend().unwrap_or_default()))
        };
        assert_eq!(told("CapEff:\t0000000000003000\n"), None);
        let without_admin = told("CapEff:\t0000000000002000\n").unwrap();
        assert!(
            without_admin.starts_with(
                "cannot run virtual router VI_1: this process lacks CAP_NET_ADMIN: run as root"
            ),
            "{without_admin}"
        );
        let without_both = told("CapEff:\t0\n").unwrap();
        assert!(
            without_both.contains("lacks CAP_NET_ADMIN and CAP_NET_RAW"),
            "{without_both}"
        );
        let text = "[[virtual_server]]\naddress = '192.168.1.200:80'\n\
                    real_servers = ['192.168.1.53:80']\n";
        let config = DirectorConfig::parse("d.toml".as_ref(), text).unwrap();
        assert!(check_capabilities(&config, "CapEff:\t0\n").is_ok());
    }

    #[test]
    fn what_is_missing_is_told_with_who_needs_it_and_its_module() {
        let of = |need, count| Missing {
            need,
            first: "tcp 192.168.1.200:80".parse().unwrap(),
            count,
        };
        let error = Error::Missing(vec![
            of(Need::Scheduler(Scheduler::PowerOfTwoChoices), 4),
            of(Need::Engine(PersistenceEngine::Sip), 1),
        ]);
        assert_eq!(
            error.to_string(),
            "scheduler \"twos\" of tcp 192.168.1.200:80 and 3 others is not available in this \
             kernel (module ip_vs_twos)\n\
             persistence engine \"sip\" of tcp 192.168.1.200:80 is not available in this kernel \
             (module ip_vs_pe_sip)"
        );
    }
}
