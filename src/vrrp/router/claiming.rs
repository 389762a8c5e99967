//! About to succeed a master that serves: the addresses come here first, and clients
//! know it, before the advert that sends the other one away.

use std::time::Instant;

use super::role::{Claiming, Role, Sighted, Why};
use super::{Action, Cause, Event, Heard, LINGER, Notice, Peer, Router};
use crate::vrrp::group::Order;

impl Router {
    pub(super) fn in_claiming(
        &mut self,
        now: Instant,
        claiming: Claiming,
        event: Event,
    ) -> Vec<Action> {
        match event {
            Event::VipsHeld => return self.finish_claim(now, claiming),
            Event::Deadline if now >= claiming.advert_by => {
                let late = Action::Report(Notice::ClaimUnconfirmed);
                let rest = self.finish_claim(now, claiming);
                return [late].into_iter().chain(rest).collect();
            }
            Event::Heard(heard) => return self.hear_as_claiming(now, claiming, &heard),
            Event::Reconfigure(settings) => {
                self.settings = settings;
                let gives_up = self.give_up_if_outranked(now, claiming);
                return gives_up.unwrap_or_else(|| vec![Action::ClaimVips]);
            }
            Event::Influence(influence) => {
                self.influence = influence;
                if self.fault().is_some() {
                    return self.abandon(now);
                }
                return self.give_up_if_outranked(now, claiming).unwrap_or_default();
            }
            Event::Group(order) => return self.obey_as_claiming(now, claiming, order),
            Event::Yield => {
                self.yielded = true;
                return self.give_up(now, claiming.from);
            }
            Event::LinkDown(fault) => return self.lose_link(now, fault),
            Event::Shutdown => {
                let mut actions = self.disown(now);
                actions.push(self.enter(now, Role::Initialize, Cause::Shutdown));
                return actions;
            }
            Event::LinkUp { address } => self.link = Ok(address),
            Event::Ready(ready) => self.ready = ready,
            Event::Reclaim => self.yielded = false,
            Event::Deadline | Event::Dropped { .. } | Event::Startup | Event::VipsLeft => {}
        }
        vec![]
    }

    fn hear_as_claiming(&mut self, now: Instant, claiming: Claiming, heard: &Heard) -> Vec<Action> {
        let peer = Peer::from(heard);
        let resigns = peer.priority == 0 && peer.address == claiming.from.address;
        if resigns && claiming.why != Why::Resigned {
            // Nobody is left to be preempted, and others may want to.
            return self.finish_claim(now, claiming);
        }
        if peer.priority >= self.priority().get() {
            let interval = self.master_interval(heard);
            let backup = self.listen(now, interval, Sighted::Master(peer));
            self.role = Role::Backup(backup);
            return self.disown(now);
        }
        if peer.priority != 0 && claiming.why != Why::Resigned {
            let from = peer;
            self.role = Role::Claiming(Claiming { from, ..claiming });
        }
        vec![]
    }

    fn obey_as_claiming(&mut self, now: Instant, claiming: Claiming, order: Order) -> Vec<Action> {
        let steps_down = matches!(order, Order::StepDown(_));
        self.note_group(order);
        if self.fault().is_some() {
            self.abandon(now)
        } else if steps_down {
            self.give_up(now, claiming.from)
        } else {
            vec![]
        }
    }

    /// The advert: from here on it is master.
    fn finish_claim(&mut self, now: Instant, claiming: Claiming) -> Vec<Action> {
        let cause = match claiming.why {
            Why::Preempts => Cause::Preempts(claiming.from),
            Why::Reclaims => Cause::Reclaims(claiming.from),
            Why::Resigned => Cause::MasterResigned(claiming.from.address),
        };
        let mut actions = vec![];
        actions.extend(self.advert(self.priority().get()));
        actions.push(self.enter_master(now, cause, Some(now + 2 * LINGER)));
        actions
    }

    fn give_up_if_outranked(&mut self, now: Instant, claiming: Claiming) -> Option<Vec<Action>> {
        let outranked = claiming.from.priority >= self.priority().get();
        outranked.then(|| self.give_up(now, claiming.from))
    }

    /// Listens to the master again that it was about to preempt.
    fn give_up(&mut self, now: Instant, master: Peer) -> Vec<Action> {
        let interval = self.settings.advert_interval;
        let sighted = match master.priority {
            0 => Sighted::Nobody,
            _ => Sighted::Master(master),
        };
        self.role = Role::Backup(self.listen(now, interval, sighted));
        self.disown(now)
    }

    fn abandon(&mut self, now: Instant) -> Vec<Action> {
        let mut actions = self.disown(now);
        let cause = self.fault().unwrap_or(Cause::Fit);
        actions.push(self.enter(now, Role::Fault, cause));
        actions
    }

    /// Clients may have been told that the addresses are here. The resignation
    /// has the master announce that they are not, and until all have heard that they
    /// are served.
    fn disown(&mut self, now: Instant) -> Vec<Action> {
        self.lets_go_at = Some(now + LINGER);
        self.advert(0).into_iter().collect()
    }
}
