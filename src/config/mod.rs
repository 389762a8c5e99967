//! Files to checked types. Nothing outside this module validates configuration
//! or knows a default.
//!
//! Two layers. The private `raw` module mirrors the files; [`director`] and
//! [`realserver`] hold what the program uses. `document` stands between them:
//! it remembers where each value was written, so that every error names its
//! file, line and key.

mod advice;
pub mod changes;
pub mod check;
pub mod director;
mod document;
pub mod error;
pub mod ipvs;
pub(crate) mod place;
mod pool;
mod raw;
pub mod realserver;
pub mod rules;
mod script;
mod sections;
mod shape;
mod show;
pub mod threads;
mod values;
mod vrrp;

use std::path::Path;

pub use error::Error;

/// Where the director's file is unless told otherwise.
pub const DIRECTOR_FILE: &str = "/etc/lvsd/director.toml";

/// The real server's file, unless another is named.
pub const REALSERVER_FILE: &str = "/etc/lvsd/realserver.toml";

/// Which host a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// The one that it is read on: programs and users that it names must be there.
    This,
    /// Another one: they are not looked for.
    Another,
}

/// A file of either role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum File {
    /// A director's.
    Director(director::DirectorConfig),
    /// A real server's.
    RealServer(realserver::RealServerConfig),
}

impl File {
    /// Reads a file of either role, told apart by their keys.
    ///
    /// # Errors
    /// [`Error`], as the role's own reader gives it.
    pub fn read(path: &Path, host: Host) -> Result<Self, Error> {
        let text = read(path)?;
        if document::has_any_key(&text, &realserver::KEYS) {
            realserver::RealServerConfig::of(path, &text, &[], host).map(Self::RealServer)
        } else {
            director::DirectorConfig::of(path, &text, host).map(Self::Director)
        }
    }
}

/// Reads a whole file.
///
/// # Errors
/// [`Error::Unreadable`], which names the file.
pub(crate) fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::Unreadable {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests;
