//! The roles of a router, and what each of them remembers.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::{Action, Cause, Heard, LINGER, Notice, Peer};

/// How far apart announcements are that others ask for by resigning.
const DISOWN_SPACING: Duration = Duration::from_secs(1);

/// What the router is, with the deadline that only this role has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Initialize,
    Fault,
    Backup(Backup),
    /// A backup that is about to succeed a master that serves: addresses first, the
    /// advert then.
    Claiming(Claiming),
    Master(Master),
    /// A master that has resigned and serves until its successor is heard.
    Leaving(Leaving),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Backup {
    /// When the timer was last set: at the start, or by an advert.
    pub(super) listens_since: Instant,
    pub(super) master_down_at: Instant,
    /// The master's advert interval (version 3 learns it).
    pub(super) master_interval: Duration,
    pub(super) sighted: Sighted,
    /// Since when a lesser master, and no other, is heard.
    pub(super) lesser_since: Option<Instant>,
    /// The deadline was already put off because it was handled late.
    pub(super) listened_again: bool,
    /// Packets that the kernel dropped since the timer was last set.
    pub(super) dropped: u64,
    /// How often the deadline was put off because of such packets.
    pub(super) deaf_rounds: u32,
    /// The deadline has passed, and the group is waited for.
    pub(super) waits_for_group: bool,
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
pub(super) struct Claiming {
    /// The master that is preempted, or that has resigned.
    pub(super) from: Peer,
    /// When the advert is sent although nobody said that the addresses are held.
    pub(super) advert_by: Instant,
    pub(super) why: Why,
}

/// Why a master is succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    Preempts,
    Reclaims,
    /// It resigned.
    Resigned,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Master {
    pub(super) last_advert_at: Instant,
    pub(super) next_advert_at: Instant,
    /// It was silent for too long, and sends nothing before it has listened until
    /// `next_advert_at`.
    pub(super) listens_again: bool,
    /// Packets that the kernel dropped while it listens.
    pub(super) dropped: u64,
    /// How often it has listened once more because of such packets.
    pub(super) deaf_rounds: u32,
    pub(super) rival: Option<Rival>,
    /// The former master has let go by then, and its last answer to a question
    /// by ARP may be younger than our announcement.
    pub(super) announce_again_at: Option<Instant>,
    /// When the addresses were announced last because somebody let go of them.
    pub(super) disowned_at: Option<Instant>,
}

/// Another master, of lesser rank, that goes on all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rival {
    pub(super) peer: Peer,
    /// Between its adverts, as they say.
    pub(super) interval: Duration,
    pub(super) first_heard: Instant,
    pub(super) heard_at: Instant,
    pub(super) has_resigned: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leaving {
    pub(super) since: Instant,
    /// It was master, too, before.
    pub(super) rival: Option<IpAddr>,
    /// When it lets go although no successor was heard.
    pub(super) until: Instant,
    /// When it resigns once more: the first time may have been lost.
    pub(super) resign_at: Instant,
    pub(super) to: Destination,
}

/// What a router that hands over becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Destination {
    Stop,
    Yield,
    Fault,
    /// A backup, because another member of its group is one.
    Group,
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
    /// Remembers another master, and says so when it is new. One is remembered at a
    /// time, and that it resigned is told when it is silent for an interval: forged
    /// adverts make no more noise than a real rival.
    pub(super) fn see(self, now: Instant, peer: Peer, interval: Duration) -> (Self, Vec<Action>) {
        match self.rival {
            Some(rival) if rival.peer.address != peer.address => (self, vec![]),
            Some(rival) if peer.priority == 0 => {
                let rival = Some(Rival {
                    heard_at: now,
                    has_resigned: true,
                    ..rival
                });
                Self { rival, ..self }.hear_disowned(now)
            }
            Some(rival) => {
                let rival = Some(Rival {
                    peer,
                    interval,
                    heard_at: now,
                    has_resigned: false,
                    ..rival
                });
                (Self { rival, ..self }, vec![])
            }
            None if peer.priority == 0 => self.hear_disowned(now),
            None => {
                let rival = Some(Rival {
                    peer,
                    interval,
                    first_heard: now,
                    heard_at: now,
                    has_resigned: false,
                });
                let report = Action::Report(Notice::RivalHeard(peer));
                (Self { rival, ..self }, vec![Action::AnnounceVips, report])
            }
        }
    }

    /// Somebody was about to take over and has thought better of it, or was master and
    /// gives way: clients may have been told. They are told otherwise, now and when that
    /// host has let go. Not again within a second, for anybody can say so.
    pub(super) fn hear_disowned(self, now: Instant) -> (Self, Vec<Action>) {
        if self.disowned_at.is_some_and(|at| now < at + DISOWN_SPACING) {
            return (self, vec![]);
        }
        let master = Self {
            disowned_at: Some(now),
            announce_again_at: Some(now + 2 * LINGER),
            ..self
        };
        (master, vec![Action::AnnounceVips])
    }

    /// Forgets a rival that resigned `interval` ago, or that was not heard for the patience
    /// that its interval asks for, or ours if that is longer.
    pub(super) fn watch_rival(
        self,
        now: Instant,
        interval: Duration,
        patience: impl Fn(Duration) -> Duration,
    ) -> (Self, Vec<Action>) {
        match self.rival {
            Some(rival) if rival.has_resigned && now >= rival.heard_at + interval => {
                self.lose_rival()
            }
            Some(rival) if now > rival.heard_at + patience(interval.max(rival.interval)) => {
                self.lose_rival()
            }
            Some(_) | None => (self, vec![]),
        }
    }

    /// Announces once more when the former master has let go.
    pub(super) fn announce_again(self, now: Instant) -> (Self, Option<Action>) {
        match self.announce_again_at {
            Some(at) if at <= now => {
                let announce_again_at = None;
                let settled = Self {
                    announce_again_at,
                    ..self
                };
                (settled, Some(Action::AnnounceVips))
            }
            Some(_) | None => (self, None),
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
