//! The `lvsd` command: reads the command line, does it, tells the last error.

use std::process::ExitCode;

use clap::Parser;
use lvsd::cli::{self, Cli};

fn main() -> ExitCode {
    match cli::run(Cli::parse()) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("lvsd: {failure}");
            failure.exit_code()
        }
    }
}
