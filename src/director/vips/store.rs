//! The addresses that lvsd added, in a file, so that a start after a crash knows
//! which they are.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;

use super::plan::{Place, StoredPlace};

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
    #[error("cannot understand {}, which lists the addresses that lvsd added; delete it if it added none", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: serde_json::Error,
    },
    /// It lists something that is no address.
    #[error("cannot understand {}, which lists the addresses that lvsd added: {cause}", path.display())]
    Address {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: &'static str,
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
pub(super) struct Store {
    path: PathBuf,
}

impl Store {
    pub(super) fn open(path: PathBuf) -> Self {
        Self { path }
    }

    /// Reads what an earlier run left: nothing if it stopped cleanly.
    pub(super) fn load(&self) -> Result<BTreeSet<Place>, Error> {
        let path = || self.path.clone();
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            Err(cause) => {
                return Err(Error::Read {
                    path: path(),
                    cause,
                });
            }
        };
        let stored: Vec<StoredPlace> =
            serde_json::from_slice(&bytes).map_err(|cause| Error::Parse {
                path: path(),
                cause,
            })?;
        let places: Result<_, _> = stored.into_iter().map(Place::try_from).collect();
        places.map_err(|cause| Error::Address {
            path: path(),
            cause,
        })
    }

    /// Replaces the file, never leaving half of one; without any address it
    /// removes it. It need not survive the host: neither do the addresses.
    pub(super) fn save(&self, places: &BTreeSet<Place>) -> Result<(), Error> {
        let result = if places.is_empty() {
            match fs::remove_file(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                result => result,
            }
        } else {
            self.replace(places)
        };
        result.map_err(|cause| Error::Write {
            path: self.path.clone(),
            cause,
        })
    }

    fn replace(&self, places: &BTreeSet<Place>) -> io::Result<()> {
        let stored: Vec<_> = places.iter().map(StoredPlace::from).collect();
        let fresh = self.path.with_extension("json.new");
        fs::write(&fresh, serde_json::to_vec_pretty(&stored)?)?;
        fs::rename(&fresh, &self.path)
    }
}

#[cfg(test)]
mod tests;
