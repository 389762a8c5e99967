//! `lvsd server` and `lvsd reload`: what changes a running director.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::SignedDuration;
use serde::de::DeserializeOwned;
use tokio::runtime;
use tokio::time::sleep;

use super::Failure;
use super::config::print;
use crate::director::SOCKET;
use crate::director::control::{
    self, Changed, Fault, Refused, Reloaded, ServerWish, Target, WishKind,
};
use crate::http::{self, Reply, StatusCode};
use crate::lvs::{VirtualServerId, Weight};
use crate::status::director::Director;

/// How many servers a reload names whose checks have not answered.
const MOST_NAMED: usize = 20;

/// How often `--wait` looks.
const LOOK: Duration = Duration::from_millis(200);

/// What may be done to a real server.
#[derive(Debug, Subcommand)]
pub(super) enum ServerCommand {
    /// Let it finish its connections, then take it out; it stays out until
    /// `enable`, or until a reload with a file that changes anything of it.
    Drain {
        #[command(flatten)]
        target: TargetArgs,
        /// How long its connections may take, e.g. "30s"; default: as configured.
        #[arg(long, value_name = "TIME", value_parser = duration)]
        timeout: Option<Duration>,
        /// Return only when it is out.
        #[arg(long)]
        wait: bool,
    },
    /// Make it what the file says again.
    Enable {
        #[command(flatten)]
        target: TargetArgs,
    },
    /// Give it another weight than the file does, until `enable`, or until a reload
    /// with a file that changes anything of it.
    Weight {
        #[command(flatten)]
        target: TargetArgs,
        /// 0..=65535; 0: no new connections.
        #[arg(value_parser = weight)]
        weight: Weight,
    },
}

/// Which real server.
#[derive(Debug, Args)]
pub(super) struct TargetArgs {
    /// RIP, or RIP:PORT.
    #[arg(value_name = "IP[:PORT]", value_parser = address)]
    address: Address,
    /// Only in this virtual server, e.g. "tcp 192.168.1.200:80".
    #[arg(long, value_name = "ID")]
    virtual_server: Option<VirtualServerId>,
}

type Address = (IpAddr, Option<u16>);

/// Does it, and tells what the real server does now.
pub(super) fn run(runtime_dir: &Path, command: ServerCommand) -> Result<(), Failure> {
    let socket = runtime_dir.join(SOCKET);
    let (target, kind, wait) = match command {
        ServerCommand::Drain {
            target,
            timeout,
            wait,
        } => (target, WishKind::Drain { limit: timeout }, wait),
        ServerCommand::Enable { target } => (target, WishKind::Enable, false),
        ServerCommand::Weight { target, weight } => (target, WishKind::Weight(weight), false),
    };
    let (address, port) = target.address;
    let virtual_server = target.virtual_server;
    let target = Target {
        address,
        port,
        virtual_server,
    };
    let wish = ServerWish { target, kind };
    in_runtime(async {
        let body = serde_json::to_vec(&wish).map_err(Failure::runtime)?;
        let reply = http::post(&socket, control::SERVER, body).await;
        let mut changed: Vec<Changed> = answer(&reply.map_err(Failure::runtime)?)?;
        while wait && changed.iter().any(|server| server.state == "draining") {
            sleep(LOOK).await;
            changed = look_again(&socket, changed).await?;
        }
        let told = changed.iter().map(|server| format!("{server}\n"));
        print(&told.collect::<String>())?;
        let refused: BTreeSet<_> = changed.into_iter().filter_map(|it| it.refused).collect();
        kernel_has_it("changed", refused)
    })
}

/// What became of these.
async fn look_again(socket: &Path, servers: Vec<Changed>) -> Result<Vec<Changed>, Failure> {
    let reply = http::get(socket, "/v1/status").await;
    let status: Director = answer(&reply.map_err(Failure::runtime)?)?;
    let again = |server: Changed| {
        let pools = status.virtual_servers.iter();
        let mut pool = pools.filter(|pool| pool.id == server.virtual_server);
        let mut found = pool.next()?.real_servers.iter();
        let found = found.find(|found| found.address == server.real_server)?;
        Some(Changed {
            state: match found.draining {
                // Whatever else is to be said of it.
                Some(_) => "draining".to_owned(),
                None => found.state.clone(),
            },
            weight: found.weight,
            refused: server.refused.filter(|_| found.refused.is_some()),
            pending: None,
            ..server
        })
    };
    Ok(servers.into_iter().filter_map(again).collect())
}

/// Has the director read its file again, and tells what that changed.
pub(super) fn reload(runtime_dir: &Path, quiet: bool) -> Result<(), Failure> {
    let socket = runtime_dir.join(SOCKET);
    in_runtime(async {
        let reply = http::post(&socket, control::RELOAD, "").await;
        let reloaded: Reloaded = answer(&reply.map_err(Failure::runtime)?)?;
        if !quiet {
            print(&told(&reloaded))?;
        }
        kernel_has_it("reloaded", reloaded.refused)
    })
}

fn told(reloaded: &Reloaded) -> String {
    let mut text: String = reloaded
        .changes
        .iter()
        .map(|it| format!("{it}\n"))
        .collect();
    if text.is_empty() {
        text += "reloaded: nothing has changed\n";
    }
    if reloaded.under_way {
        text += "the kernel's table is being changed still: `lvsd status` tells what it refuses\n";
    }
    for server in reloaded.unchecked.iter().take(MOST_NAMED) {
        text += &format!("{server}: its check has not answered yet\n");
    }
    if let Some(more @ 1..) = reloaded.unchecked.len().checked_sub(MOST_NAMED) {
        text += &format!("{more} more: their checks have not answered yet\n");
    }
    if !reloaded.unchecked.is_empty() {
        text += "whether the kernel takes these, `lvsd status` tells then\n";
    }
    text
}

/// The file is in force all the same, or the wish, so this is no refusal of it.
fn kernel_has_it(done: &str, refused: impl IntoIterator<Item = String>) -> Result<(), Failure> {
    let lines = refused.into_iter().map(|it| format!("\n    {it}"));
    let lines: String = lines.collect();
    if lines.is_empty() {
        return Ok(());
    }
    let error = format!("{done}, but the kernel does not have all of it:{lines}");
    let mend = "lvsd tries again and again; `lvsd status` tells when it is done";
    Err(Failure::with_mend(error, Some(mend)))
}

/// The answer, or the director's refusal as this command's failure.
pub(super) fn answer<T: DeserializeOwned>(reply: &Reply) -> Result<T, Failure> {
    if reply.status == StatusCode::OK {
        return serde_json::from_slice(&reply.body).map_err(Failure::runtime);
    }
    match serde_json::from_slice::<Refused>(&reply.body) {
        Ok(refusal) => Err(refused(refusal)),
        Err(_) => {
            let text = String::from_utf8_lossy(&reply.body).trim().to_owned();
            Err(Failure::runtime(text))
        }
    }
}

/// The director's refusal, or what it would refuse, as this command's failure.
pub(super) fn refused(Refused { fault, error }: Refused) -> Failure {
    match fault {
        Fault::Config => Failure::Refused(error),
        Fault::Unknown | Fault::Runtime => Failure::runtime(error),
    }
}

/// Runs to the end what asks a daemon.
pub(super) fn in_runtime<T>(
    asking: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::runtime)?.block_on(asking)
}

fn address(text: &str) -> Result<Address, &'static str> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok((address.ip(), Some(address.port())));
    }
    let address = text.parse();
    address
        .map(|address| (address, None))
        .map_err(|_| "write an address, or ADDRESS:PORT")
}

fn weight(text: &str) -> Result<Weight, &'static str> {
    let number: u32 = text.parse().map_err(|_| "not a number")?;
    Weight::try_from(number)
}

fn duration(text: &str) -> Result<Duration, &'static str> {
    let parsed = text.parse::<SignedDuration>().ok();
    let parsed = parsed.and_then(|time| Duration::try_from(time).ok());
    let day = Duration::from_secs(24 * 60 * 60);
    parsed
        .filter(|time| *time <= day)
        .ok_or("write a number with a unit, such as \"30s\", and at most a day")
}
