//! `lvsd status`: asks whichever daemon runs here.
//!
//! `--json` is one document always: the director's, or the agent's. Where both
//! run, the agent's is in the director's, under `realserver`, so that what reads a
//! director's snapshot need not know of it.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
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
            Ok(reply) => answers.push((name, reply.body)),
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
    if json {
        return one_document(answers.iter().map(|(_, body)| &**body));
    }
    let texts = answers.iter().map(|(name, body)| text(name, body));
    Ok(texts.collect::<Result<Vec<_>, _>>()?.join("\n"))
}

/// The first answer, with the second in it.
fn one_document<'a>(answers: impl Iterator<Item = &'a [u8]>) -> Result<String, Failure> {
    let answers = answers.map(|body| serde_json::from_slice(body).map_err(Failure::runtime));
    let mut answers = answers.collect::<Result<Vec<Value>, _>>()?.into_iter();
    let mut document = answers.next().unwrap_or_default();
    if let (Some(director), Some(agent)) = (document.as_object_mut(), answers.next()) {
        director.insert("realserver".to_owned(), agent);
    }
    Ok(format!("{document:#}\n"))
}

fn text(socket: &str, body: &[u8]) -> Result<String, Failure> {
    if socket == director_role::SOCKET {
        let status: director::Director = serde_json::from_slice(body).map_err(Failure::runtime)?;
        return Ok(status.to_string());
    }
    let status: realserver::Status = serde_json::from_slice(body).map_err(Failure::runtime)?;
    Ok(realserver::render(&status, clock::wall()))
}
