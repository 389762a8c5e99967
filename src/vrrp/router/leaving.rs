//! Handing over: the router has resigned, and serves until its successor is heard
//! or its patience is over.

use std::time::{Duration, Instant};

use super::role::{Destination, Leaving, Role, Sighted};
use super::{Action, Cause, Event, Heard, LINGER, Notice, Peer, Router};

impl Router {
    /// A master resigns, so that a backup need not wait for its silence (RFC
    /// 9568 §6.4.3), and keeps the addresses for now.
    pub(super) fn hand_over(&mut self, now: Instant, to: Destination) -> Vec<Action> {
        let limit = self.settings.takeover.handover_timeout;
        let rival = self.rival().map(|rival| rival.address);
        let leaving = Leaving {
            since: now,
            rival,
            until: now + limit,
            resign_at: now + self.resign_interval(),
            to,
        };
        self.role = Role::Leaving(leaving);
        let mut actions: Vec<_> = self.advert(0).into_iter().collect();
        if limit.is_zero() {
            actions.extend(self.conclude(now, leaving, None));
        } else {
            actions.push(Action::Report(Notice::HandsOver { limit }));
        }
        actions
    }

    pub(super) fn in_leaving(
        &mut self,
        now: Instant,
        leaving: Leaving,
        event: Event,
    ) -> Vec<Action> {
        match event {
            Event::Heard(heard) if self.is_successor(now, leaving, &heard) => {
                return self.conclude(now, leaving, Some(Peer::from(&heard)));
            }
            Event::Deadline if now >= leaving.until => return self.conclude(now, leaving, None),
            Event::Deadline if now >= leaving.resign_at => {
                let resign_at = now + self.resign_interval();
                self.role = Role::Leaving(Leaving {
                    resign_at,
                    ..leaving
                });
                return self.advert(0).into_iter().collect();
            }
            Event::Shutdown => self.head_for(leaving, Destination::Stop),
            Event::Influence(influence) => {
                self.influence = influence;
                return self.reconsider(now, leaving);
            }
            Event::Group(order) => {
                self.note_group(order);
                return self.reconsider(now, leaving);
            }
            Event::Yield => {
                self.yielded = true;
                if leaving.to == Destination::Group {
                    self.head_for(leaving, Destination::Yield);
                }
            }
            Event::Reclaim => {
                self.yielded = false;
                if leaving.to == Destination::Yield {
                    return self.resume(now);
                }
            }
            Event::LinkDown(fault) => return self.lose_link_leaving(now, leaving, fault),
            Event::LinkUp { address } => self.link = Ok(address),
            Event::Ready(ready) => self.ready = ready,
            Event::Reconfigure(settings) => self.settings = settings,
            Event::Heard(_)
            | Event::Deadline
            | Event::Dropped { .. }
            | Event::Startup
            | Event::VipsHeld
            | Event::VipsLeft => {}
        }
        vec![]
    }

    /// Whoever says to be master has taken over, of whatever priority: nobody better did so
    /// before. Only who was master already, in a split brain, says nothing new by that before
    /// the others have had their time.
    fn is_successor(&self, now: Instant, leaving: Leaving, heard: &Heard) -> bool {
        let is_rival = leaving.rival == Some(heard.source);
        let others_had_time = now >= leaving.since + self.resign_interval();
        heard.advert.priority != 0 && (!is_rival || others_had_time)
    }

    fn head_for(&mut self, leaving: Leaving, to: Destination) {
        self.role = Role::Leaving(Leaving { to, ..leaving });
    }

    /// Whether it is fit may have changed.
    fn reconsider(&mut self, now: Instant, leaving: Leaving) -> Vec<Action> {
        match (leaving.to, self.fault()) {
            (Destination::Fault, None) => return self.resume(now),
            (Destination::Yield | Destination::Group, Some(_)) => {
                self.head_for(leaving, Destination::Fault);
            }
            (Destination::Stop | Destination::Fault, _)
            | (Destination::Yield | Destination::Group, None) => {}
        }
        vec![]
    }

    /// The successor is there, or nobody came.
    fn conclude(&mut self, now: Instant, leaving: Leaving, successor: Option<Peer>) -> Vec<Action> {
        let waited = now.saturating_duration_since(leaving.since);
        let mut actions = match successor {
            Some(_) => {
                self.lets_go_at = Some(now + LINGER);
                vec![]
            }
            None if leaving.to == Destination::Yield => {
                let mut actions = vec![Action::Report(Notice::NobodyTookOver { waited })];
                actions.extend(self.resume(now));
                return actions;
            }
            None => vec![
                Action::Report(Notice::NobodyTookOver { waited }),
                Action::ReleaseVips,
            ],
        };
        let (role, cause) = self.destination(now, leaving.to, successor);
        actions.push(self.enter(now, role, cause));
        actions
    }

    fn destination(
        &mut self,
        now: Instant,
        to: Destination,
        successor: Option<Peer>,
    ) -> (Role, Cause) {
        let sighted = successor.map_or(Sighted::Nobody, Sighted::Master);
        let backup = Role::Backup(self.listen(now, self.settings.advert_interval, sighted));
        match to {
            Destination::Stop => (Role::Initialize, Cause::Shutdown),
            Destination::Yield => (backup, successor.map_or(Cause::Fit, Cause::HandedOver)),
            Destination::Fault => (Role::Fault, self.fault().unwrap_or(Cause::Fit)),
            Destination::Group => (backup, Cause::Group(self.group.gave_up_for.clone())),
        }
    }

    /// Goes on as master, and says so at once: a backup may be counting.
    fn resume(&mut self, now: Instant) -> Vec<Action> {
        self.yielded = false;
        let cause = self.cause.clone();
        let mut actions = vec![];
        actions.extend(self.advert(self.priority().get()));
        actions.push(Action::AnnounceVips);
        // It was master all the time.
        self.role = Self::fresh_master(now, self.settings.advert_interval, None);
        self.cause = cause;
        actions.push(Action::Report(Notice::StaysMaster));
        actions
    }

    fn lose_link_leaving(
        &mut self,
        now: Instant,
        leaving: Leaving,
        fault: super::LinkFault,
    ) -> Vec<Action> {
        if leaving.to != Destination::Stop {
            return self.lose_link(now, fault);
        }
        self.link = Err(fault);
        vec![
            Action::ReleaseVips,
            self.enter(now, Role::Initialize, Cause::Shutdown),
        ]
    }

    /// More than an advert interval, and so more than any backup's skew time: who
    /// has heard the first one is not kept waiting by the second.
    fn resign_interval(&self) -> Duration {
        self.settings.advert_interval * 5 / 4
    }
}
