//! What a configuration needs of the kernel, asked before anything is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use super::{local, module};
use crate::config::director::DirectorConfig;
use crate::config::place;
use crate::ipvs::client::{self, Client, Module};
use crate::ipvs::kernel::KernelTable;
use crate::lvs::VirtualServerId;
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

    /// Whether the file asks for what cannot be had here, so that trying again mends
    /// nothing. Else the kernel could not be asked, or this process may not.
    pub fn is_of_config(&self) -> bool {
        match self {
            Self::Missing(_) | Self::ServesItself { .. } => true,
            Self::Filter { source, .. } => matches!(source, nftables::Error::Unknown(_)),
            Self::Kernel(_) | Self::Incapable { .. } => false,
        }
    }

    /// What is said of a file of this text that is refused for it.
    pub fn of_file(&self, path: &Path, text: &str) -> String {
        let file = path.display();
        let told = match self {
            Self::Missing(missing) => {
                let each = missing.iter().map(|missing| match missing.line(text) {
                    Some(line) => format!("{file}:{line}: {missing}"),
                    None => format!("{file}: {missing}"),
                });
                each.collect::<Vec<_>>().join("\n")
            }
            other => format!("{file}: {}", chain(other)),
        };
        match self.mend() {
            Some(mend) => format!("{told}\n    {mend}"),
            None => told,
        }
    }
}

/// A module that this kernel neither has nor can load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    need: Module,
    /// The first virtual server that needs it.
    first: VirtualServerId,
    /// How many need it.
    count: usize,
}

impl Missing {
    /// Where the text asks for it first.
    fn line(&self, text: &str) -> Option<usize> {
        let key = match self.need {
            Module::Scheduler(_) => "scheduler",
            Module::Engine(_) => "persistence_engine",
        };
        place::of_virtual_server(text, key, self.need.name())
    }
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
    let in_use: BTreeSet<_> = in_use
        .flat_map(|found| Module::needed(&found.settings))
        .collect();
    let mut wanted: BTreeMap<Module, Missing> = BTreeMap::new();
    for (id, server) in &config.virtual_servers {
        for need in Module::needed(&server.settings).filter(|need| !in_use.contains(need)) {
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
        let needs: Vec<_> = wanted.keys().copied().collect();
        let used = config.virtual_servers.values();
        let used = used.map(|server| server.settings.scheduler);
        let missing = Client::open()?.modules_missing(&needs, used)?;
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

/// `scheduler "twos" of tcp 192.168.1.200:80 and 3 others is not available in this
/// kernel (module ip_vs_twos)`
impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.need, self.first)?;
        match self.count - 1 {
            0 => {}
            1 => f.write_str(" and another")?,
            others => write!(f, " and {others} others")?,
        }
        let file = self.need.file();
        write!(f, " is not available in this kernel (module {file})")
    }
}

fn lines(missing: &[Missing]) -> String {
    let lines: Vec<_> = missing.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lvs::{PersistenceEngine, Scheduler};

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
    fn a_file_that_asks_for_what_is_missing_is_told_by_line() {
        let text = "# A comment.\n[[virtual_server]]\naddress = '10.0.0.9:80'\nscheduler = 'rr'\n\
                    [[virtual_server]]\naddress = '192.168.1.200:80'\nscheduler = \"twos\"\n";
        let error = Error::Missing(vec![Missing {
            need: Module::Scheduler(Scheduler::PowerOfTwoChoices),
            first: "tcp 192.168.1.200:80".parse().unwrap(),
            count: 1,
        }]);
        assert!(error.is_of_config());
        assert_eq!(
            error.of_file("d.toml".as_ref(), text),
            "d.toml:7: scheduler \"twos\" of tcp 192.168.1.200:80 is not available in this kernel \
             (module ip_vs_twos)\n    use another, or install the kernel that has the module"
        );
        let told = error.of_file("d.toml".as_ref(), "");
        assert!(told.starts_with("d.toml: scheduler"), "{told}");
    }

    #[test]
    fn what_is_missing_is_told_with_who_needs_it_and_its_module() {
        let of = |need, count| Missing {
            need,
            first: "tcp 192.168.1.200:80".parse().unwrap(),
            count,
        };
        let error = Error::Missing(vec![
            of(Module::Scheduler(Scheduler::PowerOfTwoChoices), 4),
            of(Module::Engine(PersistenceEngine::Sip), 1),
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
