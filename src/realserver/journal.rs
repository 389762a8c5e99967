//! What this host was like before the agent first changed it, kept in a file so
//! that a stop after any number of crashes still knows.
//!
//! The file is on disk before the first change it speaks of, and goes when
//! everything has been put back. A file from before a reboot, or from another
//! network namespace, speaks of parameters that are gone: it is not believed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::sysctl::Original;
use crate::sys::sysctl::Key;

/// Who put a VIP on `lo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Somebody else, before the first start: it stays when the agent stops.
    Found,
    /// The agent: it goes when the agent stops.
    Created,
}

/// What was there before, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Journal {
    /// The kernel parameters.
    pub sysctls: BTreeMap<Key, Original>,
    /// The VIPs.
    pub vips: BTreeMap<IpAddr, Origin>,
}

impl Journal {
    /// Tells that there is nothing to put back.
    pub fn is_empty(&self) -> bool {
        self.sysctls.is_empty() && self.vips.is_empty()
    }
}

/// Why the file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// It holds something else.
    #[error("cannot understand {}, which holds what to restore when lvsd stops; delete it if nothing there is of use", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: serde_json::Error,
    },
    /// It could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

/// The file.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    place: Place,
}

/// The boot and the network namespace that a journal speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    boot: String,
    namespace: String,
}

#[derive(Serialize, Deserialize)]
struct Content {
    #[serde(flatten)]
    place: Place,
    #[serde(flatten)]
    journal: Journal,
}

impl Store {
    /// The journal at `path`, of this boot and of this thread's network namespace.
    pub fn open(path: PathBuf) -> Self {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let namespace = fs::read_link("/proc/thread-self/ns/net").unwrap_or_default();
        let place = Place {
            boot: boot.trim().to_owned(),
            namespace: namespace.display().to_string(),
        };
        Self { path, place }
    }

    /// Reads what an earlier run left: empty if it stopped cleanly or there was none.
    pub fn load(&self) -> Result<Journal, Error> {
        let path = &self.path;
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Journal::default()),
            Err(cause) => {
                let path = path.clone();
                return Err(Error::Read { path, cause });
            }
        };
        let content: Content = serde_json::from_slice(&bytes).map_err(|cause| Error::Parse {
            path: path.clone(),
            cause,
        })?;
        if content.place == self.place {
            Ok(content.journal)
        } else {
            tracing::info!(file = %path.display(), "left by another boot or namespace: not believed");
            Ok(Journal::default())
        }
    }

    /// Replaces the file; an empty journal removes it. When this returns the new
    /// content is on disk, and at no moment is there half a file.
    pub fn save(&self, journal: &Journal) -> Result<(), Error> {
        let result = if journal.is_empty() {
            match fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            }
        } else {
            self.replace(journal)
        };
        result.map_err(|cause| Error::Write {
            path: self.path.clone(),
            cause,
        })
    }

    fn replace(&self, journal: &Journal) -> io::Result<()> {
        let content = Content {
            place: self.place.clone(),
            journal: journal.clone(),
        };
        let text = serde_json::to_vec_pretty(&content).map_err(io::Error::other)?;
        let new = self.path.with_extension("json.new");
        let mut file = File::create(&new)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }
}

#[cfg(test)]
mod tests;
