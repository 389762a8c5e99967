//! What the arms of the state machine are made of, and what others may ask it.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::role::{Backup, Master, Role, Sighted};
use super::{
    ADVERT_SPACING, Action, Cause, Claim, Heard, Notice, Peer, Priority, Router, Settings, State,
    Transition, Version, master_down_interval,
};
use crate::vrrp::advert::{Checksum, Forms};
use crate::vrrp::timers::skew_time;

impl Router {
    /// The state.
    pub fn state(&self) -> State {
        match self.role {
            Role::Initialize => State::Initialize,
            Role::Fault => State::Fault,
            Role::Backup(_) => State::Backup,
            Role::Master(_) => State::Master,
        }
    }

    /// Since when it is in this state.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Why it is in this state.
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// The priority it runs with.
    pub fn priority(&self) -> Priority {
        self.influence.effective(self.settings.priority)
    }

    /// How often the state changed.
    pub fn transitions(&self) -> u64 {
        self.transitions
    }

    /// What it runs with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The address its adverts come from, while the interface works.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// The master, if it is another router and known.
    pub fn master(&self) -> Option<Peer> {
        match self.role {
            Role::Backup(Backup {
                sighted: Sighted::Master(peer) | Sighted::Lesser(peer),
                ..
            }) => Some(peer),
            Role::Initialize | Role::Fault | Role::Backup(_) | Role::Master(_) => None,
        }
    }

    /// Another master beside this one: a split brain.
    pub fn rival(&self) -> Option<Peer> {
        match self.role {
            Role::Master(master) => master.rival.map(|rival| rival.peer),
            Role::Initialize | Role::Fault | Role::Backup(_) => None,
        }
    }

    /// What must become of the addresses.
    pub fn claim(&self) -> Claim {
        match self.role {
            Role::Master(_) => Claim::Hold,
            Role::Initialize if self.transitions == 0 => Claim::Undecided,
            Role::Backup(backup) if backup.sighted == Sighted::Nobody => Claim::Undecided,
            Role::Initialize | Role::Fault | Role::Backup(_) => Claim::Release,
        }
    }

    /// RFC 9568 §6.4.2 (385): the timer becomes the skew time.
    pub(super) fn resigned(&self, now: Instant, backup: Backup, peer: Peer) -> Backup {
        Backup {
            listens_since: now,
            master_down_at: now + self.skew_time(backup.master_interval),
            sighted: Sighted::Resigned(peer),
            listened_again: false,
            ..backup
        }
    }

    /// A backup that heard `sighted` just now.
    pub(super) fn listen(&self, now: Instant, interval: Duration, sighted: Sighted) -> Backup {
        Backup {
            listens_since: now,
            master_down_at: now + self.down_interval(interval),
            master_interval: interval,
            sighted,
            listened_again: false,
        }
    }

    /// The master's interval: version 3 learns it, version 2 has checked that it
    /// is ours.
    pub(super) fn master_interval(&self, heard: &Heard) -> Duration {
        match self.settings.version {
            Version::V2 { .. } => self.settings.advert_interval,
            Version::V3 => heard.advert.interval,
        }
    }

    pub(super) fn skew_time(&self, interval: Duration) -> Duration {
        skew_time(&self.settings.version, self.priority(), interval)
    }

    fn down_interval(&self, interval: Duration) -> Duration {
        master_down_interval(&self.settings.version, self.priority(), interval)
    }

    /// The advert is due. The next one keeps the rhythm, unless this one is so
    /// late that it would be due at once.
    pub(super) fn master_deadline(&mut self, now: Instant, master: Master) -> Vec<Action> {
        if now < master.next_advert_at {
            return vec![];
        }
        let interval = self.settings.advert_interval;
        let in_rhythm = master.next_advert_at + interval;
        let (master, actions) = master.watch_rival(now, self.down_interval(interval));
        self.role = Role::Master(Master {
            last_advert_at: now,
            next_advert_at: if in_rhythm > now {
                in_rhythm
            } else {
                now + interval
            },
            ..master
        });
        self.advert(self.priority().get())
            .into_iter()
            .chain(actions)
            .collect()
    }

    /// RFC 9568 §6.4.3: priority 0 is answered at once, and the timer starts anew.
    pub(super) fn answer(&mut self, now: Instant, master: Master) -> Option<Action> {
        let at = now.max(master.last_advert_at + ADVERT_SPACING);
        if at > now {
            self.role = Role::Master(Master {
                next_advert_at: at.min(master.next_advert_at),
                ..master
            });
            return None;
        }
        self.role = Role::Master(Master {
            last_advert_at: now,
            next_advert_at: now + self.settings.advert_interval,
            ..master
        });
        self.advert(self.priority().get())
    }

    /// RFC 9568 §6.4.3 (730): the lesser master is shown that there is a better
    /// one. The timer goes on.
    pub(super) fn assert_mastership(&mut self, now: Instant, master: Master) -> Option<Action> {
        let next_advert_at = master.next_advert_at;
        let action = self.answer(now, master);
        if let Role::Master(answered) = &mut self.role {
            answered.next_advert_at = answered.next_advert_at.min(next_advert_at);
        }
        action
    }

    /// Something changed that its timer depends on: the time that is left is
    /// counted anew from the last advert.
    pub(super) fn count_anew(&mut self, now: Instant, backup: Backup) {
        let learnt = matches!(backup.sighted, Sighted::Master(_) | Sighted::Resigned(_));
        let master_interval = match self.settings.version {
            Version::V3 if learnt => backup.master_interval,
            Version::V2 { .. } | Version::V3 => self.settings.advert_interval,
        };
        let wait = match backup.sighted {
            Sighted::Resigned(_) => self.skew_time(master_interval),
            Sighted::Nobody | Sighted::Master(_) | Sighted::Lesser(_) => {
                self.down_interval(master_interval)
            }
        };
        let master_down_at = if backup.listened_again {
            backup.master_down_at
        } else {
            now.max(backup.listens_since + wait)
        };
        self.role = Role::Backup(Backup {
            master_down_at,
            master_interval,
            ..backup
        });
    }

    /// The new values go out at once: a backup that learnt a shorter interval
    /// must not wait for an advert that comes later now.
    pub(super) fn reconfigure_master(&mut self, now: Instant, settings: Settings) -> Vec<Action> {
        self.settings = settings;
        if let Role::Master(master) = &mut self.role {
            master.last_advert_at = now;
            master.next_advert_at = now + self.settings.advert_interval;
        }
        let mut actions = vec![];
        actions.extend(self.advert(self.priority().get()));
        actions.push(Action::ClaimVips);
        actions
    }

    /// An advert, while there is an address that it could come from.
    pub(super) fn advert(&self, priority: u8) -> Option<Action> {
        let source = self.address?;
        Some(Action::SendAdvert {
            source,
            priority,
            forms: self.forms(source),
        })
    }

    /// The form that the peers use, as far as it is known and there is a choice.
    fn forms(&self, source: IpAddr) -> Forms {
        match (self.settings.version, source, self.peer_checksum) {
            (Version::V2 { .. }, _, _) => Forms::One(Checksum::MessageOnly),
            (Version::V3, IpAddr::V6(_), _) => Forms::One(Checksum::PseudoHeader),
            (Version::V3, IpAddr::V4(_), Some(form)) => Forms::One(form),
            // A backup says nothing, and one that takes the other form alone
            // would hold this master for dead.
            (Version::V3, IpAddr::V4(_), None) => Forms::Both,
        }
    }

    /// Changes the state and says so.
    pub(super) fn enter(&mut self, now: Instant, role: Role, cause: Cause) -> Action {
        let from = self.state();
        self.role = role;
        self.since = now;
        self.cause = cause.clone();
        self.transitions += 1;
        Action::Report(Notice::Changed(Transition {
            from,
            to: self.state(),
            cause,
        }))
    }
}
