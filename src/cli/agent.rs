//! `lvsd realserver`: the agent, its work without an agent, and what is asked of a
//! running one.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use tokio::runtime::Builder;
use tokio::time::sleep;

use super::config::print;
use super::takeover::Takeover;
use super::{Failure, log};
use crate::config::realserver::{RealServerConfig, named_vips};
use crate::config::{Error, REALSERVER_FILE};
use crate::http::{self, Reply, StatusCode};
use crate::realserver::{self, SOCKET, Taken, endpoint};
use crate::status::realserver::{State, Status};
use crate::status::text::chain;
use crate::sys::command;

/// How often `--wait` looks.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct RealserverArgs {
    #[command(subcommand)]
    command: Option<AgentCommand>,

    /// A VIP to serve; may be given several times.
    #[arg(long, value_name = "IP")]
    vip: Vec<String>,

    /// A configuration file; not needed where --vip says it all. Without either it is
    /// /etc/lvsd/realserver.toml.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Bind the VIPs, set the sysctls and exit: what the scripts do. Nothing is
    /// watched, and nobody answers the directors.
    #[arg(long)]
    one_shot: bool,

    /// Take back what --one-shot, or an agent that was killed, has set up, and exit.
    #[arg(long, conflicts_with_all = ["vip", "one_shot", "adopt"])]
    undo: bool,

    /// Take over what lvs_dr_rs.sh, `service realserver` or ifcfg-lo:0 have set up:
    /// VIPs on lo and sysctls become lvsd's, and what is to be removed is told.
    #[arg(long)]
    adopt: bool,
}

/// What is asked of the running agent.
#[derive(Debug, Clone, Copy, Subcommand)]
enum AgentCommand {
    /// Let connections end, then take the VIPs off this host; `undrain` puts them back.
    ///
    /// It outlasts a crash of the agent, and ends when the agent is stopped.
    Drain {
        /// Return only when the VIPs are gone.
        #[arg(long)]
        wait: bool,
    },
    /// Take this host back into service.
    Undrain,
    /// Have the agent read its file again.
    ///
    /// Exits 78 with every error if the file, or this host, does not let it; what it
    /// does then stays as it was.
    Reload,
}

/// Does what the arguments ask.
pub(super) fn run(args: RealserverArgs, runtime_dir: PathBuf) -> Result<(), Failure> {
    if let Some(command) = args.command {
        return ask(command, &runtime_dir);
    }
    let _log = log::start();
    let runtime = Builder::new_current_thread()
        .thread_name("lvsd-blocking")
        .enable_all()
        .build()
        .map_err(Failure::runtime)?;
    if args.undo {
        let config = args.config.as_deref();
        // A script that is gone is nothing to keep VIPs for.
        let config = config.map(|file| RealServerConfig::read_elsewhere(file, &[]));
        let undone = realserver::undo(config.transpose()?, runtime_dir);
        return runtime.block_on(undone).map_err(Failure::runtime);
    }
    let given = named_vips(&args.vip)?;
    let file = match args.config {
        None if given.is_empty() && !args.adopt => Some(usual_file()?),
        file => file,
    };
    let takeover = match args.adopt {
        true => Some(Takeover::find(&runtime, &given, file.as_deref())?),
        false => None,
    };
    let vips = takeover.as_ref().map_or(given, |it| it.given.clone());
    let config = agent_config(&vips, file.as_deref())?;
    // Told once it is so; whoever wanted to read it may have gone.
    let tell = || drop(takeover.as_ref().map(|it| print(&it.story)));
    let taken: Taken<'_> = args.adopt.then_some(&tell);
    if args.one_shot {
        let done = realserver::one_shot(config, runtime_dir, taken);
        return runtime.block_on(done).map_err(Failure::runtime);
    }
    let reload = move || match &file {
        None => Err("started with --vip alone: there is no file to read again".to_owned()),
        Some(file) => agent_config(&vips, Some(file)).map_err(|error| error.to_string()),
    };
    let ended = runtime.block_on(realserver::run(config, runtime_dir, taken, reload));
    drop(runtime);
    command::all_killed();
    ended.map_err(|error| match error {
        // What the file names is part of the configuration.
        realserver::Error::Tls(error) => Failure::Refused(chain(&error)),
        error => Failure::runtime(error),
    })
}

/// The file of a host where neither VIPs nor a file are named.
fn usual_file() -> Result<PathBuf, Failure> {
    let file = PathBuf::from(REALSERVER_FILE);
    // One that cannot be read is told when it is read.
    match file.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Failure::Usage(format!(
            "neither --vip nor --config is given, and there is no {REALSERVER_FILE}: name the \
             VIP, as in lvsd realserver --vip 192.168.1.200"
        ))),
        _ => Ok(file),
    }
}

fn agent_config(vips: &[IpAddr], file: Option<&Path>) -> Result<RealServerConfig, Error> {
    match file {
        Some(file) => RealServerConfig::read(file, vips),
        None => RealServerConfig::from_vips(vips),
    }
}

/// Asks the running agent, and tells what it does now.
fn ask(command: AgentCommand, runtime_dir: &Path) -> Result<(), Failure> {
    let socket = runtime_dir.join(SOCKET);
    let (path, wait) = match command {
        AgentCommand::Drain { wait } => (endpoint::DRAIN, wait),
        AgentCommand::Undrain => (endpoint::UNDRAIN, false),
        AgentCommand::Reload => (endpoint::RELOAD, false),
    };
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::runtime)?;
    runtime.block_on(async {
        let reply = http::post(&socket, path, Vec::new()).await;
        let mut status = answer(&reply.map_err(Failure::runtime)?)?;
        while wait && status.state == State::Draining {
            sleep(LOOK).await;
            let reply = http::get(&socket, "/v1/status").await;
            status = answer(&reply.map_err(Failure::runtime)?)?;
        }
        print(&line(&status))
    })
}

fn answer(reply: &Reply) -> Result<Status, Failure> {
    let text = || String::from_utf8_lossy(&reply.body).trim().to_owned();
    match reply.status {
        StatusCode::OK => {}
        StatusCode::CONFLICT => return Err(Failure::Refused(text())),
        _ => return Err(Failure::runtime(text())),
    }
    serde_json::from_slice(&reply.body).map_err(Failure::runtime)
}

fn line(status: &Status) -> String {
    match status.reasons.join("; ") {
        reasons if reasons.is_empty() => format!("{}\n", status.state),
        reasons => format!("{}: {reasons}\n", status.state),
    }
}
