//! `lvsd config check`, `lvsd config show` and `lvsd config import`.

use std::io::{self, Write};
use std::path::Path;

use super::Failure;
use crate::config::director::DirectorConfig;
use crate::config::{File, Host};
use crate::keepalived;

/// Says that the file is good, or everything that is wrong with it.
pub(super) fn check(file: &Path, host: Host) -> Result<(), Failure> {
    let (what, advice) = match File::read(file, host)? {
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
    print(&match File::read(file, Host::Another)? {
        File::Director(config) => config.to_toml(),
        File::RealServer(config) => config.to_toml(),
    })
}

/// Prints what came of keepalived's file, and what did not.
pub(super) fn import(file: &Path) -> Result<(), Failure> {
    let place = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::runtime(format!("cannot read {place}: {error}")))?;
    let imported = keepalived::import(file, &text);
    let imported = imported.map_err(|error| Failure::Refused(error.to_string()))?;
    print(&imported.toml)?;
    let notes = imported.notes.iter().map(|note| {
        let file = imported.files[note.file].display();
        format!("{file}:{}: {}\n", note.line, note.text)
    });
    let notes: String = notes.collect();
    write_to(io::stderr().lock(), &notes)?;
    DirectorConfig::parse(Path::new("(imported)"), &imported.toml)?;
    Ok(())
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
    write_to(io::stdout().lock(), text)
}

fn write_to(mut stream: impl Write, text: &str) -> Result<(), Failure> {
    match stream
        .write_all(text.as_bytes())
        .and_then(|()| stream.flush())
    {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::runtime(error)),
        _ => Ok(()),
    }
}
