//! `lvsd ipvs save` and `restore`.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;

use super::kernel;
use crate::cli::Failure;
use crate::cli::config::print;
use crate::ipvs::client::{Client, Refusal};
use crate::ipvs::plan::{Op, plan};
use crate::ipvs::save;
use crate::ipvs::table::Table;

/// How often a table that others change in the meantime is compared again.
const ATTEMPTS: usize = 3;

#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// The file; without it, or with -, standard input.
    file: Option<PathBuf>,

    /// Remove the virtual servers that are not in the file.
    #[arg(long)]
    exact: bool,

    /// Print what would change, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Prints the table.
pub(super) fn save() -> Result<(), Failure> {
    let table = kernel::open()?.dump()?.table();
    let mut text = String::new();
    save::write(&table, &mut text).map_err(Failure::runtime)?;
    print(&text)
}

/// Makes the table what the file says.
pub(super) fn restore(args: &RestoreArgs, runtime_dir: &Path) -> Result<(), Failure> {
    let file = args.file.as_deref().filter(|file| *file != Path::new("-"));
    let desired = read(file)?;
    let mut client = kernel::open()?;
    if args.dry_run {
        let ops = changes(&mut client, &desired, args.exact)?;
        return print(&ops.iter().map(|op| format!("{op}\n")).collect::<String>());
    }
    kernel::warn_of_director(runtime_dir, |id| args.exact || desired.contains_key(id));
    let mut changed = 0;
    for _ in 0..ATTEMPTS {
        let ops = changes(&mut client, &desired, args.exact)?;
        let refusals = client.apply(&ops)?;
        changed += ops.len() - refusals.len();
        if refusals.is_empty() {
            return print(&format!("{}\n", summary(&desired, changed)));
        }
        if !refusals.iter().all(Refusal::is_stale) {
            return Err(kernel::refused(&refusals));
        }
    }
    Err(Failure::with_mend(
        "cannot restore: others keep changing the same virtual servers",
        Some("is a director running? `lvsd status`"),
    ))
}

/// The ops that are still to be done.
fn changes(client: &mut Client, desired: &Table, exact: bool) -> Result<Vec<Op>, Failure> {
    let mut actual = client.dump()?.table();
    if !exact {
        actual.retain(|id, _| desired.contains_key(id));
    }
    Ok(plan(desired, &actual))
}

fn read(file: Option<&Path>) -> Result<Table, Failure> {
    let (name, text) = match file {
        Some(file) => (file.display().to_string(), fs::read_to_string(file)),
        None => {
            let mut text = String::new();
            let read = io::stdin().read_to_string(&mut text).map(|_| text);
            ("standard input".to_owned(), read)
        }
    };
    let text = text.map_err(|error| Failure::runtime(format!("cannot read {name}: {error}")))?;
    save::parse(&text).map_err(|malformed| {
        let lines: Vec<_> = malformed.0.iter().map(|bad| format!("{name}:{}: {}", bad.number, bad.fault)).collect();
        Failure::with_mend(
            lines.join("\n"),
            Some("nothing was changed; `lvsd ipvs save` and `ipvsadm -Sn` write what can be restored"),
        )
    })
}

fn summary(desired: &Table, changed: usize) -> String {
    let real_servers: usize = desired.values().map(|found| found.real_servers.len()).sum();
    let plural = |n: usize| if n == 1 { "" } else { "s" };
    let virtual_servers = desired.len();
    format!(
        "{virtual_servers} virtual server{} with {real_servers} real server{}: {changed} change{}",
        plural(virtual_servers),
        plural(real_servers),
        plural(changed)
    )
}
