//! What the core task sees, as events for those who follow.

use std::collections::HashMap;

use super::Core;
use crate::director::vrrp::{self, Occurrence};
use crate::health::Check;
use crate::health::checks::Change;
use crate::pool;
use crate::status::event::Event;
use crate::track::Changed;
use crate::vrrp::router::Notice;

impl Core {
    /// What happened to a virtual router.
    pub(super) fn tell_router(&mut self, occurrence: &Occurrence) {
        let instance = occurrence.instance.clone();
        let state = occurrence.state.to_string();
        self.journal.tell(match &occurrence.notice {
            Notice::Changed(change) => Event::VrrpState {
                instance,
                previous: change.from.to_string(),
                state,
                cause: change.cause.to_string(),
                priority: occurrence.priority,
                peer: change.cause.peer(),
            },
            Notice::RivalHeard(peer) => Event::SplitBrain {
                instance,
                peer: peer.address,
                peer_priority: peer.priority,
                peer_version: occurrence.version,
                priority: occurrence.priority,
                discarded: None,
            },
            Notice::RivalRefused(rival) => Event::SplitBrain {
                instance,
                peer: rival.peer.address,
                peer_priority: rival.peer.priority,
                peer_version: rival.version,
                priority: occurrence.priority,
                discarded: Some(vrrp::in_words(rival.why, occurrence.version)),
            },
            Notice::RivalGone(peer) => Event::SplitBrainOver {
                instance,
                peer: peer.address,
            },
            Notice::ListensAgain { .. }
            | Notice::HeardTooLittle { .. }
            | Notice::Starved { .. }
            | Notice::HandsOver { .. }
            | Notice::NobodyTookOver { .. }
            | Notice::StaysMaster
            | Notice::OtherSuccessor(_)
            | Notice::Unfit(_)
            | Notice::ClaimUnconfirmed => Event::Vrrp {
                instance,
                state,
                text: in_words(&occurrence.notice),
            },
        });
    }

    /// What checks think otherwise, once for each virtual server that it
    /// concerns.
    pub(super) fn tell_checks(&mut self, changes: &[Change]) {
        let changes: HashMap<&Check, &Change> = changes
            .iter()
            .map(|change| (&*change.check, change))
            .collect();
        let pools = self.config.virtual_servers.iter();
        let servers = pools.flat_map(|(id, pool)| pool.servers().map(move |it| (id, it)));
        for (id, (rip, server)) in servers {
            let change = server
                .check
                .as_ref()
                .and_then(|check| changes.get(&**check));
            let Some(change) = change else { continue };
            self.journal.tell(Event::RealServer {
                virtual_server: *id,
                real_server: *rip,
                previous: change.from.to_string(),
                state: change.verdict.state.to_string(),
                cause: change.verdict.reason.to_string(),
            });
        }
    }

    /// What happened to a pool.
    pub(super) fn tell_pool(&mut self, event: &pool::Event) {
        self.journal.tell(match event {
            pool::Event::QuorumGained {
                virtual_server,
                weight,
                quorum,
            } => Event::Quorum {
                virtual_server: *virtual_server,
                state: "up".to_owned(),
                weight: *weight,
                quorum: *quorum,
            },
            pool::Event::QuorumLost {
                virtual_server,
                weight,
                quorum,
            } => Event::Quorum {
                virtual_server: *virtual_server,
                state: "down".to_owned(),
                weight: *weight,
                quorum: *quorum,
            },
            pool::Event::Serving {
                virtual_server,
                from,
                to,
            } => Event::Serving {
                virtual_server: *virtual_server,
                previous: from.as_str().to_owned(),
                by: to.as_str().to_owned(),
            },
            pool::Event::Held {
                virtual_server,
                servers,
            } => Event::Held {
                virtual_server: *virtual_server,
                servers: *servers,
            },
            pool::Event::Draining {
                virtual_server,
                real_server,
                because,
                ..
            } => Event::Draining {
                virtual_server: *virtual_server,
                real_server: *real_server,
                cause: because.to_string(),
            },
            pool::Event::Drained {
                virtual_server,
                real_server,
                connections,
                ..
            } => Event::Drained {
                virtual_server: *virtual_server,
                real_server: *real_server,
                connections: *connections,
            },
        });
    }

    /// What came up or went down of what is tracked.
    pub(super) fn tell_tracker(&mut self, changed: &Changed) {
        let interested = self.tracking.board.interested(&changed.source);
        let interested = interested.map(|(instance, tracker)| Event::Tracker {
            instance: instance.clone(),
            tracker: tracker.name.clone(),
            state: changed.verdict.state.as_str().to_owned(),
            cause: changed.verdict.reason.to_string(),
        });
        for event in interested.collect::<Vec<_>>() {
            self.journal.tell(event);
        }
    }

    /// What was put right since it was told last.
    pub(super) fn tell_repairs(&mut self) {
        let repaired = self
            .reports
            .as_ref()
            .map(|reports| reports.borrow().repaired);
        let repaired = repaired.unwrap_or(self.repaired);
        let operations = repaired.saturating_sub(self.repaired);
        self.repaired = repaired;
        if operations > 0 {
            self.journal.tell(Event::Repaired { operations });
        }
    }
}

/// What has no fields of its own in an event.
fn in_words(notice: &Notice) -> String {
    match notice {
        Notice::ListensAgain { late } => {
            format!("woken {late:.3?} late: listens once more before taking over")
        }
        Notice::HeardTooLittle { dropped } => format!(
            "heard no other master, yet {dropped} packets were dropped before they were read: listens \
             once more"
        ),
        Notice::Starved { silent } => {
            format!("starved: sent no advert for {silent:.3?}, listens before it goes on")
        }
        Notice::HandsOver { limit } => {
            format!("resigned: serves on until a successor is heard, for at most {limit:?}")
        }
        Notice::NobodyTookOver { waited } => format!("no successor was heard for {waited:?}"),
        Notice::OtherSuccessor(peer) => format!("handed over to {peer} in the end"),
        Notice::StaysMaster => "stays master".to_owned(),
        Notice::Unfit(cause) => format!("hands over: {cause}"),
        Notice::ClaimUnconfirmed => "preempts, yet its addresses are not all held".to_owned(),
        Notice::Changed(_)
        | Notice::RivalHeard(_)
        | Notice::RivalRefused(_)
        | Notice::RivalGone(_) => String::new(),
    }
}
