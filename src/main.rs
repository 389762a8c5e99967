//! The `lvsd` command: reads the command line, does it, tells the last error.

use std::process::ExitCode;

use lvsd::cli;

fn main() -> ExitCode {
    match cli::parse().and_then(cli::run) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("lvsd: {failure}");
            failure.exit_code()
        }
    }
}
