//! Which program an event runs, and what the program is told.

use super::Hook;
use crate::config::director::{DirectorConfig, VrrpHooks};
use crate::director::vrrp::{Occurrence, in_words};
use crate::pool::Event;
use crate::sys::command::Command;
use crate::vrrp::router::{Notice, Peer, State};

/// The hook of what happened to a pool, if it has one.
pub(in crate::director) fn of_pool(event: &Event, config: &DirectorConfig) -> Option<Hook> {
    let (name, virtual_server, weight, quorum) = match event {
        Event::QuorumGained {
            virtual_server,
            weight,
            quorum,
        } => ("quorum_up", virtual_server, weight, quorum),
        Event::QuorumLost {
            virtual_server,
            weight,
            quorum,
        } => ("quorum_down", virtual_server, weight, quorum),
        Event::Serving { .. }
        | Event::Held { .. }
        | Event::Draining { .. }
        | Event::Drained { .. } => return None,
    };
    let rules = &config.virtual_servers.get(virtual_server)?.rules;
    let argv = match event {
        Event::QuorumGained { .. } => rules.on_quorum_up.clone(),
        _ => rules.on_quorum_down.clone(),
    };
    let subject = virtual_server.to_string();
    Some(Hook {
        command: Command {
            argv: argv?,
            user: rules.hook_user.clone(),
            environment: vec![
                ("LVSD_EVENT", name.to_owned()),
                ("LVSD_ROUTER_ID", config.router_id.clone()),
                ("LVSD_VIRTUAL_SERVER", subject.clone()),
                ("LVSD_WEIGHT", weight.to_string()),
                ("LVSD_QUORUM", quorum.to_string()),
            ],
            limit: rules.hook_timeout,
        },
        subject,
    })
}

/// The hook of what happened to a virtual router, if it has one.
pub(in crate::director) fn of_router(
    occurrence: &Occurrence,
    hooks: &VrrpHooks,
    router_id: &str,
) -> Option<Hook> {
    let mut more = Vec::new();
    let (event, argv) = match &occurrence.notice {
        Notice::Changed(change) => {
            more.push(("LVSD_PREVIOUS", change.from.to_string()));
            more.push(("LVSD_CAUSE", change.cause.to_string()));
            match change.to {
                State::Master => ("master", &hooks.on_master),
                State::Backup => ("backup", &hooks.on_backup),
                State::Fault => ("fault", &hooks.on_fault),
                State::Initialize => ("stop", &hooks.on_stop),
            }
        }
        Notice::RivalHeard(peer) => {
            more.extend(rival(*peer, occurrence.version));
            ("split_brain", &hooks.on_split_brain)
        }
        Notice::RivalRefused(refused) => {
            let why = in_words(refused.why, occurrence.version);
            more.push(("LVSD_CAUSE", why));
            more.extend(rival(refused.peer, refused.version));
            ("split_brain", &hooks.on_split_brain)
        }
        Notice::RivalGone(_) => ("split_brain_over", &hooks.on_split_brain),
        _ => return None,
    };
    let mut environment = vec![
        ("LVSD_EVENT", event.to_owned()),
        ("LVSD_ROUTER_ID", router_id.to_owned()),
        ("LVSD_INSTANCE", occurrence.instance.clone()),
        ("LVSD_INTERFACE", occurrence.interface.clone()),
        ("LVSD_STATE", occurrence.state.to_string()),
        ("LVSD_PRIORITY", occurrence.priority.to_string()),
        ("LVSD_TIME", occurrence.at.to_string()),
    ];
    environment.extend(more);
    if let Some(peer) = peer(occurrence) {
        environment.push(("LVSD_PEER", peer));
    }
    Some(Hook {
        subject: occurrence.instance.clone(),
        command: Command {
            argv: argv.clone()?,
            user: hooks.user.clone(),
            environment,
            limit: hooks.timeout,
        },
    })
}

/// Who the other master is, beside its address.
fn rival(peer: Peer, version: u8) -> [(&'static str, String); 2] {
    [
        ("LVSD_PEER_PRIORITY", peer.priority.to_string()),
        ("LVSD_PEER_VERSION", version.to_string()),
    ]
}

/// The other router that had a part in it.
fn peer(occurrence: &Occurrence) -> Option<String> {
    let named = match &occurrence.notice {
        Notice::RivalHeard(peer) | Notice::RivalGone(peer) => Some(peer.address),
        Notice::RivalRefused(rival) => Some(rival.peer.address),
        Notice::Changed(change) => change.cause.peer(),
        _ => None,
    };
    let known = occurrence.peer.map(|peer| peer.address);
    named.or(known).map(|address| address.to_string())
}
