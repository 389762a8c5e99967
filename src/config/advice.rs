//! What is legal in a file and refuses clients that could be served.

use std::collections::BTreeMap;

use super::director::{DirectorConfig, OnStop};
use crate::lvs::{Scheduler, SchedulerFlags, VirtualServerId};

/// Tells of schedulers whose hash may choose a real server of weight 0, for which the
/// kernel then refuses the client. Once for each, however many virtual servers have it.
pub(super) fn of_schedulers(config: &DirectorConfig) -> Vec<String> {
    let mut found: BTreeMap<_, Vec<&VirtualServerId>> = BTreeMap::new();
    for (id, server) in &config.virtual_servers {
        let (scheduler, flags) = (server.settings.scheduler, server.settings.scheduler_flags);
        if let Some(mend) = mend(scheduler, flags) {
            found.entry((scheduler, mend)).or_default().push(id);
        }
    }
    let lines = found.iter().map(|((scheduler, mend), ids)| {
        let others = match ids.len() - 1 {
            0 => String::new(),
            1 => " and another".to_owned(),
            others => format!(" and {others} others"),
        };
        format!(
            "virtual server {}{others}: scheduler {scheduler} refuses new connections of the \
             clients whose real server drains, has weight 0 or is at its upper_threshold, \
             instead of giving them another; {mend}",
            ids[0]
        )
    });
    lines.collect()
}

/// Tells of a stop that takes new connections away before another director has them.
pub(super) fn of_stop(config: &DirectorConfig) -> Option<String> {
    let hands_over = config.on_stop == OnStop::Drain && !config.vrrp.is_empty();
    hands_over.then(|| {
        "ipvs.on_stop = \"drain\" refuses new connections until those there have ended, and only \
         then gives virtual routers away; where another director takes over, \
         ipvs.on_stop = \"clear\" hands over first"
            .to_owned()
    })
}

/// The way out; none: it refuses nobody.
fn mend(scheduler: Scheduler, flags: SchedulerFlags) -> Option<String> {
    match scheduler {
        Scheduler::DestinationHash => Some(
            "dh has no flag against it: use mh or sh with scheduler_flags = [\"fallback\"] where \
             the client's address may decide"
                .to_owned(),
        ),
        Scheduler::SourceHash | Scheduler::Maglev => {
            let with = flags
                .with(scheduler, "fallback")
                .filter(|it| *it != flags)?;
            let names: Vec<_> = with
                .set(scheduler)
                .map(|name| format!("{name:?}"))
                .collect();
            Some(format!(
                "scheduler_flags = [{}] gives them another",
                names.join(", ")
            ))
        }
        _ => None,
    }
}
