//! `lvsd ipvs`: what people do with ipvsadm.
//!
//! | module | commands |
//! |---|---|
//! | `show` | `list`, `stats`, `rate` |
//! | `connections` | `connections` |
//! | `change` | `add`, `edit`, `delete`, `zero`, `clear` |
//! | `saved` | `save`, `restore` |
//! | `timeouts`, `daemon` | the commands of these names |
//!
//! They talk to the kernel, not to a running director: that is what they are for
//! when it does not run, or is not believed.

mod args;
mod change;
mod connections;
mod daemon;
mod kernel;
mod saved;
mod show;
mod timeouts;

use std::path::Path;

use clap::{Args, Subcommand};

use super::Failure;
use args::{OneVirtualServer, RealServers, SomeVirtualServer};

#[derive(Debug, Args)]
pub(super) struct IpvsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List virtual servers and their real servers.
    List(show::ListArgs),
    /// List connections, as many as there are.
    Connections(connections::ConnectionsArgs),
    /// Show what was counted since a virtual server was added or zeroed.
    Stats(show::CountersArgs),
    /// Show the kernel's estimate of the last seconds, per second.
    Rate(show::CountersArgs),
    /// Show, or set, how long connections are remembered.
    Timeouts(timeouts::TimeoutsArgs),
    /// Show, start or stop the connection sync daemons.
    Daemon(daemon::DaemonArgs),
    /// Print the table in the format of `ipvsadm -Sn`.
    Save,
    /// Make the table what a file of `save`, or of `ipvsadm -Sn`, says.
    ///
    /// The virtual servers in the file become exactly what it says, by the least
    /// change that does it; those that are not in it stay as they are. A file with
    /// any fault is refused whole, and nothing is changed.
    Restore(saved::RestoreArgs),
    /// Set counters to 0: of one virtual server, or of all.
    Zero(SomeVirtualServer),
    /// Remove every virtual server.
    Clear {
        /// Yes, all of them.
        #[arg(long)]
        yes: bool,
    },
    /// Add a virtual server, or real servers to one.
    #[command(after_help = "\
Examples:
  lvsd ipvs add tcp 192.168.1.200:80 --scheduler wrr --persistence 60s
  lvsd ipvs add tcp 192.168.1.200:80 --real-server 192.168.1.53:80 --weight 3
  lvsd ipvs add fwmark 7 --scheduler mh --scheduler-flags port")]
    Add(change::AddArgs),
    /// Change a virtual server, or real servers of one: what is given, and nothing
    /// else.
    #[command(after_help = "\
Examples:
  lvsd ipvs edit tcp 192.168.1.200:80 --persistence off
  lvsd ipvs edit tcp 192.168.1.200:80 --real-server 192.168.1.53:80 --weight 0")]
    Edit(change::EditArgs),
    /// Remove a virtual server with its real servers, or real servers of one.
    Delete(DeleteArgs),
}

#[derive(Debug, Args)]
struct DeleteArgs {
    #[command(flatten)]
    virtual_server: OneVirtualServer,

    #[command(flatten)]
    real_servers: RealServers,
}

/// Does what the command line asks.
pub(super) fn run(args: IpvsArgs, runtime_dir: &Path) -> Result<(), Failure> {
    match args.command {
        Command::List(args) => show::list(&args),
        Command::Stats(args) => show::stats(&args),
        Command::Rate(args) => show::rate(&args),
        Command::Connections(args) => connections::run(&args),
        Command::Timeouts(args) => timeouts::run(&args),
        Command::Daemon(args) => daemon::run(args),
        Command::Save => saved::save(),
        Command::Restore(args) => saved::restore(&args, runtime_dir),
        Command::Zero(which) => change::zero(&which),
        Command::Clear { yes } => change::clear(yes, runtime_dir),
        Command::Add(args) => change::add(&args, runtime_dir),
        Command::Edit(args) => change::edit(&args, runtime_dir),
        Command::Delete(args) => {
            change::delete(&args.virtual_server, &args.real_servers, runtime_dir)
        }
    }
}
