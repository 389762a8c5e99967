//! `lvsd plan`: what a file would change in this kernel, changing nothing.

mod running;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use self::running::Running;
use super::Failure;
use super::config::print;
use super::server::in_runtime;
use crate::config::director::{DirectorConfig, RealServer};
use crate::director::{OVERRIDES_FILE, OWNED_FILE};
use crate::health::Share;
use crate::ipvs::client::Client;
use crate::ipvs::plan::{Op, apply, plan};
use crate::ipvs::table::Table;
use crate::lvs::{RealServerId, VirtualServerId};
use crate::pool::{Configured, Inputs, Overrides, Pools, Standing};
use crate::sys::clock;
use crate::sys::state_file::StateFile;

/// The exit code of `--exit-code` when something would change. 1, 2 and 78 say
/// that it could not be told.
const DIFFERENT: u8 = 3;

/// Prints the difference between the file and the kernel.
pub(super) fn run(runtime_dir: &Path, config: &Path, exit_code: bool) -> Result<ExitCode, Failure> {
    let configured = DirectorConfig::read(config)?.virtual_servers;
    let running = in_runtime(Running::ask(runtime_dir))?;
    let owned: StateFile<BTreeSet<VirtualServerId>> = StateFile::new(runtime_dir.join(OWNED_FILE));
    let mut owned = owned.load().map_err(Failure::runtime)?;
    owned.extend(configured.keys());
    let mut kernel = Client::open()
        .and_then(|mut client| client.dump())
        .map_err(Failure::runtime)?
        .table();
    kernel.retain(|id, _| owned.contains(id));
    let overrides: StateFile<Overrides> = StateFile::new(runtime_dir.join(OVERRIDES_FILE));
    let overrides = overrides.load().map_err(Failure::runtime)?;
    let mut steps = steps(&configured, &kernel, overrides, &running);
    let going_on = running.take_out(&kernel, &mut steps);
    print(&tell(&steps, &going_on, running.health.is_empty()))?;
    let differs = exit_code && steps.iter().any(|ops| !ops.is_empty());
    Ok(if differs {
        DIFFERENT.into()
    } else {
        ExitCode::SUCCESS
    })
}

/// The ops at once, and those when everything that leaves has drained.
fn steps(
    configured: &Configured,
    kernel: &Table,
    overrides: Overrides,
    running: &Running,
) -> [Vec<Op>; 2] {
    let standing = |id: &VirtualServerId, rip: &RealServerId, server: &RealServer| {
        let known = running.health.get(&(*id, *rip)).copied();
        match server.check {
            None => Standing::Up,
            Some(_) => known.unwrap_or(Standing::Up),
        }
    };
    let share = |id: &VirtualServerId, rip: &RealServerId, server: &RealServer| {
        let known = running.shares.get(&(*id, *rip)).copied();
        let told = known.filter(|_| {
            server
                .check
                .as_ref()
                .is_some_and(|check| check.tells_share())
        });
        told.unwrap_or(Share::FULL)
    };
    let mut pools = Pools::new(overrides);
    pools.configure(&Configured::new(), configured, |id| kernel.get(id).cloned());
    let (mut now, mut kernel) = (clock::now(), kernel.clone());
    // The first for what is done at once, the second for the end of all drains.
    let mut step = |now| {
        let outcome = pools.step(&Inputs {
            now,
            configured,
            standing: &standing,
            share: &share,
            load: &|_, _| None,
        });
        let ops = plan(&outcome.table, &kernel);
        apply(&ops, &mut kernel);
        (ops, outcome.deadline)
    };
    let (at_once, mut deadline) = step(now);
    let mut later = Vec::new();
    while let Some(next) = deadline {
        now = next;
        let (ops, next) = step(now);
        later.extend(ops);
        deadline = next;
    }
    [at_once, later]
}

fn tell([at_once, later]: &[Vec<Op>; 2], going_on: &[String], assumed: bool) -> String {
    let mut text = String::new();
    for drain in going_on {
        text += &format!("# drains already: {drain}\n");
    }
    if assumed {
        text += "# no director runs here: every real server is taken to be up\n";
    }
    if at_once.is_empty() && later.is_empty() {
        text += "nothing would change\n";
    }
    for op in at_once {
        text += &format!("{op}\n");
    }
    if !later.is_empty() {
        text += "when connections have ended, or their time is over:\n";
    }
    for op in later {
        text += &format!("{op}\n");
    }
    text
}
