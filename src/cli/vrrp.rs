//! `lvsd vrrp`: mastership given away and taken back on purpose.

use std::path::Path;
use std::time::Duration;

use clap::Subcommand;
use tokio::time::sleep;

use super::Failure;
use super::config::print;
use super::server::{answer, in_runtime};
use crate::director::SOCKET;
use crate::director::control::{self, VrrpChanged, VrrpWish, VrrpWishKind};
use crate::http;
use crate::status::director::{Director, VirtualRouter};

/// How often it looks whether the wish has come true.
const LOOK: Duration = Duration::from_millis(50);

/// For how many looks a virtual router may still be as it was: the wish has been
/// sent, and is carried out in between.
const SETTLED: usize = 4;

/// What may be done to mastership.
#[derive(Debug, Subcommand)]
pub(super) enum VrrpCommand {
    /// Hand mastership over without losing a packet, and leave it to others until
    /// it is taken back or nobody else is master.
    ///
    /// A virtual router of a group takes its whole group along. Exits 1 if nobody
    /// took over: this host then stays master.
    Yield {
        /// The virtual router's name.
        name: String,
    },
    /// Take part as configured again, and take mastership back from a router of
    /// lower priority now.
    Reclaim {
        /// The virtual router's name.
        name: String,
    },
}

/// Asks for it, waits until it is done, and tells what came of it.
pub(super) fn run(runtime_dir: &Path, command: VrrpCommand) -> Result<(), Failure> {
    let socket = runtime_dir.join(SOCKET);
    let (name, kind) = match command {
        VrrpCommand::Yield { name } => (name, VrrpWishKind::Yield),
        VrrpCommand::Reclaim { name } => (name, VrrpWishKind::Reclaim),
    };
    let wish = VrrpWish { name, kind };
    in_runtime(async {
        let body = serde_json::to_vec(&wish).map_err(Failure::runtime)?;
        let reply = http::post(&socket, control::VRRP, body).await;
        let VrrpChanged { names } = answer(&reply.map_err(Failure::runtime)?)?;
        let routers = settled(&socket, &names).await?;
        let lines = routers.iter().map(line);
        print(&lines.collect::<String>())?;
        let stayed: Vec<_> = routers.iter().filter(|it| it.state == "master").collect();
        match (kind, stayed.first()) {
            (VrrpWishKind::Yield, Some(router)) => Err(Failure::runtime(std::io::Error::other(
                format!("nobody took {} over: this host stays master", router.name),
            ))),
            _ => Ok(()),
        }
    })
}

/// The virtual routers, when they are no longer about to change.
async fn settled(socket: &Path, names: &[String]) -> Result<Vec<VirtualRouter>, Failure> {
    let mut quiet = 0;
    loop {
        sleep(LOOK).await;
        let reply = http::get(socket, "/v1/status").await;
        let status: Director = answer(&reply.map_err(Failure::runtime)?)?;
        let routers = status.vrrp.into_iter();
        let routers: Vec<_> = routers.filter(|it| names.contains(&it.name)).collect();
        let moves = |router: &VirtualRouter| {
            matches!(router.phase.as_str(), "handing over" | "taking over")
        };
        quiet = if routers.iter().any(moves) {
            0
        } else {
            quiet + 1
        };
        if quiet == SETTLED {
            return Ok(routers);
        }
    }
}

/// `VI_1: backup, yielded; 192.168.1.52 is master`
fn line(router: &VirtualRouter) -> String {
    let master = match &router.master {
        Some(master) => format!("{} is master", master.address),
        None if router.state == "master" => "this host is master".to_owned(),
        None => "no master is heard".to_owned(),
    };
    format!("{}: {}; {master}\n", router.name, router.state_and_phase())
}
