//! `lvsd events`: what happened lately, and what happens.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;

use super::Failure;
use super::server::in_runtime;
use crate::director::SOCKET;
use crate::director::control::EVENTS;
use crate::http;

/// Prints them as they come, a JSON object a line.
pub(super) fn run(runtime_dir: &Path, last: usize, follow: bool) -> Result<(), Failure> {
    let socket = runtime_dir.join(SOCKET);
    let path = format!("{EVENTS}?last={last}&follow={follow}");
    let mut failed = None;
    let refused = in_runtime(async {
        let asked = http::follow(&socket, &path, |lines| match write(&lines) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        });
        asked.await.map_err(Failure::runtime)
    })?;
    if let Some(reply) = refused {
        let text = String::from_utf8_lossy(&reply.body).trim().to_owned();
        return Err(Failure::runtime(text));
    }
    match failed {
        // A reader that went away (`| head`) is no failure.
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::runtime(error)),
        _ => Ok(()),
    }
}

/// An empty line only says that the director is still there.
fn write(lines: &[u8]) -> io::Result<()> {
    if lines == b"\n" {
        return Ok(());
    }
    let mut stdout = io::stdout().lock();
    stdout.write_all(lines)?;
    stdout.flush()
}
