//! `lvsd ipvs save` and `restore`.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use super::kernel;
use crate::cli::Failure;
use crate::cli::config::print;
use crate::ipvs::client::{Client, Module, Refusal};
use crate::ipvs::plan::{Op, plan};
use crate::ipvs::save::{self, BadLine, Saved};
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
    let name = file.map_or("standard input".to_owned(), |file| {
        file.display().to_string()
    });
    let saved = read(file, &name)?;
    let mut client = kernel::open()?;
    refuse_missing(&mut client, &saved, &name)?;
    let desired = saved.table;
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

fn read(file: Option<&Path>, name: &str) -> Result<Saved, Failure> {
    let text = match file {
        Some(file) => fs::read_to_string(file),
        None => io::read_to_string(io::stdin()),
    };
    let text = text.map_err(|error| Failure::runtime(format!("cannot read {name}: {error}")))?;
    save::parse(&text).map_err(|malformed| refuse(name, &malformed.0))
}

/// Refuses what the kernel has no module for, before anything is changed.
fn refuse_missing(client: &mut Client, saved: &Saved, name: &str) -> Result<(), Failure> {
    let used = || saved.table.values().map(|found| found.settings);
    let wanted: BTreeSet<_> = used().flat_map(|it| Module::needed(&it)).collect();
    let wanted: Vec<_> = wanted.into_iter().collect();
    let missing = client.modules_missing(&wanted, used().map(|it| it.scheduler))?;
    let mut bad = Vec::new();
    for (id, number) in &saved.lines {
        let lacks = Module::needed(&saved.table[id].settings).filter(|it| missing.contains(it));
        bad.extend(lacks.map(|module| BadLine {
            number: *number,
            fault: format!(
                "{module} is not available in this kernel (module {})",
                module.file()
            ),
        }));
    }
    bad.sort_by_key(|bad| bad.number);
    match bad.as_slice() {
        [] => Ok(()),
        bad => Err(refuse(name, bad)),
    }
}

fn refuse(name: &str, bad: &[BadLine]) -> Failure {
    let lines = bad.iter();
    let lines = lines.map(|BadLine { number, fault }| format!("{name}:{number}: {fault}"));
    let mend = "nothing was changed; `lvsd ipvs save` and `ipvsadm -Sn` write what can be restored";
    Failure::with_mend(lines.collect::<Vec<_>>().join("\n"), Some(mend))
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
