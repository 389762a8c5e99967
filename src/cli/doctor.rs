//! `lvsd doctor`: looks for faults and says how to mend each.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::Failure;
use super::config::print;
use super::server::in_runtime;
use crate::doctor::gather::{Scope, gather};
use crate::doctor::{self};

/// How the doctor is asked.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// A director's or a real server's file, instead of those below /etc/lvsd.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Do not listen on the wire, which takes some seconds.
    #[arg(long)]
    quick: bool,

    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
}

/// Prints what was found; exit code 1 if anything is broken.
pub(super) fn run(runtime_dir: &Path, args: DoctorArgs) -> Result<ExitCode, Failure> {
    let scope = Scope {
        runtime_dir: runtime_dir.to_owned(),
        config: args.config,
        quick: args.quick,
    };
    let facts = in_runtime(async { Ok(gather(&scope).await?) })?;
    let report = doctor::examine(&facts);
    if args.json {
        let json = serde_json::to_string_pretty(&report).map_err(Failure::runtime)?;
        print(&format!("{json}\n"))?;
    } else {
        print(&report.to_string())?;
    }
    Ok(match report.is_broken() {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}
