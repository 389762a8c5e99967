//! `lvsd ipvs timeouts`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::{args, kernel};
use crate::cli::Failure;
use crate::cli::config::print;
use crate::ipvs::kernel::Timeouts;
use crate::status::text::{Align, table};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct TimeoutsArgs {
    /// Print seconds as JSON.
    #[arg(long)]
    json: bool,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set those that are given; the others stay as they are.
    Set(SetArgs),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct SetArgs {
    /// Of an established TCP connection, such as 15m.
    #[arg(long, value_name = "TIME", value_parser = args::seconds)]
    tcp: Option<Duration>,

    /// Of a TCP connection after its FIN, such as 2m.
    #[arg(long, value_name = "TIME", value_parser = args::seconds)]
    tcp_fin: Option<Duration>,

    /// Of UDP, such as 5m.
    #[arg(long, value_name = "TIME", value_parser = args::seconds)]
    udp: Option<Duration>,
}

/// Shows the timeouts, or sets them.
pub(super) fn run(args: &TimeoutsArgs) -> Result<(), Failure> {
    let mut client = kernel::open()?;
    if let Some(Command::Set(set)) = &args.command {
        // To the kernel, 0 is one that stays.
        let or_stay = Option::unwrap_or_default;
        return Ok(client.set_timeouts(&Timeouts {
            tcp: or_stay(set.tcp),
            tcp_fin: or_stay(set.tcp_fin),
            udp: or_stay(set.udp),
        })?);
    }
    let Timeouts { tcp, tcp_fin, udp } = client.timeouts()?;
    let [tcp, tcp_fin, udp] = [tcp, tcp_fin, udp].map(|timeout| timeout.as_secs());
    if args.json {
        let seconds = serde_json::json!({ "tcp": tcp, "tcp_fin": tcp_fin, "udp": udp });
        return print(&format!("{seconds:#}\n"));
    }
    let row = |name: &str, seconds: u64| vec![name.to_owned(), format!("{seconds}s")];
    print(&table(
        &[Align::Left, Align::Right],
        &[row("tcp", tcp), row("tcp-fin", tcp_fin), row("udp", udp)],
    ))
}
