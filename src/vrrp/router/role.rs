//! The roles of a router, and what each of them remembers.

use std::time::{Duration, Instant};

use super::{Action, Cause, Heard, Notice, Peer};

/// What the router is, with the deadline that only this role has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Initialize,
    Fault,
    Backup(Backup),
    Master(Master),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Backup {
    /// When the timer was last set: at the start, or by an advert.
    pub(super) listens_since: Instant,
    pub(super) master_down_at: Instant,
    /// The master's advert interval (version 3 learns it).
    pub(super) master_interval: Duration,
    pub(super) sighted: Sighted,
    /// The deadline was already put off because it was handled late.
    pub(super) listened_again: bool,
}

/// Whom a backup heard last, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sighted {
    Nobody,
    /// A master that this backup follows.
    Master(Peer),
    /// A master that this backup is going to preempt.
    Lesser(Peer),
    /// A master that resigned.
    Resigned(Peer),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Master {
    pub(super) last_advert_at: Instant,
    pub(super) next_advert_at: Instant,
    pub(super) rival: Option<Rival>,
}

/// Another master, of lesser rank, that goes on all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rival {
    pub(super) peer: Peer,
    pub(super) heard_at: Instant,
}

impl Backup {
    pub(super) fn cause_to_take_over(&self, now: Instant) -> Cause {
        let silence = now.saturating_duration_since(self.listens_since);
        match self.sighted {
            Sighted::Nobody => Cause::NoMaster { waited: silence },
            Sighted::Master(peer) => Cause::MasterSilent { peer, silence },
            Sighted::Lesser(peer) => Cause::Preempts(peer),
            Sighted::Resigned(peer) => Cause::MasterResigned(peer.address),
        }
    }
}

impl Master {
    /// Remembers another master, and says so when it is new or when it resigns.
    pub(super) fn see(self, now: Instant, peer: Peer) -> (Self, Vec<Action>) {
        let known = self
            .rival
            .is_some_and(|rival| rival.peer.address == peer.address);
        let rival = (peer.priority != 0).then_some(Rival {
            peer,
            heard_at: now,
        });
        match (rival, known) {
            (Some(_), true) => (Self { rival, ..self }, vec![]),
            (Some(_), false) => {
                let report = Action::Report(Notice::RivalHeard(peer));
                (Self { rival, ..self }, vec![Action::AnnounceVips, report])
            }
            (None, true) => self.lose_rival(),
            (None, false) => (self, vec![]),
        }
    }

    /// Forgets a rival that was not heard for `patience`.
    pub(super) fn watch_rival(self, now: Instant, patience: Duration) -> (Self, Vec<Action>) {
        match self.rival {
            Some(rival) if now > rival.heard_at + patience => self.lose_rival(),
            Some(_) | None => (self, vec![]),
        }
    }

    /// The rival's last announcement may be younger than ours.
    fn lose_rival(self) -> (Self, Vec<Action>) {
        let actions = self.rival.map_or(vec![], |rival| {
            let report = Action::Report(Notice::RivalGone(rival.peer));
            vec![Action::AnnounceVips, report]
        });
        (
            Self {
                rival: None,
                ..self
            },
            actions,
        )
    }
}

impl From<&Heard> for Peer {
    fn from(heard: &Heard) -> Self {
        Self {
            address: heard.source,
            priority: heard.advert.priority,
        }
    }
}
