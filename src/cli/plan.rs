//! `lvsd plan`: what a file would change, changing nothing.
//!
//! A running director answers for itself: it knows what runs. Where none does,
//! the file is compared with the kernel.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use super::Failure;
use super::config::print;
use super::server::{answer, in_runtime, refused};
use crate::config;
use crate::config::director::DirectorConfig;
use crate::director::control::{PLAN, PlanWish, Planned};
use crate::director::plan::{self as director_plan, Steps, World};
use crate::director::{OVERRIDES_FILE, OWNED_FILE, SOCKET};
use crate::health::Share;
use crate::http::{self, ClientError};
use crate::ipvs::client::Client;
use crate::lvs::VirtualServerId;
use crate::pool::{Configured, Overrides, Pools, Standing};
use crate::sys::clock;
use crate::sys::state_file::StateFile;

/// The exit code of `--exit-code` when something would change. 1, 2 and 78 say
/// that it could not be told.
const DIFFERENT: u8 = 3;

/// Prints what the file would change.
pub(super) fn run(runtime_dir: &Path, file: &Path, exit_code: bool) -> Result<ExitCode, Failure> {
    let text = config::read(file)?;
    let config = DirectorConfig::parse_here(file, &text)?;
    let running = in_runtime(ask(runtime_dir, file, &text))?;
    let assumed = running.is_none();
    let planned = match running {
        Some(planned) => planned,
        None => compare(runtime_dir, file, &text, &config)?,
    };
    print(&tell(&planned, assumed))?;
    Ok(if exit_code && planned.differs() {
        DIFFERENT.into()
    } else {
        ExitCode::SUCCESS
    })
}

/// Asks the director of this runtime directory; none: there is none.
async fn ask(runtime_dir: &Path, file: &Path, text: &str) -> Result<Option<Planned>, Failure> {
    let wish = PlanWish {
        file: file.to_owned(),
        text: text.to_owned(),
    };
    let wish = serde_json::to_vec(&wish).map_err(Failure::runtime)?;
    match http::post(&runtime_dir.join(SOCKET), PLAN, wish).await {
        Ok(reply) => answer(&reply).map(Some),
        Err(ClientError::NotRunning { .. }) => Ok(None),
        Err(error) => Err(Failure::runtime(error)),
    }
}

/// What a director that starts with the file would change in this kernel.
fn compare(
    runtime_dir: &Path,
    file: &Path,
    text: &str,
    config: &DirectorConfig,
) -> Result<Planned, Failure> {
    director_plan::refuse(config, file, text).map_err(refused)?;
    let configured = &config.virtual_servers;
    let owned: StateFile<BTreeSet<VirtualServerId>> = StateFile::new(runtime_dir.join(OWNED_FILE));
    let mut owned = owned.load().map_err(Failure::runtime)?;
    owned.extend(configured.keys());
    let mut client = Client::open().map_err(Failure::runtime)?;
    let mut kernel = client.dump().map_err(Failure::runtime)?.table();
    kernel.retain(|id, _| owned.contains(id));
    let overrides: StateFile<Overrides> = StateFile::new(runtime_dir.join(OVERRIDES_FILE));
    let overrides = overrides.load().map_err(Failure::runtime)?;
    let world = World {
        now: clock::now(),
        before: &Configured::new(),
        kernel: &kernel,
        standing: &|_| Standing::Up,
        share: &|_| Share::FULL,
        load: &|_, _| None,
        refused: &|_, _| false,
        held_back: &|_| false,
    };
    let steps = Steps::of(Pools::new(overrides), configured, &world);
    let settings = director_plan::settings(&mut client, runtime_dir, config);
    Ok(Planned {
        changes: settings.map_err(Failure::runtime)?,
        ..Planned::from(steps)
    })
}

fn tell(planned: &Planned, assumed: bool) -> String {
    let mut text = String::new();
    for drain in &planned.going_on {
        text += &format!("# drains already: {drain}\n");
    }
    for refused in &planned.refused {
        text += &format!("# the kernel refuses now, so a reload exits 1: {refused}\n");
    }
    if assumed {
        text += "# no director runs here: every real server is taken to be up\n";
    }
    if !planned.differs() {
        text += "nothing would change\n";
    }
    let sections = [
        ("", &planned.changes),
        ("", &planned.at_once),
        (
            "once the checks that have no answer yet have passed:\n",
            &planned.checked,
        ),
        (
            "when connections have ended, or their time is over:\n",
            &planned.in_the_end,
        ),
    ];
    for (heading, lines) in sections.iter().filter(|(_, lines)| !lines.is_empty()) {
        text += heading;
        for line in *lines {
            text += &format!("{line}\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_refuses_now_is_told_and_is_no_change() {
        let sentence = "cannot add real server 10.9.9.9:90 of tcp 192.168.1.200:90: dr weight 1: \
                        no such device";
        let planned = Planned {
            refused: vec![sentence.to_owned()],
            ..Planned::default()
        };
        assert!(!planned.differs());
        assert_eq!(
            tell(&planned, false),
            format!(
                "# the kernel refuses now, so a reload exits 1: {sentence}\nnothing would change\n"
            )
        );
    }
}
