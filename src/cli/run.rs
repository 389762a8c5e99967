//! `lvsd director` and `lvsd realserver`: the daemons.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use tokio::runtime::Builder;

use super::{Failure, log};
use crate::config::Error;
use crate::config::director::DirectorConfig;
use crate::config::realserver::RealServerConfig;
use crate::{director, realserver};

/// Runs the director until it is told to stop.
pub(super) fn director(config: PathBuf, runtime_dir: PathBuf) -> Result<(), Failure> {
    let _log = log::start();
    let checked = DirectorConfig::read(&config)?;
    // VRRP, addresses and IPVS have threads of their own; what is left is
    // checks and HTTP, which one thread does well.
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::runtime)?;
    runtime
        .block_on(director::run(checked, config, runtime_dir))
        .map_err(|error| Failure::Runtime {
            mend: error.mend(),
            error: error.into(),
        })
}

/// Runs the agent until it is told to stop.
pub(super) fn realserver(
    vips: Vec<IpAddr>,
    file: Option<PathBuf>,
    runtime_dir: PathBuf,
) -> Result<(), Failure> {
    let _log = log::start();
    let checked = agent_config(&vips, file.as_deref())?;
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::runtime)?;
    let reload = move || match &file {
        None => Err("started with --vip alone: there is no file to read again".to_owned()),
        Some(file) => agent_config(&vips, Some(file)).map_err(|error| error.to_string()),
    };
    runtime
        .block_on(realserver::run(checked, runtime_dir, reload))
        .map_err(Failure::runtime)
}

fn agent_config(vips: &[IpAddr], file: Option<&Path>) -> Result<RealServerConfig, Error> {
    let mut config = match file {
        Some(file) => RealServerConfig::read(file, !vips.is_empty())?,
        None => return RealServerConfig::from_vips(vips),
    };
    config.add_vips(vips)?;
    Ok(config)
}
