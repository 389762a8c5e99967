//! `lvsd ipvs daemon`: the kernel's connection sync daemons.

use std::net::IpAddr;

use clap::{Args, Subcommand, ValueEnum};
use nix::errno::Errno;

use super::kernel;
use crate::cli::Failure;
use crate::cli::config::print;
use crate::ipvs::client::Error;
use crate::ipvs::daemon::{DEFAULT_GROUP, DEFAULT_PORT, DEFAULT_TTL, Daemon, Op, Role};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct DaemonArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start sending connections to other directors (master), or receiving theirs
    /// (backup). Both may run at once.
    Start(StartArgs),
    /// Stop one.
    Stop {
        /// Which.
        role: RoleArg,
    },
}

#[derive(Debug, Args)]
struct StartArgs {
    /// What it does.
    role: RoleArg,

    /// The interface to the other directors.
    #[arg(long, value_name = "NIC")]
    interface: String,

    /// 0..=255: a backup takes only messages with its own; 0 takes all.
    #[arg(long, value_name = "N", default_value_t = 0)]
    sync_id: u8,

    /// The multicast group, of either family.
    #[arg(long, value_name = "IP", default_value_t = DEFAULT_GROUP, value_parser = multicast)]
    group: IpAddr,

    /// The UDP port.
    #[arg(long, default_value_t = DEFAULT_PORT, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,

    /// How many routers a message may pass, plus one.
    #[arg(long, default_value_t = DEFAULT_TTL, value_parser = clap::value_parser!(u8).range(1..))]
    ttl: u8,

    /// The most bytes in a message; without it what fits the interface.
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u16).range(1..=65_507))]
    max_length: Option<u16>,
}

/// The role of a daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RoleArg {
    /// It sends.
    Master,
    /// It receives.
    Backup,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Master => Self::Master,
            RoleArg::Backup => Self::Backup,
        }
    }
}

/// Shows the daemons, or starts or stops one.
pub(super) fn run(args: DaemonArgs) -> Result<(), Failure> {
    let mut client = kernel::open()?;
    let op = match args.command {
        Some(Command::Start(start)) => start.op(),
        Some(Command::Stop { role }) => Op::Stop(role.into()),
        None => {
            let daemons = client.daemons()?;
            if args.json {
                let json = serde_json::json!(daemons);
                return print(&format!("{json:#}\n"));
            }
            let lines = daemons
                .iter()
                .map(|(role, daemon)| format!("{role}  {daemon}\n"));
            return print(&match daemons.len() {
                0 => "no sync daemon runs\n".to_owned(),
                _ => lines.collect(),
            });
        }
    };
    client
        .change_daemon(&op)
        .map_err(|error| refused(&op, error))
}

/// What the kernel's answer to a change of daemons means.
fn refused(op: &Op, error: Error) -> Failure {
    let Error::Refused { source, .. } = error else {
        return error.into();
    };
    let (Op::Start(role, _) | Op::Stop(role)) = op;
    let mend = match source.errno() {
        Errno::EEXIST => format!("one runs already: lvsd ipvs daemon stop {role}"),
        Errno::ESRCH => "none of that role runs: `lvsd ipvs daemon` shows those that do".to_owned(),
        Errno::ENODEV => "there is no such interface: `ip link` shows those that are".to_owned(),
        Errno::EINVAL => "real servers of the other address family than their virtual server \
                          exclude sync daemons"
            .to_owned(),
        _ => return Failure::with_mend(format!("cannot {op}: {source}"), error.hint()),
    };
    Failure::with_mend(format!("cannot {op}: {source}"), Some(mend))
}

impl StartArgs {
    fn op(self) -> Op {
        let daemon = Daemon {
            interface: self.interface,
            sync_id: self.sync_id,
            group: self.group,
            port: self.port,
            ttl: self.ttl,
            max_len: self.max_length,
        };
        Op::Start(self.role.into(), daemon)
    }
}

fn multicast(text: &str) -> Result<IpAddr, &'static str> {
    text.parse()
        .ok()
        .filter(IpAddr::is_multicast)
        .ok_or("not a multicast address")
}
