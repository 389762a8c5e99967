//! `lvsd status`: asks whichever daemon runs here.

use std::path::Path;
use std::time::Duration;

use tokio::runtime;

use super::Failure;
use super::config::print;
use crate::http::{self, ClientError};
use crate::status::{director, realserver};
use crate::sys::clock;
use crate::{director as director_role, realserver as realserver_role};

const WATCH_INTERVAL: Duration = Duration::from_secs(2);

/// Clears a terminal and goes to its first line.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Prints the snapshot of each daemon that answers.
pub(super) fn run(runtime_dir: &Path, json: bool, watch: bool) -> Result<(), Failure> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::runtime)?;
    runtime.block_on(async {
        loop {
            let text = ask(runtime_dir, json).await?;
            if !watch {
                return print(&text);
            }
            print(&if json { text } else { format!("{CLEAR}{text}") })?;
            tokio::time::sleep(WATCH_INTERVAL).await;
        }
    })
}

/// The answers of the director and of the agent: a director that is also a real
/// server runs both.
async fn ask(runtime_dir: &Path, json: bool) -> Result<String, Failure> {
    let sockets = [director_role::SOCKET, realserver_role::SOCKET];
    let mut answers = Vec::new();
    let mut absent = Vec::new();
    for name in sockets {
        let socket = runtime_dir.join(name);
        match http::get(&socket, "/v1/status").await {
            Ok(reply) => answers.push(text(name, &reply.body, json)?),
            Err(ClientError::NotRunning { path, why, .. }) => {
                absent.push(format!("{}: {why}", path.display()));
            }
            Err(error) => return Err(Failure::runtime(error)),
        }
    }
    if answers.is_empty() {
        return Err(Failure::Runtime {
            error: format!("no lvsd answers here: {}", absent.join("; ")).into(),
            mend: Some("is it running? `systemctl status lvsd-director lvsd-realserver`".into()),
        });
    }
    Ok(answers.join("\n"))
}

fn text(socket: &str, body: &[u8], json: bool) -> Result<String, Failure> {
    if json {
        let value: serde_json::Value = serde_json::from_slice(body).map_err(Failure::runtime)?;
        return Ok(format!("{value:#}\n"));
    }
    if socket == director_role::SOCKET {
        let status: director::Director = serde_json::from_slice(body).map_err(Failure::runtime)?;
        return Ok(status.to_string());
    }
    let status: realserver::Status = serde_json::from_slice(body).map_err(Failure::runtime)?;
    Ok(realserver::render(&status, clock::wall()))
}
