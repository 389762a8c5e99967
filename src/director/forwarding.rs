//! `net.ipv4.ip_forward`: set while a forwarding method needs it, put back after.

use std::io;
use std::path::PathBuf;

use tracing::info;

use crate::sys::state_file::{self, StateFile};
use crate::sys::sysctl::Key;

/// Why the parameter could not be set or put back.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be read or written.
    #[error("cannot set net.ipv4.ip_forward, which forwarding = \"nat\" needs")]
    Sysctl(#[source] io::Error),
    /// Its first value could not be kept.
    #[error(transparent)]
    StateFile(#[from] state_file::Error),
}

/// The parameter, and what it was before lvsd changed it.
#[derive(Debug)]
pub(super) struct IpForward {
    key: Key,
    /// The value to put back; none: lvsd has not changed it.
    file: StateFile<Option<i32>>,
}

impl IpForward {
    /// Nothing is read or changed yet.
    pub(super) fn new(file: PathBuf) -> Self {
        Self {
            key: Key::ipv4("ip_forward"),
            file: StateFile::new(file),
        }
    }

    /// Sets it where it is needed; puts it back where it no longer is.
    pub(super) fn set(&self, needed: bool) -> Result<(), Error> {
        let original = self.file.load()?;
        if !needed {
            let Some(value) = original else { return Ok(()) };
            self.write(value)?;
            return Ok(self.file.save(&None)?);
        }
        let value = self.key.read().map_err(Error::Sysctl)?;
        if value == 0 {
            self.file.save(&original.or(Some(value)))?;
            self.write(1)?;
        }
        Ok(())
    }

    fn write(&self, value: i32) -> Result<(), Error> {
        self.key.write(value).map_err(Error::Sysctl)?;
        info!(key = %self.key, value, "sysctl set");
        Ok(())
    }
}
