//! Where no director runs: what one would refuse, and what it would set besides
//! the table.

use std::path::Path;

use crate::config::director::DirectorConfig;
use crate::director::control::Refused;
use crate::director::{SETTINGS_FILE, SYSCTLS_FILE, preflight, settings, sysctls};
use crate::ipvs::client::Client;

/// Why it cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Timeouts and sync daemons.
    #[error(transparent)]
    Settings(#[from] settings::Error),
    /// Kernel parameters.
    #[error(transparent)]
    Sysctls(#[from] sysctls::Error),
}

/// Refuses what this kernel cannot do, in a director's words.
///
/// # Errors
/// They.
pub fn refuse(config: &DirectorConfig, file: &Path, text: &str) -> Result<(), Refused> {
    preflight::check(config, None).map_err(|error| Refused::by_preflight(&error, file, text))
}

/// What a director that starts would set for the whole host, a line each.
///
/// # Errors
/// [`Error`], where the kernel or what an earlier run kept cannot be read.
pub fn settings(
    client: &mut Client,
    runtime_dir: &Path,
    config: &DirectorConfig,
) -> Result<Vec<String>, Error> {
    let mut lines = sysctls::foresee(config, runtime_dir.join(SYSCTLS_FILE))?;
    if !config.virtual_servers.is_empty() {
        let file = runtime_dir.join(SETTINGS_FILE);
        let wanted = settings::Wanted {
            timeouts: config.ipvs.timeouts,
            sync: config.ipvs.sync.clone(),
        };
        lines.extend(settings::foresee(client, file, &wanted)?);
    }
    Ok(lines)
}
