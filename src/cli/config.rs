//! `lvsd config check` and `lvsd config show`.

use std::io::{self, Write};
use std::path::Path;

use super::Failure;
use crate::config::File;

/// Says that the file is good, or everything that is wrong with it.
pub(super) fn check(file: &Path) -> Result<(), Failure> {
    let (what, advice) = match File::read(file)? {
        File::Director(config) => {
            let what = format!(
                "a director's file with {} and {}",
                count(config.vrrp.len(), "virtual router"),
                count(config.virtual_servers.len(), "virtual server")
            );
            (what, config.advice())
        }
        File::RealServer(config) => {
            let what = format!(
                "a real server's file with {}",
                count(config.vips.len(), "VIP")
            );
            (what, Vec::new())
        }
    };
    let advice: String = advice
        .iter()
        .map(|text| format!("advice: {text}\n"))
        .collect();
    print(&format!("{}: good: {what}\n{advice}", file.display()))
}

/// Prints the file with every default filled in.
pub(super) fn show(file: &Path) -> Result<(), Failure> {
    print(&match File::read(file)? {
        File::Director(config) => config.to_toml(),
        File::RealServer(config) => config.to_toml(),
    })
}

fn count(n: usize, noun: &str) -> String {
    if n == 1 {
        format!("1 {noun}")
    } else {
        format!("{n} {noun}s")
    }
}

/// Prints to standard output; a reader that went away (`| head`) is no failure.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::runtime(error)),
        _ => Ok(()),
    }
}
