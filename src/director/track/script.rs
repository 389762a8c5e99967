//! Runs a script again and again, never twice at a time.

use tokio::time::sleep;

use super::Outlet;
use crate::sys::clock;
use crate::sys::command::{self, Command};
use crate::track::{Observation, Script, Source};

/// For ever. Dropping it kills the script that runs.
pub(super) async fn run(script: &Script, source: &Source, outlet: &Outlet) {
    let command = Command {
        argv: script.argv.clone(),
        user: script.user.clone(),
        environment: vec![("LVSD_EVENT", "track".to_owned())],
        limit: script.timeout,
    };
    loop {
        let begun = clock::now();
        let ended = command::run(&command).await;
        let seen = if ended.succeeded() {
            Observation::Good
        } else {
            Observation::Bad(ended.to_string().into())
        };
        if outlet.send((source.clone(), seen)).await.is_err() {
            return;
        }
        sleep(script.pace.interval.saturating_sub(clock::now() - begun)).await;
    }
}
