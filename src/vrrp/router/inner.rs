//! What others may ask a router, and what all its roles are made of.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::role::{Backup, Role, Sighted};
use super::{
    Action, Cause, Claim, Event, Heard, Notice, Peer, Phase, Priority, Router, Settings, State,
    Transition, Version, master_down_interval,
};
use crate::vrrp::advert::{Checksum, Forms};
use crate::vrrp::group::{Order, Rank, Standing};
use crate::vrrp::timers::skew_time;

impl Router {
    /// The state.
    pub fn state(&self) -> State {
        match self.role {
            Role::Initialize => State::Initialize,
            Role::Fault => State::Fault,
            Role::Backup(_) | Role::Claiming(_) => State::Backup,
            Role::Master(_) | Role::Leaving(_) => State::Master,
        }
    }

    /// What it is about, within its state.
    pub fn phase(&self) -> Phase {
        match self.role {
            Role::Claiming(_) => Phase::TakingOver,
            Role::Leaving(_) => Phase::HandingOver,
            Role::Backup(backup) if backup.waits_for_group => Phase::WaitsForGroup,
            Role::Initialize | Role::Fault | Role::Backup(_) | Role::Master(_) if self.yielded => {
                Phase::Yielded
            }
            Role::Initialize | Role::Fault | Role::Backup(_) | Role::Master(_) => Phase::Steady,
        }
    }

    /// Whether it has stopped altogether: nothing is left to wait for.
    pub fn is_idle(&self) -> bool {
        self.role == Role::Initialize && self.lets_go_at.is_none()
    }

    /// Whether it let go of the addresses because another router is master.
    pub fn was_succeeded(&self) -> bool {
        self.was_succeeded
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
        self.link.ok()
    }

    /// The master, if it is another router and known.
    pub fn master(&self) -> Option<Peer> {
        match self.role {
            Role::Backup(Backup {
                sighted: Sighted::Master(peer) | Sighted::Lesser(peer),
                ..
            }) => Some(peer),
            Role::Claiming(claiming) => Some(claiming.from).filter(|from| from.priority != 0),
            Role::Initialize
            | Role::Fault
            | Role::Backup(_)
            | Role::Master(_)
            | Role::Leaving(_) => None,
        }
    }

    /// Another master beside this one: a split brain.
    pub fn rival(&self) -> Option<Peer> {
        match self.role {
            Role::Master(master) => master.rival.map(|rival| rival.peer),
            Role::Initialize
            | Role::Fault
            | Role::Backup(_)
            | Role::Claiming(_)
            | Role::Leaving(_) => None,
        }
    }

    /// Whether it waits for an advert, and its deadline says that there was none. Before
    /// it is fed, so is every advert that its socket holds.
    pub fn listens(&self) -> bool {
        match self.role {
            Role::Backup(_) => true,
            Role::Master(master) => master.listens_again,
            Role::Initialize | Role::Fault | Role::Claiming(_) | Role::Leaving(_) => false,
        }
    }

    /// Until when it may announce its addresses without having looked at the LAN again:
    /// after that a backup may have them.
    pub fn announces_until(&self) -> Option<Instant> {
        match self.role {
            Role::Master(master) => {
                let patience = self.down_interval(self.settings.advert_interval);
                Some(master.last_advert_at + patience)
            }
            Role::Claiming(claiming) => Some(claiming.advert_by),
            Role::Initialize | Role::Fault | Role::Backup(_) | Role::Leaving(_) => None,
        }
    }

    /// What must become of the addresses.
    pub fn claim(&self) -> Claim {
        match self.role {
            Role::Master(_) | Role::Claiming(_) => Claim::Hold,
            Role::Leaving(_) => Claim::Keep,
            Role::Initialize | Role::Fault | Role::Backup(_) if self.lets_go_at.is_some() => {
                Claim::Keep
            }
            Role::Initialize if self.transitions == 0 && !self.begins_without => Claim::Undecided,
            Role::Backup(backup) if backup.sighted == Sighted::Nobody && !self.begins_without => {
                Claim::Undecided
            }
            Role::Initialize | Role::Fault | Role::Backup(_) => Claim::Release,
        }
    }

    /// What its sync group must know of it.
    pub fn standing(&self) -> Standing {
        if self.own_fault().is_some() && self.role != Role::Initialize {
            return Standing::Faulty;
        }
        match self.role {
            Role::Initialize | Role::Fault => Standing::Idle,
            Role::Backup(backup) if backup.waits_for_group => Standing::Ready,
            Role::Backup(backup) => match backup.sighted {
                Sighted::Master(peer) => Standing::Follows(self.rank_of(peer)),
                Sighted::Nobody | Sighted::Lesser(_) | Sighted::Resigned(_) => Standing::Listens,
            },
            Role::Claiming(_) | Role::Master(_) => Standing::Serves,
            Role::Leaving(_) => Standing::Leaves,
        }
    }

    /// The member of its group whose fault it was told to share.
    pub fn group_fault(&self) -> Option<&str> {
        self.group.fault.as_deref()
    }

    fn rank_of(&self, peer: Peer) -> Rank {
        match peer.priority.cmp(&self.priority().get()) {
            std::cmp::Ordering::Greater => Rank::Greater,
            std::cmp::Ordering::Equal => Rank::Equal,
            std::cmp::Ordering::Less if self.yielded => Rank::Yielded,
            std::cmp::Ordering::Less => Rank::Less,
        }
    }

    /// Takes off what was kept for those who did not know the successor yet.
    pub(super) fn let_go(&mut self, now: Instant, event: &Event) -> Option<Action> {
        let is_time = *event == Event::Deadline && self.lets_go_at.is_some_and(|at| at <= now);
        is_time.then(|| {
            self.lets_go_at = None;
            self.was_succeeded = true;
            Action::ReleaseVips
        })
    }

    /// Resigns, and releases what it has, at once.
    pub(super) fn drop_vips(&mut self) -> Vec<Action> {
        let resigns = match self.role {
            Role::Master(_) | Role::Leaving(_) | Role::Claiming(_) => self.advert(0),
            Role::Initialize | Role::Fault | Role::Backup(_) => {
                return self
                    .lets_go_at
                    .take()
                    .map_or(vec![], |_| vec![Action::ReleaseVips]);
            }
        };
        resigns.into_iter().chain([Action::ReleaseVips]).collect()
    }

    pub(super) fn note_group(&mut self, order: Order) {
        match order {
            Order::Member { decides_ties } => {
                self.group.is_member = true;
                self.group.decides_ties = decides_ties;
            }
            Order::Alone => self.group = super::Membership::default(),
            Order::Fault(member) => self.group.fault = member,
            Order::StepDown(member) => self.group.gave_up_for = member,
            Order::Go => {}
        }
    }

    /// Why it cannot be master, whatever the others of its group say.
    fn own_fault(&self) -> Option<Cause> {
        if let Err(fault) = self.link {
            return Some(Cause::LinkDown(fault));
        }
        let faults = &self.influence.faults;
        (!faults.is_empty()).then(|| Cause::Unfit(faults.clone()))
    }

    /// Why it cannot be master.
    pub(super) fn fault(&self) -> Option<Cause> {
        let of_group = || self.group.fault.clone().map(Cause::GroupFault);
        self.own_fault().or_else(of_group)
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
        skew_time(&self.settings.version, self.rank(), interval)
    }

    pub(super) fn down_interval(&self, interval: Duration) -> Duration {
        master_down_interval(&self.settings.version, self.rank(), interval)
    }

    /// The priority by which it waits: whoever has yielded is the last to take over.
    fn rank(&self) -> Priority {
        match self.yielded {
            true => Priority::LEAST,
            false => self.priority(),
        }
    }

    /// An advert, while there is an address that it could come from.
    pub(super) fn advert(&self, priority: u8) -> Option<Action> {
        let source = self.link.ok()?;
        Some(Action::SendAdvert {
            source,
            priority,
            forms: self.forms(source),
        })
    }

    /// The forms that the others take, as far as it is known and there is a choice.
    fn forms(&self, source: IpAddr) -> Forms {
        match (self.settings.version, source, self.settings.checksum) {
            (Version::V2 { .. }, _, _) => Forms::One(Checksum::MessageOnly),
            (Version::V3, IpAddr::V6(_), _) => Forms::One(Checksum::PseudoHeader),
            (Version::V3, IpAddr::V4(_), Some(form)) => Forms::One(form),
            (Version::V3, IpAddr::V4(_), None) => self.dialects.forms(),
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
