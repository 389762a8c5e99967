//! Being master.

use std::time::{Duration, Instant};

use super::role::{Destination, Master, Role, Sighted};
use super::{
    ADVERT_SPACING, Action, Cause, DEAF_ROUNDS, Event, Heard, LINGER, Notice, Peer, Router,
    Settings, Version,
};
use crate::vrrp::group::Order;

impl Router {
    pub(super) fn in_master(&mut self, now: Instant, master: Master, event: Event) -> Vec<Action> {
        match event {
            Event::Heard(heard) => return self.hear_as_master(now, master, &heard),
            Event::Deadline => return self.master_deadline(now, master),
            Event::Reconfigure(settings) => return self.reconfigure_master(now, settings),
            Event::Influence(influence) => {
                self.influence = influence;
                return self.leave_if_unfit(now);
            }
            Event::Group(order) => return self.obey_as_master(now, order),
            Event::Yield => {
                self.yielded = true;
                return self.hand_over(now, Destination::Yield);
            }
            Event::Shutdown => return self.hand_over(now, Destination::Stop),
            Event::LinkDown(fault) => return self.lose_link(now, fault),
            Event::LinkUp { address } => self.link = Ok(address),
            Event::Ready(ready) => self.ready = ready,
            Event::Dropped { packets } if master.listens_again => {
                let dropped = master.dropped.saturating_add(packets);
                self.role = Role::Master(Master { dropped, ..master });
            }
            Event::Reclaim
            | Event::Dropped { .. }
            | Event::Startup
            | Event::VipsHeld
            | Event::VipsLeft => {}
        }
        vec![]
    }

    /// RFC 9568 §6.4.2: the advert first, then the addresses.
    pub(super) fn become_master(&mut self, now: Instant, cause: Cause) -> Vec<Action> {
        let mut actions = vec![];
        actions.extend(self.advert(self.priority().get()));
        actions.push(Action::ClaimVips);
        actions.push(self.enter_master(now, cause, None));
        actions
    }

    /// Nobody else is master now, so whoever yielded serves again.
    pub(super) fn enter_master(
        &mut self,
        now: Instant,
        cause: Cause,
        announce_again_at: Option<Instant>,
    ) -> Action {
        self.resumes = false;
        self.was_succeeded = false;
        self.yielded = false;
        self.lets_go_at = None;
        let role = Self::fresh_master(now, self.settings.advert_interval, announce_again_at);
        self.enter(now, role, cause)
    }

    pub(super) fn fresh_master(
        now: Instant,
        interval: Duration,
        announce_again_at: Option<Instant>,
    ) -> Role {
        Role::Master(Master {
            last_advert_at: now,
            next_advert_at: now + interval,
            listens_again: false,
            dropped: 0,
            deaf_rounds: 0,
            rival: None,
            announce_again_at,
            disowned_at: None,
        })
    }

    /// A master that could not send for so long that a backup has taken over by now
    /// listens before it goes on: what it hears then may be its successor. It keeps
    /// addresses and state meanwhile, for there may be nobody else. Once, so that a host
    /// that is always late still serves.
    pub(super) fn notice_starvation(
        &mut self,
        now: Instant,
        master: Master,
    ) -> (Master, Option<Action>) {
        let interval = self.settings.advert_interval;
        let silent = now.saturating_duration_since(master.last_advert_at);
        if master.listens_again || silent <= self.down_interval(interval) {
            return (master, None);
        }
        let listening = Master {
            next_advert_at: now + interval + self.skew_time(interval),
            listens_again: true,
            dropped: 0,
            ..master
        };
        self.role = Role::Master(listening);
        (listening, Some(Action::Report(Notice::Starved { silent })))
    }

    /// A master that listened while packets were dropped may have missed its successor. It
    /// listens once more, [`DEAF_ROUNDS`] times at most, as a backup would.
    fn listen_on(&mut self, now: Instant, master: Master) -> Option<Notice> {
        let dropped = master.dropped;
        if !master.listens_again || dropped == 0 || master.deaf_rounds >= DEAF_ROUNDS {
            return None;
        }
        let interval = self.settings.advert_interval;
        self.role = Role::Master(Master {
            next_advert_at: now + interval + self.skew_time(interval),
            dropped: 0,
            deaf_rounds: master.deaf_rounds + 1,
            ..master
        });
        Some(Notice::HeardTooLittle { dropped })
    }

    /// Somebody else became master while this one was starved. It goes on as one that
    /// has just started, whatever the other's priority: if it preempts, then gently.
    fn succeeded(&mut self, now: Instant, master: Master, heard: &Heard) -> Vec<Action> {
        let peer = Peer::from(heard);
        let silent = now.saturating_duration_since(master.last_advert_at);
        let backup = self.listen(now, self.settings.advert_interval, Sighted::Nobody);
        let cause = Cause::Succeeded { peer, silent };
        let entered = self.enter(now, Role::Backup(backup), cause);
        self.hear_as_backup(now, backup, heard);
        vec![Action::ReleaseVips, entered]
    }

    /// RFC 9568 §6.4.3. The preempt flag has no part in it.
    fn hear_as_master(&mut self, now: Instant, master: Master, heard: &Heard) -> Vec<Action> {
        let peer = Peer::from(heard);
        if master.listens_again {
            return match peer.priority {
                0 => vec![],
                _ => self.succeeded(now, master, heard),
            };
        }
        if peer.priority != 0 && self.is_outranked(now, master, peer) {
            return self.give_way(now, master, heard);
        }
        let interval = self.master_interval(heard);
        let (master, mut actions) = if self.is_farewell(now, master, peer) {
            master.hear_disowned(now)
        } else {
            master.see(now, peer, interval)
        };
        self.role = Role::Master(master);
        if peer.priority == 0 {
            actions.extend(self.answer(now, master));
        } else if self.settings.version == Version::V3 {
            // RFC 3768 has the master stay silent, and so had RFC 5798.
            actions.extend(self.assert_mastership(now, master));
        }
        actions
    }

    /// Follows the better master. One advert more tells it that there were two: after a
    /// split brain it would hear no rival, and clients behind this host would go on
    /// sending here.
    fn give_way(&mut self, now: Instant, master: Master, heard: &Heard) -> Vec<Action> {
        let peer = Peer::from(heard);
        let interval = self.master_interval(heard);
        let mut actions: Vec<_> = self.advert(self.priority().get()).into_iter().collect();
        let backup = self.listen(now, interval, Sighted::Master(peer));
        let entered = self.enter(now, Role::Backup(backup), Cause::Outranked(peer));
        match master.rival {
            // It has been master for long: there is nothing to bridge.
            Some(_) => actions.push(Action::ReleaseVips),
            None => self.lets_go_at = Some(now + LINGER),
        }
        actions.push(entered);
        actions
    }

    /// Whether this advert is no rival's: a former master that gives way says so once,
    /// soon after it has heard of the new one.
    fn is_farewell(&self, now: Instant, master: Master, peer: Peer) -> bool {
        let soon = LINGER.max(self.settings.advert_interval);
        peer.priority != 0 && master.rival.is_none() && now < self.since + soon
    }

    /// A greater priority, or the same and a greater address (RFC 9568 §6.4.3,
    /// 740). In a group the addresses of one LAN decide for all; in the others a
    /// master waits for that, as long as a backup would for a master.
    fn is_outranked(&self, now: Instant, master: Master, peer: Peer) -> bool {
        let own = (self.priority().get(), self.address());
        let waits = peer.priority == own.0
            && self.group.is_member
            && !self.group.decides_ties
            && master.rival.is_none_or(|rival| {
                now < rival.first_heard + self.down_interval(self.settings.advert_interval)
            });
        (peer.priority, Some(peer.address)) > own && !waits
    }

    /// The advert is due. The next one keeps the rhythm, unless this one is so
    /// late that it would be due at once.
    fn master_deadline(&mut self, now: Instant, master: Master) -> Vec<Action> {
        if now < master.next_advert_at {
            return vec![];
        }
        let interval = self.settings.advert_interval;
        if let Some(why) = self.listen_on(now, master) {
            return vec![Action::Report(why)];
        }
        let in_rhythm = master.next_advert_at + interval;
        let (master, actions) = master.watch_rival(now, interval, |it| self.down_interval(it));
        let (master, again) = master.announce_again(now);
        let resumes = master.listens_again;
        self.role = Role::Master(Master {
            listens_again: false,
            deaf_rounds: 0,
            last_advert_at: now,
            next_advert_at: if in_rhythm > now {
                in_rhythm
            } else {
                now + interval
            },
            ..master
        });
        let advert = self.advert(self.priority().get());
        let resumed = [Action::AnnounceVips, Action::Report(Notice::StaysMaster)];
        let resumed = resumed.into_iter().filter(|_| resumes);
        let actions = again.into_iter().chain(resumed).chain(actions);
        advert.into_iter().chain(actions).collect()
    }

    /// RFC 9568 §6.4.3: priority 0 is answered at once, and the timer starts anew.
    fn answer(&mut self, now: Instant, master: Master) -> Option<Action> {
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
    fn assert_mastership(&mut self, now: Instant, master: Master) -> Option<Action> {
        let next_advert_at = master.next_advert_at;
        let action = self.answer(now, master);
        if let Role::Master(answered) = &mut self.role {
            answered.next_advert_at = answered.next_advert_at.min(next_advert_at);
        }
        action
    }

    /// The new values go out at once: a backup that learnt a shorter interval
    /// must not wait for an advert that comes later now.
    fn reconfigure_master(&mut self, now: Instant, settings: Settings) -> Vec<Action> {
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

    fn obey_as_master(&mut self, now: Instant, order: Order) -> Vec<Action> {
        let steps_down = matches!(order, Order::StepDown(_));
        self.note_group(order);
        if steps_down && self.fault().is_none() {
            return self.hand_over(now, Destination::Group);
        }
        self.leave_if_unfit(now)
    }

    /// A master that is not fit serves on until a fit one does.
    pub(super) fn leave_if_unfit(&mut self, now: Instant) -> Vec<Action> {
        let Some(fault) = self.fault() else {
            return vec![];
        };
        if let Role::Master(_) = self.role {
            let mut actions = vec![Action::Report(Notice::Unfit(fault))];
            actions.extend(self.hand_over(now, Destination::Fault));
            return actions;
        }
        vec![self.enter(now, Role::Fault, fault)]
    }
}
