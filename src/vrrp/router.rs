//! The state machine of RFC 9568 §6.4 and RFC 3768 §6.4, as a value.
//!
//! Its driver feeds it events, performs the actions it returns in order, and
//! calls back at [`Router::deadline`]. A deadline lives inside the role that
//! waits for it, so leaving a role cancels its timer.
//!
//! One state is not the RFCs': *fault*, while the interface cannot carry
//! adverts, or while somebody says that the host is not fit to be master. A
//! router in fault holds no address, and comes back as one that has just started.

mod inner;
mod role;
mod text;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::advert::{Checksum, Forms};
use super::influence::Influence;
use super::receive::Heard;
use super::timers::master_down_interval;
use super::{Priority, Settings, Version};
use role::{Backup, Master, Role, Sighted};
pub use text::{Cause, LinkFault, Notice, Transition};

/// Two adverts of one router are never closer than this, the unit of the wire,
/// so that a flood is not answered packet for packet.
const ADVERT_SPACING: Duration = Duration::from_millis(10);

/// What happens to a router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Start taking part.
    Startup,
    /// An advert of this virtual router that passed every check.
    Heard(Heard),
    /// The deadline has come.
    Deadline,
    /// The interface can carry adverts, and this is its primary address.
    LinkUp {
        /// The address that adverts come from.
        address: IpAddr,
    },
    /// The interface cannot carry adverts.
    LinkDown(LinkFault),
    /// What is thought of its fitness from now on.
    Influence(Influence),
    /// Every address of the last [`Action::ClaimVips`] or
    /// [`Action::AnnounceVips`] is on its interface, and announced once.
    VipsHeld,
    /// Stop taking part.
    Shutdown,
    /// Go on with other settings. VRID and version stay: a router that changes
    /// these is another one.
    Reconfigure(Settings),
}

/// What the driver must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send an advert.
    SendAdvert {
        /// From this address.
        source: IpAddr,
        /// With this priority: the one it runs with, or 0.
        priority: u8,
        /// With these forms of checksum.
        forms: Forms,
    },
    /// Put the configured addresses on the interface, and announce them.
    ClaimVips,
    /// Announce the addresses again: others have seen another master.
    AnnounceVips,
    /// Take the addresses off the interface.
    ReleaseVips,
    /// Tell people.
    Report(Notice),
}

/// The state of a router, as people know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not taking part.
    Initialize,
    /// The interface cannot carry adverts.
    Fault,
    /// Listening for a master.
    Backup,
    /// Holds the addresses.
    Master,
}

/// What must become of the addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// On the interface.
    Hold,
    /// As they are: nobody has been heard yet, so what a crash left behind
    /// still works, and may turn out to be ours.
    Undecided,
    /// As they are, unannounced: another router takes over, and what is still
    /// on its way to this host is served until it has.
    Keep,
    /// Not on the interface.
    Release,
}

/// Another router of the same virtual router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Peer {
    /// Its primary address.
    pub address: IpAddr,
    /// Its priority, as last heard.
    pub priority: u8,
}

/// One virtual router on one host.
#[derive(Debug, Clone)]
pub struct Router {
    settings: Settings,
    /// The primary address of the interface, while it can carry adverts.
    address: Option<IpAddr>,
    link_fault: LinkFault,
    influence: Influence,
    role: Role,
    /// The form of checksum that the peer last heard uses.
    peer_checksum: Option<Checksum>,
    since: Instant,
    cause: Cause,
    transitions: u64,
}

impl Router {
    /// A router that does not take part yet, on an interface that is not known
    /// to work.
    pub fn new(settings: Settings, now: Instant) -> Self {
        Self {
            settings,
            address: None,
            link_fault: LinkFault::Missing,
            influence: Influence::default(),
            role: Role::Initialize,
            peer_checksum: None,
            since: now,
            cause: Cause::NotStarted,
            transitions: 0,
        }
    }

    /// Feeds one event. The caller performs the actions, in order.
    ///
    /// Before it feeds a deadline the caller feeds the adverts that its socket
    /// already holds: a master that was heard in time must not be overruled
    /// because nobody looked.
    pub fn handle(&mut self, now: Instant, event: Event) -> impl Iterator<Item = Action> + use<> {
        if let Event::Heard(heard) = &event {
            self.peer_checksum = Some(heard.checksum);
        }
        let actions = match (self.role, event) {
            (Role::Initialize, Event::Startup) => self.start(now, Cause::Started),
            (Role::Initialize | Role::Fault, Event::Heard(_) | Event::Deadline) => vec![],
            (Role::Initialize, Event::LinkUp { address }) => self.note_link(Ok(address)),
            (Role::Initialize, Event::LinkDown(fault)) => self.note_link(Err(fault)),
            (Role::Initialize, Event::Shutdown) => vec![],
            (Role::Initialize | Role::Fault, Event::Reconfigure(settings)) => {
                self.settings = settings;
                vec![]
            }

            (Role::Initialize, Event::Influence(influence)) => {
                self.influence = influence;
                vec![]
            }

            (Role::Fault, Event::LinkUp { address }) => {
                self.address = Some(address);
                self.recover(now, Cause::LinkUp)
            }
            (Role::Fault, Event::LinkDown(fault)) => {
                self.note_link(Err(fault));
                self.recover(now, Cause::LinkUp)
            }
            (Role::Fault, Event::Influence(influence)) => {
                self.influence = influence;
                self.recover(now, Cause::Fit)
            }

            (Role::Backup(backup), Event::Heard(heard)) => self.hear_as_backup(now, backup, &heard),
            (Role::Backup(backup), Event::Deadline) => self.backup_deadline(now, backup),
            (Role::Backup(backup), Event::Reconfigure(settings)) => {
                self.settings = settings;
                self.count_anew(now, backup);
                vec![]
            }
            (Role::Backup(backup), Event::Influence(influence)) => {
                self.influence = influence;
                self.count_anew(now, backup);
                self.leave_if_unfit(now)
            }

            (Role::Master(master), Event::Heard(heard)) => self.hear_as_master(now, master, &heard),
            (Role::Master(master), Event::Deadline) => self.master_deadline(now, master),
            (Role::Master(_), Event::Reconfigure(settings)) => {
                self.reconfigure_master(now, settings)
            }
            (Role::Master(_), Event::Influence(influence)) => {
                self.influence = influence;
                self.leave_if_unfit(now)
            }

            (
                Role::Initialize | Role::Fault | Role::Backup(_) | Role::Master(_),
                Event::VipsHeld,
            )
            | (Role::Fault | Role::Backup(_) | Role::Master(_), Event::Startup) => vec![],
            (Role::Backup(_) | Role::Master(_), Event::LinkUp { address }) => {
                self.note_link(Ok(address))
            }
            (Role::Backup(_) | Role::Master(_), Event::LinkDown(fault)) => self.fault(now, fault),
            (Role::Fault | Role::Backup(_) | Role::Master(_), Event::Shutdown) => {
                self.leave(now, Role::Initialize, Cause::Shutdown)
            }
        };
        actions.into_iter()
    }

    /// When to feed [`Event::Deadline`], unless another event comes first.
    pub fn deadline(&self) -> Option<Instant> {
        match self.role {
            Role::Initialize | Role::Fault => None,
            Role::Backup(backup) => Some(backup.master_down_at),
            Role::Master(master) => Some(master.next_advert_at),
        }
    }

    /// RFC 9568 §6.4.1. On an interface that does not work: fault.
    fn start(&mut self, now: Instant, cause: Cause) -> Vec<Action> {
        if self.address.is_none() {
            self.fault(now, self.link_fault)
        } else if !self.influence.faults.is_empty() {
            let cause = self.unfit();
            vec![self.enter(now, Role::Fault, cause)]
        } else if self.settings.priority == Priority::OWNER {
            self.become_master(now, Cause::Owner)
        } else {
            let interval = self.settings.advert_interval;
            let backup = self.listen(now, interval, Sighted::Nobody);
            vec![self.enter(now, Role::Backup(backup), cause)]
        }
    }

    /// A router in fault of which something is known anew.
    fn recover(&mut self, now: Instant, cause: Cause) -> Vec<Action> {
        if self.address.is_none() {
            self.cause = Cause::LinkDown(self.link_fault);
            vec![]
        } else if !self.influence.faults.is_empty() {
            self.cause = self.unfit();
            vec![]
        } else {
            self.start(now, cause)
        }
    }

    fn leave_if_unfit(&mut self, now: Instant) -> Vec<Action> {
        if self.influence.faults.is_empty() {
            return vec![];
        }
        let cause = self.unfit();
        self.leave(now, Role::Fault, cause)
    }

    fn unfit(&self) -> Cause {
        Cause::Unfit(self.influence.faults.clone())
    }

    fn note_link(&mut self, link: Result<IpAddr, LinkFault>) -> Vec<Action> {
        match link {
            Ok(address) => self.address = Some(address),
            Err(fault) => {
                self.address = None;
                self.link_fault = fault;
            }
        }
        vec![]
    }

    fn fault(&mut self, now: Instant, fault: LinkFault) -> Vec<Action> {
        let actions = self.leave(now, Role::Fault, Cause::LinkDown(fault));
        self.note_link(Err(fault));
        actions
    }

    /// Stops taking part. A master resigns, so that a backup need not wait for
    /// its silence (RFC 9568 §6.4.3); a backup says nothing (§6.4.2).
    fn leave(&mut self, now: Instant, role: Role, cause: Cause) -> Vec<Action> {
        let mut actions = vec![];
        if let Role::Master(_) = self.role {
            actions.extend(self.advert(0));
            actions.push(Action::ReleaseVips);
        }
        actions.push(self.enter(now, role, cause));
        actions
    }

    /// RFC 9568 §6.4.2.
    fn hear_as_backup(&mut self, now: Instant, backup: Backup, heard: &Heard) -> Vec<Action> {
        let peer = Peer::from(heard);
        if peer.priority == 0 {
            self.role = Role::Backup(self.resigned(now, backup, peer));
        } else if !self.settings.preempt || peer.priority >= self.priority().get() {
            let interval = self.master_interval(heard);
            self.role = Role::Backup(self.listen(now, interval, Sighted::Master(peer)));
        } else if !matches!(backup.sighted, Sighted::Master(master) if master.address != peer.address)
        {
            let sighted = Sighted::Lesser(peer);
            self.role = Role::Backup(Backup { sighted, ..backup });
        }
        vec![]
    }

    /// The master is silent, unless we were asleep ourselves: then what it said
    /// meanwhile may be lost, and it gets the time of one advert to say it
    /// again. Once, so that a host that is always late still takes over.
    fn backup_deadline(&mut self, now: Instant, backup: Backup) -> Vec<Action> {
        let late = now.saturating_duration_since(backup.master_down_at);
        if now < backup.master_down_at {
            vec![]
        } else if late > backup.master_interval && !backup.listened_again {
            let wait = backup.master_interval + self.skew_time(backup.master_interval);
            self.role = Role::Backup(Backup {
                master_down_at: now + wait,
                listened_again: true,
                ..backup
            });
            vec![Action::Report(Notice::ListensAgain { late })]
        } else {
            self.become_master(now, backup.cause_to_take_over(now))
        }
    }

    /// RFC 9568 §6.4.2: the advert first, then the addresses.
    fn become_master(&mut self, now: Instant, cause: Cause) -> Vec<Action> {
        let master = Master {
            last_advert_at: now,
            next_advert_at: now + self.settings.advert_interval,
            rival: None,
        };
        let mut actions = vec![];
        actions.extend(self.advert(self.priority().get()));
        actions.push(Action::ClaimVips);
        actions.push(self.enter(now, Role::Master(master), cause));
        actions
    }

    /// RFC 9568 §6.4.3. The preempt flag has no part in it.
    fn hear_as_master(&mut self, now: Instant, master: Master, heard: &Heard) -> Vec<Action> {
        let peer = Peer::from(heard);
        let (master, mut actions) = master.see(now, peer);
        self.role = Role::Master(master);
        let own = (self.priority().get(), self.address);
        if peer.priority == 0 {
            actions.extend(self.answer(now, master));
        } else if (peer.priority, Some(peer.address)) > own {
            let interval = self.master_interval(heard);
            let backup = self.listen(now, interval, Sighted::Master(peer));
            actions = vec![Action::ReleaseVips];
            actions.push(self.enter(now, Role::Backup(backup), Cause::Outranked(peer)));
        } else if self.settings.version == Version::V3 {
            // RFC 3768 has the master stay silent, and so had RFC 5798.
            actions.extend(self.assert_mastership(now, master));
        }
        actions
    }
}

#[cfg(test)]
mod tests;
