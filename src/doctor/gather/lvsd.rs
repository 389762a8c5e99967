//! lvsd's own daemons and files.

use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::Scope;
use crate::config::director::DirectorConfig;
use crate::config::realserver::RealServerConfig;
use crate::config::{DIRECTOR_FILE, Error, File, Host, REALSERVER_FILE};
use crate::doctor::Facts;
use crate::http::{self, ClientError};
use crate::realserver::journal::Store;
use crate::status::text::chain;
use crate::{director, realserver};

/// How long a daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) async fn look(scope: &Scope, root: &Path, facts: &mut Facts) -> Result<(), Error> {
    let unseen = &mut facts.unseen;
    facts.director = ask(&scope.runtime_dir.join(director::SOCKET), unseen).await;
    let socket = scope.runtime_dir.join(realserver::SOCKET);
    let before = unseen.len();
    facts.agent = ask(&socket, unseen).await;
    facts.agent_down = facts.agent.is_none() && unseen.len() == before;
    facts.agent_died = facts.agent_down && socket.exists();
    let journal = Store::new(scope.runtime_dir.join(realserver::JOURNAL)).load();
    facts.drained = journal.is_ok_and(|journal| journal.drained);
    if let Some(path) = &scope.config {
        match File::read(path, Host::This)? {
            File::Director(config) => facts.director_config = Some(config),
            File::RealServer(config) => facts.realserver_config = Some(config),
        }
        return Ok(());
    }
    let running = facts
        .director
        .as_ref()
        .map(|status| status.config.path.clone());
    let director = running.unwrap_or_else(|| DIRECTOR_FILE.to_owned());
    let director = there(root, &director);
    facts.director_config = director.and_then(|path| {
        let read = DirectorConfig::read(path.as_ref());
        accept(read, path, facts)
    });
    let agent = there(root, REALSERVER_FILE);
    facts.realserver_config = agent.and_then(|path| {
        let read = RealServerConfig::read(path.as_ref(), &[]);
        accept(read, path, facts)
    });
    Ok(())
}

/// Asks the director anew.
pub(super) async fn look_again(scope: &Scope, facts: &mut Facts) {
    let socket = scope.runtime_dir.join(director::SOCKET);
    if facts.director.is_some() {
        facts.director = ask(&socket, &mut facts.unseen).await;
    }
}

/// The status of a daemon; none: it does not run.
async fn ask<T: DeserializeOwned>(socket: &Path, unseen: &mut Vec<String>) -> Option<T> {
    let why = match timeout(PATIENCE, http::get(socket, "/v1/status")).await {
        Ok(Ok(reply)) => match serde_json::from_slice(&reply.body) {
            Ok(status) => return Some(status),
            Err(error) => error.to_string(),
        },
        Ok(Err(ClientError::NotRunning { .. })) => return None,
        Ok(Err(error)) => first_line(&chain(&error)),
        Err(_) => format!("it does not answer within {PATIENCE:?}"),
    };
    unseen.push(format!("what {} says: {why}", socket.display()));
    None
}

fn there(root: &Path, path: &str) -> Option<String> {
    let path = root.join(path.trim_start_matches('/'));
    path.exists().then(|| path.display().to_string())
}

fn accept<T>(read: Result<T, Error>, path: String, facts: &mut Facts) -> Option<T> {
    let error = match read {
        Ok(config) => return Some(config),
        Err(error) => error.to_string(),
    };
    facts.refused_files.push((path, first_line(&error)));
    None
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
