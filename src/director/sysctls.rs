//! The kernel parameters that a director needs: set where they are not right,
//! put right again when somebody changes them, and put back when nothing needs
//! them any more.
//!
//! What a parameter was is on disk before it is written for the first time.

mod originals;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use nix::net::if_::{if_indextoname, if_nametoindex};
use tracing::{info, warn};

use self::originals::Originals;
use crate::config::director::DirectorConfig;
use crate::ipvs::sysctl::Parameter;
use crate::lvs::Family;
use crate::status::text::chain;
use crate::sys::state_file::{self, StateFile};
use crate::sys::sysctl::Key;

/// Why a parameter that the director cannot do without could not be set.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be read or written.
    #[error("cannot set {key} to {value}, which forwarding = \"nat\" needs")]
    Sysctl {
        /// Its name.
        key: Key,
        /// What it must be.
        value: String,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// Its first value could not be kept.
    #[error(transparent)]
    StateFile(#[from] state_file::Error),
}

/// What a parameter is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Need {
    value: String,
    /// Whether the director is of no use without it.
    vital: bool,
}

impl Need {
    fn is_met(&self, key: &Key, found: &str) -> bool {
        match key.ipvs_name().and_then(Parameter::named) {
            Some(parameter) => parameter.holds(found, &self.value),
            None => found == self.value,
        }
    }
}

/// What is wanted, by parameter.
pub(super) type Wanted = BTreeMap<Key, Need>;

/// Values by parameter.
type Values = BTreeMap<Key, String>;

/// What a configuration needs.
///
/// | parameter | value | why |
/// |---|---|---|
/// | `net.ipv4.ip_forward` | 1 | answers of `forwarding = "nat"` are packets of others |
/// | `net.ipv6.conf.all.forwarding` | 1 | the same of IPv6 |
/// | `net.ipv4.conf.*.send_redirects` | 0 | with NAT on one network, a redirect would lead the real server's answers past the director. The kernel sends them if either `all` or the interface says so |
/// | `net.ipv4.conf.*.arp_ignore` | 1 | below a virtual MAC, whose addresses the interface must not answer for with its own |
/// | `net.ipv4.conf.*.arp_announce` | 2 | nor name as the sender of what it asks: neighbours would learn its own for them |
/// | `net.ipv4.vs.*` | as configured | [`crate::ipvs::sysctl`] says why, one by one |
pub(super) fn wanted(config: &DirectorConfig) -> Wanted {
    let need = |value: &str, vital| Need {
        value: value.to_owned(),
        vital,
    };
    let mut wanted = Wanted::new();
    if config.forwards(Family::Ipv4) {
        wanted.insert(Key::ipv4("ip_forward"), need("1", true));
        let interfaces = config.vrrp.values().map(|vrrp| vrrp.interface.as_str());
        for interface in interfaces.chain(["all"]) {
            let key = Key::ipv4_conf(interface, "send_redirects");
            wanted.insert(key, need("0", false));
        }
    }
    if config.forwards(Family::Ipv6) {
        wanted.insert(Key::ipv6_conf("all", "forwarding"), need("1", true));
    }
    let with_virtual_mac = config.vrrp.values();
    for vrrp in with_virtual_mac.filter(|it| it.holdings.virtual_mac.is_some()) {
        for (name, value) in [("arp_ignore", "1"), ("arp_announce", "2")] {
            let key = Key::ipv4_conf(&vrrp.interface, name);
            wanted.insert(key, need(value, false));
        }
    }
    if !config.virtual_servers.is_empty() {
        let sysctls = config.ipvs.sysctls.iter();
        wanted.extend(
            sysctls.filter_map(|(name, value)| {
                Some((Key::ipvs(name), need(value.as_deref()?, false)))
            }),
        );
    }
    wanted
}

/// The parameters, and what they were before lvsd changed them.
#[derive(Debug)]
pub(super) struct Sysctls {
    file: StateFile<Originals>,
    /// Those that were right when they were seen last, with what was wanted.
    held: Values,
    report: Report,
}

/// How the parameters fare.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Report {
    /// Those that are as wanted, with their values.
    pub(super) values: Values,
    /// What is wrong with others.
    pub(super) problems: BTreeMap<Key, String>,
    /// How often somebody's change was undone.
    pub(super) repaired: u64,
}

/// One parameter to write.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Write {
    key: Key,
    found: String,
    value: String,
    cause: Cause,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Need,
    Repair,
    Restore,
}

impl Sysctls {
    /// Nothing is read or changed yet.
    pub(super) fn new(file: PathBuf) -> Self {
        Self {
            file: StateFile::new(file),
            held: Values::new(),
            report: Report::default(),
        }
    }

    /// How the parameters fared when they were held last.
    pub(super) fn report(&self) -> &Report {
        &self.report
    }

    /// Makes every parameter what it is to be, and those that nothing needs any
    /// more what they were.
    ///
    /// # Errors
    /// A vital one that could not be set, or the file; what is wrong with others
    /// is in the [`Report`].
    pub(super) fn hold(&mut self, wanted: &Wanted) -> Result<(), Error> {
        let known = self.file.load()?;
        let saved = known.now(name_of);
        let found: Values = wanted
            .keys()
            .chain(saved.keys())
            .filter_map(|key| Some((key.clone(), key.read_text().ok()?)))
            .collect();
        self.held.retain(|key, _| wanted.contains_key(key));
        let (mut originals, writes) = plan(wanted, &found, &saved, &self.held);
        let noted = Originals::new(originals.clone(), index_of);
        if noted != known {
            self.file.save(&noted)?;
        }
        let failed = self.perform(writes);
        self.judge(wanted, &found, &failed);
        let kept = originals.len();
        originals.retain(|key, _| wanted.contains_key(key) || failed.contains_key(key));
        if originals.len() < kept {
            self.file.save(&Originals::new(originals, index_of))?;
        }
        let vital = failed.into_iter().find_map(|(key, cause)| {
            let need = wanted.get(&key).filter(|need| need.vital)?;
            Some((key, need.value.clone(), cause))
        });
        match vital {
            None => Ok(()),
            Some((key, value, cause)) => Err(Error::Sysctl { key, value, cause }),
        }
    }

    /// Writes, and returns what failed.
    fn perform(&mut self, writes: Vec<Write>) -> BTreeMap<Key, io::Error> {
        let mut failed = BTreeMap::new();
        for write in writes {
            let Write {
                key,
                found,
                value,
                cause,
            } = write;
            if let Err(error) = key.write_text(&value) {
                failed.insert(key, error);
                continue;
            }
            match cause {
                Cause::Need => info!(%key, found, value, "sysctl set"),
                Cause::Restore => info!(%key, found, value, "sysctl put back"),
                Cause::Repair => {
                    self.report.repaired += 1;
                    warn!(%key, found, value, "somebody changed a sysctl: put right");
                }
            }
        }
        failed
    }

    /// Notes how every wanted parameter fares, and tells what is newly wrong.
    fn judge(&mut self, wanted: &Wanted, found: &Values, failed: &BTreeMap<Key, io::Error>) {
        let mut problems = BTreeMap::new();
        self.report.values.clear();
        for (key, need) in wanted {
            let problem = match failed.get(key) {
                Some(error) => format!("cannot set {key} to {}: {}", need.value, chain(error)),
                None if !found.contains_key(key) => {
                    // That of another interface of this name will be another one.
                    self.held.remove(key);
                    format!("{key}: this kernel has no such parameter")
                }
                None => {
                    let value = need.value.clone();
                    self.held.insert(key.clone(), value.clone());
                    self.report.values.insert(key.clone(), value);
                    continue;
                }
            };
            if self.report.problems.get(key) != Some(&problem) {
                warn!(problem, "sysctl not as wanted");
            }
            problems.insert(key.clone(), problem);
        }
        self.report.problems = problems;
    }
}

/// What would be written if a director started with this configuration, a line each.
pub(super) fn foresee(config: &DirectorConfig, file: PathBuf) -> Result<Vec<String>, Error> {
    let saved: Originals = StateFile::new(file).load()?;
    let saved = saved.now(name_of);
    let wanted = wanted(config);
    let keys = wanted.keys().chain(saved.keys());
    let found = keys.filter_map(|key| Some((key.clone(), key.read_text().ok()?)));
    let (_, writes) = plan(&wanted, &found.collect(), &saved, &Values::new());
    let line = |write: &Write| {
        format!(
            "sysctl {}: {} becomes {}",
            write.key, write.found, write.value
        )
    };
    Ok(writes.iter().map(line).collect())
}

fn index_of(interface: &str) -> Option<u32> {
    if_nametoindex(interface).ok()
}

fn name_of(index: u32) -> Option<String> {
    if_indextoname(index).ok()?.into_string().ok()
}

/// The values to remember, and what to write.
///
/// `saved` is what parameters were before lvsd changed them. One that was right
/// by itself (it is in `held`) has nothing to be put back to, until it is wanted
/// otherwise.
fn plan(wanted: &Wanted, found: &Values, saved: &Values, held: &Values) -> (Values, Vec<Write>) {
    let mut originals = saved.clone();
    let mut writes = Vec::new();
    for (key, need) in wanted {
        let Some(value) = found.get(key).filter(|value| !need.is_met(key, value)) else {
            continue;
        };
        let cause = match held.get(key) {
            Some(held) if *held == need.value => Cause::Repair,
            Some(_) | None => Cause::Need,
        };
        if cause == Cause::Need {
            originals
                .entry(key.clone())
                .or_insert_with(|| value.clone());
        }
        writes.push(Write {
            key: key.clone(),
            found: value.clone(),
            value: need.value.clone(),
            cause,
        });
    }
    for (key, original) in saved.iter().filter(|(key, _)| !wanted.contains_key(key)) {
        if let Some(value) = found.get(key).filter(|value| *value != original) {
            writes.push(Write {
                key: key.clone(),
                found: value.clone(),
                value: original.clone(),
                cause: Cause::Restore,
            });
        }
    }
    (originals, writes)
}

#[cfg(test)]
mod tests;
