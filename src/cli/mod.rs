//! The command line: arguments, choice of role, exit code.

mod agent;
mod config;
mod doctor;
mod events;
mod failure;
mod ipvs;
mod log;
mod plan;
mod run;
mod server;
mod status;
mod takeover;
mod vrrp;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

pub use failure::Failure;

use crate::config::{DIRECTOR_FILE, Host};
use crate::director::control::LAST_EVENTS;

/// Linux Virtual Server in one binary.
///
/// `lvsd director` runs on the load balancers: VRRP, the kernel's IPVS table and
/// health checks. `lvsd realserver` runs on the servers behind them: the VIP on
/// lo, the ARP sysctls and a readiness endpoint.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// Where sockets and what must survive a crash are kept.
    #[arg(
        long,
        global = true,
        env = "LVSD_RUNTIME_DIR",
        default_value = "/run/lvsd",
        value_name = "DIR"
    )]
    runtime_dir: PathBuf,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the director: VRRP, IPVS and health checks.
    Director(DirectorArgs),
    /// Run the real-server agent: VIP on lo, ARP sysctls, readiness.
    Realserver(agent::RealserverArgs),
    /// Work with configuration files.
    Config(ConfigArgs),
    /// Ask the running director or agent what it is doing.
    Status(StatusArgs),
    /// Print what happened to the running director, a JSON object a line.
    Events(EventsArgs),
    /// Read and change the kernel's IPVS table by hand, as ipvsadm does.
    Ipvs(ipvs::IpvsArgs),
    /// Change a real server of the running director: drain, enable, weight.
    Server(ServerArgs),
    /// Move the mastership of a virtual router: yield, reclaim.
    Vrrp(VrrpArgs),
    /// Have the running director read its file again, and tell what changed.
    ///
    /// Exits 78 with every error if the file is refused; the running
    /// configuration then runs on.
    Reload(ReloadArgs),
    /// Tell what a reload of a file would change, changing nothing.
    ///
    /// The running director answers: what the reload would reply, then what it
    /// would do to the kernel's table. Where none runs, the file is compared with
    /// the kernel, and every real server is taken to be up.
    Plan(PlanArgs),
    /// Look for the classic LVS faults on this host, and tell how to mend each.
    ///
    /// Finds out by itself whether this is a director or a real server, changes
    /// nothing, and takes a few seconds. Exits 1 if anything is broken.
    Doctor(doctor::DoctorArgs),
}

#[derive(Debug, Args)]
struct ServerArgs {
    #[command(subcommand)]
    command: server::ServerCommand,
}

#[derive(Debug, Args)]
struct VrrpArgs {
    #[command(subcommand)]
    command: vrrp::VrrpCommand,
}

#[derive(Debug, Args)]
struct ReloadArgs {
    /// Print nothing unless it fails: the director's log has the changes too.
    #[arg(long)]
    quiet: bool,
}

#[derive(Debug, Args)]
struct PlanArgs {
    /// The configuration file.
    #[arg(long, default_value = DIRECTOR_FILE, value_name = "FILE")]
    config: PathBuf,

    /// Exit 3 if anything would change, 0 if not: what the kernel refuses at present
    /// is told, and is no change.
    #[arg(long)]
    exit_code: bool,
}

#[derive(Debug, Args)]
struct DirectorArgs {
    /// The configuration file.
    #[arg(long, default_value = DIRECTOR_FILE, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Debug, Args)]
struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Tell everything that is wrong with a file; exit 0, or 78 if anything is.
    ///
    /// Needs no root, no interface and no kernel module. The programs and users
    /// that a director's file names must be on this host.
    Check {
        /// The file is another host's: its programs and users are not looked for.
        #[arg(long)]
        elsewhere: bool,

        /// A director's or a real server's file.
        file: PathBuf,
    },
    /// Print keepalived's configuration as a director's file, and on standard
    /// error what has no equivalent, by line.
    ///
    /// keepalived's defaults are written out. Exits 78 if the result needs mending
    /// before a director takes it; every error is told.
    Import {
        /// keepalived's file.
        #[arg(value_name = "KEEPALIVED.CONF")]
        file: PathBuf,
    },
    /// Print the effective configuration, defaults filled in.
    Show {
        /// A director's or a real server's file.
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
struct EventsArgs {
    /// Go on with what happens from now on, until interrupted or the director
    /// ends.
    #[arg(long, short)]
    follow: bool,

    /// So many of the newest that have happened already; at most 1,000 are kept.
    #[arg(long, short = 'n', default_value_t = LAST_EVENTS, value_name = "NUMBER")]
    last: usize,
}

#[derive(Debug, Args)]
struct StatusArgs {
    /// Print the whole snapshot as one JSON document; where director and agent
    /// both run, the agent's is in the director's, under "realserver".
    #[arg(long)]
    json: bool,

    /// Ask again every two seconds until interrupted.
    #[arg(long)]
    watch: bool,
}

/// Reads the command line of this process; ends it where help is asked for, or the words
/// are not lvsd's.
///
/// # Errors
/// [`Failure::Usage`] for a value that makes no sense, in one line.
pub fn parse() -> Result<Cli, Failure> {
    Cli::try_parse().map_err(|error| match error.kind() {
        ErrorKind::ValueValidation => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            Failure::Usage(line.trim_start_matches("error: ").to_owned())
        }
        _ => error.exit(),
    })
}

/// Does what the command line asks.
///
/// # Errors
/// [`Failure`], which knows its exit code.
pub fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let Cli {
        runtime_dir,
        command,
    } = cli;
    let done = match command {
        Command::Plan(args) => return plan::run(&runtime_dir, &args.config, args.exit_code),
        Command::Doctor(args) => return doctor::run(&runtime_dir, args),
        Command::Server(args) => server::run(&runtime_dir, args.command),
        Command::Vrrp(args) => vrrp::run(&runtime_dir, args.command),
        Command::Reload(args) => server::reload(&runtime_dir, args.quiet),
        Command::Director(args) => run::director(&args.config, runtime_dir),
        Command::Realserver(args) => agent::run(args, runtime_dir),
        Command::Config(ConfigArgs {
            command: ConfigCommand::Check { file, elsewhere },
        }) => {
            let host = if elsewhere { Host::Another } else { Host::This };
            config::check(&file, host)
        }
        Command::Config(ConfigArgs {
            command: ConfigCommand::Show { file },
        }) => config::show(&file),
        Command::Events(args) => events::run(&runtime_dir, args.last, args.follow),
        Command::Config(ConfigArgs {
            command: ConfigCommand::Import { file },
        }) => config::import(&file),
        Command::Status(args) => status::run(&runtime_dir, args.json, args.watch),
        Command::Ipvs(args) => ipvs::run(args, &runtime_dir),
    };
    done.map(|()| ExitCode::SUCCESS)
}
