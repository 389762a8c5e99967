//! The state machine of RFC 9568 §6.4 and RFC 3768 §6.4, as a value.
//!
//! Its driver feeds it events, performs the actions it returns in order, and
//! calls back at [`Router::deadline`]. A deadline lives inside the role that
//! waits for it, so leaving a role cancels its timer.
//!
//! One state is not the RFCs': *fault*, while the interface cannot carry
//! adverts, or while somebody says that the host is not fit to be master. A
//! router in fault holds no address, and comes back as one that has just started.
//!
//! # No packet is lost on purpose
//!
//! ```text
//!                     ┌──────── preempts ───────┐ addresses held and announced
//!                     │                         ▼
//!   start ──▶ Backup ─┼─ nobody, silent, ──▶ Master ◀─┐ nobody took over
//!               ▲     │  resigned                │    │
//!               │     └─▶ Claiming ──────────────┘    │
//!               │                               ▼     │
//!               └────── successor heard ◀──── Leaving ┘ stop, yield, unfit
//! ```
//! A master that leaves on purpose resigns, and keeps addresses and forwarding
//! until it hears its successor. A backup that preempts has its addresses held and
//! announced before its advert sends the other one away. And whoever has heard a
//! successor keeps the addresses for [`LINGER`], unannounced, because not every
//! successor is that gentle.

mod backup;
mod claiming;
mod event;
mod inner;
mod leaving;
mod master;
mod role;
mod text;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::dialects::Dialects;
use super::influence::Influence;
use super::receive::Heard;
use super::timers::master_down_interval;
use super::{Priority, Settings, Version};
pub use event::{Action, Claim, Event, Peer, Phase, State};
use role::{Role, Sighted};
pub use text::{Cause, InterfaceName, LinkFault, Notice, Transition};

/// Two adverts of one router are never closer than this, the unit of the wire,
/// so that a flood is not answered packet for packet.
const ADVERT_SPACING: Duration = Duration::from_millis(10);

/// How long the addresses stay after another router was heard as master. It may
/// have sent its advert before it has them, as the RFCs want it and keepalived
/// does.
pub const LINGER: Duration = Duration::from_millis(250);

/// How long a router that preempts waits at most to be told that its addresses
/// are held.
const CLAIM_WITHIN: Duration = Duration::from_secs(5);

/// How often at most a router listens again, for one advert each time, because packets
/// were dropped before it could hear them. A master whose adverts are lost in a flood
/// must then be missed nine times in a row, not three. And where there is no master, the
/// flood costs six intervals and skews more, not an address for as long as somebody
/// floods.
const DEAF_ROUNDS: u32 = 6;

/// One virtual router on one host.
#[derive(Debug, Clone)]
pub struct Router {
    settings: Settings,
    /// The address that adverts come from, or why the interface cannot carry any.
    link: Result<IpAddr, LinkFault>,
    influence: Influence,
    /// Whether it may preempt, as far as the host goes.
    ready: bool,
    /// It leaves mastership to others.
    yielded: bool,
    /// It listens at least until then.
    quiet_until: Option<Instant>,
    /// The addresses are here since an earlier run, which was master when it ended, and
    /// nobody else was heard since.
    resumes: bool,
    /// None of the addresses can be here: whoever had them has left them to another.
    begins_without: bool,
    /// It had the addresses last, and let go because another router is master.
    was_succeeded: bool,
    group: Membership,
    role: Role,
    /// The addresses are taken off then: another router is master.
    lets_go_at: Option<Instant>,
    /// The forms of checksum that others use.
    dialects: Dialects,
    since: Instant,
    cause: Cause,
    transitions: u64,
}

/// What the sync group has told.
#[derive(Debug, Clone, Default)]
struct Membership {
    /// It takes over only when the group does.
    is_member: bool,
    /// Between routers of equal priority, the address in this LAN decides for the
    /// whole group.
    decides_ties: bool,
    /// The member whose fault is that of all.
    fault: Option<String>,
    /// The member that is why mastership was given up.
    gave_up_for: String,
}

impl Router {
    /// A router that does not take part yet, on an interface that is not known
    /// to work.
    pub fn new(settings: Settings, now: Instant) -> Self {
        Self {
            settings,
            link: Err(LinkFault::Missing),
            influence: Influence::default(),
            ready: true,
            yielded: false,
            quiet_until: None,
            resumes: false,
            begins_without: false,
            was_succeeded: false,
            group: Membership::default(),
            role: Role::Initialize,
            lets_go_at: None,
            dialects: Dialects::default(),
            since: now,
            cause: Cause::NotStarted,
            transitions: 0,
        }
    }

    /// The same, where its addresses are to go if they are still here: another router has
    /// them, or another instance still keeps them.
    pub fn without_vips(self) -> Self {
        Self {
            begins_without: true,
            ..self
        }
    }

    /// Feeds one event. The caller performs the actions, in order.
    ///
    /// Before it feeds a deadline the caller feeds the adverts that its socket
    /// already holds: a master that was heard in time must not be overruled
    /// because nobody looked.
    pub fn handle(&mut self, now: Instant, event: Event) -> impl Iterator<Item = Action> + use<> {
        self.dialects.forget(now);
        let is_twin = matches!(&event, Event::Heard(heard) if self.dialects.hear(now, heard));
        let let_go = self.let_go(now, &event);
        let actions = match self.role {
            _ if is_twin => vec![],
            Role::Initialize => self.in_initialize(now, event),
            Role::Fault => self.in_fault(now, event),
            Role::Backup(backup) => self.in_backup(now, backup, event),
            Role::Claiming(claiming) => self.in_claiming(now, claiming, event),
            Role::Master(master) => {
                let (master, starved) = self.notice_starvation(now, master);
                let actions = self.in_master(now, master, event);
                starved.into_iter().chain(actions).collect()
            }
            Role::Leaving(leaving) => self.in_leaving(now, leaving, event),
        };
        let_go.into_iter().chain(actions)
    }

    /// When to feed [`Event::Deadline`], unless another event comes first.
    pub fn deadline(&self) -> Option<Instant> {
        let role = match self.role {
            Role::Initialize | Role::Fault => None,
            Role::Backup(backup) if backup.waits_for_group => None,
            Role::Backup(backup) => Some(backup.master_down_at),
            Role::Claiming(claiming) => Some(claiming.advert_by),
            Role::Master(master) => Some(master.next_advert_at),
            Role::Leaving(leaving) => Some(leaving.until.min(leaving.resign_at)),
        };
        role.into_iter().chain(self.lets_go_at).min()
    }

    fn in_initialize(&mut self, now: Instant, event: Event) -> Vec<Action> {
        match event {
            Event::Startup => {
                let delay = self.settings.takeover.startup_delay;
                self.quiet_until = (!delay.is_zero()).then(|| now + delay);
                return self.start(now, Cause::Started);
            }
            Event::LinkUp { address } => self.link = Ok(address),
            Event::LinkDown(fault) => self.link = Err(fault),
            Event::Influence(influence) => self.influence = influence,
            Event::Ready(ready) => self.ready = ready,
            Event::Yield => self.yielded = true,
            Event::Reclaim => self.yielded = false,
            Event::Group(order) => self.note_group(order),
            Event::Reconfigure(settings) => self.settings = settings,
            Event::VipsLeft => self.resumes = true,
            Event::Heard(_)
            | Event::Deadline
            | Event::Dropped { .. }
            | Event::VipsHeld
            | Event::Shutdown => {}
        }
        vec![]
    }

    fn in_fault(&mut self, now: Instant, event: Event) -> Vec<Action> {
        let over = match event {
            Event::LinkUp { address } => {
                self.link = Ok(address);
                Cause::LinkUp
            }
            // Over it is not, but may have another cause.
            Event::LinkDown(fault) => {
                self.link = Err(fault);
                Cause::LinkUp
            }
            Event::Influence(influence) => {
                self.influence = influence;
                Cause::Fit
            }
            Event::Group(order) => {
                self.note_group(order);
                Cause::Fit
            }
            Event::Ready(ready) => {
                self.ready = ready;
                return vec![];
            }
            Event::Yield | Event::Reclaim => {
                self.yielded = event == Event::Yield;
                return vec![];
            }
            Event::Reconfigure(settings) => {
                self.settings = settings;
                return vec![];
            }
            Event::Shutdown => return vec![self.enter(now, Role::Initialize, Cause::Shutdown)],
            Event::VipsLeft => {
                self.resumes = true;
                return vec![];
            }
            Event::Heard(_)
            | Event::Deadline
            | Event::Dropped { .. }
            | Event::VipsHeld
            | Event::Startup => return vec![],
        };
        self.recover(now, over)
    }

    /// RFC 9568 §6.4.1. On an interface that does not work: fault.
    fn start(&mut self, now: Instant, cause: Cause) -> Vec<Action> {
        if let Some(fault) = self.fault() {
            vec![self.enter(now, Role::Fault, fault)]
        } else if self.settings.priority == Priority::OWNER
            && self.quiet_until.is_none_or(|until| until <= now)
            && !self.yielded
            && !self.group.is_member
        {
            self.become_master(now, Cause::Owner)
        } else {
            let interval = self.settings.advert_interval;
            let backup = self.listen(now, interval, Sighted::Nobody);
            vec![self.enter(now, Role::Backup(backup), cause)]
        }
    }

    /// A router in fault of which something is known anew. `cause` is why it takes part
    /// again, if it can.
    fn recover(&mut self, now: Instant, cause: Cause) -> Vec<Action> {
        match self.fault() {
            Some(fault) => {
                self.cause = fault;
                vec![]
            }
            None => self.start(now, cause),
        }
    }

    /// The interface failed under a router that took part: nobody can be told,
    /// and nobody be waited for.
    fn lose_link(&mut self, now: Instant, fault: LinkFault) -> Vec<Action> {
        let mut actions = self.drop_vips();
        self.link = Err(fault);
        actions.push(self.enter(now, Role::Fault, Cause::LinkDown(fault)));
        actions
    }
}

#[cfg(test)]
mod tests;
