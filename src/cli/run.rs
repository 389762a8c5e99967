//! `lvsd director`: the daemon.

use std::path::{Path, PathBuf};

use tokio::runtime::Builder;

use super::{Failure, log};
use crate::config;
use crate::config::director::DirectorConfig;
use crate::director;
use crate::sys::command;

/// Runs the director until it is told to stop.
pub(super) fn director(config: &Path, runtime_dir: PathBuf) -> Result<(), Failure> {
    let _log = log::start();
    let checked = DirectorConfig::read(config)?;
    // VRRP, addresses and IPVS have threads of their own; what is left is
    // checks and HTTP, which one thread does well.
    let runtime = Builder::new_current_thread()
        .thread_name("lvsd-blocking")
        .enable_all()
        .build()
        .map_err(Failure::runtime)?;
    let ended = runtime.block_on(director::run(checked, config.to_owned(), runtime_dir));
    drop(runtime);
    command::all_killed();
    ended.map_err(|error| {
        // Only now, so that a director that runs does not hold it in memory.
        let text = config::read(config).unwrap_or_default();
        match error.of_file(config, &text) {
            Some(refused) => Failure::Refused(refused),
            None => Failure::Runtime {
                mend: error.mend(),
                error: error.into(),
            },
        }
    })
}
