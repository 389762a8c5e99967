//! `--one-shot` and `--undo`: what the scripts did, and its undoing, without a
//! process that stays.

use std::path::PathBuf;

use tracing::info;

use super::driver::{first_settle, give_back, texts};
use super::{Error, SOCKET, Taken, agent::Agent, check_privilege, open};
use crate::config::realserver::RealServerConfig;
use crate::http::bind_unix;
use crate::sys::clock;

/// Binds the VIPs, sets the parameters, and leaves. What was there before is on disk,
/// for [`undo`] or for an agent that is started later.
pub async fn one_shot(
    config: RealServerConfig,
    runtime_dir: PathBuf,
    taken: Taken<'_>,
) -> Result<(), Error> {
    check_privilege()?;
    // The lock: no agent runs meanwhile.
    let _alone = bind_unix(&runtime_dir.join(SOCKET))?;
    let (mut kernel, mut journal) = open(runtime_dir)?;
    // Whoever asks for the VIPs by hand wants them now.
    journal.drained = false;
    let mut agent = first_settle(&config, journal, &mut kernel, taken.is_some()).await?;
    let failures = kernel.settle(&mut agent).await;
    if !failures.is_empty() {
        return Err(Error::Start(texts(&failures)));
    }
    if let Some(taken) = taken {
        taken();
    }
    info!(vips = ?config.vips, "bound; `lvsd realserver --undo` takes it back");
    Ok(())
}

/// Gives everything back that [`one_shot`], or an agent that was killed, has changed.
/// Without connections being waited for: that takes an agent.
pub async fn undo(config: Option<RealServerConfig>, runtime_dir: PathBuf) -> Result<(), Error> {
    check_privilege()?;
    let _alone = bind_unix(&runtime_dir.join(SOCKET))?;
    let config = config.map_or_else(|| RealServerConfig::from_vips(&[]), Ok);
    // No VIP is given, so that none can be wrong.
    let mut config = config.map_err(|error| Error::Refused(vec![error.to_string()]))?;
    // What lvsd has put here is in the journal.
    config.vips.clear();
    let (mut kernel, journal) = open(runtime_dir)?;
    if journal.is_empty() {
        info!("there is nothing to undo");
        return Ok(());
    }
    if let Some(interface) = &journal.interface {
        // Whatever the file says by now.
        config.interface.clone_from(interface);
    }
    let mut agent = Agent::new(&config, journal, clock::now(), clock::wall());
    agent.stop();
    give_back(&mut kernel, &mut agent).await?;
    info!("undone: sysctls are as they were before the first start, and no VIP of lvsd's is left");
    Ok(())
}
