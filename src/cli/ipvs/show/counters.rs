//! Counters and rates as columns of numbers.

use clap::Args;

use super::{SomeVirtualServer, as_json, json, kernel, print};
use crate::cli::Failure;
use crate::ipvs::kernel::{Counters, KernelTable, Rates};
use crate::status::text::{Align, table};

#[derive(Debug, Args)]
pub(in crate::cli::ipvs) struct CountersArgs {
    #[command(flatten)]
    virtual_server: SomeVirtualServer,

    /// Round numbers to thousands (K), millions (M), billions (G) and so on.
    #[arg(long, conflicts_with = "json")]
    human: bool,

    /// Print JSON, with the exact numbers.
    #[arg(long)]
    json: bool,
}

/// The numbers of one line, in the order of the columns.
type Numbers = [u64; 5];

/// Prints what was counted.
pub(in crate::cli::ipvs) fn stats(args: &CountersArgs) -> Result<(), Failure> {
    let heading = [
        "CONNECTIONS",
        "PACKETS IN",
        "PACKETS OUT",
        "BYTES IN",
        "BYTES OUT",
    ];
    show(args, heading, json::Measured::stats, |counted, _| {
        let Counters {
            connections,
            packets_in,
            packets_out,
            bytes_in,
            bytes_out,
        } = *counted;
        [connections, packets_in, packets_out, bytes_in, bytes_out]
    })
}

/// Prints the rates.
pub(in crate::cli::ipvs) fn rate(args: &CountersArgs) -> Result<(), Failure> {
    let heading = [
        "CONNECTIONS/S",
        "PACKETS IN/S",
        "PACKETS OUT/S",
        "BYTES IN/S",
        "BYTES OUT/S",
    ];
    show(args, heading, json::Measured::rates, |_, rates| {
        let Rates {
            connections,
            packets_in,
            packets_out,
            bytes_in,
            bytes_out,
        } = *rates;
        [connections, packets_in, packets_out, bytes_in, bytes_out]
    })
}

fn show<J: serde::Serialize>(
    args: &CountersArgs,
    heading: [&str; 5],
    measured: impl Fn(&KernelTable) -> J,
    numbers: impl Fn(&Counters, &Rates) -> Numbers,
) -> Result<(), Failure> {
    let mut client = kernel::open()?;
    let found = kernel::table(&mut client, args.virtual_server.id()?)?;
    let number = if args.human { human } else { exact };
    print(&if args.json {
        as_json(&measured(&found))?
    } else {
        counted(&found, heading, numbers, number)
    })
}

/// The lines for people.
pub(super) fn counted(
    found: &KernelTable,
    heading: [&str; 5],
    numbers: impl Fn(&Counters, &Rates) -> Numbers,
    number: fn(u64) -> String,
) -> String {
    let row = |name: String, numbers: Numbers| -> Vec<String> {
        let numbers = numbers.map(number);
        [name].into_iter().chain(numbers).collect()
    };
    let words = heading.map(str::to_owned);
    let heading = ["VIRTUAL AND REAL SERVER".to_owned()]
        .into_iter()
        .chain(words);
    let mut rows = vec![heading.collect()];
    for (id, virtual_server) in &found.virtual_servers {
        let sum = numbers(&virtual_server.counters, &virtual_server.rates);
        rows.push(row(id.to_string(), sum));
        for (rip, real_server) in virtual_server.real_servers.iter() {
            let numbers = numbers(&real_server.counters, &real_server.rates);
            rows.push(row(format!("  {rip}"), numbers));
        }
    }
    let right = Align::Right;
    table(&[Align::Left, right, right, right, right, right], &rows)
}

pub(super) fn exact(number: u64) -> String {
    number.to_string()
}

/// Three digits or four, and a letter for the thousands: `999`, `1.2K`, `12.3M`.
pub(super) fn human(number: u64) -> String {
    let mut unit = 1;
    for letter in ["", "K", "M", "G", "T", "P", "E"] {
        let (whole, rest) = (number / unit, number % unit);
        if whole < 1000 || letter == "E" {
            return match unit {
                1 => number.to_string(),
                _ => format!("{whole}.{}{letter}", rest / (unit / 10)),
            };
        }
        unit *= 1000;
    }
    number.to_string()
}
