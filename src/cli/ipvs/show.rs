//! `lvsd ipvs list`, `stats` and `rate`.

use std::fmt::Write as _;

use clap::Args;
use serde::Serialize;

use super::args::SomeVirtualServer;
use super::kernel;
use crate::cli::Failure;
use crate::cli::config::print;
use crate::ipvs::kernel::{Info, KernelTable};
use crate::status::text::{Align, table};

mod counters;
mod json;
#[cfg(test)]
mod tests;

pub(super) use counters::{CountersArgs, rate, stats};

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    virtual_server: SomeVirtualServer,

    /// Show the connection thresholds of real servers.
    #[arg(long)]
    thresholds: bool,

    /// Count the clients that persistence binds to real servers.
    #[arg(long)]
    persistent: bool,

    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
}

/// Which columns a list has besides the usual ones.
#[derive(Debug, Clone, Copy, Default)]
struct Columns {
    thresholds: bool,
    persistent: bool,
}

/// Prints the table, or one virtual server of it.
pub(super) fn list(args: &ListArgs) -> Result<(), Failure> {
    let mut client = kernel::open()?;
    let info = client.info()?;
    let found = kernel::table(&mut client, args.virtual_server.id()?)?;
    let columns = Columns {
        thresholds: args.thresholds,
        persistent: args.persistent,
    };
    print(&if args.json {
        as_json(&json::Listed::of(&info, &found))?
    } else {
        listed(&info, &found, columns)
    })
}

fn as_json(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value).map_err(Failure::runtime)?;
    Ok(text + "\n")
}

/// The list for people. A virtual server's line is no row of the columns, or its
/// settings would push those of all real servers apart.
fn listed(info: &Info, found: &KernelTable, columns: Columns) -> String {
    let mut text = format!("{info}\n");
    if found.virtual_servers.is_empty() {
        text.push_str("no virtual servers\n");
        return text;
    }
    let rows = rows(found, columns);
    let mut align = vec![Align::Left, Align::Left];
    align.resize(rows[0].len(), Align::Right);
    let rows = table(&align, &rows);
    let mut rows = rows.lines();
    text.push_str("VIRTUAL SERVER  SETTINGS\n");
    let mut next = |text: &mut String| {
        let _ = writeln!(text, "{}", rows.next().unwrap_or_default());
    };
    next(&mut text);
    for (id, virtual_server) in &found.virtual_servers {
        let _ = writeln!(text, "{id}  {}", virtual_server.settings);
        virtual_server
            .real_servers
            .iter()
            .for_each(|_| next(&mut text));
    }
    text
}

/// The heading, then the real servers of every virtual server.
fn rows(found: &KernelTable, columns: Columns) -> Vec<Vec<String>> {
    let Columns {
        thresholds,
        persistent,
    } = columns;
    let mut heading = vec!["  REAL SERVER", "FORWARDING", "WEIGHT"];
    heading.extend(
        thresholds
            .then_some(["UPPER", "LOWER"])
            .into_iter()
            .flatten(),
    );
    heading.extend(["ACTIVE", "INACTIVE"]);
    heading.extend(persistent.then_some("PERSISTENT"));
    let mut rows = vec![heading.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    let pools = found.virtual_servers.values();
    for (rip, found) in pools.flat_map(|virtual_server| virtual_server.real_servers.iter()) {
        let real_server = &found.real_server;
        let mut row = vec![
            format!("  {rip}"),
            real_server.forwarding.to_string(),
            real_server.weight.to_string(),
        ];
        if thresholds {
            row.extend([real_server.upper_threshold, real_server.lower_threshold].map(limit));
        }
        row.extend([found.active_connections, found.inactive_connections].map(|n| n.to_string()));
        row.extend(persistent.then(|| found.persistent_connections.to_string()));
        rows.push(row);
    }
    rows
}

/// A threshold, or that there is none.
fn limit(threshold: u32) -> String {
    match threshold {
        0 => "-".to_owned(),
        number => number.to_string(),
    }
}
